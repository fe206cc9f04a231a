//! Test batches, sources, operators and sinks, good and bad.

mod durable;
mod operators;
mod sinks;
mod sources;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub use durable::*;
pub use operators::*;
use riverrun_base::{Error, Result};
use riverrun_runtime::{Data, Exchange, JobGraph, JobSettings, OperatorContext, SplitOperator, key_group};
pub use sinks::*;
pub use sources::*;

/// A row: whose it is, when it was, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    pub key: u64,
    pub time: i64,
    pub value: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(pub Vec<Row>);

impl Data for Rows {
    fn num_rows(&self) -> usize {
        self.0.len()
    }

    fn num_bytes(&self) -> usize {
        self.0.len() * size_of::<Row>()
    }

    fn slice(&self, offset: usize, length: usize) -> Self {
        Self(self.0[offset..offset + length].to_vec())
    }

    fn partition(self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>> {
        if targets.len() != self.0.len() {
            return Err(Error::internal("a target for each row"));
        }
        let mut parts: Vec<Option<Self>> = vec![None; count];
        for (row, target) in self.0.iter().zip(targets) {
            parts[*target as usize].get_or_insert_with(|| Self(Vec::new())).0.push(*row);
        }
        Ok(parts)
    }
}

/// Rows of one key with these values, in which time is the value.
pub fn rows(key: u64, values: std::ops::Range<u64>) -> Rows {
    Rows(values.map(|value| Row { key, time: value as i64, value }).collect())
}

/// A graph whose threads and operators have a name of their own, so that what is left of them can be found.
pub fn graph(settings: JobSettings) -> (JobGraph, Name) {
    static NEXT: AtomicUsize = AtomicUsize::new(100);
    let name = Name(format!("g{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    (JobGraph::new(&name.0, settings), name)
}

pub fn parallel(parallelism: usize) -> JobSettings {
    JobSettings { parallelism, ..JobSettings::default() }
}

pub struct Name(String);

impl Name {
    /// The name of an operator.
    pub fn of(&self, operator: &str) -> String {
        format!("{} {operator}", self.0)
    }

    /// The threads of the graph that run now.
    pub fn threads(&self) -> Vec<String> {
        let names = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with(&format!("{} ", self.0))).collect()
    }

    /// A joined thread may be seen for a moment.
    pub fn assert_no_threads(&self) {
        eventually(&format!("the threads of {} end", self.0), || self.threads().is_empty());
    }
}

/// Waits for a condition, for ten seconds at most.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Event time is the row's time.
pub struct RowTime;

impl SplitOperator<Rows> for RowTime {
    fn apply(&mut self, _: &riverrun_connect::SplitId, batch: Rows) -> Result<(Rows, Option<i64>)> {
        let largest = batch.0.iter().map(|row| row.time).max();
        Ok((batch, largest))
    }
}

pub fn row_time() -> impl Fn(&OperatorContext) -> Result<Box<dyn SplitOperator<Rows>>> + Send + Sync + 'static {
    |_| Ok(Box::new(RowTime))
}

pub fn by_key(max_parallelism: usize) -> Exchange<Rows> {
    Exchange::hash(move |batch: &Rows, groups: &mut Vec<u32>| {
        groups
            .extend(batch.0.iter().map(|row| key_group(row.key.wrapping_mul(0x9e37_79b9_7f4a_7c15), max_parallelism)));
        Ok(())
    })
}

/// How often each row occurs.
pub fn counted(rows: impl IntoIterator<Item = Row>) -> BTreeMap<Row, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row).or_insert(0) += 1;
    }
    counts
}
