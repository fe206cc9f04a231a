//! The threads in which sinks commit.
//!
//! A committer outlives the tasks of its attempt: what a completed checkpoint holds is committed also while the job fails, and before
//! the next attempt begins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Commit, Committable, Committer, Counters, JobContext, TaskContext};
use riverrun_protocol::CheckpointId;

use crate::JobGraph;
use crate::crash::crash_point;
use crate::job::attempt::caught;

/// What a committer's thread reports.
#[derive(Debug)]
pub(crate) enum CommitEvent {
    /// The restored checkpoint's rows are visible, and nothing else is left of earlier attempts.
    Recovered,
    /// A checkpoint's rows are visible.
    Committed { node: usize, checkpoint: CheckpointId },
    /// Rows of a completed checkpoint can never become visible. `visible` says whether others of it are in this sink.
    Lost { node: usize, checkpoint: CheckpointId, visible: bool, error: Error },
    /// The committer gave up; what it did not commit is tried again by the next attempt. Its thread has ended.
    Failed { error: Error },
}

enum Command {
    Recover { restored: Option<CheckpointId>, committables: Vec<Committable> },
    Commit { checkpoint: CheckpointId, committables: Vec<Committable> },
}

/// The committers of an attempt, by node. Dropped, they stop at once.
pub(crate) struct Committers {
    threads: BTreeMap<usize, CommitterThread>,
    cancellation: Cancellation,
}

struct CommitterThread {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Committers {
    /// Starts a thread for each of these sinks. What they report goes to `report`.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        graph: &Arc<JobGraph>,
        sinks: &[(usize, JobContext)],
        report: &(impl Fn(CommitEvent) + Clone + Send + 'static),
    ) -> Result<Self> {
        let cancellation = Cancellation::new();
        let mut committers = Self { threads: BTreeMap::new(), cancellation: cancellation.clone() };
        for (node, job) in sinks {
            let (commands, received) = channel();
            let name = graph.nodes[*node].settings.name.clone();
            let context = TaskContext {
                task: format!("{name} (committer)"),
                subtask: 0,
                parallelism: graph.nodes[*node].parallelism,
                cancellation: cancellation.clone(),
                counters: Counters::default(),
                job: job.clone(),
            };
            let (graph, report, node) = (Arc::clone(graph), report.clone(), *node);
            let run = move || {
                let opened = caught(|| graph.nodes[node].body.committer(&context));
                let worked = opened.and_then(|committer| caught(|| serve(committer, node, &received, &report)));
                drop(graph);
                if let Err(error) = worked {
                    report(CommitEvent::Failed { error: error.with("operator", context.task) });
                }
            };
            let thread = std::thread::Builder::new().name(format!("{name} (committer)")).spawn(run);
            let thread = thread.map_err(|error| {
                Error::external("the operating system gives no thread").caused_by(error).with("for", name)
            })?;
            committers.threads.insert(node, CommitterThread { commands, thread: Some(thread) });
        }
        Ok(committers)
    }

    /// Lets a sink's committer recover.
    pub(crate) fn recover(&self, node: usize, restored: Option<CheckpointId>, committables: Vec<Committable>) {
        self.send(node, Command::Recover { restored, committables });
    }

    /// Lets a sink's committer commit.
    pub(crate) fn commit(&self, node: usize, checkpoint: CheckpointId, committables: Vec<Committable>) {
        self.send(node, Command::Commit { checkpoint, committables });
    }

    fn send(&self, node: usize, command: Command) {
        if let Some(thread) = self.threads.get(&node) {
            // A committer that has ended has reported why.
            let _ = thread.commands.send(command);
        }
    }

    /// Ends all waits; what is not committed yet stays so.
    pub(crate) fn cancel(&self) {
        self.cancellation.cancel();
    }
}

impl Drop for Committers {
    fn drop(&mut self) {
        self.cancellation.cancel();
        for (_, CommitterThread { commands, thread }) in std::mem::take(&mut self.threads) {
            drop(commands);
            if thread.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("a committer's thread panicked while it ended");
            }
        }
    }
}

/// Carries out commands until none can come any more, or a commit fails for good.
fn serve(
    mut committer: Box<dyn Committer>,
    node: usize,
    commands: &Receiver<Command>,
    report: &impl Fn(CommitEvent),
) -> Result<()> {
    while let Ok(command) = commands.recv() {
        match command {
            Command::Recover { restored, committables } => match committer.recover(restored, &committables)? {
                Commit::Done => report(CommitEvent::Recovered),
                Commit::Lost { visible, error } => {
                    let checkpoint = restored.ok_or_else(|| Error::internal("rows are lost of no checkpoint"))?;
                    report(CommitEvent::Lost { node, checkpoint, visible, error });
                }
            },
            Command::Commit { checkpoint, committables } => {
                match committed(&mut *committer, checkpoint, &committables)? {
                    Commit::Done => report(CommitEvent::Committed { node, checkpoint }),
                    Commit::Lost { visible, error } => report(CommitEvent::Lost { node, checkpoint, visible, error }),
                }
            }
        }
    }
    Ok(())
}

fn committed(committer: &mut dyn Committer, checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
    crash_point("before-commit");
    let commit = committer.commit(checkpoint, committables)?;
    crash_point("behind-commit");
    Ok(commit)
}
