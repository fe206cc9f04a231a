//! Event time in the middle of a stream.

use riverrun_base::Error;

use super::DataStream;
use crate::Record;
use crate::operators::EventTimeOperator;
use crate::watermark::{TimestampAssigner, WatermarkGenerator, WatermarkStrategy};

impl<T: Record> DataStream<T> {
    /// Gives the records times and the stream watermarks, in place of those it had. At a source, where each split has watermarks of its own,
    /// they are better given to [`from_source`](crate::StreamExecutionEnvironment::from_source).
    pub fn assign_timestamps_and_watermarks<G, A>(self, strategy: WatermarkStrategy<T, G, A>) -> DataStream<T>
    where
        G: WatermarkGenerator<T>,
        A: TimestampAssigner<T>,
    {
        let WatermarkStrategy { generator, assigner, idleness, alignment, .. } = strategy;
        if alignment.is_some() {
            self.mistake(Error::not_supported("watermark alignment behind a source").hint("give it to from_source()"));
        }
        let idle_timeout = idleness.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        self.operator("Timestamps/Watermarks", move |context| {
            Ok(Box::new(EventTimeOperator::new(generator.clone(), assigner.clone(), idle_timeout, context)))
        })
    }
}
