//! Brokers that die and come back under source and sink.

use std::time::Duration;

use riverrun_connect::{Flush, Polled};
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq::ROCKETMQ;
use riverrun_testkit::RocketMqOptions;

use crate::harness::{Beside, Reading, batch, people_of, rows, sorted, task, texts, try_writer};

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_the_reader_nothing() {
    let mut server = RocketMqOptions::new().brokers(1).start();
    let topic = server.topic("killed", 2);
    let beside = Beside::of(&server);
    beside.send_people(&beside.queue(&topic, 0), 0..500);
    let table = people_of(&server, &topic, &[]);
    let mut reading = Reading::start(&table);
    assert_eq!(reading.take_exactly(500), rows(0..500));
    server.kill9_broker('a');
    for _ in 0..20 {
        // the reader waits, and says so in the log
        assert!(matches!(reading.reader.poll(Duration::from_millis(100)).unwrap(), Polled::Nothing));
    }
    server.restart();
    let beside = Beside::of(&server);
    beside.send_people(&beside.queue(&topic, 1), 500..600);
    assert_eq!(reading.take_exactly(100), rows(500..600));
}

#[test]
fn what_was_acknowledged_survives_the_broker_and_what_was_not_is_sent_again() {
    let mut server = RocketMqOptions::new().brokers(1).start();
    let topic = server.topic("survives", 2);
    let table = people_of(&server, &topic, &[("retryTimes", "50")]);
    let mut writer = try_writer(&table).unwrap();
    let write = |writer: &mut Box<dyn riverrun_connect::SinkWriter>, numbers: std::ops::Range<i32>| {
        let rows: Vec<String> = numbers.map(|n| format!("{n}|n{n}")).collect();
        writer.write(batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    write(&mut writer, 0..300).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    let mut second = try_writer(&table).unwrap();
    let sending = std::thread::spawn(move || {
        let rows: Vec<String> = (300..400).map(|n| format!("{n}|n{n}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let outcome = second.write(batch(&table, &rows)).and_then(|()| second.flush(Flush::Barrier));
        outcome.is_ok()
    });
    server.kill9_broker('a');
    server.restart();
    let was_sent = sending.join().unwrap();
    let mut reading = Reading::start(&people_of(&server, &topic, &[("scan.bounded.mode", "latest-offset")]));
    let mut found = Vec::new();
    while let Some((_, batch)) = reading.next().unwrap() {
        found.extend(texts(&batch));
    }
    let mut found = sorted(found);
    // at least once: a repeated send may be there twice
    found.dedup();
    let expected = if was_sent { rows(0..400) } else { rows(0..300) };
    assert!(expected.iter().all(|row| found.contains(row)), "{} rows", found.len());
}

#[test]
fn a_topic_that_leaves_with_its_only_broker_is_no_mistake_of_the_user_once_it_was_there() {
    let mut server = RocketMqOptions::new().brokers(1).start();
    let topic = server.topic("leaves", 1);
    let group = riverrun_testkit::unique("pg");
    let options = [("sink.delivery-guarantee", "exactly-once"), ("producerGroup", &*group), ("retryTimes", "1")];
    let table = people_of(&server, &topic, &options);
    let mut writer = try_writer(&table).unwrap();
    writer.write(batch(&table, &["1|n1"])).unwrap();
    server.kill9_broker('a');
    let mut write = || writer.write(batch(&table, &["2|n2"])).and_then(|()| writer.prepare(CheckpointId(1)).map(drop));
    riverrun_testkit::wait_until(crate::harness::LIMIT, "the topic to be gone", || {
        let error = write().unwrap_err();
        assert!(error.is_retryable(), "{error}");
        error.to_string().contains("not there any more")
    });
    // an attempt that goes on from a checkpoint, and one that begins
    let source = ROCKETMQ.source.unwrap()(&table).unwrap();
    let sink = ROCKETMQ.sink.unwrap()(&table).unwrap();
    let mut goes_on = task(0);
    goes_on.job.restored = Some(CheckpointId(1));
    for (context, is_retryable) in [(goes_on, true), (task(0), false)] {
        let errors = [source.enumerator(&context).err().unwrap(), sink.writer(&context).err().unwrap()];
        assert!(errors.iter().all(|error| error.is_retryable() == is_retryable), "{errors:?}");
    }
}
