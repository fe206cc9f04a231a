//! The thread that finds a source's splits and deals them out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Counters, Discovery, SplitEnumerator, SplitId, TaskContext};
use riverrun_protocol::SplitAssignment;

use crate::job::Execution;
use crate::task::{AfterBarrier, AssignedSplit, Mailbox};
use crate::{Barrier, JobSettings};

/// Which subtask of a source reads which split, and how to tell it.
pub(crate) struct Assignments {
    state: Mutex<State>,
    mailboxes: Vec<Arc<Mailbox>>,
}

/// It stays locked while mail is posted, so that a split that is known when a barrier is posted is in the mailbox before it.
struct State {
    assignment: SplitAssignment<SplitId>,
    /// All splits that were ever discovered.
    known: BTreeSet<SplitId>,
}

/// A source as a checkpoint has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RestoredSource {
    /// All splits that were ever discovered.
    pub(crate) known: Vec<SplitId>,
    /// Those that are not finished.
    pub(crate) unfinished: Vec<AssignedSplit>,
}

impl Assignments {
    pub(crate) fn new(readers: usize) -> Self {
        Self {
            state: Mutex::new(State { assignment: SplitAssignment::new(readers), known: BTreeSet::new() }),
            mailboxes: (0..readers).map(|_| Arc::default()).collect(),
        }
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        &self.mailboxes
    }

    /// Deals out what a checkpoint has, before the first barrier can be posted: a checkpoint that did not know it would lose it.
    pub(crate) fn restore(&self, from: RestoredSource) -> Result<()> {
        self.state().known.extend(from.known);
        if from.unfinished.is_empty() { Ok(()) } else { self.deal(from.unfinished, false) }
    }

    /// Lets every reader send a barrier. Answers which splits are known: each of those is finished, or in a reader's state.
    pub(crate) fn barrier(&self, barrier: Barrier, after: AfterBarrier) -> Vec<SplitId> {
        let state = self.state();
        self.mailboxes.iter().for_each(|mailbox| mailbox.barrier(barrier, after));
        state.known.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mailbox(&self, reader: usize) -> Result<Arc<Mailbox>> {
        self.mailboxes.get(reader).cloned().ok_or_else(|| Error::internal(format!("the source has no reader {reader}")))
    }

    /// Deals out what was found. Every reader hears of the first discovery, even if it gets nothing.
    fn deal(&self, splits: Vec<AssignedSplit>, no_more: bool) -> Result<()> {
        let mut shares: Vec<Vec<AssignedSplit>> = vec![Vec::new(); self.mailboxes.len()];
        let mut state = self.state();
        for assigned in splits {
            let id = Arc::clone(&assigned.split.id);
            state.known.insert(Arc::clone(&id));
            let reader = state.assignment.discovered(Arc::clone(&id));
            let reader = reader.ok_or_else(|| Error::internal(format!("the source found split '{id}' twice")))?;
            shares[reader].push(assigned);
        }
        if no_more {
            state.assignment.no_more_splits();
        }
        for (mailbox, share) in self.mailboxes.iter().zip(shares) {
            mailbox.assign(share, no_more);
        }
        Ok(())
    }

    /// A reader has read a split to its end.
    pub(crate) fn finished(&self, reader: usize, split: &SplitId) -> Result<()> {
        let known = self.state().assignment.finished(reader, split);
        if known {
            Ok(())
        } else {
            Err(Error::internal(format!("split '{split}' was not assigned to reader {reader}")))
        }
    }
}

/// Runs the enumerator of `node` until its source has no other splits, or the job ends.
///
/// An error that a retry may mend is retried once a discovery has worked: what never worked is configured wrongly, and
/// shall fail at once.
pub(crate) fn run(execution: &Execution, node: usize, assignments: &Assignments) -> Result<()> {
    let source = &execution.graph.nodes[node];
    let context = TaskContext {
        job: execution.job_context(node),
        task: format!("{} (enumerator)", source.settings.name),
        subtask: 0,
        parallelism: source.parallelism,
        cancellation: execution.shared.cancellation.clone(),
        counters: Counters::default(),
    };
    let mut enumerator =
        source.body.enumerator(&context)?.ok_or_else(|| Error::internal("a node that is no source has no splits"))?;
    let known: Vec<SplitId> = assignments.state().known.iter().cloned().collect();
    if !known.is_empty() {
        enumerator.restore(&known);
    }
    let mut has_worked = false;
    loop {
        let retries = if has_worked { execution.graph.settings.discovery_retries } else { 0 };
        let discovery = discover(&mut *enumerator, &context, &execution.graph.settings, retries)?;
        has_worked = true;
        let again = discovery.again;
        let new = discovery.splits.into_iter().map(|split| AssignedSplit { split, watermark: None });
        assignments.deal(new.collect(), again.is_none())?;
        match again {
            Some(pause) => context.cancellation.sleep(pause)?,
            None => return Ok(()),
        }
    }
}

fn discover(
    enumerator: &mut dyn SplitEnumerator,
    context: &TaskContext,
    settings: &JobSettings,
    retries: u32,
) -> Result<Discovery> {
    let mut failures = 0;
    loop {
        context.cancellation.check()?;
        match enumerator.discover() {
            Err(error) if error.is_retryable() && failures < retries => {
                let pause = backoff(settings.discovery_backoff, failures);
                failures += 1;
                tracing::warn!(source = context.task, %error, failures, retries, ?pause, "splits could not be discovered; trying again");
                context.cancellation.sleep(pause)?;
            }
            result => return result,
        }
    }
}

/// Doubles with each failure up to thirty times the first pause, and differs by a quarter, so that sources do not ask
/// in step.
fn backoff(first: Duration, failures: u32) -> Duration {
    let doubled = first.saturating_mul(2u32.saturating_pow(failures).min(30));
    doubled.mul_f64(0.75 + 0.5 * fastrand::f64())
}
