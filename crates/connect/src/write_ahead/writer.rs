//! The writer: rows in groups until the barrier.

use riverrun_base::{Error, MemorySize, Result};
use riverrun_data::Batch;
use riverrun_protocol::CheckpointId;

use super::Limits;
use super::group::{Building, Built, Order};
use crate::{Committable, Flush, JobContext, SinkWriter, TaskContext};

/// Writes nothing anywhere: what it keeps leaves it at the barrier.
pub(super) struct LogWriter {
    job: JobContext,
    subtask: u32,
    limits: Limits,
    /// Of the next group. It is not counted anew in each checkpoint, so that an id is never used twice.
    number: u64,
    full: Vec<Built>,
    /// The bytes of the full groups.
    full_bytes: usize,
    open: Option<Building>,
}

impl LogWriter {
    /// # Errors
    /// The subtask's number is too large.
    pub(super) fn new(context: &TaskContext, limits: Limits) -> Result<Self> {
        let subtask = u32::try_from(context.subtask).map_err(|error| Error::internal("subtask").caused_by(error))?;
        Ok(Self { job: context.job.clone(), subtask, limits, number: 0, full: Vec::new(), full_bytes: 0, open: None })
    }

    fn close(&mut self) -> Result<()> {
        if let Some(group) = self.open.take() {
            let group = group.finish()?;
            self.full_bytes += group.bytes();
            self.full.push(group);
        }
        Ok(())
    }

    /// # Errors
    /// The rows since the last barrier take more memory than they may.
    fn check_memory(&self) -> Result<()> {
        let bytes = self.full_bytes + self.open.as_ref().map_or(0, Building::bytes);
        let limit = self.limits.memory;
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= limit.0) {
            return Ok(());
        }
        let error = Error::user("the rows of one checkpoint interval exceed the memory of the write-ahead log")
            .with("operator", &self.job.operator)
            .with("subtask", self.subtask)
            .with("memory", MemorySize(limit.0));
        Err(error.hint("take checkpoints more often ('execution.checkpointing.interval'), or give the sink more memory or more writers"))
    }
}

impl SinkWriter for LogWriter {
    fn write(&mut self, mut batch: Batch) -> Result<()> {
        while batch.num_rows() > 0 {
            if self.open.as_ref().is_some_and(|group| !group.takes(&batch)) {
                self.close()?;
            }
            let group = match &mut self.open {
                Some(group) => group,
                None => self.open.insert(Building::like(&batch)?),
            };
            let rows = batch.num_rows().min(self.limits.group_rows.get() - group.rows);
            group.push(&batch.slice(0, rows))?;
            if group.rows == self.limits.group_rows.get() {
                self.close()?;
            }
            batch = batch.slice(rows, batch.num_rows() - rows);
            self.check_memory()?;
        }
        Ok(())
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        match reason {
            Flush::End if self.open.is_some() || !self.full.is_empty() => {
                Err(Error::internal("rows wait in the write-ahead log at the end: no barrier came behind them"))
            }
            _ => Ok(()),
        }
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        self.close()?;
        let mut committables = Vec::with_capacity(self.full.len());
        for group in self.full.drain(..) {
            let order = Order { subtask: self.subtask, checkpoint, number: self.number };
            let JobContext { id: job, operator, .. } = &self.job;
            let id = format!("{job}-{operator}-{}-{checkpoint}-{}", order.subtask, order.number);
            committables.push(group.encode(order, &id)?);
            self.number += 1;
        }
        self.full_bytes = 0;
        Ok(committables)
    }
}
