//! A task that reads from a gate.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use riverrun_base::Result;
use riverrun_protocol::alignment::Action;
use riverrun_protocol::{BarrierAlignment, WatermarkMerge};

use crate::gate::Gate;
use crate::job::AttemptEvent;
use crate::task::{Link, TaskBuild, pass_on};
use crate::{Barrier, Data, Element};

/// Runs the chain behind `link` on what comes into the gate of `node`, until all its channels have ended.
pub(crate) fn run_gate<B: Data>(build: &TaskBuild, node: usize, link: Box<dyn Link<B>>) -> Result<()> {
    let mut task = GateTask::new(build, node, link)?;
    while task.open > 0 {
        task.step()?;
    }
    task.link.end()
}

/// A task that takes a step when it is told to, and never waits.
pub(crate) trait Stepped {
    /// Takes an element, if there is one, or does what is due; answers whether there was anything to do.
    fn try_step(&mut self) -> Result<bool>;
}

/// The task of a gate as one that is told its steps.
pub(crate) fn stepped<B: Data>(build: Rc<TaskBuild>, node: usize, link: Box<dyn Link<B>>) -> Result<Box<dyn Stepped>> {
    Ok(Box::new(GateTask::new(build, node, link)?))
}

struct GateTask<B, T> {
    build: T,
    gate: Arc<Gate<B>>,
    link: Box<dyn Link<B>>,
    watermarks: WatermarkMerge,
    alignment: BarrierAlignment,
    /// How many channels have not ended.
    open: usize,
}

impl<B: Data, T: Deref<Target = TaskBuild>> Stepped for GateTask<B, T> {
    fn try_step(&mut self) -> Result<bool> {
        if self.open == 0 {
            return Ok(false);
        }
        let deadline = self.link.deadline();
        let now = Instant::now();
        let due = deadline.is_some_and(|deadline| deadline <= now);
        if due {
            self.link.on_time()?;
        }
        let Some((channel, element)) = self.gate.receive(Some(now), &self.build.metrics)? else { return Ok(due) };
        self.take(channel, element)?;
        if self.open == 0 {
            self.link.end()?;
        }
        Ok(true)
    }
}

impl<B: Data, T: Deref<Target = TaskBuild>> GateTask<B, T> {
    fn new(build: T, node: usize, link: Box<dyn Link<B>>) -> Result<Self> {
        let gate = build.gate::<B>(node)?;
        let channels = gate.channels();
        let (watermarks, alignment) = (WatermarkMerge::new(channels), BarrierAlignment::new(channels));
        Ok(Self { build, gate, link, watermarks, alignment, open: channels })
    }

    /// Does what is due, then waits for one element, or until something is due.
    fn step(&mut self) -> Result<()> {
        let mut deadline = self.link.deadline();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.link.on_time()?;
            deadline = self.link.deadline();
        }
        match self.gate.receive(deadline, &self.build.metrics)? {
            Some((channel, element)) => self.take(channel, element),
            None => Ok(()),
        }
    }

    fn take(&mut self, channel: usize, element: Element<B>) -> Result<()> {
        match element {
            Element::Data(batch) => self.link.emit(batch),
            Element::Watermark(watermark) => pass_on(self.watermarks.watermark(channel, watermark), &mut *self.link),
            Element::Idle => pass_on(self.watermarks.idle(channel), &mut *self.link),
            Element::Active => pass_on(self.watermarks.active(channel), &mut *self.link),
            Element::Barrier(barrier) => {
                let actions = self.alignment.barrier(channel, barrier.checkpoint);
                self.align(actions)
            }
            // The watermark is left as it is: a channel that was exhausted has said so, and for one that was stopped
            // event time stands still.
            Element::End => {
                self.open -= 1;
                let actions = self.alignment.ended(channel);
                self.align(actions)
            }
        }
    }

    fn align(&mut self, actions: Vec<Action>) -> Result<()> {
        let checkpointing = self.build.execution.graph.settings.checkpointing.as_ref();
        let aligns = checkpointing.is_none_or(|checkpointing| checkpointing.aligned);
        for action in actions {
            match action {
                Action::Block(channel) if aligns => self.gate.block(channel),
                // At least once: rows behind the barrier are let through, and may be in the snapshot.
                Action::Block(_) => {}
                Action::UnblockAll => self.gate.unblock_all(),
                Action::Complete(checkpoint) => {
                    let barrier = Barrier { checkpoint };
                    let mut states = Vec::new();
                    self.link.barrier(barrier, &mut states)?;
                    self.build.acknowledge(barrier, states);
                }
                Action::Abort(checkpoint) => {
                    let build = &*self.build;
                    build.execution.shared.tell(AttemptEvent::Declined { checkpoint, task: build.task });
                }
            }
        }
        Ok(())
    }
}
