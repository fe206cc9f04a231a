//! Writing: part files, when they show, and that they are read back.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use riverrun_connect::{Flush, SinkWriter};
use riverrun_data::{Batch, ChangelogMode};
use tempfile::tempdir;

use super::{numbers, read, sink, table, task, write};

fn batch(table: &riverrun_connect::TableContext, a: Vec<Option<i64>>, b: Vec<Option<String>>) -> Batch {
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(a)), Arc::new(StringArray::from(b))];
    Batch::insertions(RecordBatch::try_new(table.physical_schema(), columns).unwrap())
}

fn some(table: &riverrun_connect::TableContext, numbers: std::ops::Range<i64>) -> Batch {
    let texts = numbers.clone().map(|number| Some(format!("row {number}"))).collect();
    batch(table, numbers.map(Some).collect(), texts)
}

/// The names of complete and of hidden files.
fn names(folder: &Path) -> (Vec<String>, Vec<String>) {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().partition(|name| !name.starts_with('.'))
}

fn writer(table: &riverrun_connect::TableContext) -> Box<dyn SinkWriter> {
    sink(table).unwrap().writer(&task()).unwrap()
}

#[test]
fn a_part_shows_when_it_is_flushed_and_not_before() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("new/folder");
    let table = table(&path, "csv", &[]);
    let mut parts = writer(&table);
    assert_eq!(names(&path), (vec![], vec![]), "no file without rows");
    parts.write(some(&table, 0..2)).unwrap();
    let (shown, hidden) = names(&path);
    assert!(
        shown.is_empty()
            && hidden.len() == 1
            && hidden[0].starts_with(".part-")
            && hidden[0].contains("-0-0.inprogress."),
        "{hidden:?}"
    );
    parts.flush(Flush::Barrier).unwrap();
    parts.flush(Flush::Barrier).unwrap();
    parts.write(some(&table, 2..3)).unwrap();
    parts.flush(Flush::End).unwrap();
    let (shown, hidden) = names(&path);
    assert!(hidden.is_empty() && shown.len() == 2, "{shown:?}");
    let uuid = shown[0].strip_prefix("part-").unwrap().strip_suffix("-0-0").unwrap();
    assert_eq!(shown[1], format!("part-{uuid}-0-1"));
    assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert_eq!(fs::read_to_string(path.join(&shown[0])).unwrap(), "0,\"row 0\"\n1,\"row 1\"\n");
    assert_eq!(numbers(&read(&table).unwrap()), [0, 1, 2]);
}

#[test]
fn a_part_rolls_by_size_between_two_rows() {
    let folder = tempdir().unwrap();
    let table = table(folder.path(), "csv", &[("sink.rolling-policy.file-size", "100 b")]);
    let mut parts = writer(&table);
    parts.write(some(&table, 100..130)).unwrap();
    parts.flush(Flush::End).unwrap();
    let (shown, _) = names(folder.path());
    assert!(shown.len() > 2);
    for name in &shown {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.ends_with('\n') && text.len() <= 100 + "100,\"row 100\"\n".len(), "{text}");
    }
    let mut all = numbers(&read(&table).unwrap());
    all.sort_unstable();
    assert_eq!(all, (100..130).collect::<Vec<_>>());
}

#[test]
fn a_part_rolls_when_its_time_has_come() {
    let folder = tempdir().unwrap();
    let options = [("sink.rolling-policy.rollover-interval", "0 s"), ("sink.rolling-policy.check-interval", "1 ms")];
    let table = table(folder.path(), "csv", &options);
    let mut parts = writer(&table);
    assert_eq!(parts.deadline(), None);
    parts.write(some(&table, 0..1)).unwrap();
    let deadline = parts.deadline().unwrap();
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(100));
    }
    parts.tick().unwrap();
    assert_eq!((names(folder.path()).0.len(), parts.deadline()), (1, None));
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_another_keeps_what_is_there() {
    let folder = tempdir().unwrap();
    let table = table(folder.path(), "csv", &[]);
    let mut first = writer(&table);
    first.write(some(&table, 0..1)).unwrap();
    first.flush(Flush::Barrier).unwrap();
    first.write(some(&table, 1..2)).unwrap();
    drop(first);
    assert_eq!((names(folder.path()).0.len(), names(folder.path()).1.len()), (1, 0));
    let mut second = writer(&table);
    second.write(some(&table, 1..2)).unwrap();
    second.flush(Flush::End).unwrap();
    let mut all = numbers(&read(&table).unwrap());
    all.sort_unstable();
    assert_eq!(all, [0, 1]);
}

#[test]
fn a_sink_takes_insertions_and_its_path_is_a_folder() {
    let folder = tempdir().unwrap();
    let insertions = sink(&table(folder.path(), "csv", &[("sink.parallelism", "2")])).unwrap();
    assert_eq!(insertions.changelog_mode(ChangelogMode::ALL), ChangelogMode::INSERT_ONLY);
    assert_eq!(insertions.parallelism(), Some(2));
    let file = folder.path().join("file");
    write(&file, "");
    let error = sink(&table(&file, "csv", &[])).unwrap().writer(&task()).err().unwrap().to_string();
    assert!(error.contains("this is a file") && error.contains("table: t"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read_back(
        rows in prop::collection::vec((any::<Option<i64>>(), "[a-c,;\"'\n\r\\\\ ä0-9]{1,12}"), 1..40),
        json in any::<bool>(),
        size in 1u64..200,
    ) {
        let folder = tempdir().unwrap();
        let size = size.to_string();
        let mut options = vec![("sink.rolling-policy.file-size", size.as_str())];
        if !json {
            options.push(("csv.null-literal", "NULL"));
        }
        let table = table(folder.path(), if json { "json" } else { "csv" }, &options);
        let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().map(|(a, b)| (a, Some(b))).unzip();
        let written = batch(&table, a, b);
        let mut parts = writer(&table);
        let half = written.num_rows() / 2;
        parts.write(written.slice(0, half)).unwrap();
        parts.flush(Flush::Barrier).unwrap();
        parts.write(written.slice(half, written.num_rows() - half)).unwrap();
        parts.flush(Flush::End).unwrap();
        let text = |rows: &RecordBatch| {
            let mut lines: Vec<String> = (0..rows.num_rows()).map(|n| format!("{:?}", rows.slice(n, 1).columns())).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(text(&read(&table).unwrap()), text(written.rows()));
    }
}
