//! When rows are written.

use std::time::{Duration, Instant};

use riverrun_connect::Flush;
use riverrun_data::RowKind::Insert;

use crate::database::{Database, on_every_database};
use crate::write::{changes, report};

on_every_database!(
    rows_are_written_at_the_interval_though_none_follow,
    rows_are_written_when_there_are_enough,
    a_dropped_writer_abandons_its_rows
);

fn rows_are_written_at_the_interval_though_none_follow(database: &Database) {
    let (table, name) = report(database, &[0]);
    let table = table.with("sink.buffer-flush.interval", "50 ms");
    let mut writer = table.writer().unwrap();
    assert!(writer.deadline().is_none(), "nothing is held");
    let before = Instant::now();
    writer.write(changes(&table, &[(Insert, 1, "a", 1)])).unwrap();
    let deadline = writer.deadline().unwrap();
    assert!(deadline >= before + Duration::from_millis(50) && deadline <= Instant::now() + Duration::from_millis(50));
    writer.write(changes(&table, &[(Insert, 2, "b", 2)])).unwrap();
    assert_eq!(writer.deadline(), Some(deadline), "it counts from the oldest row");
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    writer.tick().unwrap();
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "2");
    assert!(writer.deadline().is_none());
}

fn rows_are_written_when_there_are_enough(database: &Database) {
    let (table, name) = report(database, &[0]);
    let table = table.with("sink.buffer-flush.max-rows", "3").with("sink.buffer-flush.interval", "1 h");
    let count = || database.rows(&format!("SELECT COUNT(*) FROM {name}"));
    let mut writer = table.writer().unwrap();
    writer.write(changes(&table, &[(Insert, 1, "a", 1), (Insert, 1, "a", 2)])).unwrap();
    assert_eq!(count(), "0");
    writer.write(changes(&table, &[(Insert, 1, "a", 3), (Insert, 2, "b", 1)])).unwrap();
    assert_eq!(count(), "2", "rows count before they are reduced, and a batch is not cut");
    writer.write(changes(&table, &[(Insert, 3, "a", 1)])).unwrap();
    writer.tick().unwrap();
    assert_eq!(count(), "2");
    writer.flush(Flush::Barrier).unwrap();
    assert_eq!(count(), "3");
}

fn a_dropped_writer_abandons_its_rows(database: &Database) {
    let (table, name) = report(database, &[0]);
    let mut writer = table.writer().unwrap();
    writer.write(changes(&table, &[(Insert, 1, "a", 1)])).unwrap();
    drop(writer);
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "0");
}
