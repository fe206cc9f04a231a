//! Operators that run in one thread, a call after another.

use std::sync::Arc;
use std::time::Instant;

use riverrun_base::Result;
use riverrun_protocol::{MAX_WATERMARK, NO_WATERMARK, Timestamp};

use crate::metrics::OperatorMetrics;
use crate::state::{Frozen, NodeState, SnapshotRequest};
use crate::task::Probe;
use crate::{Barrier, Data, EventTime, Operator, Output};

/// What takes elements in a chain: an operator with all that follows it, a sink, or the way to another task.
pub(crate) trait Link<B>: Output<B> {
    /// Event time goes on.
    fn watermark(&mut self, watermark: Timestamp) -> Result<()>;

    /// The input is idle, or goes on.
    fn status(&mut self, idle: bool) -> Result<()>;

    /// A checkpoint cuts the stream here. Frozen states are added to `states`.
    fn barrier(&mut self, barrier: Barrier, states: &mut Vec<NodeState>) -> Result<()>;

    /// Nothing follows.
    fn end(&mut self) -> Result<()>;

    /// When [`Self::on_time`] is due.
    fn deadline(&self) -> Option<Instant>;

    /// Lets those whose deadline has come do their work.
    fn on_time(&mut self) -> Result<()>;
}

/// An operator and what follows it.
pub(crate) struct OperatorLink<I, O> {
    operator: Box<dyn Operator<I, O>>,
    out: Emitter<O>,
    probe: Probe,
    makes_event_time: bool,
    /// The largest watermark that it made.
    made: Timestamp,
}

/// What an operator writes to.
struct Emitter<O> {
    next: Box<dyn Link<O>>,
    metrics: Arc<OperatorMetrics>,
}

impl<O: Data> Output<O> for Emitter<O> {
    fn emit(&mut self, batch: O) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.metrics.records_out.add(rows);
        self.next.emit(batch)
    }
}

impl<I: Data, O: Data> OperatorLink<I, O> {
    pub(crate) fn new(operator: Box<dyn Operator<I, O>>, next: Box<dyn Link<O>>, probe: Probe) -> Self {
        let out = Emitter { next, metrics: Arc::clone(&probe.metrics) };
        let makes_event_time = operator.makes_event_time();
        Self { operator, out, probe, makes_event_time, made: NO_WATERMARK }
    }

    fn pass_on_event_time(&mut self) -> Result<()> {
        if !self.makes_event_time {
            return Ok(());
        }
        while let Some(said) = self.operator.next_event_time() {
            match said {
                EventTime::Watermark(watermark) if watermark > self.made => {
                    self.made = watermark;
                    self.probe.metrics.output_watermark(watermark);
                    self.out.next.watermark(watermark)?;
                }
                EventTime::Watermark(_) => {}
                EventTime::Idle => self.out.next.status(true)?,
                EventTime::Active => self.out.next.status(false)?,
            }
        }
        Ok(())
    }

    fn run(&mut self, call: impl FnOnce(&mut dyn Operator<I, O>, &mut dyn Output<O>) -> Result<()>) -> Result<()> {
        let before = self.probe.enter();
        call(&mut *self.operator, &mut self.out)?;
        self.probe.leave(before);
        Ok(())
    }
}

impl<I: Data, O: Data> Output<I> for OperatorLink<I, O> {
    fn emit(&mut self, batch: I) -> Result<()> {
        self.probe.metrics.records_in.add(batch.num_rows());
        if self.probe.is_head {
            self.probe.metrics.bytes_in.add(batch.num_bytes());
        }
        self.run(|operator, out| operator.process(batch, out))?;
        self.pass_on_event_time()
    }
}

impl<I: Data, O: Data> Link<I> for OperatorLink<I, O> {
    fn watermark(&mut self, watermark: Timestamp) -> Result<()> {
        self.probe.metrics.input_watermark(watermark);
        self.run(|operator, out| operator.watermark(watermark, out))?;
        self.pass_on_event_time()?;
        if self.makes_event_time && watermark < MAX_WATERMARK {
            return Ok(());
        }
        self.probe.metrics.output_watermark(watermark);
        self.out.next.watermark(watermark)
    }

    fn status(&mut self, idle: bool) -> Result<()> {
        if self.makes_event_time {
            self.operator.input_status(idle);
            return self.pass_on_event_time();
        }
        self.out.next.status(idle)
    }

    fn barrier(&mut self, barrier: Barrier, states: &mut Vec<NodeState>) -> Result<()> {
        let request = SnapshotRequest { checkpoint: barrier.checkpoint, full: self.probe.wants_full() };
        let mut snapshot = None;
        self.run(|operator, out| {
            operator.barrier(barrier, out)?;
            snapshot = operator.snapshot(request)?;
            Ok(())
        })?;
        states
            .extend(snapshot.map(|snapshot| NodeState { node: self.probe.node(), state: Frozen::Operator(snapshot) }));
        self.out.next.barrier(barrier, states)
    }

    fn end(&mut self) -> Result<()> {
        self.run(|operator, out| operator.finish(out))?;
        self.out.next.end()
    }

    fn deadline(&self) -> Option<Instant> {
        earlier(self.operator.deadline().and_then(|time| self.probe.clock.instant_of(time)), self.out.next.deadline())
    }

    fn on_time(&mut self) -> Result<()> {
        if let Some(deadline) = self.operator.deadline() {
            let now = self.probe.clock.now();
            if deadline <= now {
                self.run(|operator, out| operator.on_processing_time(now, out))?;
                self.pass_on_event_time()?;
            }
        }
        self.out.next.on_time()
    }
}

/// Several consumers of the same stream, served one after another.
pub(crate) struct FanOut<B>(pub(crate) Vec<Box<dyn Link<B>>>);

impl<B> FanOut<B> {
    fn each(&mut self, call: impl Fn(&mut dyn Link<B>) -> Result<()>) -> Result<()> {
        self.0.iter_mut().try_for_each(|link| call(&mut **link))
    }
}

impl<B: Data> Output<B> for FanOut<B> {
    fn emit(&mut self, batch: B) -> Result<()> {
        let Some((last, others)) = self.0.split_last_mut() else { return Ok(()) };
        for link in others {
            link.emit(batch.clone())?;
        }
        last.emit(batch)
    }
}

impl<B: Data> Link<B> for FanOut<B> {
    fn watermark(&mut self, watermark: Timestamp) -> Result<()> {
        self.each(|link| link.watermark(watermark))
    }

    fn status(&mut self, idle: bool) -> Result<()> {
        self.each(|link| link.status(idle))
    }

    fn barrier(&mut self, barrier: Barrier, states: &mut Vec<NodeState>) -> Result<()> {
        self.0.iter_mut().try_for_each(|link| link.barrier(barrier, states))
    }

    fn end(&mut self) -> Result<()> {
        self.each(|link| link.end())
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|link| link.deadline()).min()
    }

    fn on_time(&mut self) -> Result<()> {
        self.each(|link| link.on_time())
    }
}

/// A stream that nobody consumes.
pub(crate) struct Discard;

impl<B> Output<B> for Discard {
    fn emit(&mut self, _: B) -> Result<()> {
        Ok(())
    }
}

impl<B> Link<B> for Discard {
    fn watermark(&mut self, _: Timestamp) -> Result<()> {
        Ok(())
    }

    fn status(&mut self, _: bool) -> Result<()> {
        Ok(())
    }

    fn barrier(&mut self, _: Barrier, _: &mut Vec<NodeState>) -> Result<()> {
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn on_time(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The earlier of two deadlines, of which each may be missing.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
