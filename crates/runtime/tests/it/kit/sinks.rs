//! Sinks: one that collects and does what closures say.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use riverrun_base::Result;
use riverrun_connect::{Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::ChangelogMode;

use super::{Hook, Row, Rows};

/// What happened at a sink's writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Rows(Rows),
    Tick,
    Flushed(Flush),
}

type Act = Arc<dyn Fn(&TaskContext, &Seen) -> Result<()> + Send + Sync>;
type Deadline = Arc<dyn Fn() -> Option<Instant> + Send + Sync>;

/// A sink that remembers what it saw, by subtask.
#[derive(Clone)]
pub struct Collect {
    seen: Arc<Mutex<Vec<(usize, Seen)>>>,
    rows_seen: Arc<AtomicUsize>,
    pub on_writer: Hook,
    /// Called with everything before it is remembered.
    pub act: Act,
    pub deadline: Deadline,
    pub parallelism: Option<usize>,
}

impl Default for Collect {
    fn default() -> Self {
        Self {
            seen: Arc::default(),
            rows_seen: Arc::default(),
            on_writer: Arc::new(|_| Ok(())),
            act: Arc::new(|_, _| Ok(())),
            deadline: Arc::new(|| None),
            parallelism: None,
        }
    }
}

impl Collect {
    pub fn acting(act: impl Fn(&TaskContext, &Seen) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { act: Arc::new(act), ..Self::default() }
    }

    pub fn boxed(&self) -> Box<dyn Sink<Rows>> {
        Box::new(self.clone())
    }

    pub fn seen(&self) -> Vec<(usize, Seen)> {
        self.seen.lock().unwrap().clone()
    }

    /// The rows of each subtask, in order.
    pub fn rows_by_subtask(&self) -> Vec<(usize, Row)> {
        let seen = self.seen();
        let rows = seen
            .iter()
            .filter_map(|(subtask, seen)| if let Seen::Rows(rows) = seen { Some((*subtask, rows)) } else { None });
        rows.flat_map(|(subtask, rows)| rows.0.iter().map(move |row| (subtask, *row))).collect()
    }

    /// How many rows it has seen, without a look at them.
    pub fn count(&self) -> usize {
        self.rows_seen.load(Ordering::SeqCst)
    }

    pub fn rows(&self) -> Vec<Row> {
        self.rows_by_subtask().into_iter().map(|(_, row)| row).collect()
    }

    pub fn flushes(&self) -> Vec<Flush> {
        self.seen()
            .into_iter()
            .filter_map(|(_, seen)| if let Seen::Flushed(reason) = seen { Some(reason) } else { None })
            .collect()
    }
}

impl Sink<Rows> for Collect {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Rows>>> {
        (self.on_writer)(context)?;
        Ok(Box::new(Writer { sink: self.clone(), context: context.clone() }))
    }
}

struct Writer {
    sink: Collect,
    context: TaskContext,
}

impl Writer {
    fn see(&self, seen: Seen) -> Result<()> {
        (self.sink.act)(&self.context, &seen)?;
        let rows = if let Seen::Rows(rows) = &seen { rows.0.len() } else { 0 };
        self.sink.seen.lock().unwrap().push((self.context.subtask, seen));
        self.sink.rows_seen.fetch_add(rows, Ordering::SeqCst);
        Ok(())
    }
}

impl SinkWriter<Rows> for Writer {
    fn write(&mut self, batch: Rows) -> Result<()> {
        self.see(Seen::Rows(batch))
    }

    fn deadline(&self) -> Option<Instant> {
        (self.sink.deadline)()
    }

    fn tick(&mut self) -> Result<()> {
        self.see(Seen::Tick)
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        self.see(Seen::Flushed(reason))
    }
}
