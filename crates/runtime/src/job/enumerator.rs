//! The thread that finds a source's splits and deals them out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Counters, Discovery, Split, SplitEnumerator, SplitId, TaskContext};
use riverrun_protocol::SplitAssignment;

use crate::JobSettings;
use crate::job::Execution;
use crate::task::Mailbox;

/// Which subtask of a source reads which split, and how to tell it.
pub(crate) struct Assignments {
    assignment: Mutex<SplitAssignment<SplitId>>,
    mailboxes: Vec<Arc<Mailbox>>,
}

impl Assignments {
    pub(crate) fn new(readers: usize) -> Self {
        Self {
            assignment: Mutex::new(SplitAssignment::new(readers)),
            mailboxes: (0..readers).map(|_| Arc::default()).collect(),
        }
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Mailbox>] {
        &self.mailboxes
    }

    pub(crate) fn mailbox(&self, reader: usize) -> Result<Arc<Mailbox>> {
        self.mailboxes.get(reader).cloned().ok_or_else(|| Error::internal(format!("the source has no reader {reader}")))
    }

    /// Deals out what was found. Every reader hears of the first discovery, even if it gets nothing.
    fn deal(&self, discovery: Discovery) -> Result<()> {
        let no_more = discovery.again.is_none();
        let mut shares: Vec<Vec<Split>> = vec![Vec::new(); self.mailboxes.len()];
        {
            let mut assignment = self.assignment.lock().unwrap_or_else(PoisonError::into_inner);
            for split in discovery.splits {
                let reader = assignment.discovered(Arc::clone(&split.id));
                let reader =
                    reader.ok_or_else(|| Error::internal(format!("the source found split '{}' twice", split.id)))?;
                shares[reader].push(split);
            }
            if no_more {
                assignment.no_more_splits();
            }
        }
        for (mailbox, share) in self.mailboxes.iter().zip(shares) {
            mailbox.assign(share, no_more);
        }
        Ok(())
    }

    /// A reader has read a split to its end.
    pub(crate) fn finished(&self, reader: usize, split: &SplitId) -> Result<()> {
        let known = self.assignment.lock().unwrap_or_else(PoisonError::into_inner).finished(reader, split);
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
        task: format!("{} (enumerator)", source.settings.name),
        subtask: 0,
        parallelism: source.parallelism,
        cancellation: execution.shared.cancellation.clone(),
        counters: Counters::default(),
    };
    let mut enumerator =
        source.body.enumerator(&context)?.ok_or_else(|| Error::internal("a node that is no source has no splits"))?;
    let mut has_worked = false;
    loop {
        let retries = if has_worked { execution.graph.settings.discovery_retries } else { 0 };
        let discovery = discover(&mut *enumerator, &context, &execution.graph.settings, retries)?;
        has_worked = true;
        let again = discovery.again;
        assignments.deal(discovery)?;
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
