use std::cmp::Ordering;

use proptest::prelude::*;
use riverrun_runtime::{KeyGroupRange, Restored, RestoredChain};

use super::changelog::{batches, played, steps};
use super::pipeline::Pipeline;
use super::query::Query;

/// Where the input is cut into batches.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..8)
}

const INPUT: &str = "k STRING, v BIGINT, n BIGINT";

/// Rows `k v n`, of which many are alike in some column.
fn row() -> impl Strategy<Value = String> + Clone {
    let number = prop_oneof![1 => Just("NULL".to_owned()), 6 => (-4i64..5).prop_map(|value| value.to_string())];
    let key = prop::sample::select(vec![
        "a",
        "b",
        "NULL",
        "''",
        "a-key-that-is-longer-than-sixteen",
        "a-key-that-is-longer-than-others",
    ]);
    (key, number, 0i64..1000).prop_map(|(key, value, n)| format!("{key} {value} {n}"))
}

fn key() -> impl Strategy<Value = String> {
    let direction = prop::sample::select(vec!["", " DESC"]);
    let nulls = prop::sample::select(vec!["", " NULLS FIRST", " NULLS LAST"]);
    (prop::sample::select(vec!["k", "v", "n"]), direction, nulls)
        .prop_map(|(column, direction, nulls)| format!("{column}{direction}{nulls}"))
}

/// How the key of a text sorts two rows.
fn compare(key: &str, a: &str, b: &str) -> Ordering {
    let column = ["k", "v", "n"].iter().position(|name| key.starts_with(name)).unwrap();
    let cell = |row: &str| row.split(' ').nth(column).filter(|cell| *cell != "NULL").map(str::to_owned);
    let descending = key.contains("DESC");
    let nulls_first = key.contains("NULLS FIRST") || !descending && !key.contains("NULLS LAST");
    let values = |a: String, b: String| {
        let order = match column {
            0 => a.replace("''", "").cmp(&b.replace("''", "")),
            _ => a.parse::<i64>().unwrap().cmp(&b.parse().unwrap()),
        };
        if descending { order.reverse() } else { order }
    };
    match (cell(a), cell(b)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (Some(_), None) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (Some(a), Some(b)) => values(a, b),
    }
}

/// The rows as a stable sort of all of them gives them.
fn expected(mut rows: Vec<String>, keys: &[String], offset: usize, fetch: Option<usize>) -> Vec<String> {
    rows.sort_by(|a, b| keys.iter().fold(Ordering::Equal, |order, key| order.then_with(|| compare(key, a, b))));
    rows.into_iter().skip(offset).take(fetch.unwrap_or(usize::MAX)).map(|row| format!("+I {row}")).collect()
}

fn query(keys: &[String], offset: usize, fetch: Option<usize>) -> Query {
    let order = if keys.is_empty() { String::new() } else { format!("ORDER BY {} ", keys.join(", ")) };
    let fetch = fetch.map(|rows| format!(" FETCH {rows}")).unwrap_or_default();
    Query::new(INPUT, &format!("{order}OFFSET {offset}{fetch}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rows_come_out_as_a_vec_sorts_them_for_any_cut(rows in prop::collection::vec(row(), 1..80), cuts in cuts(), keys in prop::collection::vec(key(), 1..4), offset in 0usize..6, fetch in prop::option::of(0usize..12)) {
        let mut pipeline = Pipeline::of(&query(&keys, offset, fetch).append_only());
        let lines: Vec<String> = rows.iter().map(|row| format!("+I {row}")).collect();
        for batch in batches(&lines, &cuts) {
            prop_assert!(pipeline.rows(&batch).is_empty());
        }
        prop_assert_eq!(pipeline.end(), expected(rows, &keys, offset, fetch));
    }

    #[test]
    fn what_is_there_in_the_end_comes_out_sorted_for_any_changes(steps in steps(row()), cuts in cuts(), keys in prop::collection::vec(key(), 0..2), offset in 0usize..4, fetch in prop::option::of(0usize..12)) {
        // All columns decide, so that no two rows that differ are alike.
        let keys: Vec<String> = keys.into_iter().chain(["k", "v", "n"].map(str::to_owned)).collect();
        let (changes, rows) = played(&steps);
        let mut pipeline = Pipeline::of(&query(&keys, offset, fetch));
        for batch in batches(&changes, &cuts) {
            prop_assert!(pipeline.rows(&batch).is_empty());
        }
        prop_assert_eq!(pipeline.end(), expected(rows, &keys, offset, fetch));
    }

    #[test]
    fn the_first_rows_come_at_once_for_any_cut(rows in prop::collection::vec(row(), 1..40), cuts in cuts(), offset in 0usize..6, fetch in prop::option::of(0usize..12)) {
        let mut pipeline = Pipeline::of(&query(&[], offset, fetch).append_only());
        let lines: Vec<String> = rows.iter().map(|row| format!("+I {row}")).collect();
        let emitted: Vec<String> = batches(&lines, &cuts).iter().flat_map(|batch| pipeline.rows(batch)).collect();
        prop_assert_eq!(emitted, expected(rows, &[], offset, fetch));
    }
}

/// Many rows in an order that is none, with what is left of them.
fn many(rows: i64) -> Vec<String> {
    (0..rows).map(|n| format!("+I k{} {} {n}", n % 7, n * 7919 % rows)).collect()
}

#[test]
fn many_rows_are_sorted_and_of_a_limit_only_the_first_are_kept() {
    let keys = ["v DESC".to_owned()];
    let lines = many(100_000);
    let rows: Vec<String> = lines.iter().map(|line| line[3..].to_owned()).collect();
    for fetch in [None, Some(20)] {
        let mut pipeline = Pipeline::of(&query(&keys, 1000, fetch).append_only());
        lines.chunks(1000).for_each(|batch| assert!(pipeline.rows(batch).is_empty()));
        let (delta, snapshot) = pipeline.snapshot(true);
        assert_eq!((delta.unwrap().rows, snapshot.suffices), (if fetch.is_some() { 1020 } else { 100_000 }, Some(1)));
        assert!(pipeline.end() == expected(rows.clone(), &keys, 1000, fetch), "{fetch:?}");
        // What has come out is not there any more.
        assert_eq!(pipeline.snapshot(false).0.unwrap().rows, 0);
        assert!(pipeline.end().is_empty());
    }
}

#[test]
fn a_snapshot_holds_the_rows_since_the_last_one_and_a_chain_stays_short() {
    for fetch in [None, Some(10_000)] {
        let mut pipeline = Pipeline::of(&query(&["n".to_owned()], 0, fetch).append_only());
        assert!(pipeline.snapshot(false).0.is_none());
        let (mut chain, mut longest) = (Vec::new(), 0);
        for n in 0..200 {
            let rows: Vec<String> = (0..10).map(|m| format!("+I a 1 {}", 10_000 - n * 10 - m)).collect();
            pipeline.rows(&rows);
            let (delta, snapshot) = pipeline.snapshot(false);
            let delta = delta.unwrap();
            assert!(delta.rows == 10 || snapshot.suffices == Some(1), "{} rows", delta.rows);
            chain.push(delta.bytes);
            chain.drain(..chain.len() - snapshot.suffices.unwrap());
            longest = longest.max(chain.len());
            assert!(pipeline.snapshot(false).0.is_none());
        }
        assert_eq!(longest, 64);
        let mut restored = Pipeline::of(&query(&["n".to_owned()], 0, fetch).append_only());
        let key_groups = KeyGroupRange { start: 0, end: 127 };
        let chains = vec![RestoredChain { key_groups, deltas: chain }];
        restored.restore(Restored { chains, ..Restored::default() }).unwrap();
        assert_eq!(restored.end(), pipeline.end());
    }
}

#[test]
fn a_limit_goes_on_counting_after_a_restore() {
    let limit = || Pipeline::of(&query(&[], 1, Some(3)).append_only());
    let mut pipeline = limit();
    assert_eq!(pipeline.rows(&["+I a 1 1", "+I b 1 1"]), ["+I b 1 1"]);
    let own = pipeline.snapshot(false).1.own.unwrap()().unwrap();
    let mut restored = limit();
    restored.restore(Restored { own: vec![own], ..Restored::default() }).unwrap();
    assert_eq!(restored.rows(&["+I c 1 1", "+I d 1 1", "+I e 1 1"]), ["+I c 1 1", "+I d 1 1"]);
    let error = limit().restore(Restored { own: vec![vec![9; 9]], ..Restored::default() }).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
