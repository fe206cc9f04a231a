//! The suite passes a sink that is right, and finds what is wrong with each that is not.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use riverrun_base::{Error, Result};
use riverrun_connect::{Commit, JobContext, Sink, TransactionId, TwoPhaseCommit, TwoPhaseCommitSink};

use super::{Destination, Violation, try_crash_after_every_call, try_random_crashes};

/// What a sink does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// A repeated commit writes again.
    CommitsTwice,
    /// An abort does nothing.
    ForgetsAbort,
    /// Rows are seen when they are prepared.
    PublishesAtPreCommit,
    /// The recovery takes it that everything was committed.
    RecoversNothing,
    /// What is committed is known to the instance that has written it.
    KeepsTheConnection,
    /// A commit says that it is done before it is.
    AnswersEarly,
    /// A commit publishes whatever the writer has under way.
    PublishesTheNext,
    /// The recovery aborts what the checkpoint holds, too.
    AbortsFirst,
    /// The half of the rows that another thread would have sent is forgotten at the barrier.
    PreparesHalf,
    /// The recovery ends transactions of later attempts, too.
    AbortsLaterAttempts,
    /// Names come again in the next attempt.
    NamesComeAgain,
}

/// A store with transactions, as a server has them: names, rows that wait, rows that are seen.
#[derive(Clone)]
struct Store {
    flaw: Flaw,
    server: Arc<Mutex<Server>>,
    /// What this instance has written.
    own: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Server {
    waiting: BTreeMap<String, Vec<u64>>,
    forgotten: BTreeMap<String, Vec<u64>>,
    visible: Vec<u64>,
}

impl Store {
    fn server<T>(&self, use_it: impl FnOnce(&mut Server) -> T) -> T {
        use_it(&mut self.server.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Server {
    fn publish(&mut self, name: &str) -> bool {
        let rows = self.waiting.remove(name);
        let known = rows.is_some();
        self.visible.extend(rows.unwrap_or_default());
        known
    }
}

impl TwoPhaseCommitSink<Vec<u64>> for Store {
    type Transaction = String;

    fn begin(&mut self, id: &TransactionId) -> Result<String> {
        let name = match self.flaw {
            Flaw::NamesComeAgain => TransactionId { attempt: 0, ..id.clone() }.to_string(),
            _ => id.to_string(),
        };
        self.own.lock().unwrap().push(name.clone());
        self.server(|server| drop(server.waiting.insert(name.clone(), Vec::new())));
        Ok(name)
    }

    fn write(&mut self, name: &mut String, rows: Vec<u64>) -> Result<()> {
        let rows = if self.flaw == Flaw::PreparesHalf { rows[..rows.len().div_ceil(2)].to_vec() } else { rows };
        self.server(|server| match server.waiting.get_mut(name) {
            Some(waiting) => {
                waiting.extend(rows);
                Ok(())
            }
            None => Err(Error::external(format!("no transaction '{name}'"))),
        })
    }

    fn pre_commit(&mut self, name: &mut String) -> Result<()> {
        if self.flaw == Flaw::PublishesAtPreCommit {
            self.server(|server| server.publish(name));
        }
        Ok(())
    }

    fn encode(&self, name: &String) -> Result<Vec<u8>> {
        Ok(name.clone().into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|error| Error::data("not a name").caused_by(error))
    }

    fn commit(&mut self, name: String) -> Result<Commit> {
        if self.flaw == Flaw::KeepsTheConnection && !self.own.lock().unwrap().contains(&name) {
            return Ok(Commit::Done);
        }
        self.server(|server| {
            match self.flaw {
                Flaw::AnswersEarly => {
                    let rows = server.waiting.remove(&name).unwrap_or_default();
                    server.visible.extend(rows.iter().skip(1));
                }
                Flaw::CommitsTwice => {
                    let rows = server.waiting.get(&name).cloned().unwrap_or_default();
                    let rows = server.forgotten.entry(name.clone()).or_insert(rows).clone();
                    server.waiting.remove(&name);
                    server.visible.extend(rows);
                }
                Flaw::PublishesTheNext => {
                    server.publish(&name);
                    let (head, number) = name.rsplit_once('-').unwrap();
                    let next = format!("{head}-{}", number.parse::<u64>().unwrap() + 1);
                    server.publish(&next);
                }
                _ => drop(server.publish(&name)),
            }
            Ok(Commit::Done)
        })
    }

    fn abort(&mut self, name: String) -> Result<()> {
        if self.flaw != Flaw::ForgetsAbort {
            self.server(|server| server.waiting.remove(&name));
        }
        Ok(())
    }

    fn recover_and_commit(&mut self, name: String) -> Result<Commit> {
        match self.flaw {
            Flaw::RecoversNothing => return Ok(Commit::Done),
            Flaw::AbortsFirst => self.server(|server| server.waiting.clear()),
            _ => {}
        }
        self.commit(name)
    }

    fn unfinished(&mut self, job: &JobContext) -> Result<Vec<String>> {
        let is_left = |id: TransactionId| id.attempt < job.attempt || self.flaw == Flaw::AbortsLaterAttempts;
        let left = |name: &&String| TransactionId::parse(name, job).is_some_and(is_left);
        Ok(self.server(|server| server.waiting.keys().filter(left).cloned().collect()))
    }
}

struct Table(Store);

impl Destination<Vec<u64>> for Table {
    fn sink(&mut self) -> Box<dyn Sink<Vec<u64>>> {
        self.0.own = Arc::default();
        Box::new(TwoPhaseCommit::new(self.0.clone()))
    }

    fn rows(&mut self, numbers: Range<u64>) -> Vec<u64> {
        numbers.collect()
    }

    fn visible(&mut self) -> Vec<u64> {
        self.0.server(|server| server.visible.clone())
    }

    fn unfinished(&mut self) -> Vec<String> {
        self.0.server(|server| server.waiting.keys().cloned().collect())
    }
}

fn table(flaw: Flaw) -> impl FnMut() -> Table {
    move || Table(Store { flaw, server: Arc::default(), own: Arc::default() })
}

/// What the suite finds by single crashes, and by random ones.
fn found(flaw: Flaw) -> [Option<Box<Violation>>; 2] {
    [try_crash_after_every_call(0..8, table(flaw)).err(), try_random_crashes(0..300, table(flaw)).err()]
}

#[test]
fn a_sink_that_holds_the_contract_passes() {
    assert!(found(Flaw::None).iter().all(Option::is_none), "{:?}", found(Flaw::None));
}

#[test]
fn every_flaw_is_found_by_single_crashes_and_by_random_ones() {
    let flaws = [
        (Flaw::CommitsTwice, "is seen twice"),
        (Flaw::ForgetsAbort, "left behind at the end"),
        (Flaw::PublishesAtPreCommit, "is seen before its checkpoint is complete"),
        (Flaw::RecoversNothing, "was committed and is not seen"),
        (Flaw::KeepsTheConnection, "was committed and is not seen"),
        (Flaw::AnswersEarly, "was committed and is not seen"),
        (Flaw::PublishesTheNext, "is seen before its checkpoint is complete"),
        (Flaw::AbortsFirst, ""),
        (Flaw::PreparesHalf, "was committed and is not seen"),
        (Flaw::AbortsLaterAttempts, ""),
        (Flaw::NamesComeAgain, ""),
    ];
    for (flaw, expected) in flaws {
        for violation in found(flaw) {
            let violation = violation.unwrap_or_else(|| panic!("{flaw:?} passes"));
            assert!(violation.what.contains(expected), "{flaw:?}: {violation:?}");
        }
    }
}

#[test]
fn a_seed_plays_the_same_calls_again() {
    let calls = || {
        try_random_crashes(0..300, table(Flaw::CommitsTwice)).err().map(|violation| (violation.seed, violation.calls))
    };
    let first = calls();
    assert!(first.is_some() && first == calls());
}
