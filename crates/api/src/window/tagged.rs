//! The records of two streams in the windows of one operator.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Barrier, Operator, Output, Restored, Snapshot, SnapshotRequest};
use serde::{Deserialize, Serialize};

use crate::Record;
use crate::stream::Both;

/// A record of the first of two streams, or of the second: what is in the windows of a join or a co-group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaggedUnion<A, B> {
    /// Of the first.
    One(A),
    /// Of the second.
    Two(B),
}

/// Gives an operator of tagged records batches of both streams.
pub(crate) struct TaggedInput<Op>(pub(crate) Op);

impl<A, B, O, Op> Operator<Both<A, B>, O> for TaggedInput<Op>
where
    A: Record,
    B: Record,
    Op: Operator<Records<TaggedUnion<A, B>>, O>,
{
    fn process(&mut self, batch: Both<A, B>, out: &mut dyn Output<O>) -> Result<()> {
        let tagged = match batch {
            Both::Left(records) => records.replace(|values| values.into_iter().map(TaggedUnion::One).collect()),
            Both::Right(records) => records.replace(|values| values.into_iter().map(TaggedUnion::Two).collect()),
        };
        self.0.process(tagged, out)
    }

    fn watermark(&mut self, watermark: i64, out: &mut dyn Output<O>) -> Result<()> {
        self.0.watermark(watermark, out)
    }

    fn deadline(&self) -> Option<i64> {
        self.0.deadline()
    }

    fn on_processing_time(&mut self, now: i64, out: &mut dyn Output<O>) -> Result<()> {
        self.0.on_processing_time(now, out)
    }

    fn barrier(&mut self, barrier: Barrier, out: &mut dyn Output<O>) -> Result<()> {
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

    fn finish(&mut self, out: &mut dyn Output<O>) -> Result<()> {
        self.0.finish(out)
    }
}
