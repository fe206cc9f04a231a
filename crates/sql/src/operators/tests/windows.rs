use std::collections::BTreeMap;

use proptest::prelude::*;

use super::changelog::{batches, played, steps};
use super::pipeline::Pipeline;
use super::query::Query;

const INPUT: &str = "k STRING, v BIGINT, ts TIMESTAMP(3)";
const CALLS: &str = "COUNT(*), SUM(v), MAX(v)";

/// The windows tested, each with what it does to a time: the bounds of its windows.
#[allow(clippy::type_complexity, reason = "a table")]
fn windows() -> Vec<(&'static str, fn(i64) -> Vec<(i64, i64)>)> {
    vec![
        ("TUMBLE(ts, 10)", |time| vec![(time.div_euclid(10) * 10, time.div_euclid(10) * 10 + 10)]),
        ("TUMBLE(ts, 10, 3)", |time| vec![((time - 3).div_euclid(10) * 10 + 3, (time - 3).div_euclid(10) * 10 + 13)]),
        ("HOP(ts, 5, 15)", |time| {
            (-10..20)
                .map(|n| n * 5)
                .filter(|start| (*start..start + 15).contains(&time))
                .map(|start| (start, start + 15))
                .collect()
        }),
        ("CUMULATE(ts, 5, 20)", |time| {
            let start = time.div_euclid(20) * 20;
            (1..=4).map(|step| (start, start + step * 5)).filter(|(_, end)| time < *end).collect()
        }),
    ]
}

fn row() -> impl Strategy<Value = String> + Clone {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 5 => (-4i64..5).prop_map(|value| value.to_string())];
    (prop::sample::select(vec!["a", "b", "NULL"]), value, -10i64..50)
        .prop_map(|(key, value, time)| format!("{key} {value} {time}"))
}

pub(super) fn time_of(row: &str) -> i64 {
    row.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// What [`CALLS`] are of these rows, `k v ts` each.
pub(super) fn aggregated(rows: &[&str]) -> String {
    let values: Vec<i64> = rows.iter().filter_map(|row| row.split(' ').nth(1).unwrap().parse().ok()).collect();
    let shown = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
    let sum = (!values.is_empty()).then(|| values.iter().sum::<i64>());
    format!("{} {} {}", rows.len(), shown(sum), shown(values.iter().max().copied()))
}

/// The results of all windows over these rows, sorted.
fn results(rows: &[String], windows_of: fn(i64) -> Vec<(i64, i64)>) -> Vec<String> {
    let mut windows: BTreeMap<(i64, i64, &str), Vec<&str>> = BTreeMap::new();
    for row in rows {
        for (start, end) in windows_of(time_of(row)) {
            windows.entry((end, start, row.split(' ').next().unwrap())).or_default().push(row);
        }
    }
    let mut lines: Vec<String> = windows
        .into_iter()
        .map(|((end, start, key), rows)| format!("+I {key} {start} {end} {} {}", end - 1, aggregated(&rows)))
        .collect();
    lines.sort();
    lines
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The watermark after each batch is the best that makes no later row late.
    #[test]
    fn windows_are_what_a_batch_computes_when_no_row_is_late(rows in prop::collection::vec(row(), 1..60), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let changes: Vec<String> = rows.iter().map(|row| format!("+I {row}")).collect();
        for (window, windows_of) in windows() {
            let mut pipeline = Pipeline::of(&Query::new(INPUT, &format!("{window} GROUP BY k: {CALLS}")).append_only());
            let mut found = Vec::new();
            let mut done = 0;
            for batch in batches(&changes, &cuts) {
                done += batch.len();
                found.extend(pipeline.rows(&batch));
                if let Some(earliest) = rows[done..].iter().map(|row| time_of(row)).min() {
                    found.extend(pipeline.watermark(earliest - 1));
                }
            }
            found.extend(pipeline.end());
            prop_assert_eq!(sorted(found), results(&rows, windows_of), "{}", window);
            prop_assert_eq!(pipeline.late(), 0);
        }
    }

    /// Watermarks come as they please. A window has the rows that came before it closed, and is emitted with the watermark that closes it.
    #[test]
    fn late_rows_are_left_out_of_the_windows_that_have_closed(rows in prop::collection::vec(row(), 1..60), cuts in prop::collection::vec((any::<usize>(), -10i64..60), 0..8)) {
        let changes: Vec<String> = rows.iter().map(|row| format!("+I {row}")).collect();
        let places: Vec<usize> = cuts.iter().map(|(place, _)| *place).collect();
        let mut watermarks: Vec<i64> = cuts.iter().map(|(_, watermark)| *watermark).collect();
        watermarks.sort_unstable();
        for (window, windows_of) in windows() {
            let mut pipeline = Pipeline::of(&Query::new(INPUT, &format!("{window} GROUP BY k: {CALLS}")).append_only());
            let mut now = i64::MIN;
            let mut late = 0;
            let mut open: BTreeMap<(i64, i64), Vec<String>> = BTreeMap::new();
            for (batch, watermark) in batches(&changes, &places).into_iter().zip(watermarks.iter().copied().chain(std::iter::repeat(i64::MAX))) {
                for line in &batch {
                    let row = line.split_once(' ').unwrap().1;
                    let mut joined = windows_of(time_of(row)).into_iter().filter(|(_, end)| end - 1 > now).peekable();
                    late += u64::from(joined.peek().is_none());
                    joined.for_each(|(start, end)| open.entry((end, start)).or_default().push(row.to_owned()));
                }
                prop_assert!(pipeline.rows(&batch).is_empty());
                now = watermark.max(now);
                let mut expected = Vec::new();
                while let Some(entry) = open.first_entry().filter(|entry| entry.key().0 - 1 <= now) {
                    let ((end, start), rows) = entry.remove_entry();
                    let bounds = [start.to_string(), end.to_string()];
                    expected.extend(results(&rows, windows_of).into_iter().filter(|line| line.split(' ').skip(2).take(2).eq(&bounds)));
                }
                prop_assert_eq!(sorted(pipeline.watermark(now)), sorted(expected), "{} at {}", window, now);
                prop_assert_eq!(pipeline.late(), late);
            }
        }
    }

    #[test]
    fn rows_that_are_taken_back_are_in_no_window(steps in steps(row()), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let (changes, rows) = played(&steps);
        for (window, windows_of) in windows() {
            let mut pipeline = Pipeline::of(&Query::new(INPUT, &format!("{window} GROUP BY k: {CALLS}")));
            for batch in batches(&changes, &cuts) {
                prop_assert!(pipeline.rows(&batch).is_empty());
            }
            prop_assert_eq!(sorted(pipeline.end()), results(&rows, windows_of), "{}", window);
        }
    }
}

#[test]
fn windows_close_in_the_order_of_their_ends_with_their_keys_as_they_came() {
    let mut pipeline = Pipeline::of(&Query::new(INPUT, "TUMBLE(ts, 10) GROUP BY k: COUNT(*)").append_only());
    assert!(pipeline.rows(&["+I b 1 25", "+I a 1 5", "+I b 1 5", "+I b 1 15"]).is_empty());
    assert!(pipeline.watermark(8).is_empty());
    assert_eq!(pipeline.watermark(19), ["+I a 0 10 9 1", "+I b 0 10 9 1", "+I b 10 20 19 1"]);
    assert_eq!(pipeline.end(), ["+I b 20 30 29 1"]);
}

#[test]
fn a_row_without_event_time_is_an_error_that_names_the_column() {
    for window in ["TUMBLE(ts, 10)", "SESSION(ts, 10)"] {
        let mut pipeline = Pipeline::of(&Query::new(INPUT, &format!("{window} GROUP BY k: COUNT(*)")));
        let error = pipeline.try_rows(&["+I a 1 NULL"]).unwrap_err();
        assert_eq!(error.kind(), riverrun_base::Kind::Data);
        assert!(error.to_string().contains("ts"), "{error}");
    }
}

#[test]
fn a_row_in_very_many_windows_is_in_each_of_them() {
    let mut pipeline = Pipeline::of(&Query::new(INPUT, "HOP(ts, 1, 20000) GROUP BY k: COUNT(*)").append_only());
    pipeline.rows(&["+I a 1 0", "+I a 1 1"]);
    let results = pipeline.end();
    assert_eq!(results.len(), 20_001);
    assert_eq!((results[0].as_str(), results[1].as_str()), ("+I a -19999 1 0 1", "+I a -19998 2 1 2"));
}

#[test]
fn windows_of_processing_time_close_by_the_clock_or_when_the_input_ends() {
    let query = || Query::new("k STRING", "TUMBLE(PROCTIME, 1000) GROUP BY k: COUNT(*)").append_only();
    let mut pipeline = Pipeline::of(&query());
    assert_eq!(pipeline.deadline(), None);
    pipeline.rows(&["+I a"]);
    assert!(pipeline.watermark(5).is_empty());
    let end = pipeline.deadline().unwrap();
    assert_eq!(end % 1000, 0);
    assert!(pipeline.time(end - 1).is_empty());
    assert_eq!(pipeline.time(end), [format!("+I a {} {end} {} 1", end - 1000, end - 1)]);
    assert_eq!(pipeline.deadline(), None);
    pipeline.rows(&["+I a"]);
    assert_eq!(pipeline.end().len(), 1);
}

#[test]
fn days_are_cut_at_midnight_of_the_session_zone_where_time_is_an_instant() {
    let mut query =
        Query::new("k STRING, ts TIMESTAMP_LTZ(3)", "TUMBLE(ts, 86400000) GROUP BY k: COUNT(*)").append_only();
    query.zone = "Asia/Shanghai".parse().unwrap();
    let mut pipeline = Pipeline::of(&query);
    // 1970-01-01 15:59:59.999 UTC is the last millisecond of the day in Shanghai.
    pipeline.rows(&["+I a 57599999", "+I a 57600000"]);
    assert!(pipeline.watermark(57_599_998).is_empty());
    assert_eq!(pipeline.watermark(57_599_999), ["+I a 0 86400000 57599999 1"]);
    assert_eq!(pipeline.end(), ["+I a 86400000 172800000 143999999 1"]);
}

#[test]
fn an_hour_that_the_clock_shows_twice_is_one_window_that_closes_after_its_second_pass() {
    let mut query =
        Query::new("k STRING, ts TIMESTAMP_LTZ(3)", "TUMBLE(ts, 3600000) GROUP BY k: COUNT(*)").append_only();
    query.zone = "Europe/Berlin".parse().unwrap();
    let mut pipeline = Pipeline::of(&query);
    // 2024-10-27 00:30 and 01:30 UTC are both shown as 02:30.
    pipeline.rows(&["+I a 1729989000000"]);
    assert!(pipeline.watermark(1_729_990_800_000).is_empty());
    pipeline.rows(&["+I a 1729992600000"]);
    assert_eq!(pipeline.watermark(1_729_994_399_999), ["+I a 1729994400000 1729998000000 1729990799999 2"]);
    assert_eq!(pipeline.late(), 0);
}
