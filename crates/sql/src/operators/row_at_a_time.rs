//! An operator that sees one row at a time.

use riverrun_base::Result;
use riverrun_data::Batch;
use riverrun_runtime::{Barrier, Operator, Output, Restored, Snapshot, SnapshotRequest, Timestamp};

/// Cuts batches into rows before an operator, for `table.exec.mini-batch.enabled` = false said explicitly: `-U` and `+U` of one update then
/// change a group one after the other, as in Flink.
pub(crate) struct RowAtATime<T>(pub(crate) T);

impl<T: Operator<Batch>> Operator<Batch> for RowAtATime<T> {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        (0..batch.num_rows()).try_for_each(|row| self.0.process(batch.slice(row, 1), out))
    }

    fn watermark(&mut self, watermark: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        self.0.watermark(watermark, out)
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.0.deadline()
    }

    fn on_processing_time(&mut self, now: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        self.0.on_processing_time(now, out)
    }

    fn barrier(&mut self, barrier: Barrier, out: &mut dyn Output<Batch>) -> Result<()> {
        self.0.barrier(barrier, out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        self.0.snapshot(request)
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        self.0.restore(state)
    }

    fn begin(&mut self) -> Result<()> {
        self.0.begin()
    }

    fn finish(&mut self, out: &mut dyn Output<Batch>) -> Result<()> {
        self.0.finish(out)
    }
}
