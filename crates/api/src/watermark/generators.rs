//! What makes watermarks of the times of records.

/// Makes watermarks. One is made for each split of a source, or each subtask of an operator, and called from one thread.
///
/// ```
/// use riverrun::watermark::{WatermarkGenerator, WatermarkOutput};
///
/// /// A record that carries a mark says how far the stream has come.
/// #[derive(Clone)]
/// struct Punctuated;
///
/// impl WatermarkGenerator<(String, bool)> for Punctuated {
///     fn on_event(&mut self, (_, is_mark): &(String, bool), timestamp: i64, output: &mut WatermarkOutput) {
///         if *is_mark {
///             output.emit_watermark(timestamp);
///         }
///     }
///
///     fn on_periodic_emit(&mut self, _output: &mut WatermarkOutput) {}
/// }
/// ```
pub trait WatermarkGenerator<T>: Clone + Send + Sync + 'static {
    /// Sees a record with its event time in epoch milliseconds; may emit a watermark for it.
    fn on_event(&mut self, event: &T, timestamp: i64, output: &mut WatermarkOutput);

    /// Called after each batch of records; may emit a watermark.
    fn on_periodic_emit(&mut self, output: &mut WatermarkOutput);
}

/// Takes a generator's watermarks. Those of a batch are passed on behind it, the largest of them.
#[derive(Debug, Default)]
pub struct WatermarkOutput {
    pub(crate) watermark: Option<i64>,
}

impl WatermarkOutput {
    /// Says that no record at or before this time follows, in epoch milliseconds. One that is not later than those before says nothing.
    #[inline]
    pub fn emit_watermark(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(Some(watermark));
    }
}

/// Watermarks a fixed time behind the latest record, and a millisecond more, as others at the same time may follow.
#[derive(Clone, Debug)]
pub struct BoundedOutOfOrderness {
    latest: i64,
    delay: i64,
}

impl BoundedOutOfOrderness {
    /// Records come at most so many milliseconds late.
    pub fn new(delay: i64) -> Self {
        Self { latest: i64::MIN.saturating_add(delay).saturating_add(1), delay }
    }
}

impl<T> WatermarkGenerator<T> for BoundedOutOfOrderness {
    #[inline]
    fn on_event(&mut self, _: &T, timestamp: i64, _: &mut WatermarkOutput) {
        self.latest = self.latest.max(timestamp);
    }

    fn on_periodic_emit(&mut self, output: &mut WatermarkOutput) {
        output.emit_watermark(self.latest.saturating_sub(self.delay).saturating_sub(1));
    }
}

/// No watermarks, but for the last one, at the end of bounded input.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWatermarks;

impl<T> WatermarkGenerator<T> for NoWatermarks {
    #[inline]
    fn on_event(&mut self, _: &T, _: i64, _: &mut WatermarkOutput) {}

    fn on_periodic_emit(&mut self, _: &mut WatermarkOutput) {}
}
