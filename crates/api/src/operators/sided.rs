//! An operator with side outputs that nobody reads.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Barrier, Operator, Output, Restored, Snapshot, SnapshotRequest};

use crate::Record;
use crate::stream::Sided;

/// Passes on the main output alone.
pub(crate) struct MainOnly<Op>(pub(crate) Op);

struct Main<'a, O>(&'a mut dyn Output<Records<O>>);

impl<O: Record> Output<Sided<O>> for Main<'_, O> {
    fn emit(&mut self, batch: Sided<O>) -> Result<()> {
        match batch {
            Sided::Main(records) => self.0.emit(records),
            Sided::Side(..) => Ok(()),
        }
    }
}

impl<I, O: Record, Op: Operator<I, Sided<O>> + ?Sized> Operator<I, Records<O>> for MainOnly<Box<Op>> {
    fn process(&mut self, batch: I, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.0.process(batch, &mut Main(out))
    }

    fn watermark(&mut self, watermark: i64, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.0.watermark(watermark, &mut Main(out))
    }

    fn deadline(&self) -> Option<i64> {
        self.0.deadline()
    }

    fn on_processing_time(&mut self, now: i64, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.0.on_processing_time(now, &mut Main(out))
    }

    fn barrier(&mut self, barrier: Barrier, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.0.barrier(barrier, &mut Main(out))
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

    fn finish(&mut self, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.0.finish(&mut Main(out))
    }
}
