//! What the consumer group is told.

use std::time::{Duration, Instant};

use riverrun_connect::Polled;
use riverrun_testkit::{rocketmq, unique, wait_until};

use crate::harness::{LIMIT, Reading, beside, people, rows};

#[test]
fn the_group_is_told_of_a_checkpoint_when_it_is_complete_and_is_never_ahead_of_it() {
    let (beside, topic, group) = (beside(), rocketmq().topic("told", 1), unique("told"));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..10);
    let options = [("consumerGroup", &*group), ("offsetPersistIntervalMs", "50")];
    let mut reading = Reading::start(&people(&topic, &options));
    assert_eq!(reading.take_exactly(10), rows(0..10));
    let stored = reading.reader.splits();
    beside.send_people(&queue, 10..15);
    assert_eq!(reading.take_exactly(5), rows(10..15));
    assert_eq!(beside.committed(&group, &queue), None, "no checkpoint is complete");
    reading.reader.checkpoint_completed(&stored).unwrap();
    wait_until(LIMIT, "the group to be told", || beside.committed(&group, &queue) == Some(10));
    // nor does time change it
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        assert!(matches!(reading.reader.poll(Duration::from_millis(100)).unwrap(), Polled::Nothing));
    }
    drop(reading);
    assert_eq!(beside.committed(&group, &queue), Some(10));
    // the next job of the group begins exactly there
    let next = people(&topic, &[("consumerGroup", &group), ("scanStartupMode", "group-offsets")]);
    assert_eq!(Reading::start(&next).take_exactly(5), rows(10..15));
}

#[test]
fn it_is_not_told_where_the_user_does_not_want_it() {
    let (beside, topic, group) = (beside(), rocketmq().topic("untold", 1), unique("untold"));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..3);
    let options = [("consumerGroup", &*group), ("commitOffsetsOnCheckpoint", "false")];
    let mut reading = Reading::start(&people(&topic, &options));
    reading.take_exactly(3);
    let splits = reading.reader.splits();
    reading.reader.checkpoint_completed(&splits).unwrap();
    reading.take_exactly(0);
    assert_eq!(beside.committed(&group, &queue), None);
}

#[test]
fn without_checkpoints_it_is_told_every_interval_and_at_the_end() {
    let (beside, topic, group) = (beside(), rocketmq().topic("interval", 1), unique("interval"));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..10);
    let options = [("consumerGroup", &*group), ("offsetPersistIntervalMs", "100")];
    let mut reading = Reading::without_checkpoints(&people(&topic, &options));
    reading.take(10);
    wait_until(LIMIT, "the group to be told", || {
        reading.reader.poll(Duration::from_millis(10)).unwrap();
        beside.committed(&group, &queue) == Some(10)
    });
    let group = unique("interval_end");
    let options = [("consumerGroup", &*group), ("scan.bounded.mode", "latest-offset")];
    assert_eq!(Reading::without_checkpoints(&people(&topic, &options)).rest(), rows(0..10));
    assert_eq!(beside.committed(&group, &queue), Some(10));
}
