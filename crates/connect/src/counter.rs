//! Counters of a connector, by name, as its task's metrics show them, and what else it measures.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Measures;

/// A number that only grows. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one subtask, and its other measures. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    counters: Arc<Mutex<BTreeMap<&'static str, Counter>>>,
    measures: Measures,
}

impl Counters {
    /// The counter of this name (`numRecordsInErrors`), made at the first call. Labels may stand behind it, as Prometheus writes them:
    /// `destinationDown{destination="http://a"}`; the same goes for the names of [`Measures`].
    pub fn counter(&self, name: &'static str) -> Counter {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone()
    }

    /// What else is measured.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Names and values now.
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(name, counter)| (*name, counter.get()))
            .collect()
    }
}
