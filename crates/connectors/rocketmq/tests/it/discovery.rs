//! Queues that appear later.

use std::time::Duration;

use riverrun_testkit::{RocketMqOptions, rocketmq, wait_until};

use crate::harness::{Beside, LIMIT, Reading, beside, people, people_of, rows};

#[test]
fn a_new_queue_joins_a_running_job_and_is_read_from_its_beginning() {
    let (beside, topic) = (beside(), rocketmq().topic("joins", 1));
    beside.send_people(&beside.queue(&topic, 0), 0..5);
    let mut reading = Reading::start(&people(&topic, &[("scanStartupMode", "latest")]));
    assert_eq!(reading.enumerator.discover().unwrap().again, Some(Duration::from_secs(30)));
    rocketmq().create_topic(&topic, 2);
    let fresh = Beside::of(rocketmq());
    // it was written to before it is found, and the strategy is the end: which is for what was there at the start
    fresh.send_people(&fresh.queue(&topic, 1), 5..8);
    let mut found = Vec::new();
    wait_until(LIMIT, "the enumerator to find both", || {
        found.extend(reading.discover().unwrap());
        found.len() == 2
    });
    found.sort();
    assert_eq!(found, [format!("{topic}/broker-a/1"), format!("{topic}/broker-b/1")]);
    assert_eq!(reading.take_exactly(3), rows(5..8));
}

#[test]
fn what_a_checkpoint_knows_is_not_found_again_and_what_is_new_since_is_read_whole() {
    let (beside, topic) = (beside(), rocketmq().topic("knows", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..2);
    let table = people(&topic, &[("scanStartupMode", "latest")]);
    let first = Reading::start(&table);
    let (known, splits) = (first.known.clone(), first.reader.splits());
    drop(first);
    rocketmq().create_topic(&topic, 2);
    let fresh = Beside::of(rocketmq());
    fresh.send_people(&queue, 2..3);
    fresh.send_people(&fresh.queue(&topic, 1), 3..4);
    let mut reading = Reading::restore(&table, known, splits);
    assert_eq!(reading.take_exactly(2), rows(2..4));
}

#[test]
fn a_failed_look_up_is_an_error_to_be_tried_again_and_not_a_topic_without_queues() {
    let mut server = RocketMqOptions::new().brokers(1).start();
    let topic = server.topic("look_up", 1);
    let beside = Beside::of(&server);
    let queue = beside.queue(&topic, 0);
    let mut reading = Reading::start(&people_of(&server, &topic, &[]));
    beside.send_people(&queue, 0..1);
    assert_eq!(reading.take_exactly(1), rows(0..1));
    server.kill9_name_server();
    let error = reading.discover().unwrap_err();
    assert!(error.is_retryable(), "{error}");
    // what is known is read on
    beside.send_people(&queue, 1..4);
    assert_eq!(reading.take_exactly(3), rows(1..4));
    server.restart();
    wait_until(LIMIT, "the topic to be known again", || match reading.discover() {
        Ok(found) => found.is_empty(),
        Err(error) => {
            assert!(error.is_retryable(), "{error}");
            false
        }
    });
}
