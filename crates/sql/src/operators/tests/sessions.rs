use std::collections::BTreeMap;

use proptest::prelude::*;

use super::changelog::{batches, played, steps};
use super::pipeline::Pipeline;
use super::query::Query;
use super::windows::{aggregated, time_of};

const INPUT: &str = "k STRING, v BIGINT, ts TIMESTAMP(3)";
const CALLS: &str = "COUNT(*), SUM(v), MAX(v)";
const GAP: i64 = 10;

fn row() -> impl Strategy<Value = String> + Clone {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 5 => (-4i64..5).prop_map(|value| value.to_string())];
    (prop::sample::select(vec!["a", "b", "NULL"]), value, 0i64..120)
        .prop_map(|(key, value, time)| format!("{key} {value} {time}"))
}

fn query() -> Query {
    Query::new(INPUT, &format!("SESSION(ts, {GAP}) GROUP BY k: {CALLS}"))
}

/// Sessions by key, found row by row: a session takes in a row, and joins those that it then touches.
#[derive(Default)]
struct Model {
    open: BTreeMap<String, Vec<(i64, i64, Vec<String>)>>,
    late: u64,
}

impl Model {
    fn add(&mut self, row: &str, watermark: i64) {
        let sessions = self.open.entry(row.split(' ').next().unwrap().to_owned()).or_default();
        let mut joined = (time_of(row), time_of(row) + GAP, vec![row.to_owned()]);
        let (touching, mut apart): (Vec<_>, Vec<_>) =
            sessions.drain(..).partition(|(start, end, _)| *start <= joined.1 && *end >= joined.0);
        if touching.is_empty() && joined.1 - 1 <= watermark {
            self.late += 1;
        } else {
            for (start, end, rows) in touching {
                joined = (joined.0.min(start), joined.1.max(end), [rows, joined.2].concat());
            }
            apart.push(joined);
        }
        *sessions = apart;
    }

    /// The results of the sessions that this watermark closes, sorted.
    fn close(&mut self, watermark: i64) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, sessions) in &mut self.open {
            let (closed, open): (Vec<_>, Vec<_>) = sessions.drain(..).partition(|(_, end, _)| end - 1 <= watermark);
            *sessions = open;
            for (start, end, rows) in closed {
                let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
                lines.push(format!("+I {key} {start} {end} {} {}", end - 1, aggregated(&rows)));
            }
        }
        lines.sort();
        lines
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn sessions_are_those_that_are_found_row_by_row(rows in prop::collection::vec(row(), 1..60), cuts in prop::collection::vec((any::<usize>(), 0i64..130), 0..10)) {
        let changes: Vec<String> = rows.iter().map(|row| format!("+I {row}")).collect();
        let places: Vec<usize> = cuts.iter().map(|(place, _)| *place).collect();
        let mut watermarks: Vec<i64> = cuts.iter().map(|(_, watermark)| *watermark).collect();
        watermarks.sort_unstable();
        let (mut appending, mut retracting, mut model) = (Pipeline::of(&query().append_only()), Pipeline::of(&query()), Model::default());
        let mut now = i64::MIN;
        for (batch, watermark) in batches(&changes, &places).into_iter().zip(watermarks.iter().copied().chain(std::iter::repeat(i64::MAX))) {
            batch.iter().for_each(|line| model.add(line.split_once(' ').unwrap().1, now));
            now = watermark.max(now);
            let expected = model.close(now);
            for pipeline in [&mut appending, &mut retracting] {
                prop_assert!(pipeline.rows(&batch).is_empty());
                prop_assert_eq!(sorted(pipeline.watermark(now)), expected.clone());
                prop_assert_eq!(pipeline.late(), model.late);
            }
        }
    }

    /// Sessions end where rows ended, also rows that were taken back; what is in them are the rows that stayed.
    #[test]
    fn rows_that_are_taken_back_are_in_no_session(steps in steps(row()), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let (changes, rows) = played(&steps);
        let mut pipeline = Pipeline::of(&query());
        let mut model = Model::default();
        for batch in batches(&changes, &cuts) {
            batch.iter().for_each(|line| model.add(line.split_once(' ').unwrap().1, i64::MIN));
            prop_assert!(pipeline.rows(&batch).is_empty());
        }
        let mut expected = Vec::new();
        for (key, sessions) in &model.open {
            for (start, end, _) in sessions {
                let inside = |row: &&str| row.split(' ').next() == Some(key.as_str()) && (*start..*end).contains(&time_of(row));
                let rows: Vec<&str> = rows.iter().map(String::as_str).filter(inside).collect();
                if !rows.is_empty() {
                    expected.push(format!("+I {key} {start} {end} {} {}", end - 1, aggregated(&rows)));
                }
            }
        }
        prop_assert_eq!(sorted(pipeline.end()), sorted(expected));
    }
}

#[test]
fn a_session_that_is_joined_by_another_keeps_what_is_distinct_in_both() {
    let query = Query::new(
        "k STRING, v BIGINT, ts TIMESTAMP(3), f BOOLEAN",
        "SESSION(ts, 10) GROUP BY k: COUNT(DISTINCT v), SUM(DISTINCT v), MIN(v), AVG(v), COUNT(*) FILTER f",
    );
    let mut pipeline = Pipeline::of(&query.append_only());
    pipeline.rows(&["+I a 1 0 true", "+I a 2 0 false", "+I a 2 20 true", "+I a 3 20 NULL"]);
    pipeline.rows(&["+I a 5 10 true"]);
    assert_eq!(pipeline.end(), ["+I a 0 30 29 4 11 1 2 3"]);
}

#[test]
fn sessions_without_a_key_are_of_all_rows() {
    let mut pipeline = Pipeline::of(&Query::new(INPUT, "SESSION(ts, 10): COUNT(*)").append_only());
    pipeline.rows(&["+I a 1 0", "+I b 1 5", "+I b 1 50"]);
    assert_eq!(pipeline.watermark(20), ["+I 0 15 14 2"]);
    pipeline.rows(&["+I b 1 3"]);
    assert_eq!(pipeline.late(), 1);
    assert_eq!(pipeline.end(), ["+I 50 60 59 1"]);
}

#[test]
fn a_session_of_processing_time_closes_when_the_gap_has_passed() {
    let mut pipeline =
        Pipeline::of(&Query::new("k STRING", "SESSION(PROCTIME, 600000) GROUP BY k: COUNT(*)").append_only());
    pipeline.rows(&["+I a", "+I a"]);
    pipeline.rows(&["+I a"]);
    // The session may have grown since its first row, so the first call may come too early.
    let (mut calls, mut results) = (0, Vec::new());
    while let Some(deadline) = pipeline.deadline() {
        results.extend(pipeline.time(deadline));
        calls += 1;
    }
    assert!(calls <= 2);
    assert_eq!(results.len(), 1);
    assert!(results[0].ends_with(" 3"), "{results:?}");
}
