//! Where reading ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use riverrun_connect::Boundedness;
use riverrun_rocketmq::ROCKETMQ;
use riverrun_rocketmq_client::Message;
use riverrun_testkit::rocketmq;

use crate::harness::{Reading, beside, people, rows};

#[test]
fn a_bounded_source_ends_where_the_queues_ended_when_it_started() {
    let (beside, topic) = (beside(), rocketmq().topic("bounded", 2));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..2000);
    let table = people(&topic, &[("scan.bounded.mode", "latest-offset")]);
    assert_eq!(ROCKETMQ.source.unwrap()(&table).unwrap().boundedness(), Boundedness::Bounded);
    let mut reading = Reading::start(&table);
    beside.send_people(&queue, 2000..2100);
    assert_eq!(reading.rest(), rows(0..2000));
    assert_eq!(reading.finished.len(), 4, "queues without messages end too");
}

#[test]
fn it_ends_where_the_last_messages_are_filtered_out() {
    let (beside, topic) = (beside(), rocketmq().topic("bounded_filtered", 1));
    let queue = beside.queue(&topic, 0);
    beside.send(&queue, [Message::new(&topic, "1,n1").tags("a"), Message::new(&topic, "2,n2").tags("b")]);
    let mut reading = Reading::start(&people(&topic, &[("scan.bounded.mode", "latest-offset"), ("tag", "a")]));
    assert_eq!(reading.rest(), rows(1..2));
}

#[test]
fn it_ends_before_a_time_that_is_over() {
    let (beside, topic) = (beside(), rocketmq().topic("bounded_time", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..5);
    std::thread::sleep(Duration::from_millis(50));
    beside.send_people(&queue, 5..8);
    let end = beside.read_all(&topic)[5].store_timestamp.to_string();
    assert_eq!(Reading::start(&people(&topic, &[("endTime", &end)])).rest(), rows(0..5));
}

#[test]
fn it_reads_on_until_a_time_that_is_to_come() {
    let (beside, topic) = (beside(), rocketmq().topic("bounded_future", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..3);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut reading = Reading::start(&people(&topic, &[("endTime", &(now + 3000).to_string())]));
    beside.send_people(&queue, 3..6);
    assert_eq!(reading.rest(), rows(0..6));
}
