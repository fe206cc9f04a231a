//! Event time in a source: each split has watermarks of its own.

use std::collections::HashMap;
use std::sync::Arc;

use riverrun_base::Result;
use riverrun_connect::SplitId;
use riverrun_data::Records;
use riverrun_runtime::SplitOperator;

use super::alignment::{Aligned, AlignmentGroup};
use super::{TimestampAssigner, WatermarkGenerator, WatermarkOutput};
use crate::Record;

/// Assigns timestamps, and makes the watermarks of each split of them.
pub(crate) struct SplitEventTime<G, A> {
    generator: G,
    assigner: A,
    splits: HashMap<SplitId, G>,
    aligned: Option<Aligned>,
}

impl<G, A> SplitEventTime<G, A> {
    pub(crate) fn new(generator: G, assigner: A, alignment: Option<(Arc<AlignmentGroup>, i64)>) -> Self {
        let aligned = alignment.map(|(group, max_drift)| Aligned::join(group, max_drift));
        Self { generator, assigner, splits: HashMap::new(), aligned }
    }
}

impl<T, G, A> SplitOperator<Records<T>> for SplitEventTime<G, A>
where
    T: Record,
    G: WatermarkGenerator<T>,
    A: TimestampAssigner<T>,
{
    fn apply(&mut self, split: &SplitId, mut batch: Records<T>) -> Result<(Records<T>, Option<i64>)> {
        let timestamps = self.assigner.assign_all(&batch);
        batch.set_timestamps(timestamps);
        if !self.splits.contains_key(split) {
            self.splits.insert(Arc::clone(split), self.generator.clone());
        }
        let mut said = WatermarkOutput::default();
        if let Some(generator) = self.splits.get_mut(split) {
            for (value, timestamp) in batch.values().iter().zip(batch.timestamps()) {
                generator.on_event(value, *timestamp, &mut said);
            }
            generator.on_periodic_emit(&mut said);
        }
        if let (Some(aligned), Some(watermark)) = (&mut self.aligned, said.watermark) {
            aligned.reached(split, watermark);
        }
        Ok((batch, said.watermark))
    }

    fn waits(&mut self) -> bool {
        self.aligned.as_ref().is_some_and(Aligned::waits)
    }
}
