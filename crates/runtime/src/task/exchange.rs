//! The end of a chain from which rows go to other tasks.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_protocol::Timestamp;

use crate::gate::Sender;
use crate::metrics::{OperatorMetrics, TaskMetrics};
use crate::state::NodeState;
use crate::task::Link;
use crate::{Barrier, Data, Director, Element, Exchange, Output, Partitioner, subtask_of_key_group};

/// Writes into consumers' gates.
pub(crate) struct ExchangeLink<B> {
    senders: Vec<Sender<B>>,
    route: Route<B>,
    task: Arc<TaskMetrics>,
    operator: Arc<OperatorMetrics>,
}

enum Route<B> {
    /// All to one.
    To(usize),
    /// To one after another of a range, this one next.
    InTurn {
        next: usize,
        of: Range<usize>,
    },
    ToAll,
    ByKeyGroup {
        partitioner: Partitioner<B>,
        /// The consumer of each key group.
        owners: Vec<u32>,
        /// Of a batch's rows: the key groups, then the consumers.
        targets: Vec<u32>,
    },
    Directed {
        director: Director<B>,
        targets: Vec<u32>,
    },
}

impl<B: Data> ExchangeLink<B> {
    /// For a forward exchange, `senders` is the one to the consumer.
    pub(crate) fn new(
        exchange: Exchange<B>,
        senders: Vec<Sender<B>>,
        (subtask, parallelism): (usize, usize),
        max_parallelism: usize,
        task: Arc<TaskMetrics>,
        operator: Arc<OperatorMetrics>,
    ) -> Self {
        let consumers = senders.len();
        let route = match exchange {
            Exchange::Broadcast if consumers > 1 => Route::ToAll,
            // Producers start with different consumers.
            Exchange::Rebalance if consumers > 1 => Route::InTurn { next: subtask % consumers, of: 0..consumers },
            Exchange::Rescale if consumers > 1 => {
                let start = subtask * consumers / parallelism.max(1);
                let end = ((subtask + 1) * consumers / parallelism.max(1)).clamp(start + 1, consumers);
                Route::InTurn { next: start, of: start..end }
            }
            Exchange::Directed(director) if consumers > 1 => Route::Directed { director, targets: Vec::new() },
            Exchange::Hash(partitioner) if consumers > 1 => {
                let groups = 0..u32::try_from(max_parallelism).unwrap_or(u32::MAX);
                let owner =
                    |group| u32::try_from(subtask_of_key_group(group, consumers, max_parallelism)).unwrap_or(u32::MAX);
                Route::ByKeyGroup { partitioner, owners: groups.map(owner).collect(), targets: Vec::new() }
            }
            _ => Route::To(0),
        };
        Self { senders, route, task, operator }
    }

    fn send(&self, consumer: usize, batch: B) -> Result<()> {
        self.operator.bytes_out.add(batch.num_bytes());
        self.senders[consumer].send(Element::Data(batch), &self.task)
    }

    fn send_parts(&self, parts: Vec<Option<B>>) -> Result<()> {
        for (consumer, part) in parts.into_iter().enumerate() {
            if let Some(part) = part {
                self.send(consumer, part)?;
            }
        }
        Ok(())
    }

    fn send_to_all(&self, element: &Element<B>) -> Result<()> {
        self.senders.iter().try_for_each(|sender| sender.send(element.clone(), &self.task))
    }
}

impl<B: Data> Output<B> for ExchangeLink<B> {
    fn emit(&mut self, batch: B) -> Result<()> {
        match &mut self.route {
            Route::To(consumer) => {
                let consumer = *consumer;
                self.send(consumer, batch)
            }
            Route::InTurn { next, of } => {
                let consumer = *next;
                *next = if consumer + 1 < of.end { consumer + 1 } else { of.start };
                self.send(consumer, batch)
            }
            Route::ToAll => (0..self.senders.len()).try_for_each(|consumer| self.send(consumer, batch.clone())),
            Route::ByKeyGroup { partitioner, owners, targets } => {
                targets.clear();
                partitioner(&batch, targets)?;
                for target in targets.iter_mut() {
                    *target = *owners
                        .get(*target as usize)
                        .ok_or_else(|| Error::internal(format!("there is no key group {target}")))?;
                }
                let parts = batch.partition(targets, self.senders.len())?;
                self.send_parts(parts)
            }
            Route::Directed { director, targets } => {
                targets.clear();
                director(&batch, self.senders.len(), targets)?;
                let parts = batch.partition(targets, self.senders.len())?;
                self.send_parts(parts)
            }
        }
    }
}

impl<B: Data> Link<B> for ExchangeLink<B> {
    fn watermark(&mut self, watermark: Timestamp) -> Result<()> {
        self.send_to_all(&Element::Watermark(watermark))
    }

    fn status(&mut self, idle: bool) -> Result<()> {
        self.send_to_all(&if idle { Element::Idle } else { Element::Active })
    }

    fn barrier(&mut self, barrier: Barrier, _: &mut Vec<NodeState>) -> Result<()> {
        self.send_to_all(&Element::Barrier(barrier))
    }

    fn end(&mut self) -> Result<()> {
        self.send_to_all(&Element::End)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn on_time(&mut self) -> Result<()> {
        Ok(())
    }
}
