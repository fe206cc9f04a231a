//! An operator that is restored from its snapshots goes on as if nothing had happened.

use arrow::array::ArrayRef;
use proptest::prelude::*;
use riverrun_base::Kind;
use riverrun_runtime::{KeyGroupRange, Restored, RestoredChain, Timestamp, subtask_of_key_group};
use riverrun_state::key_groups;

use super::changelog::{batches, played, steps, upserts};
use super::pipeline::Pipeline;
use super::query::Query;
use super::text::batch;

const MAX_PARALLELISM: usize = 128;

/// The subtasks of an operator, with the deltas that a runtime keeps of them.
struct Subtasks<'a> {
    query: &'a dyn Fn() -> Query,
    subtasks: Vec<Subtask>,
    /// Late rows of instances that are gone.
    late: u64,
}

struct Subtask {
    pipeline: Pipeline,
    range: KeyGroupRange,
    /// What it was restored from.
    restored: Vec<(KeyGroupRange, Vec<Vec<u8>>)>,
    /// Its own deltas since.
    own: Vec<Vec<u8>>,
    watermark: Option<Timestamp>,
}

impl Subtask {
    fn snapshot(&mut self, full: bool) {
        let (delta, snapshot) = self.pipeline.snapshot(full);
        assert!(!full || delta.is_some() && snapshot.suffices == Some(1));
        self.own.extend(delta.map(|delta| delta.bytes));
        if let Some(count) = snapshot.suffices {
            assert!(count <= self.own.len(), "{count} of {}", self.own.len());
            self.restored.clear();
            self.own.drain(..self.own.len() - count);
        }
        self.watermark = snapshot.watermark;
    }

    /// Its chains within a range.
    fn chains(&self, wanted: KeyGroupRange) -> Vec<RestoredChain> {
        let whole = [(self.range, Vec::new())];
        // What was restored covers the range as a whole in these tests, or is not needed any more.
        let parts = if self.restored.is_empty() { whole.as_slice() } else { &self.restored };
        let cut = |(range, deltas): &(KeyGroupRange, Vec<Vec<u8>>)| {
            let key_groups = KeyGroupRange { start: range.start.max(wanted.start), end: range.end.min(wanted.end) };
            let deltas = [deltas.as_slice(), self.own.as_slice()].concat();
            (key_groups.start <= key_groups.end).then_some(RestoredChain { key_groups, deltas })
        };
        parts.iter().filter_map(cut).collect()
    }
}

impl<'a> Subtasks<'a> {
    fn new(query: &'a dyn Fn() -> Query, parallelism: usize) -> Self {
        let subtask = |n| Subtask {
            pipeline: Pipeline::of(&query()),
            range: KeyGroupRange::of_subtask(n, parallelism, MAX_PARALLELISM),
            restored: Vec::new(),
            own: Vec::new(),
            watermark: None,
        };
        Self { query, subtasks: (0..parallelism).map(subtask).collect(), late: 0 }
    }

    fn rows(&mut self, lines: &[String]) -> Vec<String> {
        let query = (self.query)();
        let rows = batch(&query.input, lines);
        let keys: Vec<ArrayRef> = query.keys.iter().map(|key| rows.rows().column(*key).clone()).collect();
        let mut groups = vec![0; lines.len()];
        if !keys.is_empty() {
            key_groups(&keys, lines.len(), u32::try_from(MAX_PARALLELISM).unwrap(), &mut groups).unwrap();
        }
        let parallelism = self.subtasks.len();
        let mut found = Vec::new();
        for (n, subtask) in self.subtasks.iter_mut().enumerate() {
            let own = lines
                .iter()
                .zip(&groups)
                .filter(|(_, group)| subtask_of_key_group(**group, parallelism, MAX_PARALLELISM) == n);
            let own: Vec<&String> = own.map(|(line, _)| line).collect();
            if !own.is_empty() {
                found.extend(subtask.pipeline.rows(&own));
            }
        }
        sorted(found)
    }

    fn watermark(&mut self, watermark: Timestamp) -> Vec<String> {
        sorted(self.subtasks.iter_mut().flat_map(|subtask| subtask.pipeline.watermark(watermark)).collect())
    }

    fn end(&mut self) -> Vec<String> {
        sorted(self.subtasks.iter_mut().flat_map(|subtask| subtask.pipeline.end()).collect())
    }

    fn snapshot(&mut self, full: bool) {
        self.subtasks.iter_mut().for_each(|subtask| subtask.snapshot(full));
    }

    fn late(&self) -> u64 {
        self.late + self.subtasks.iter().map(|subtask| subtask.pipeline.late()).sum::<u64>()
    }

    /// New subtasks, restored from what the last snapshots left.
    fn restart(&mut self, parallelism: usize) {
        let mut new = Self::new(self.query, parallelism);
        let watermark = self.subtasks.iter().map(|subtask| subtask.watermark).min().flatten();
        for subtask in &mut new.subtasks {
            let chains: Vec<RestoredChain> =
                self.subtasks.iter().flat_map(|former| former.chains(subtask.range)).collect();
            subtask.restored = chains.iter().map(|chain| (chain.key_groups, chain.deltas.clone())).collect();
            subtask.pipeline.restore(Restored { chains, watermark, ..Restored::default() }).unwrap();
            subtask.watermark = watermark;
        }
        new.late = self.late();
        *self = new;
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// What happens between two batches.
#[derive(Clone, Debug)]
enum Event {
    Snapshot { full: bool },
    Restart { parallelism: usize },
    Watermark(Timestamp),
}

fn events(times: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Vec<Event>>> {
    let event = prop_oneof![
        4 => prop::bool::weighted(0.15).prop_map(|full| Event::Snapshot { full }),
        1 => (1usize..4).prop_map(|parallelism| Event::Restart { parallelism }),
        2 => times.prop_map(Event::Watermark),
    ];
    prop::collection::vec(prop::collection::vec(event, 0..4), 0..16)
}

/// Drives an operator that never fails beside one that is restored again and again.
fn compare(query: &dyn Fn() -> Query, batches: &[Vec<String>], events: &[Vec<Event>]) {
    let keyed = !query().keys.is_empty();
    let (mut expected, mut subtasks) = (Subtasks::new(query, 1), Subtasks::new(query, 1));
    let mut now = i64::MIN;
    for (n, batch) in batches.iter().enumerate() {
        assert_eq!(subtasks.rows(batch), expected.rows(batch), "after {batch:?}");
        for event in events.get(n).into_iter().flatten() {
            match event {
                Event::Snapshot { full } => subtasks.snapshot(*full),
                Event::Restart { parallelism } => {
                    subtasks.snapshot(false);
                    subtasks.restart(if keyed { *parallelism } else { 1 });
                }
                Event::Watermark(watermark) => {
                    now = now.max(*watermark);
                    assert_eq!(subtasks.watermark(now), expected.watermark(now), "at {now}");
                }
            }
        }
    }
    subtasks.snapshot(false);
    subtasks.restart(if keyed { 2 } else { 1 });
    assert_eq!(subtasks.end(), expected.end());
    assert_eq!(subtasks.late(), expected.late());
}

/// Rows `k v f ts`; `v` can be read as any of the types tested.
fn row() -> impl Strategy<Value = String> + Clone {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 6 => (-4i64..5).prop_map(|value| value.to_string())];
    let filter = prop::sample::select(vec!["true", "false", "NULL"]);
    (
        prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "NULL", "''", "a-long-key-that-is-not-kept-in-place"]),
        value,
        filter,
        0i64..100,
    )
        .prop_map(|(key, value, filter, time)| format!("{key} {value} {filter} {time}"))
}

const NUMBERS: &str =
    "COUNT(*), COUNT(v), SUM(v), AVG(v), MIN(v), MAX(v), COUNT(DISTINCT v), SUM(DISTINCT v), SUM(v) FILTER f";
const ANY: &str = "COUNT(*), MIN(v), MAX(v), COUNT(DISTINCT v), MAX(v) FILTER f";

/// Types of `v`, with aggregates that take them.
const VALUES: [(&str, &str); 8] = [
    ("TINYINT", NUMBERS),
    ("BIGINT", NUMBERS),
    ("DOUBLE", NUMBERS),
    ("FLOAT", NUMBERS),
    ("DECIMAL(10, 2)", NUMBERS),
    ("STRING", ANY),
    ("TIMESTAMP(3)", ANY),
    ("TIMESTAMP_LTZ(3)", ANY),
];

fn fields(value: &str) -> String {
    // A comma and a space part columns.
    format!("k STRING, v {}, f BOOLEAN, ts TIMESTAMP(3)", value.replace(", ", ","))
}

/// Where a sequence is cut into batches.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn groups_go_on_after_a_restore(steps in steps(row()), cuts in cuts(), events in events(0..1), value in prop::sample::select(VALUES.to_vec()), keys in prop::sample::select(vec!["k", "", "k, f", "ts", "v"])) {
        let (changes, _) = played(&steps);
        let query = || Query::new(&fields(value.0), &format!("GROUP BY {keys}: {}", value.1));
        compare(&query, &batches(&changes, &cuts), &events);
        let insertions: Vec<String> = changes.iter().filter(|line| line.starts_with("+I")).cloned().collect();
        compare(&|| query().append_only(), &batches(&insertions, &cuts), &events);
    }

    #[test]
    fn last_rows_go_on_after_a_restore(changes in upserts(row()), cuts in cuts(), events in events(0..1), value in prop::sample::select(VALUES.to_vec()), keys in prop::sample::select(vec!["k", "k, f", "ts", "k, v, f, ts"])) {
        let query = || Query::new(&fields(value.0), &format!("LAST BY {keys}"));
        compare(&query, &batches(&changes, &cuts), &events);
        compare(&|| query().without_update_before(), &batches(&changes, &cuts), &events);
    }

    #[test]
    fn rows_are_sorted_after_a_restore(steps in steps(row()), cuts in cuts(), events in events(0..1), fetch in prop::sample::select(vec!["", " FETCH 3", " OFFSET 2 FETCH 5", " OFFSET 4"])) {
        let (changes, _) = played(&steps);
        let all = || Query::new(&fields("BIGINT"), &format!("ORDER BY v DESC, k, ts NULLS LAST, f{fetch}"));
        compare(&all, &batches(&changes, &cuts), &events);
        let insertions: Vec<String> = changes.iter().filter(|line| line.starts_with("+I")).cloned().collect();
        let one = || Query::new(&fields("BIGINT"), &format!("ORDER BY k{fetch}")).append_only();
        compare(&one, &batches(&insertions, &cuts), &events);
    }

    #[test]
    fn windows_go_on_after_a_restore(steps in steps(row()), cuts in cuts(), events in events(0..110), value in prop::sample::select(VALUES.to_vec()), keys in prop::sample::select(vec!["k", "", "f, v"])) {
        let (changes, _) = played(&steps);
        let insertions: Vec<String> = changes.iter().filter(|line| line.starts_with("+I")).cloned().collect();
        for window in ["TUMBLE(ts, 10)", "HOP(ts, 5, 15)", "CUMULATE(ts, 5, 20)"] {
            let query = || Query::new(&fields(value.0), &format!("{window} GROUP BY {keys}: {}", value.1));
            compare(&query, &batches(&changes, &cuts), &events);
            compare(&|| query().append_only(), &batches(&insertions, &cuts), &events);
        }
    }

    #[test]
    fn sessions_go_on_after_a_restore(steps in steps(row()), cuts in cuts(), events in events(0..110), value in prop::sample::select(VALUES.to_vec()), keys in prop::sample::select(vec!["k", "", "f"])) {
        let (changes, _) = played(&steps);
        let query = || Query::new(&fields(value.0), &format!("SESSION(ts, 4) GROUP BY {keys}: {}", value.1));
        compare(&query, &batches(&changes, &cuts), &events);
        let insertions: Vec<String> = changes.iter().filter(|line| line.starts_with("+I")).cloned().collect();
        compare(&|| query().append_only(), &batches(&insertions, &cuts), &events);
    }
}

#[test]
fn a_chain_never_grows_beyond_a_circle_also_after_a_restore() {
    for window in ["", "TUMBLE(ts, 1000) ", "SESSION(ts, 1000) "] {
        let query = || Query::new(&fields("BIGINT"), &format!("{window}GROUP BY k: COUNT(*)")).append_only();
        let mut subtasks = Subtasks::new(&query, 1);
        for key in 0..20 {
            subtasks.rows(&[format!("+I {key} 1 true 5")]);
        }
        let mut lengths = Vec::new();
        for n in 0..200 {
            subtasks.rows(&[format!("+I {} 1 true 5", n % 7)]);
            subtasks.snapshot(false);
            let subtask = &subtasks.subtasks[0];
            lengths.push(subtask.own.len() + subtask.restored.iter().map(|(_, deltas)| deltas.len()).sum::<usize>());
            if n == 100 {
                subtasks.restart(1);
            }
        }
        assert_eq!(lengths[0], 1);
        assert!(lengths[50..100].iter().chain(&lengths[150..]).all(|length| (20..=22).contains(length)), "{lengths:?}");
        assert!(lengths.iter().all(|length| *length <= 45), "{lengths:?}");
    }
}

#[test]
fn a_snapshot_holds_what_has_changed_and_nothing_where_nothing_has() {
    let query = || Query::new(&fields("BIGINT"), "GROUP BY k: COUNT(*), SUM(v)");
    let mut pipeline = Pipeline::of(&query());
    assert!(pipeline.snapshot(false).0.is_none());
    let rows: Vec<String> = (0..100).map(|key| format!("+I {key} 1 true 5")).collect();
    pipeline.rows(&rows);
    assert_eq!(pipeline.snapshot(false).0.unwrap().rows, 100);
    assert!(pipeline.snapshot(false).0.is_none());
    pipeline.rows(&["-D 7 1 true 5", "+I 8 1 true 5", "+I new 1 true 5", "-D new 1 true 5"]);
    // The dirty group, the one that is gone, and a stretch of two.
    assert_eq!(pipeline.snapshot(false).0.unwrap().rows, 4);
    assert_eq!(pipeline.snapshot(true).0.unwrap().rows, 99);
    assert!(pipeline.snapshot(false).0.is_none());
}

#[test]
fn a_window_that_has_fired_is_one_row_and_stays_away() {
    let query = || Query::new(&fields("BIGINT"), "TUMBLE(ts, 10) GROUP BY k: COUNT(*)").append_only();
    let mut subtasks = Subtasks::new(&query, 1);
    let rows: Vec<String> = (0..100).map(|key| format!("+I {key} 1 true {}", key % 20)).collect();
    subtasks.rows(&rows);
    subtasks.snapshot(false);
    assert_eq!(subtasks.watermark(9).len(), 50);
    let (delta, snapshot) = subtasks.subtasks[0].pipeline.snapshot(false);
    assert_eq!((delta.as_ref().unwrap().rows, snapshot.watermark), (2, Some(9)));
    subtasks.subtasks[0].own.push(delta.unwrap().bytes);
    subtasks.subtasks[0].watermark = Some(9);
    subtasks.restart(3);
    // Late in the new subtasks too; a smaller watermark takes nothing back.
    subtasks.watermark(3);
    assert!(subtasks.rows(&["+I 1 1 true 5".to_owned()]).is_empty());
    assert_eq!(subtasks.late(), 1);
    assert_eq!(subtasks.end().len(), 50);
}

#[test]
fn a_window_that_has_fired_in_one_subtask_stays_open_in_another() {
    let query = || Query::new(&fields("BIGINT"), "TUMBLE(ts, 10) GROUP BY k: COUNT(*)").append_only();
    let mut subtasks = Subtasks::new(&query, 2);
    let rows: Vec<String> = (0..100).map(|key| format!("+I {key} 1 true 5")).collect();
    subtasks.rows(&rows);
    subtasks.snapshot(false);
    let fired = subtasks.subtasks[1].pipeline.watermark(9).len();
    assert!((20..80).contains(&fired));
    subtasks.snapshot(false);
    subtasks.restart(1);
    assert_eq!(subtasks.end().len(), 100 - fired);
}

#[test]
fn timers_of_processing_time_are_set_again() {
    for window in ["TUMBLE(PROCTIME, 86400000)", "SESSION(PROCTIME, 600000)"] {
        let query = || Query::new("k STRING", &format!("{window} GROUP BY k: COUNT(*)")).append_only();
        let mut subtasks = Subtasks::new(&query, 1);
        subtasks.rows(&["+I a".to_owned(), "+I a".to_owned(), "+I b".to_owned()]);
        let deadline = subtasks.subtasks[0].pipeline.deadline();
        subtasks.snapshot(false);
        subtasks.restart(1);
        let pipeline = &mut subtasks.subtasks[0].pipeline;
        assert_eq!(pipeline.deadline(), deadline);
        let mut results = Vec::new();
        while let Some(deadline) = pipeline.deadline() {
            results.extend(pipeline.time(deadline));
        }
        let counts: Vec<&str> = results.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
        assert_eq!((counts, results[0].starts_with("+I a")), (vec!["2", "1"], true), "{results:?}");
    }
}

#[test]
fn state_of_other_keys_or_aggregates_is_refused_and_named() {
    let state_of = |text: &str| {
        let mut pipeline = Pipeline::of(&Query::new(&fields("BIGINT"), text));
        pipeline.rows(&["+I a 1 true 5"]);
        vec![pipeline.snapshot(false).0.unwrap().bytes]
    };
    let range = KeyGroupRange { start: 0, end: 127 };
    for (stored, wanted) in [
        ("GROUP BY k: COUNT(*)", "GROUP BY k, v: COUNT(*)"),
        ("GROUP BY k: COUNT(*)", "GROUP BY v: COUNT(*)"),
        ("GROUP BY k: SUM(v)", "GROUP BY k: MIN(v)"),
        ("GROUP BY k: SUM(v)", "TUMBLE(ts, 10) GROUP BY k: SUM(v)"),
    ] {
        let deltas = state_of(stored);
        let mut pipeline = Pipeline::of(&Query::new(&fields("BIGINT"), wanted));
        let error = pipeline
            .restore(Restored { chains: vec![RestoredChain { key_groups: range, deltas }], ..Restored::default() });
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::User);
        assert!(error.to_string().contains("operator: operator"), "{error}");
    }
}
