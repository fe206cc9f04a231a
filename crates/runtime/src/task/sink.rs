//! The end of a chain at which rows leave the engine.

use std::time::Instant;

use riverrun_base::Result;
use riverrun_connect::{Flush, SinkWriter};
use riverrun_protocol::Timestamp;

use crate::crash::crash_point;
use crate::state::{Frozen, NodeState};
use crate::task::{Link, Probe};
use crate::{Barrier, Data, Output};

/// Drives a sink's writer.
pub(crate) struct SinkLink<B> {
    writer: Box<dyn SinkWriter<B>>,
    probe: Probe,
}

impl<B: Data> SinkLink<B> {
    pub(crate) fn new(writer: Box<dyn SinkWriter<B>>, probe: Probe) -> Self {
        Self { writer, probe }
    }

    fn run(&mut self, call: impl FnOnce(&mut dyn SinkWriter<B>) -> Result<()>) -> Result<()> {
        let before = self.probe.enter();
        call(&mut *self.writer)?;
        self.probe.leave(before);
        Ok(())
    }
}

impl<B: Data> Output<B> for SinkLink<B> {
    fn emit(&mut self, batch: B) -> Result<()> {
        let (rows, bytes) = (batch.num_rows(), batch.num_bytes());
        self.run(|writer| writer.write(batch))?;
        self.probe.metrics.records_in.add(rows);
        self.probe.metrics.bytes_in.add(bytes);
        Ok(())
    }
}

impl<B: Data> Link<B> for SinkLink<B> {
    fn watermark(&mut self, watermark: Timestamp) -> Result<()> {
        self.probe.metrics.input_watermark(watermark);
        Ok(())
    }

    fn status(&mut self, _: bool) -> Result<()> {
        Ok(())
    }

    fn barrier(&mut self, barrier: Barrier, states: &mut Vec<NodeState>) -> Result<()> {
        let (mut committables, mut entries) = (Vec::new(), Vec::new());
        crash_point("before-prepare");
        self.run(|writer| {
            committables = writer.prepare(barrier.checkpoint)?;
            entries = writer.snapshot()?;
            Ok(())
        })?;
        if !committables.is_empty() || !entries.is_empty() {
            states.push(NodeState { node: self.probe.node(), state: Frozen::Sink { committables, entries } });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.run(|writer| writer.flush(Flush::End))
    }

    fn deadline(&self) -> Option<Instant> {
        self.writer.deadline()
    }

    fn on_time(&mut self) -> Result<()> {
        if self.writer.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return self.run(|writer| writer.tick());
        }
        Ok(())
    }
}
