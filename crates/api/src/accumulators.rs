//! Accumulators: what the functions of a job add up, each subtask for itself, for the job's result.
//!
//! ```
//! use riverrun::accumulators::LongCounter;
//! use riverrun::prelude::*;
//!
//! /// Counts empty lines.
//! #[derive(Clone, Default)]
//! struct NotEmpty {
//!     empty: LongCounter,
//! }
//!
//! impl FilterFunction<String> for NotEmpty {
//!     fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
//!         self.empty = context.accumulator("empty lines")?;
//!         Ok(())
//!     }
//!
//!     fn filter(&mut self, line: &String) -> FnResult<bool> {
//!         if line.is_empty() {
//!             self.empty.add(1);
//!         }
//!         Ok(!line.is_empty())
//!     }
//! }
//!
//! let env = StreamExecutionEnvironment::new();
//! let lines = env.from_collection(["a", "", "b", ""].map(str::to_owned).to_vec());
//! lines.filter_with(NotEmpty::default()).discard();
//! let result = env.execute("lines")?;
//! assert_eq!(result.accumulator_result::<LongCounter>("empty lines")?, 2);
//! # Ok::<(), riverrun::Error>(())
//! ```
//!
//! Other than in Flink, an accumulator is not made by the function and then registered, but comes from the
//! [`RuntimeContext`](crate::functions::RuntimeContext::accumulator): a function is cloned for each subtask, and its accumulator must not be.
//! They are no state, here as there: after a restart they begin anew, so that what is added for a record before the checkpoint, and not again, is
//! missing. What must be right is counted in state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use riverrun_base::{Error, Result, nearest};
use riverrun_connect::Measure;
use riverrun_runtime::MetricsSnapshot;

use crate::Record;

/// What adds values up. The default is empty; a clone shares what was added, with other threads too.
pub trait Accumulator: Default + Clone + Send + Sync + 'static {
    /// What is added.
    type Value;
    /// What comes out.
    type Result;

    /// Adds a value.
    fn add(&self, value: Self::Value);

    /// Adds what another has.
    fn merge(&self, other: &Self);

    /// What was added so far.
    fn local_value(&self) -> Self::Result;
}

/// A sum of 32-bit numbers, which wraps around.
#[derive(Clone, Debug, Default)]
pub struct IntCounter(Arc<AtomicI32>);

impl IntCounter {
    /// Adds a number.
    pub fn add(&self, value: i32) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }
}

impl Accumulator for IntCounter {
    type Value = i32;
    type Result = i32;

    fn add(&self, value: i32) {
        Self::add(self, value);
    }

    fn merge(&self, other: &Self) {
        self.add(other.local_value());
    }

    fn local_value(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A sum of 64-bit numbers, which wraps around.
#[derive(Clone, Debug, Default)]
pub struct LongCounter(Arc<AtomicI64>);

impl LongCounter {
    /// Adds a number.
    pub fn add(&self, value: i64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }
}

impl Accumulator for LongCounter {
    type Value = i64;
    type Result = i64;

    fn add(&self, value: i64) {
        Self::add(self, value);
    }

    fn merge(&self, other: &Self) {
        self.add(other.local_value());
    }

    fn local_value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A sum of floating-point numbers.
#[derive(Clone, Debug, Default)]
pub struct DoubleCounter(Arc<AtomicU64>);

impl DoubleCounter {
    /// Adds a number.
    pub fn add(&self, value: f64) {
        let added = |bits| (f64::from_bits(bits) + value).to_bits();
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}

impl Accumulator for DoubleCounter {
    type Value = f64;
    type Result = f64;

    fn add(&self, value: f64) {
        Self::add(self, value);
    }

    fn merge(&self, other: &Self) {
        self.add(other.local_value());
    }

    fn local_value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The mean of floating-point numbers; 0 of none.
#[derive(Clone, Debug, Default)]
pub struct AverageAccumulator {
    sum: DoubleCounter,
    count: LongCounter,
}

impl AverageAccumulator {
    /// Adds a number.
    pub fn add(&self, value: f64) {
        self.sum.add(value);
        self.count.add(1);
    }
}

impl Accumulator for AverageAccumulator {
    type Value = f64;
    type Result = f64;

    fn add(&self, value: f64) {
        Self::add(self, value);
    }

    fn merge(&self, other: &Self) {
        self.sum.merge(&other.sum);
        self.count.merge(&other.count);
    }

    fn local_value(&self) -> f64 {
        let count = self.count.local_value();
        #[allow(clippy::cast_precision_loss, reason = "a mean")]
        let count_of = count as f64;
        if count == 0 { 0.0 } else { self.sum.local_value() / count_of }
    }
}

/// How often each number was added, by number.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Mutex<BTreeMap<i32, u64>>>);

impl Histogram {
    /// Adds a number.
    pub fn add(&self, value: i32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(value).or_default() += 1;
    }
}

impl Accumulator for Histogram {
    type Value = i32;
    type Result = BTreeMap<i32, u64>;

    fn add(&self, value: i32) {
        Self::add(self, value);
    }

    fn merge(&self, other: &Self) {
        let added = other.local_value();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        added.into_iter().for_each(|(value, count)| *counts.entry(value).or_default() += count);
    }

    fn local_value(&self) -> BTreeMap<i32, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All values: those of a subtask in order, subtask by subtask. They stay in memory until the job ends.
#[derive(Clone, Debug)]
pub struct ListAccumulator<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for ListAccumulator<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Record> ListAccumulator<T> {
    /// Adds a value.
    pub fn add(&self, value: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

impl<T: Record> Accumulator for ListAccumulator<T> {
    type Value = T;
    type Result = Vec<T>;

    fn add(&self, value: T) {
        Self::add(self, value);
    }

    fn merge(&self, other: &Self) {
        let added = other.local_value();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(added);
    }

    fn local_value(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the accumulators of a name, of all operators and subtasks, have together.
pub(crate) fn merged<A: Accumulator>(metrics: &MetricsSnapshot, name: &str) -> Result<A::Result> {
    let measures = metrics.tasks.iter().flat_map(|task| &task.operators).flat_map(|operator| &operator.measures);
    let accumulators: Vec<_> = measures
        .filter_map(|(name, measure)| match measure {
            Measure::Accumulator(accumulator) => Some((*name, accumulator)),
            _ => None,
        })
        .collect();
    let merged = A::default();
    let mut found = false;
    for (_, accumulator) in accumulators.iter().filter(|(of, _)| *of == name) {
        let accumulator = accumulator.downcast_ref::<A>().ok_or_else(|| {
            Error::user(format!("the accumulator '{name}' is no {}", std::any::type_name::<A>()))
                .hint("ask for it by the type that the function got from the runtime context")
        })?;
        merged.merge(accumulator);
        found = true;
    }
    if found {
        return Ok(merged.local_value());
    }
    let error = Error::user(format!("the job has no accumulator '{name}'"));
    Err(match nearest(name, accumulators.iter().map(|(name, _)| *name)) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint("a function gets one from its runtime context, in open()"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the numbers are exact")]
    use super::*;

    fn of<A: Accumulator>(parts: impl IntoIterator<Item = Vec<A::Value>>) -> A::Result {
        let merged = A::default();
        for part in parts {
            let accumulator = A::default();
            let shared = accumulator.clone();
            part.into_iter().for_each(|value| shared.add(value));
            merged.merge(&accumulator);
        }
        merged.local_value()
    }

    #[test]
    fn subtasks_come_together() {
        assert_eq!(of::<IntCounter>([vec![1, 2], vec![-5], vec![]]), -2);
        assert_eq!(of::<LongCounter>([vec![1 << 40, 2], vec![3]]), (1 << 40) + 5);
        assert_eq!(of::<DoubleCounter>([vec![0.5, 2.0], vec![0.25]]), 2.75);
        assert_eq!(of::<AverageAccumulator>([vec![1.0, 2.0], vec![6.0]]), 3.0);
        assert_eq!(of::<AverageAccumulator>([vec![]]), 0.0);
        assert_eq!(of::<Histogram>([vec![1, 2, 1], vec![2, 3]]), BTreeMap::from([(1, 2), (2, 2), (3, 1)]));
        assert_eq!(of::<ListAccumulator<char>>([vec!['b', 'a'], vec!['c']]), ['b', 'a', 'c']);
    }
}
