//! Which calls the adapter makes, and what it makes of their answers. That rows are seen exactly once is in `tests/it`.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{Committable, Flush};
use riverrun_protocol::CheckpointId;

/// Writes down every call.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    calls: Vec<String>,
    /// Transactions whose commit says that they are lost, and whether in part only.
    lost: Vec<(String, bool)>,
    /// Transactions whose commit fails.
    failing: Vec<String>,
    refuses_pre_commit: bool,
    unfinished: Vec<String>,
}

impl Recorder {
    fn note(&self, call: impl Into<String>) {
        self.0.lock().unwrap().calls.push(call.into());
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }
}

impl TwoPhaseCommitSink<u32> for Recorder {
    type Transaction = String;

    fn begin(&mut self, id: &TransactionId) -> Result<String> {
        self.note(format!("begin {id}"));
        Ok(format!("{}.{}", id.subtask, id.number))
    }

    fn write(&mut self, transaction: &mut String, batch: u32) -> Result<()> {
        self.note(format!("write {batch} to {transaction}"));
        Ok(())
    }

    fn pre_commit(&mut self, transaction: &mut String) -> Result<()> {
        self.note(format!("pre-commit {transaction}"));
        let refuses = self.0.lock().unwrap().refuses_pre_commit;
        if refuses { Err(Error::external("a row was refused")) } else { Ok(()) }
    }

    fn encode(&self, transaction: &String) -> Result<Vec<u8>> {
        Ok(transaction.clone().into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|error| Error::data("not a name").caused_by(error))
    }

    fn commit(&mut self, transaction: String) -> Result<Commit> {
        self.note(format!("commit {transaction}"));
        let record = self.0.lock().unwrap();
        if record.failing.contains(&transaction) {
            return Err(Error::external("cannot reach it"));
        }
        Ok(match record.lost.iter().find(|(lost, _)| *lost == transaction) {
            Some((_, visible)) => Commit::Lost { visible: *visible, error: Error::external("timed out") },
            None => Commit::Done,
        })
    }

    fn abort(&mut self, transaction: String) -> Result<()> {
        self.note(format!("abort {transaction}"));
        Ok(())
    }

    fn recover_and_commit(&mut self, transaction: String) -> Result<Commit> {
        self.note(format!("recover {transaction}"));
        self.commit(transaction)
    }

    fn unfinished(&mut self, job: &JobContext) -> Result<Vec<String>> {
        self.note(format!("unfinished of {}", job.operator));
        Ok(self.0.lock().unwrap().unfinished.clone())
    }
}

fn context(subtask: usize) -> TaskContext {
    let job = JobContext { id: "j".into(), operator: "o".into(), attempt: 3, ..JobContext::default() };
    TaskContext { subtask, parallelism: 2, job, ..TaskContext::default() }
}

fn writer(recorder: &Recorder, subtask: usize) -> Box<dyn SinkWriter<u32>> {
    TwoPhaseCommit::new(recorder.clone()).writer(&context(subtask)).unwrap()
}

fn committer(recorder: &Recorder) -> Box<dyn Committer> {
    TwoPhaseCommit::new(recorder.clone()).committer(&context(0)).unwrap()
}

/// Two transactions of each of two writers, not in order.
fn four(recorder: &Recorder) -> Vec<Committable> {
    let mut prepared = Vec::new();
    for subtask in [1, 0] {
        let mut writer = writer(recorder, subtask);
        for checkpoint in 1..3 {
            writer.write(0).unwrap();
            prepared.extend(writer.prepare(CheckpointId(checkpoint)).unwrap());
        }
    }
    recorder.calls();
    prepared
}

#[test]
fn a_transaction_goes_from_its_first_row_to_the_barrier() {
    let recorder = Recorder::default();
    let mut writer = writer(&recorder, 1);
    assert_eq!(writer.prepare(CheckpointId(7)).unwrap(), [], "no rows, no transaction");
    writer.write(10).unwrap();
    writer.write(11).unwrap();
    assert_eq!(writer.prepare(CheckpointId(8)).unwrap().len(), 1);
    writer.flush(Flush::Barrier).unwrap();
    writer.write(12).unwrap();
    assert!(writer.flush(Flush::End).unwrap_err().to_string().contains("no barrier came behind its rows"));
    drop(writer);
    let expected = [
        "begin j-o-3-1-0",
        "write 10 to 1.0",
        "write 11 to 1.0",
        "pre-commit 1.0",
        "begin j-o-3-1-1",
        "write 12 to 1.1",
        "abort 1.1",
    ];
    assert_eq!(recorder.calls(), expected);
}

#[test]
fn a_transaction_whose_pre_commit_fails_is_aborted_once() {
    let recorder = Recorder::default();
    recorder.0.lock().unwrap().refuses_pre_commit = true;
    let mut writer = writer(&recorder, 0);
    writer.write(1).unwrap();
    assert!(writer.prepare(CheckpointId(1)).unwrap_err().to_string().contains("a row was refused"));
    drop(writer);
    assert_eq!(recorder.calls()[2..], ["pre-commit 0.0", "abort 0.0"]);
}

#[test]
fn commits_are_made_in_the_order_of_beginning_and_the_recovery_then_aborts_the_rest() {
    let recorder = Recorder::default();
    let prepared = four(&recorder);
    recorder.0.lock().unwrap().unfinished = vec!["0.2".into(), "1.2".into()];
    let mut committer = committer(&recorder);
    assert!(matches!(committer.recover(Some(CheckpointId(2)), &prepared[..1]).unwrap(), Commit::Done));
    assert_eq!(recorder.calls(), ["recover 1.0", "commit 1.0", "unfinished of o", "abort 0.2", "abort 1.2"]);
    assert!(matches!(committer.commit(CheckpointId(2), &prepared).unwrap(), Commit::Done));
    assert_eq!(recorder.calls(), ["commit 0.0", "commit 1.0", "commit 0.1", "commit 1.1"]);
}

#[test]
fn an_error_ends_the_call_and_names_the_transaction() {
    let recorder = Recorder::default();
    let prepared = four(&recorder);
    recorder.0.lock().unwrap().failing = vec!["1.0".into()];
    let error = committer(&recorder).commit(CheckpointId(2), &prepared).unwrap_err().to_string();
    assert!(error.contains("cannot reach it") && error.contains("transaction: 3-1-0"), "{error}");
    assert_eq!(recorder.calls(), ["commit 0.0", "commit 1.0"]);
}

#[test]
fn where_the_first_is_lost_the_others_are_aborted_and_nothing_is_visible() {
    let recorder = Recorder::default();
    let prepared = four(&recorder);
    recorder.0.lock().unwrap().lost = vec![("0.0".into(), false)];
    let answer = committer(&recorder).recover(None, &prepared).unwrap();
    assert!(matches!(answer, Commit::Lost { visible: false, .. }), "{answer:?}");
    assert_eq!(recorder.calls(), ["recover 0.0", "commit 0.0", "abort 1.0", "abort 0.1", "abort 1.1"]);
}

#[test]
fn where_something_is_visible_the_rest_is_committed_and_the_losses_are_counted() {
    let recorder = Recorder::default();
    let prepared = four(&recorder);
    recorder.0.lock().unwrap().lost = vec![("1.0".into(), false), ("0.1".into(), false)];
    let Commit::Lost { visible: true, error } = committer(&recorder).commit(CheckpointId(2), &prepared).unwrap() else {
        panic!("visible");
    };
    assert!(error.to_string().contains("timed out (transaction: 3-1-0, lost transactions: 2)"), "{error}");
    assert_eq!(recorder.calls(), ["commit 0.0", "commit 1.0", "commit 0.1", "commit 1.1"]);
    recorder.0.lock().unwrap().lost = vec![("0.0".into(), true)];
    let answer = committer(&recorder).commit(CheckpointId(2), &prepared[2..3]).unwrap();
    assert!(matches!(answer, Commit::Lost { visible: true, .. }), "a part of the transaction itself: {answer:?}");
}

#[test]
fn a_failure_after_the_timeout_is_passed_over_where_that_was_asked_for() {
    let recorder = Recorder::default();
    let prepared = four(&recorder);
    recorder.0.lock().unwrap().lost = vec![("0.0".into(), false)];
    let sink = TwoPhaseCommit::new(recorder.clone()).ignore_failures_after_transaction_timeout();
    let recover = |sink: TwoPhaseCommit<Recorder>| {
        let mut committer = Sink::<u32>::committer(&sink, &context(0)).unwrap();
        committer.recover(None, &prepared).unwrap()
    };
    assert!(matches!(recover(sink.clone()), Commit::Lost { .. }), "no time-out is known");
    assert!(matches!(recover(sink.clone().transaction_timeout(Duration::from_secs(3600))), Commit::Lost { .. }));
    std::thread::sleep(Duration::from_millis(2));
    assert!(matches!(recover(sink.transaction_timeout(Duration::from_millis(1))), Commit::Done));
    let error = TwoPhaseCommit::new(recorder).transaction_timeout_warnings(1.5).err().unwrap().to_string();
    assert!(error.contains("between 0 and 1, not 1.5"), "{error}");
}

#[test]
fn a_name_is_parsed_by_its_own_operator_only() {
    let job = |operator: &str| JobContext { id: "j".into(), operator: operator.into(), ..JobContext::default() };
    let id = TransactionId { job: "j".into(), operator: "a-1".into(), attempt: 2, subtask: 3, number: 4 };
    assert_eq!(id.to_string(), "j-a-1-2-3-4");
    assert_eq!(TransactionId::parse("j-a-1-2-3-4", &job("a-1")), Some(id));
    assert_eq!(TransactionId::parse("j-a-1-2-3-4", &job("a")), None);
    assert_eq!(TransactionId::parse("j-a-1-2-3", &job("a-1")), None);
}

#[test]
fn what_is_damaged_or_of_another_version_is_refused() {
    let recorder = Recorder::default();
    let refused = |bytes: &[u8]| {
        let refused = committer(&recorder).commit(CheckpointId(1), &[Committable(bytes.to_vec())]);
        refused.unwrap_err().to_string()
    };
    assert!(refused(&[]).contains("cut short") && refused(&[1, 0, 0]).contains("cut short"));
    assert!(refused(&[9, 0]).contains("unknown version 9"));
    let whole = &four(&recorder)[0].0;
    assert!(refused(&whole[..28]).contains("cut short"));
}
