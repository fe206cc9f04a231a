//! Tasks: what each thread of a job does.

mod chain;
mod exchange;
mod input;
mod mailbox;
mod sink;
mod source;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use riverrun_base::{Error, Result};
use riverrun_protocol::watermark::{Change, Changes};

use chain::{Discard, FanOut};
pub(crate) use chain::{Link, OperatorLink};
pub(crate) use exchange::ExchangeLink;
pub(crate) use input::{Stepped, run_gate, stepped};
pub(crate) use mailbox::{AfterBarrier, AssignedSplit, Mailbox};
pub(crate) use sink::SinkLink;
pub(crate) use source::SourceTask;

use crate::gate::Gate;
use crate::graph::{Plan, Ship, WireEnd};
use crate::job::{AttemptEvent, Execution};
use crate::metrics::{OperatorMetrics, TaskMetrics};
use crate::state::NodeState;
use crate::{Barrier, Clock, Data, KeyGroupRange, OperatorContext, TaskHandle};

/// One task, and what its thread needs to make its operators.
pub(crate) struct TaskBuild {
    pub(crate) execution: Arc<Execution>,
    /// The node at the head of the chain.
    pub(crate) head: usize,
    pub(crate) subtask: usize,
    pub(crate) metrics: Arc<TaskMetrics>,
    /// The metrics of the chain's operators, by node.
    pub(crate) operators: BTreeMap<usize, Arc<OperatorMetrics>>,
    /// The node whose code runs now, which an error or a panic is told with.
    pub(crate) current: Arc<AtomicUsize>,
    /// The index of the task among all of the attempt.
    pub(crate) task: usize,
    /// Whether the task's next snapshots must be full.
    pub(crate) wants_full: Arc<AtomicBool>,
}

/// What a link of a chain says about itself while it runs.
pub(crate) struct Probe {
    node: usize,
    current: Arc<AtomicUsize>,
    wants_full: Arc<AtomicBool>,
    /// Whether its input comes from another task.
    pub(crate) is_head: bool,
    pub(crate) metrics: Arc<OperatorMetrics>,
    /// The time of day.
    pub(crate) clock: Clock,
}

impl Probe {
    /// Says that this node's code runs now; answers whose ran before, for [`Self::leave`]. After an error nobody
    /// leaves, so that it is told with the node where it happened.
    pub(crate) fn enter(&self) -> usize {
        let before = self.current.load(Ordering::Relaxed);
        self.current.store(self.node, Ordering::Relaxed);
        before
    }

    pub(crate) fn leave(&self, before: usize) {
        self.current.store(before, Ordering::Relaxed);
    }

    /// The node.
    pub(crate) fn node(&self) -> usize {
        self.node
    }

    /// Whether a snapshot must be full, as one before it could not be stored.
    pub(crate) fn wants_full(&self) -> bool {
        self.wants_full.load(Ordering::Acquire)
    }
}

impl TaskBuild {
    /// The context of a node's operator; from now on the node's code runs.
    pub(crate) fn enter(&self, node: usize) -> OperatorContext {
        self.current.store(node, Ordering::Relaxed);
        let max_parallelism = self.execution.graph.settings.max_parallelism;
        let of = &self.execution.graph.nodes[node];
        let gates = self.execution.gates[self.head].as_ref();
        let gate = gates.and_then(|gates| gates.controls.get(self.subtask)).cloned();
        OperatorContext {
            name: of.settings.name.clone(),
            subtask: self.subtask,
            parallelism: of.parallelism,
            max_parallelism,
            key_groups: KeyGroupRange::of_subtask(self.subtask, of.parallelism, max_parallelism),
            cancellation: self.execution.shared.cancellation.clone(),
            counters: self.operator_metrics(node).counters.clone(),
            job: self.execution.job_context(node),
            clock: self.execution.clock.clone(),
            task: TaskHandle::new(Arc::clone(&self.metrics), gate),
        }
    }

    pub(crate) fn probe(&self, node: usize) -> Probe {
        Probe {
            node,
            current: Arc::clone(&self.current),
            wants_full: Arc::clone(&self.wants_full),
            is_head: node == self.head,
            clock: self.execution.clock.clone(),
            metrics: self.operator_metrics(node),
        }
    }

    fn operator_metrics(&self, node: usize) -> Arc<OperatorMetrics> {
        self.operators.get(&node).cloned().unwrap_or_default()
    }

    /// Where a node's results go: into chained operators, other tasks' gates, or nowhere.
    pub(crate) fn outputs<B: Data>(&self, node: usize) -> Result<Box<dyn Link<B>>> {
        let Execution { graph, plan, gates, .. } = &*self.execution;
        let mut links: Vec<Box<dyn Link<B>>> = Vec::new();
        for (consumer, input) in &plan.outputs[node] {
            let to = &graph.nodes[*consumer];
            let erased = if plan.chained[*consumer] {
                to.body.link(self, *consumer)?
            } else {
                let way = &to.inputs[*input];
                let end = WireEnd {
                    gates: gates[*consumer].as_ref().ok_or_else(|| Error::internal("a consumer has no gate"))?,
                    channel: Plan::first_channel(graph, *consumer, *input)
                        + if way.ship == Ship::All { self.subtask } else { 0 },
                    subtask: self.subtask,
                    parallelism: graph.nodes[node].parallelism,
                    max_parallelism: graph.settings.max_parallelism,
                    task: Arc::clone(&self.metrics),
                    operator: self.operator_metrics(node),
                };
                way.wire.link(end)?
            };
            links.push(restore(erased)?);
        }
        Ok(match links.len() {
            0 => Box::new(Discard),
            1 => links.remove(0),
            _ => Box::new(FanOut(links)),
        })
    }

    /// An error of the task, with the operator whose code ran last.
    pub(crate) fn told(&self, error: Error) -> Error {
        let node = &self.execution.graph.nodes[self.current.load(Ordering::Relaxed)];
        error.with("operator", format!("{} ({}/{})", node.settings.name, self.subtask + 1, node.parallelism))
    }

    /// The gate of this task.
    pub(crate) fn gate<B: Data>(&self, node: usize) -> Result<Arc<Gate<B>>> {
        let gates = self.execution.gates[node].as_ref().map(crate::graph::Gates::typed::<B>).transpose()?;
        gates.and_then(|gates| gates.get(self.subtask)).cloned().ok_or_else(|| Error::internal("a task has no gate"))
    }

    /// Tells the job that a barrier has passed through this task, with the states that were frozen there.
    pub(crate) fn acknowledge(&self, barrier: Barrier, states: Vec<NodeState>) {
        self.execution.shared.tell(AttemptEvent::Acknowledged {
            checkpoint: barrier.checkpoint,
            task: self.task,
            subtask: self.subtask,
            states,
        });
    }
}

/// Hides a link's type of batches until [`restore`] gives it back.
pub(crate) fn erase<B: Data>(link: Box<dyn Link<B>>) -> Box<dyn Any> {
    Box::new(link)
}

pub(crate) fn restore<B: Data>(erased: Box<dyn Any>) -> Result<Box<dyn Link<B>>> {
    let link = erased.downcast::<Box<dyn Link<B>>>();
    link.map(|link| *link).map_err(|_| Error::internal("a stream's batches are not those its consumer takes"))
}

/// Passes on what a merge of watermarks has decided.
fn pass_on<B>(changes: Changes, link: &mut dyn Link<B>) -> Result<()> {
    for change in changes.into_iter().flatten() {
        match change {
            Change::Watermark(watermark) => link.watermark(watermark)?,
            Change::Idle => link.status(true)?,
            Change::Active => link.status(false)?,
        }
    }
    Ok(())
}
