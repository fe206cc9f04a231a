//! Groups, their ids, their bytes, and the bound on memory. That rows are written exactly once is in `tests/it`.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use riverrun_data::RowKind;

use super::*;
use crate::{Flush, JobContext};

type Written = Arc<Mutex<Vec<(String, Batch)>>>;

struct Destination(Written);

impl GroupWriter for Destination {
    fn write_group(&mut self, id: &str, rows: Batch) -> Result<()> {
        self.0.lock().unwrap().push((id.to_owned(), rows));
        Ok(())
    }
}

fn log(written: &Written) -> WriteAheadLog {
    let written = Arc::clone(written);
    WriteAheadLog::new(move |_| Ok(Box::new(Destination(Arc::clone(&written)))))
}

fn context(subtask: usize) -> TaskContext {
    let job = JobContext { id: "j".into(), operator: "o".into(), attempt: 3, ..JobContext::default() };
    TaskContext { subtask, parallelism: 2, job, ..TaskContext::default() }
}

fn rows(numbers: std::ops::Range<i64>) -> Batch {
    let texts: StringArray = numbers.clone().map(|number| (number % 3 > 0).then(|| format!("row {number}"))).collect();
    let lists = numbers.clone().map(|number| (number % 4 > 0).then(|| vec![Some(1), None, Some(2)]));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    let columns = [("a", numbers, false), ("b", Arc::new(texts) as ArrayRef, true), ("c", Arc::new(lists), true)];
    Batch::insertions(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

#[test]
fn groups_come_back_whole_in_order_and_under_their_ids() {
    let written = Written::default();
    let log = log(&written).group_rows(NonZeroUsize::new(4).unwrap());
    let mut prepared = Vec::new();
    for subtask in [1, 0] {
        let mut writer = log.writer(&context(subtask)).unwrap();
        writer.write(rows(0..3)).unwrap();
        writer.write(rows(3..9)).unwrap();
        prepared.extend(writer.prepare(CheckpointId(5)).unwrap());
        assert_eq!(writer.prepare(CheckpointId(6)).unwrap(), []);
        writer.write(rows(9..10)).unwrap();
        prepared.extend(writer.prepare(CheckpointId(7)).unwrap());
        writer.flush(Flush::End).unwrap();
    }
    prepared.reverse();
    assert!(written.lock().unwrap().is_empty(), "nothing is written before the commit");
    let mut committer = log.committer(&context(0)).unwrap();
    assert!(matches!(committer.commit(CheckpointId(7), &prepared).unwrap(), Commit::Done));
    let written = std::mem::take(&mut *written.lock().unwrap());
    let ids: Vec<&str> = written.iter().map(|(id, _)| id.as_str()).collect();
    let expected =
        ["j-o-0-5-0", "j-o-0-5-1", "j-o-0-5-2", "j-o-0-7-3", "j-o-1-5-0", "j-o-1-5-1", "j-o-1-5-2", "j-o-1-7-3"];
    assert_eq!(ids, expected);
    let groups = [rows(0..4), rows(4..8), rows(8..9), rows(9..10)];
    for ((_, group), expected) in written.iter().zip(groups.iter().cycle()) {
        assert_eq!(group, expected);
    }
}

#[test]
fn row_kinds_are_kept_and_part_groups() {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    let written = Written::default();
    let log = log(&written).changelog_mode(ChangelogMode::ALL);
    let mut writer = log.writer(&context(0)).unwrap();
    let changes = Batch::with_kinds(rows(0..4).rows().clone(), [Insert, UpdateBefore, UpdateAfter, Delete]).unwrap();
    writer.write(rows(0..2)).unwrap();
    writer.write(changes.clone()).unwrap();
    writer.write(changes.slice(1, 2)).unwrap();
    let prepared = writer.prepare(CheckpointId(1)).unwrap();
    log.committer(&context(0)).unwrap().recover(None, &prepared).unwrap();
    let written = written.lock().unwrap();
    let groups: Vec<&Batch> = written.iter().map(|(_, group)| group).collect();
    let both = Batch::concat(&changes.schema(), &[changes.clone(), changes.slice(1, 2)]).unwrap();
    assert_eq!(groups, [&rows(0..2), &both]);
}

#[test]
fn too_many_rows_between_two_barriers_are_an_error_that_says_what_to_do() {
    let log = log(&Written::default()).memory(MemorySize(64 << 10));
    let mut writer = log.writer(&context(1)).unwrap();
    for _ in 0..3 {
        writer.write(rows(0..500)).unwrap();
        assert!(!writer.prepare(CheckpointId(1)).unwrap().is_empty(), "each interval has the whole memory");
    }
    let error = (0..100).find_map(|_| writer.write(rows(0..500)).err()).unwrap().to_string();
    assert!(
        error.contains("exceed the memory of the write-ahead log (operator: o, subtask: 1, memory: 64kb)"),
        "{error}"
    );
    assert!(error.contains("execution.checkpointing.interval"), "{error}");
}

#[test]
fn rows_without_a_barrier_behind_them_are_not_lost_silently() {
    let mut writer = log(&Written::default()).writer(&context(0)).unwrap();
    writer.write(rows(0..1)).unwrap();
    assert!(writer.flush(Flush::End).unwrap_err().to_string().contains("no barrier came behind them"));
}

#[test]
fn a_damaged_group_is_refused_by_its_id() {
    let written = Written::default();
    let log = log(&written);
    let mut writer = log.writer(&context(0)).unwrap();
    writer.write(rows(0..100)).unwrap();
    let whole = writer.prepare(CheckpointId(1)).unwrap().remove(0).0;
    let mut committer = log.committer(&context(0)).unwrap();
    let mut refused =
        |bytes: &[u8]| committer.commit(CheckpointId(1), &[Committable(bytes.to_vec())]).unwrap_err().to_string();
    assert!(refused(&[2]).contains("unknown version 2"));
    for length in 0..41 {
        assert!(refused(&whole[..length]).contains("cut short"), "{length}");
    }
    for length in [whole.len() - 200, 400, 100] {
        let error = refused(&whole[..length]);
        assert!(error.contains("damaged") && error.contains("(group: j-o-0-1-0)"), "{length}: {error}");
    }
    assert!(written.lock().unwrap().is_empty());
}
