//! Brokers that die, come back, and forget.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use riverrun_connect::{Flush, Polled};
use riverrun_testkit::{KafkaServer, Record, kafka};

use crate::harness::{LIMIT, Reading, batch, people, sorted, texts, writer};

fn expected(rows: std::ops::Range<i32>) -> Vec<String> {
    sorted(rows.map(|n| format!("{n}|n{n}")).collect())
}

#[test]
fn a_reader_goes_on_after_its_broker_was_killed() {
    let mut broker = KafkaServer::start();
    let topic = broker.topic("killed", 2);
    let produce = |broker: &KafkaServer, rows: std::ops::Range<i32>| {
        broker.produce(&topic, rows.map(|n| Record::value(format!("{n},n{n}")).partition(n % 2)));
    };
    produce(&broker, 0..2000);
    let mut reading = Reading::start(&people(&broker.bootstrap(), &topic, &[]));
    let mut rows = reading.take(2000);
    broker.kill9();
    // Nobody is there: the reader waits, and does not fail.
    for _ in 0..10 {
        assert!(matches!(reading.reader.poll(Duration::from_millis(100)).unwrap(), Polled::Nothing));
    }
    broker.restart();
    produce(&broker, 2000..4000);
    rows.extend(reading.take_exactly(2000));
    assert_eq!(sorted(rows), expected(0..4000));
}

#[test]
fn a_reader_that_has_not_read_yet_finds_everything_after_a_restart() {
    let mut broker = KafkaServer::start();
    let topic = broker.topic("killed_early", 1);
    broker.produce(&topic, (0..10).map(|n| Record::value(format!("{n},n{n}"))));
    let table = people(&broker.bootstrap(), &topic, &[("scan.bounded.mode", "latest-offset")]);
    let mut reading = Reading::start(&table);
    broker.kill9();
    broker.restart();
    assert_eq!(sorted(reading.rest()), expected(0..10));
}

#[test]
fn a_writer_loses_nothing_when_its_broker_is_killed() {
    let mut broker = KafkaServer::start();
    let topic = broker.topic("killed_writer", 2);
    let table = people(&broker.bootstrap(), &topic, &[]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut writer = writer(&table);
            let mut n = 0;
            let begin = Instant::now();
            while !done.load(Ordering::Relaxed) {
                let rows: Vec<String> = (n..n + 100).map(|n| format!("{n}|n{n}")).collect();
                writer.write(batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
                n += 100;
                if n % 1000 == 0 {
                    writer.flush(Flush::Barrier).unwrap();
                }
                assert!(begin.elapsed() < LIMIT * 2, "the writer hangs");
                thread::yield_now();
            }
            writer.flush(Flush::End).unwrap();
            n
        });
        let _ = broker.read(&topic, 2000, LIMIT);
        broker.kill9();
        broker.restart();
        let before = broker.read_all(&topic).len();
        let _ = broker.read(&topic, before + 2000, LIMIT);
        done.store(true, Ordering::Relaxed);
        let written = writing.join().unwrap();
        let mut values: Vec<i32> = broker
            .read_all(&topic)
            .iter()
            .map(|record| record.text().split(',').next().unwrap().parse().unwrap())
            .collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values, (0..written).collect::<Vec<_>>());
    });
}

#[test]
fn a_flush_without_a_broker_ends_with_the_delivery_timeout() {
    let mut broker = KafkaServer::start();
    let topic = broker.topic("gone_writer", 1);
    let table = people(
        &broker.bootstrap(),
        &topic,
        &[("properties.delivery.timeout.ms", "2000"), ("properties.request.timeout.ms", "1000")],
    );
    let mut writer = writer(&table);
    broker.kill9();
    let begin = Instant::now();
    let error = writer.write(batch(&table, &["1|a"])).and_then(|()| writer.flush(Flush::Barrier)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("topic: {topic}")) && text.contains("delivery.timeout.ms"), "{text}");
    assert!(error.is_retryable());
    assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());
}

/// Removes the records before an offset, as retention does.
fn delete_records(topic: &str, before: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka().bootstrap()).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(before)).unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    block_on(admin.delete_records(&list, &options)).unwrap();
}

/// Waits for a future that other threads complete.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn records_that_are_gone_are_passed_over_as_the_reset_says() {
    let topic = kafka().topic("removed", 1);
    kafka().produce(&topic, (0..10).map(|n| Record::value(format!("{n},n{n}"))));
    delete_records(&topic, 6);
    let read = |options: &[(&str, &str)]| {
        let specific =
            [("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", "partition:0,offset:2")];
        let all: Vec<_> = specific.iter().chain(options).copied().collect();
        Reading::start(&people(&kafka().bootstrap(), &topic, &all))
    };
    assert_eq!(read(&[]).take_exactly(4), expected(6..10));
    let mut latest = read(&[("properties.auto.offset.reset", "latest")]);
    latest.expect_silence();
    kafka().produce(&topic, [Record::value("10,n10")]);
    assert_eq!(latest.take_exactly(1), ["10|n10"]);
    let error = read(&[("properties.auto.offset.reset", "none")]).error().to_string();
    assert!(
        error.contains("the records from offset 2 on are gone") && error.contains(&format!("topic: {topic}")),
        "{error}"
    );
    // A bounded source whose last records are gone ends.
    assert_eq!(
        read(&[("scan.bounded.mode", "specific-offsets"), ("scan.bounded.specific-offsets", "partition:0,offset:4")])
            .rest(),
        Vec::<String>::new()
    );
}

#[test]
fn a_topic_that_is_deleted_while_it_is_read_ends_the_job() {
    let broker = KafkaServer::start();
    let topic = broker.topic("deleted", 1);
    broker.produce_lines(&topic, ["1,a"]);
    let options = [
        ("properties.topic.metadata.refresh.interval.ms", "500"),
        ("properties.topic.metadata.propagation.max.ms", "1000"),
    ];
    let mut reading = Reading::start(&people(&broker.bootstrap(), &topic, &options));
    assert_eq!(reading.take(1), ["1|a"]);
    broker.delete_topic(&topic);
    let error = reading.error().to_string();
    assert!(error.contains("is gone") && error.contains(&format!("topic: {topic}")), "{error}");
}

#[test]
fn a_reader_survives_a_cut_network() {
    let (broker, proxy) = KafkaServer::start_behind_proxy();
    let topic = broker.topic("cut", 1);
    let mut reading = Reading::start(&people(&proxy.address().to_string(), &topic, &[]));
    broker.produce_lines(&topic, ["1,a"]);
    assert_eq!(reading.take(1), ["1|a"]);
    proxy.cut();
    for _ in 0..5 {
        match reading.reader.poll(Duration::from_millis(100)).unwrap() {
            Polled::Nothing => {}
            Polled::Rows { batch, .. } => panic!("{:?}", texts(&batch)),
            Polled::Finished(split) => panic!("{split} ended"),
        }
    }
    proxy.heal();
    broker.produce_lines(&topic, ["2,b"]);
    assert_eq!(reading.take_exactly(1), ["2|b"]);
}
