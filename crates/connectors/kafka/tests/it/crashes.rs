//! Crashes between any two calls, against the suite that every sink with two phases must pass.

use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use riverrun_connect::Sink;
use riverrun_data::Batch;
use riverrun_testkit::suites::two_phase::{self, Destination};
use riverrun_testkit::{KafkaServer, kafka};

use crate::harness::{LIMIT, batch};
use crate::transactions::Attempt;

/// A topic of its own, on a broker.
struct Topic<'a> {
    broker: &'a KafkaServer,
    name: String,
    /// One for all looks, since it takes long to connect.
    reader: BaseConsumer,
}

fn topic(broker: &KafkaServer) -> Topic<'_> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap()).set("group.id", "crashes").set("enable.auto.commit", "false");
    config.set("isolation.level", "read_committed").set("enable.partition.eof", "true").set("fetch.wait.max.ms", "5");
    Topic { broker, name: broker.topic("tx_crashes", 1), reader: config.create().unwrap() }
}

impl Topic<'_> {
    fn attempt(&self) -> Attempt {
        Attempt::with(&self.broker.bootstrap(), &self.name, &self.name, &[])
    }
}

impl Destination<Batch> for Topic<'_> {
    fn sink(&mut self) -> Box<dyn Sink> {
        self.attempt().sink
    }

    fn rows(&mut self, numbers: Range<u64>) -> Batch {
        let rows: Vec<String> = numbers.map(|n| format!("{n}|x")).collect();
        batch(&self.attempt().table, &rows.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn visible(&mut self) -> Vec<u64> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, 0, Offset::Beginning).unwrap();
        self.reader.assign(&list).unwrap();
        let (mut numbers, end) = (Vec::new(), Instant::now() + LIMIT);
        loop {
            match self.reader.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    let text = String::from_utf8(record.payload().unwrap().to_vec()).unwrap();
                    numbers.push(text.split(',').next().unwrap().parse().unwrap());
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return numbers,
                Some(Err(error)) => panic!("{error}"),
                None => assert!(Instant::now() < end, "the topic cannot be read"),
            }
        }
    }

    fn unfinished(&mut self) -> Vec<String> {
        // Readers of committed rows get past everything that is there: what is written now is seen.
        let before = self.visible().len();
        self.broker.produce_lines(&self.name, ["0,end"]);
        if self.visible().len() == before + 1 { Vec::new() } else { vec!["a transaction".to_owned()] }
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_crashes_at_random() {
    two_phase::random_crashes(0..4, || topic(kafka()));
}

#[test]
#[ignore = "long: crashes after every call, and many at random"]
fn nothing_is_lost_or_doubled_by_a_crash_after_any_call() {
    two_phase::crash_after_every_call(1..4, || topic(kafka()));
    two_phase::random_crashes(100..200, || topic(kafka()));
}
