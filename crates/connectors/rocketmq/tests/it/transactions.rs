//! Half messages: when they are visible, and what is asked about them.

use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Commit, Commits, Committable, Sink, TableContext};
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq::ROCKETMQ;
use riverrun_testkit::{rocketmq, unique};

use crate::harness::{batch, beside, people, sorted, task};

/// A table whose sink commits.
pub(crate) fn exactly_once(topic: &str) -> TableContext {
    let group = unique("pg");
    people(topic, &[("sink.delivery-guarantee", "exactly-once"), ("producerGroup", &group)])
}

pub(crate) fn sink(table: &TableContext) -> Box<dyn Sink> {
    ROCKETMQ.sink.unwrap()(table).unwrap()
}

pub(crate) fn done(outcome: Result<Commit>) {
    match outcome.unwrap() {
        Commit::Done => {}
        lost => panic!("{lost:?}"),
    }
}

pub(crate) fn rows(numbers: std::ops::Range<i32>) -> Vec<String> {
    numbers.map(|n| format!("{n}|n{n}")).collect()
}

pub(crate) fn bodies(numbers: std::ops::Range<i32>) -> Vec<String> {
    sorted(numbers.map(|n| format!("{n},n{n}")).collect())
}

pub(crate) fn as_batch(table: &TableContext, rows: &[String]) -> riverrun_data::Batch {
    batch(table, &rows.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn rows_are_visible_when_their_checkpoint_is_committed_and_once_however_often_it_is() {
    let (beside, topic) = (beside(), rocketmq().topic("tx", 2));
    let table = exactly_once(&topic);
    let sink = sink(&table);
    assert_eq!(sink.commits(), Commits::Always);
    let mut committer = sink.committer(&task(0)).unwrap();
    done(committer.recover(None, &[]));
    let mut writer = sink.writer(&task(0)).unwrap();
    writer.write(as_batch(&table, &rows(0..300))).unwrap();
    let first = writer.prepare(CheckpointId(1)).unwrap();
    assert!(!first.is_empty() && first.len() <= 4);
    writer.write(as_batch(&table, &rows(300..400))).unwrap();
    assert!(writer.prepare(CheckpointId(2)).unwrap().len() <= 4);
    assert_eq!(beside.read_all(&topic).len(), 0);
    done(committer.commit(CheckpointId(1), &first));
    assert_eq!(beside.bodies(&topic, 300), bodies(0..300));
    done(committer.commit(CheckpointId(1), &first));
    done(sink.committer(&task(0)).unwrap().commit(CheckpointId(1), &first));
    done(sink.committer(&task(0)).unwrap().recover(Some(CheckpointId(1)), &first));
    assert_eq!(beside.bodies(&topic, 300), bodies(0..300));
    assert!(writer.prepare(CheckpointId(3)).unwrap().is_empty(), "an interval without rows has no transaction");
}

#[test]
fn what_a_dead_process_has_committed_in_part_is_completed_by_the_next() {
    let (beside, topic) = (beside(), rocketmq().topic("tx_part", 2));
    let table = exactly_once(&topic);
    let first = sink(&table);
    let mut writer = first.writer(&task(0)).unwrap();
    writer.write(as_batch(&table, &rows(0..100))).unwrap();
    let prepared = writer.prepare(CheckpointId(7)).unwrap();
    writer.write(as_batch(&table, &rows(100..110))).unwrap();
    let (some, _): (Vec<Committable>, Vec<Committable>) = (prepared[..1].to_vec(), prepared[1..].to_vec());
    done(first.committer(&task(0)).unwrap().commit(CheckpointId(7), &some));
    drop((writer, first));
    let mut committer = sink(&table).committer(&task(0)).unwrap();
    done(committer.recover(Some(CheckpointId(7)), &prepared));
    assert_eq!(beside.bodies(&topic, 100), bodies(0..100));
}

#[test]
fn a_transaction_that_stays_open_until_the_broker_asks_about_it_is_visible_once() {
    let (beside, topic) = (beside(), rocketmq().topic("tx_asked", 1));
    let table = exactly_once(&topic);
    let sink = sink(&table);
    let mut writer = sink.writer(&task(0)).unwrap();
    writer.write(as_batch(&table, &rows(0..20))).unwrap();
    let prepared = writer.prepare(CheckpointId(1)).unwrap();
    // the broker asks after 6 s, every 5 s
    std::thread::sleep(Duration::from_secs(18));
    assert_eq!(beside.read_all(&topic).len(), 0, "a question is never answered by a commit");
    let mut committer = sink.committer(&task(0)).unwrap();
    done(committer.commit(CheckpointId(1), &prepared));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(beside.bodies(&topic, 20), bodies(0..20));
}
