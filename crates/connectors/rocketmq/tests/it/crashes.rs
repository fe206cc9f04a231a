//! Crashes between any two calls, against the suite that every sink with two phases must pass.

use std::ops::Range;

use riverrun_connect::{Sink, TableContext};
use riverrun_data::Batch;
use riverrun_testkit::rocketmq;
use riverrun_testkit::suites::two_phase::{self, Destination};

use crate::harness::{Beside, batch, beside};
use crate::transactions::{exactly_once, sink};

struct Topic {
    beside: Beside,
    name: String,
    table: TableContext,
}

fn topic() -> Topic {
    let name = rocketmq().topic("tx_crashes", 1);
    Topic { beside: beside(), table: exactly_once(&name), name }
}

impl Destination<Batch> for Topic {
    fn sink(&mut self) -> Box<dyn Sink> {
        sink(&self.table)
    }

    fn rows(&mut self, numbers: Range<u64>) -> Batch {
        let rows: Vec<String> = numbers.map(|n| format!("{n}|x")).collect();
        batch(&self.table, &rows.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn visible(&mut self) -> Vec<u64> {
        let number = |message: riverrun_rocketmq_client::ReceivedMessage| {
            let text = String::from_utf8(message.into_body().to_vec()).unwrap();
            text.split(',').next().unwrap().parse().unwrap()
        };
        self.beside.read_all(&self.name).into_iter().map(number).collect()
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_crashes_at_random() {
    two_phase::random_crashes(0..3, topic);
}

#[test]
#[ignore = "long: crashes after every call, and many at random"]
fn nothing_is_lost_or_doubled_by_a_crash_after_any_call() {
    two_phase::crash_after_every_call(1..3, topic);
    two_phase::random_crashes(100..140, topic);
}
