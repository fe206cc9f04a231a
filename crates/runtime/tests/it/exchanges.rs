//! How rows find their consumers.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_runtime::{Exchange, JobSettings, KeyGroupRange, NodeSettings, key_group, subtask_of_key_group};

use crate::kit::*;

/// Three splits through an exchange to a sink; what each subtask saw.
fn through(exchange: Exchange<Rows>, from: usize, to: usize) -> (Vec<(usize, Row)>, Vec<Row>) {
    let (mut graph, name) = graph(JobSettings { queue_capacity: 2, ..parallel(from) });
    let split_of = |n: u64| {
        (0..20)
            .map(|batch| Rows((0..15).map(|i| Row { key: i, time: 0, value: n * 1000 + batch * 15 + i }).collect()))
            .collect::<Vec<_>>()
    };
    let all: Vec<Row> = (0..3).flat_map(|n| split_of(n).into_iter().flat_map(|rows| rows.0)).collect();
    let source = Scripted::new((0..3).map(|n| batches(&n.to_string(), split_of(n))).collect());
    let sink = Collect::default();
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let stream = graph.exchange(&stream, exchange);
    graph.sink(&stream, NodeSettings::named(name.of("sink")).parallelism(to), sink.boxed());
    graph.start().unwrap().wait().unwrap();
    name.assert_no_threads();
    (sink.rows_by_subtask(), all)
}

#[test]
fn hash_keeps_the_order_of_each_key_and_sends_it_to_the_owner_of_its_key_group() {
    for (from, to) in [(1, 1), (1, 2), (3, 2), (2, 3), (3, 5)] {
        let (seen, all) = through(by_key(128), from, to);
        assert_eq!(counted(seen.iter().map(|(_, row)| *row)), counted(all));
        let group = |key: u64| key_group(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), 128);
        let mut last: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for (subtask, row) in seen {
            assert_eq!(subtask, subtask_of_key_group(group(row.key), to, 128));
            assert!(KeyGroupRange::of_subtask(subtask, to, 128).contains(group(row.key)));
            let split = row.value / 1000;
            let before = last.insert((split, row.key), row.value);
            assert!(before < Some(row.value), "{from} to {to}: {row:?} after {before:?}");
        }
    }
}

#[test]
fn rebalance_gives_every_consumer_its_share() {
    let (seen, all) = through(Exchange::Rebalance, 1, 4);
    assert_eq!(counted(seen.iter().map(|(_, row)| *row)), counted(all.clone()));
    for subtask in 0..4 {
        assert_eq!(seen.iter().filter(|(own, _)| *own == subtask).count(), all.len() / 4);
    }
}

#[test]
fn broadcast_gives_every_row_to_every_consumer() {
    let (seen, all) = through(Exchange::Broadcast, 2, 3);
    for subtask in 0..3 {
        assert_eq!(counted(seen.iter().filter(|(own, _)| *own == subtask).map(|(_, row)| *row)), counted(all.clone()));
    }
}

#[test]
fn global_gives_every_row_to_the_first_and_ends_the_others() {
    let (seen, all) = through(Exchange::Global, 3, 2);
    assert_eq!(seen.iter().map(|(subtask, _)| *subtask).collect::<BTreeSet<_>>(), BTreeSet::from([0]));
    assert_eq!(seen.len(), all.len());
}

#[test]
fn forward_keeps_rows_in_their_subtask_even_between_threads() {
    let (mut graph, name) = graph(JobSettings { operator_chaining: false, ..parallel(3) });
    let source =
        Scripted::new((0..3).map(|n| batches(&n.to_string(), vec![rows(n, 0..10), rows(n, 10..20)])).collect());
    let sink = Collect::default();
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let stream = graph.operator(&stream, NodeSettings::named(name.of("pass")), pass());
    graph.sink(&stream, NodeSettings::named(name.of("sink")), sink.boxed());
    let metrics = graph.start().unwrap().wait().unwrap().metrics;
    assert_eq!(metrics.tasks.len(), 9);
    for (subtask, row) in sink.rows_by_subtask() {
        assert_eq!(subtask as u64, row.key, "the splits go to the readers in order");
    }
    assert_eq!(sink.count(), 60);
}

#[test]
fn a_key_group_that_does_not_exist_fails_the_job() {
    let (mut graph, name) = graph(parallel(2));
    let source = Scripted::new(vec![batches("a", vec![rows(1, 0..2)])]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let wrong = Exchange::hash(|batch: &Rows, groups: &mut Vec<u32>| {
        groups.extend(batch.0.iter().map(|_| 128));
        Ok(())
    });
    let stream = graph.exchange(&stream, wrong);
    graph.sink(&stream, NodeSettings::named(name.of("sink")), Collect::default().boxed());
    assert_eq!(graph.start().unwrap().wait().unwrap_err().message(), "there is no key group 128");
}
