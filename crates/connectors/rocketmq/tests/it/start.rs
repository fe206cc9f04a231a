//! Where reading starts, with and without committed offsets.

use riverrun_testkit::{rocketmq, unique};

use crate::harness::{Reading, beside, people, rows};

#[test]
fn earliest_reads_every_message_of_every_queue_of_every_broker() {
    let (beside, topic) = (beside(), rocketmq().topic("earliest", 2));
    let queues = beside.queues(&topic);
    assert_eq!(queues.len(), 4);
    for (n, queue) in (0..).zip(&queues) {
        beside.send_people(queue, n * 100..n * 100 + 50);
    }
    let mut expected = Vec::new();
    (0..4).for_each(|n| expected.extend(rows(n * 100..n * 100 + 50)));
    expected.sort();
    let group = unique("earliest");
    // a committed offset is of no matter to it
    beside.commit(&group, &queues[0], 30);
    let table = people(&topic, &[("consumerGroup", &group)]);
    assert_eq!(Reading::start(&table).take_exactly(200), expected);
}

#[test]
fn latest_reads_only_what_comes_from_now_on() {
    let (beside, topic) = (beside(), rocketmq().topic("latest", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..5);
    let group = unique("latest");
    beside.commit(&group, &queue, 2);
    let mut reading = Reading::start(&people(&topic, &[("scanStartupMode", "latest"), ("consumerGroup", &group)]));
    assert_eq!(reading.position(&queue), "{\"offset\":5}");
    beside.send_people(&queue, 5..7);
    assert_eq!(reading.take_exactly(2), rows(5..7));
}

#[test]
fn what_comes_between_the_start_at_the_end_and_the_first_row_is_in_the_checkpoint() {
    let (beside, topic) = (beside(), rocketmq().topic("latest_gap", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..5);
    let table = people(&topic, &[("scanStartupMode", "latest")]);
    let first = Reading::start(&table);
    let (known, splits) = (first.known.clone(), first.reader.splits());
    drop(first);
    beside.send_people(&queue, 5..7);
    assert_eq!(Reading::restore(&table, known, splits).take_exactly(2), rows(5..7));
}

#[test]
fn group_offsets_start_where_the_group_has_committed_and_else_at_the_reset() {
    let (beside, topic) = (beside(), rocketmq().topic("group", 2));
    let (first, second) = (beside.queue(&topic, 0), beside.queue(&topic, 1));
    beside.send_people(&first, 0..10);
    beside.send_people(&second, 10..20);
    let start = |reset: &str, mode: &str| {
        let group = unique("group");
        beside.commit(&group, &first, 7);
        let options = [("scanStartupMode", mode), ("consumerGroup", &group), ("offsetResetStrategy", reset)];
        Reading::start(&people(&topic, &options))
    };
    let mut both = rows(7..10);
    both.extend(rows(10..20));
    both.sort();
    assert_eq!(start("EARLIEST", "group-offsets").take_exactly(13), both);
    assert_eq!(start("latest", "group-offsets").take_exactly(3), rows(7..10));
    // it is what happens without a word
    assert_eq!(start("", "").take_exactly(3), rows(7..10));
}

#[test]
fn a_new_group_on_a_young_queue_has_committed_nothing() {
    let (beside, topic) = (beside(), rocketmq().topic("young", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..3);
    let reading = Reading::start(&people(&topic, &[("scanStartupMode", "group-offsets")]));
    assert_eq!(reading.position(&queue), "{\"offset\":3}", "and not 0, which the broker would answer");
}

#[test]
fn a_timestamp_starts_at_the_first_message_that_is_not_older() {
    let (beside, topic) = (beside(), rocketmq().topic("timestamp", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..5);
    std::thread::sleep(std::time::Duration::from_millis(50));
    beside.send_people(&queue, 5..8);
    let stored = beside.read_all(&topic)[5].store_timestamp;
    let at = |millis: i64| people(&topic, &[("scanStartupMode", "timestamp"), ("startTimeMs", &millis.to_string())]);
    assert_eq!(Reading::start(&at(stored)).take_exactly(3), rows(5..8));
    assert_eq!(Reading::start(&at(0)).take_exactly(8), rows(0..8));
    assert_eq!(Reading::start(&at(stored + 3_600_000)).position(&queue), "{\"offset\":8}");
}

#[test]
fn specific_offsets_start_there_and_other_queues_at_the_group_or_the_reset() {
    let (beside, topic) = (beside(), rocketmq().topic("specific", 3));
    let group = unique("specific");
    for n in 0..3 {
        beside.send_people(&beside.queue(&topic, n), n * 10..n * 10 + 10);
    }
    beside.commit(&group, &beside.queue(&topic, 1), 6);
    let offsets = "broker:broker-a,queue:0,offset:8";
    let options = [("scanStartupMode", "specific-offsets"), ("specificOffsets", offsets), ("consumerGroup", &*group)];
    let mut expected = rows(8..10);
    expected.extend(rows(16..20));
    expected.sort();
    assert_eq!(Reading::start(&people(&topic, &options)).take_exactly(6), expected);
    let all = people(&topic, &[("scanStartupMode", ""), ("startMessageOffset", "9")]);
    assert_eq!(Reading::start(&all).position(&beside.queue(&topic, 2)), "{\"offset\":9}");
}

#[test]
fn restored_state_wins_over_every_strategy_and_committed_offsets() {
    let (beside, topic) = (beside(), rocketmq().topic("restored", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..10);
    let group = unique("restored");
    let mut first = Reading::start(&people(&topic, &[("consumerGroup", &group)]));
    first.take_exactly(10);
    let (known, mut splits) = (first.known.clone(), first.reader.splits());
    drop(first);
    for split in &mut splits {
        if *split.id == *queue.to_string() {
            split.position = b"{\"offset\":4}".to_vec();
        }
    }
    beside.commit(&group, &queue, 8);
    let offsets = "broker:broker-a,queue:0,offset:1";
    for strategy in [
        &[("scanStartupMode", "earliest")][..],
        &[("scanStartupMode", "latest")],
        &[("scanStartupMode", "group-offsets")],
        &[("scanStartupMode", "timestamp"), ("startTimeMs", "0")],
        &[("scanStartupMode", "specific-offsets"), ("specificOffsets", offsets)],
    ] {
        let options: Vec<_> = [("consumerGroup", &*group)].iter().chain(strategy).copied().collect();
        let mut reading = Reading::restore(&people(&topic, &options), known.clone(), splits.clone());
        assert_eq!(reading.take_exactly(6), rows(4..10), "{strategy:?}");
    }
}

#[test]
fn each_of_two_readers_reads_only_what_it_is_given() {
    // on a restore every subtask of the known connector got every queue's offset
    let (beside, topic) = (beside(), rocketmq().topic("two_readers", 2));
    let (one, two) = (beside.queue(&topic, 0), beside.queue(&topic, 1));
    beside.send_people(&one, 0..5);
    beside.send_people(&two, 5..9);
    let table = people(&topic, &[]);
    let first = Reading::start(&table);
    let known = first.known.clone();
    let splits = first.reader.splits();
    let of = |queue: &riverrun_rocketmq_client::Queue| {
        splits.iter().filter(|split| *split.id == *queue.to_string()).cloned().collect::<Vec<_>>()
    };
    let (of_one, of_two) = (of(&one), of(&two));
    drop(first);
    assert_eq!(Reading::restore(&table, known.clone(), of_one).take_exactly(5), rows(0..5));
    assert_eq!(Reading::restore(&table, known, of_two).take_exactly(4), rows(5..9));
}
