//! The way from a node to a consumer in another task, whatever flows on it.

use std::any::Any;
use std::sync::Arc;

use riverrun_base::Result;

use crate::gate::Sender;
use crate::graph::Gates;
use crate::metrics::{OperatorMetrics, TaskMetrics};
use crate::task::{ExchangeLink, Link, erase};
use crate::{Data, Exchange};

/// How rows find their consumer, without what it needs to know of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ship {
    /// Subtask to subtask of the same index.
    Forward,
    /// Every subtask to every subtask.
    All,
}

impl Ship {
    pub(crate) fn of<B>(exchange: &Exchange<B>) -> Self {
        if matches!(exchange, Exchange::Forward) { Self::Forward } else { Self::All }
    }
}

/// A producer's place at its consumer's gates.
pub(crate) struct WireEnd<'a> {
    pub(crate) gates: &'a Gates,
    /// The index of the producer's channel in each gate.
    pub(crate) channel: usize,
    /// The producer's subtask.
    pub(crate) subtask: usize,
    /// How many subtasks the producer has.
    pub(crate) parallelism: usize,
    pub(crate) max_parallelism: usize,
    pub(crate) task: Arc<TaskMetrics>,
    pub(crate) operator: Arc<OperatorMetrics>,
}

/// Makes the link that writes into consumers' gates: an erased `Box<dyn Link<B>>`.
pub(crate) trait Wire: Send + Sync {
    fn link(&self, end: WireEnd<'_>) -> Result<Box<dyn Any>>;
}

pub(crate) struct TypedWire<B>(pub(crate) Exchange<B>);

impl<B: Data> Wire for TypedWire<B> {
    fn link(&self, end: WireEnd<'_>) -> Result<Box<dyn Any>> {
        let gates = end.gates.typed::<B>()?;
        let forward = matches!(self.0, Exchange::Forward).then_some(end.subtask);
        let consumers = gates.iter().enumerate().filter(|(consumer, _)| forward.is_none_or(|own| own == *consumer));
        let senders = consumers.map(|(_, gate)| Sender::new(Arc::clone(gate), end.channel)).collect();
        let link: Box<dyn Link<B>> = Box::new(ExchangeLink::new(
            self.0.clone(),
            senders,
            (end.subtask, end.parallelism),
            end.max_parallelism,
            end.task,
            end.operator,
        ));
        Ok(erase(link))
    }
}
