//! Operators: one that does what closures say, and others made of it.

use riverrun_base::Result;
use riverrun_runtime::{Barrier, MAX_WATERMARK, Operator, OperatorContext, Output};

use super::{Row, Rows};

pub type Out<'a> = &'a mut dyn Output<Rows>;
pub type Made = Result<Box<dyn Operator<Rows, Rows>>>;

type Call<T> = Box<dyn FnMut(T, Out<'_>) -> Result<()> + Send>;

/// An operator of closures; by itself it passes everything on.
pub struct Closures {
    pub process: Call<Rows>,
    pub watermark: Call<i64>,
    pub deadline: Box<dyn Fn() -> Option<i64> + Send>,
    pub on_processing_time: Call<i64>,
    pub barrier: Call<Barrier>,
    pub finish: Box<dyn FnMut(Out<'_>) -> Result<()> + Send>,
}

impl Default for Closures {
    fn default() -> Self {
        Self {
            process: Box::new(|batch, out| out.emit(batch)),
            watermark: Box::new(|_, _| Ok(())),
            deadline: Box::new(|| None),
            on_processing_time: Box::new(|_, _| Ok(())),
            barrier: Box::new(|_, _| Ok(())),
            finish: Box::new(|_| Ok(())),
        }
    }
}

impl Operator<Rows> for Closures {
    fn process(&mut self, batch: Rows, out: Out<'_>) -> Result<()> {
        (self.process)(batch, out)
    }

    fn watermark(&mut self, watermark: i64, out: Out<'_>) -> Result<()> {
        (self.watermark)(watermark, out)
    }

    fn deadline(&self) -> Option<i64> {
        (self.deadline)()
    }

    fn on_processing_time(&mut self, now: i64, out: Out<'_>) -> Result<()> {
        (self.on_processing_time)(now, out)
    }

    fn barrier(&mut self, barrier: Barrier, out: Out<'_>) -> Result<()> {
        (self.barrier)(barrier, out)
    }

    fn finish(&mut self, out: Out<'_>) -> Result<()> {
        (self.finish)(out)
    }
}

/// Passes everything on.
pub fn pass() -> impl Fn(&OperatorContext) -> Made + Send + Sync + 'static {
    |_| Ok(Box::new(Closures::default()))
}

/// Passes on what a function makes of each batch.
pub fn map(
    function: impl Fn(&OperatorContext, Rows) -> Result<Rows> + Clone + Send + Sync + 'static,
) -> impl Fn(&OperatorContext) -> Made + Send + Sync + 'static {
    move |context| {
        let (function, context) = (function.clone(), context.clone());
        let process = Box::new(move |batch: Rows, out: Out<'_>| out.emit(function(&context, batch)?));
        Ok(Box::new(Closures { process, ..Closures::default() }))
    }
}

/// Counts rows by key in windows of `size`, and gives a row with the end of the window and the count when the watermark
/// has passed it; late rows are counted as `numLateRecordsDropped`.
pub fn windows(size: i64) -> impl Fn(&OperatorContext) -> Made + Send + Sync + 'static {
    move |context| {
        let late = context.counters.counter("numLateRecordsDropped");
        Ok(Box::new(Windows { size, late, watermark: i64::MIN, open: std::collections::BTreeMap::new() }))
    }
}

struct Windows {
    size: i64,
    late: riverrun_connect::Counter,
    watermark: i64,
    open: std::collections::BTreeMap<(i64, u64), u64>,
}

impl Operator<Rows> for Windows {
    fn process(&mut self, batch: Rows, _: Out<'_>) -> Result<()> {
        for row in batch.0 {
            let end = row.time.div_euclid(self.size) * self.size + self.size;
            if end - 1 <= self.watermark {
                self.late.add(1);
            } else {
                *self.open.entry((end, row.key)).or_insert(0) += 1;
            }
        }
        Ok(())
    }

    fn watermark(&mut self, watermark: i64, out: Out<'_>) -> Result<()> {
        assert!(watermark > self.watermark, "{watermark} after {}", self.watermark);
        self.watermark = watermark;
        let open = self.open.split_off(&(watermark.saturating_add(2), 0));
        let fired = if watermark == MAX_WATERMARK {
            std::mem::take(&mut self.open)
        } else {
            std::mem::replace(&mut self.open, open)
        };
        out.emit(Rows(fired.into_iter().map(|((end, key), value)| Row { key, time: end, value }).collect()))
    }
}
