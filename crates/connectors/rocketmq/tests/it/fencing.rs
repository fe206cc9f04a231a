//! Two processes that commit the same checkpoint: one whose requests are kept back by the network, as if it slept, and one that takes over.
//! Whatever comes to the broker late, every message is visible once.

use std::thread;
use std::time::Duration;

use riverrun_connect::{Committable, Sink, TableContext};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::{RocketMqOptions, rocketmq, unique, wait_until};

use crate::harness::{Beside, LIMIT, beside, people, task};
use crate::relay::{Kept, Relay, Request};
use crate::transactions::{as_batch, bodies, done, exactly_once, rows, sink};

const CHECKPOINT: CheckpointId = CheckpointId(7);

/// A checkpoint that is complete and not committed; its sink, and the same sink behind a network that keeps requests back.
struct Case {
    topic: String,
    prepared: Vec<Committable>,
    heir: Box<dyn Sink>,
    sleeper: Box<dyn Sink>,
    relay: Relay,
}

impl Case {
    fn new(name: &str) -> Self {
        let topic = rocketmq().topic(name, 2);
        let relay = Relay::to("broker-a", rocketmq().broker('a').parse().unwrap(), 2);
        let table = exactly_once(&topic);
        let mut slow = table.clone();
        slow.options.insert("nameServerAddress".into(), relay.name_server());
        let (heir, sleeper) = (sink(&table), sink(&slow));
        // through the relay, which knows one broker: the checkpoint is of that one
        let mut writer = sleeper.writer(&task(0)).unwrap();
        writer.write(as_batch(&slow, &rows(0..30))).unwrap();
        let prepared = writer.prepare(CHECKPOINT).unwrap();
        assert_eq!(prepared.len(), 2);
        Self { topic, prepared, heir, sleeper, relay }
    }

    /// The sleeper commits until what is to be kept back is; then the heir takes over, and then the sleeper wakes.
    fn run(self, kept: Kept, is_recovery: bool) {
        let Self { topic, prepared, heir, sleeper, relay } = self;
        relay.keep(kept);
        let commit = |sink: &dyn Sink, is_recovery: bool| {
            let mut committer = sink.committer(&task(0)).unwrap();
            if is_recovery {
                committer.recover(Some(CHECKPOINT), &prepared)
            } else {
                committer.commit(CHECKPOINT, &prepared)
            }
        };
        thread::scope(|scope| {
            let sleeping = scope.spawn(|| done(commit(&*sleeper, is_recovery)));
            wait_until(LIMIT, "requests to be kept back", || relay.kept() > 0);
            assert_eq!(beside().read_all(&topic).len(), 0);
            done(commit(&*heir, true));
            assert_eq!(beside().bodies(&topic, 30), bodies(0..30));
            relay.release();
            sleeping.join().unwrap();
        });
        // what was kept back has come to the broker before the sleeper's last look
        assert_eq!(beside().bodies(&topic, 30), bodies(0..30));
        done(commit(&*heir, true));
        assert_eq!(beside().bodies(&topic, 30), bodies(0..30));
    }
}

#[test]
fn commits_that_come_to_the_broker_after_a_takeover_are_refused() {
    Case::new("fence_commits").run(Kept { kind: Request::Commit, behind: None }, false);
}

#[test]
fn commits_of_one_who_was_taking_over_are_refused_too() {
    Case::new("fence_takeover").run(Kept { kind: Request::Commit, behind: None }, true);
}

#[test]
fn copies_that_are_sent_behind_the_next_claim_are_born_too_old() {
    // its claim counts still, and then it sleeps
    Case::new("fence_copies").run(Kept { kind: Request::Send, behind: Some(Request::Offset) }, true);
}

#[test]
fn of_two_who_take_over_at_the_same_time_each_message_is_visible_once() {
    let topic = rocketmq().topic("fence_both", 2);
    let table = exactly_once(&topic);
    let sink = sink(&table);
    let mut writer = sink.writer(&task(0)).unwrap();
    // more than are committed at once
    writer.write(as_batch(&table, &rows(0..2500))).unwrap();
    let prepared = writer.prepare(CHECKPOINT).unwrap();
    thread::scope(|scope| {
        for late in [0, 100, 1500] {
            let (sink, prepared) = (&sink, &prepared);
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(late));
                done(sink.committer(&task(0)).unwrap().recover(Some(CHECKPOINT), prepared));
            });
        }
    });
    assert_eq!(beside().bodies(&topic, 2500), bodies(0..2500));
}

#[test]
#[ignore = "long: waits for what does not come"]
fn brokers_that_do_not_refuse_what_is_old_are_waited_for_and_written_to() {
    let server = RocketMqOptions::new().brokers(1).setting("transactionTimeOut", "3600000").start();
    let topic = server.topic("no_lifetimes", 1);
    let mut table = exactly_once(&topic);
    table.options.insert("nameServerAddress".into(), server.name_server());
    let sink = sink(&table);
    let mut writer = sink.writer(&task(0)).unwrap();
    writer.write(as_batch(&table, &rows(0..20))).unwrap();
    let prepared = writer.prepare(CHECKPOINT).unwrap();
    done(sink.committer(&task(0)).unwrap().recover(Some(CHECKPOINT), &prepared));
    assert_eq!(Beside::of(&server).bodies(&topic, 20), bodies(0..20));
}

#[test]
fn more_messages_in_an_interval_than_are_allowed_fail_the_job_with_the_remedy() {
    let topic = rocketmq().topic("too_many", 1);
    let table: TableContext = people(
        &topic,
        &[
            ("sink.delivery-guarantee", "exactly-once"),
            ("producerGroup", &unique("pg")),
            ("sink.transaction-messages-max", "50"),
        ],
    );
    let mut writer = sink(&table).writer(&task(0)).unwrap();
    writer.write(as_batch(&table, &rows(0..50))).unwrap();
    writer.prepare(CHECKPOINT).unwrap();
    writer.write(as_batch(&table, &rows(0..40))).unwrap();
    let error = writer.write(as_batch(&table, &rows(0..11))).unwrap_err().to_string();
    for part in ["more than 50 messages", "sink.transaction-messages-max", "execution.checkpointing.interval"] {
        assert!(error.contains(part), "{error}");
    }
}
