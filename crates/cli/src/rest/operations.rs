//! What clients have triggered, and what has become of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Kind, Result};
use riverrun_cluster_model::FailureCause;

/// More are not under way at a time.
const MOST_RUNNING: usize = 64;
/// More are not remembered.
const MOST_KEPT: usize = 1000;

/// Operations by what they are and their id.
#[derive(Default)]
pub(super) struct Operations {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    known: BTreeMap<Key, Progress>,
    /// The oldest first.
    order: VecDeque<Key>,
}

/// Which operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: OperationKind,
    pub(super) job: String,
    /// 32 hexadecimal digits.
    pub(super) trigger: String,
}

/// What is done. Savepoints, and stops with one, are asked for alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OperationKind {
    Savepoint,
    Checkpoint,
}

#[derive(Clone, Debug)]
enum Progress {
    Running,
    Ended {
        result: Ended,
        /// Whether anybody has asked since.
        told: bool,
    },
}

/// What came out: a place or a number, as text.
pub(super) type Ended = std::result::Result<String, FailureCause>;

impl Operations {
    /// Runs `work` in a thread of its own, unless this operation is known already.
    ///
    /// # Errors
    /// Too many are under way.
    pub(super) fn start(
        self: &Arc<Self>,
        key: Key,
        work: impl FnOnce() -> Result<String> + Send + 'static,
    ) -> Result<()> {
        let mut state = self.state();
        if state.known.contains_key(&key) {
            return Ok(());
        }
        let running = state.known.values().filter(|progress| matches!(progress, Progress::Running)).count();
        if running >= MOST_RUNNING {
            return Err(Error::external(format!("{running} operations are under way: no more begin")).retryable());
        }
        let run = {
            let (operations, key) = (Arc::clone(self), key.clone());
            move || {
                let result = work().map_err(|error| cause(&error));
                operations.state().known.insert(key, Progress::Ended { result, told: false });
                operations.changed.notify_all();
            }
        };
        let thread = std::thread::Builder::new().name("operation".into()).spawn(run);
        thread.map_err(|error| Error::external("the operating system gives no thread").caused_by(error))?;
        state.known.insert(key.clone(), Progress::Running);
        state.order.push_back(key);
        state.forget();
        Ok(())
    }

    /// What has become of an operation: nothing yet where `Some(None)`, unknown where `None`.
    pub(super) fn outcome(&self, key: &Key) -> Option<Option<Ended>> {
        let outcome = match self.state().known.get_mut(key)? {
            Progress::Running => None,
            Progress::Ended { result, told } => {
                *told = true;
                Some(result.clone())
            }
        };
        self.changed.notify_all();
        Some(outcome)
    }

    /// Waits until everything has ended and was asked for, but not for long.
    pub(super) fn wait_until_told(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.state();
        while state.known.values().any(|progress| !matches!(progress, Progress::Ended { told: true, .. })) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets the oldest that have ended.
    fn forget(&mut self) {
        while self.order.len() > MOST_KEPT {
            let ended = |key: &Key| matches!(self.known.get(key), Some(Progress::Ended { .. }));
            let Some(index) = self.order.iter().position(ended) else { return };
            if let Some(key) = self.order.remove(index) {
                self.known.remove(&key);
            }
        }
    }
}

fn cause(error: &Error) -> FailureCause {
    let class = match error.kind() {
        Kind::User => "user",
        Kind::External => "external system",
        Kind::Data => "data",
        _ => "internal",
    };
    FailureCause { class: class.to_owned(), stack_trace: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn key(trigger: &str) -> Key {
        Key { kind: OperationKind::Savepoint, job: "j".into(), trigger: trigger.into() }
    }

    #[test]
    fn an_operation_runs_once_and_is_told_as_often_as_asked() {
        let operations = Arc::<Operations>::default();
        let (go, wait) = channel::<()>();
        operations
            .start(key("a"), move || {
                wait.recv().unwrap();
                Ok("there".into())
            })
            .unwrap();
        operations.start(key("a"), || panic!("it is known")).unwrap();
        assert_eq!(operations.outcome(&key("a")), Some(None));
        assert_eq!(operations.outcome(&key("b")), None);
        go.send(()).unwrap();
        while operations.outcome(&key("a")) == Some(None) {
            std::thread::yield_now();
        }
        assert_eq!(operations.outcome(&key("a")), Some(Some(Ok("there".into()))));
        operations.wait_until_told(Duration::from_secs(60));
    }

    #[test]
    fn what_nobody_asks_for_is_waited_for_within_bounds() {
        let operations = Arc::<Operations>::default();
        operations.start(key("a"), || Err(Error::user("no").hint("do"))).unwrap();
        let begun = Instant::now();
        operations.wait_until_told(Duration::from_millis(30));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        let failed = operations.outcome(&key("a")).unwrap().unwrap().unwrap_err();
        assert_eq!((failed.class.as_str(), failed.stack_trace.as_str()), ("user", "no; do"));
    }

    #[test]
    fn neither_running_nor_remembered_operations_are_without_bound() {
        let operations = Arc::<Operations>::default();
        for n in 0..MOST_KEPT + 10 {
            operations.start(key(&n.to_string()), || Ok(String::new())).unwrap();
            while operations.outcome(&key(&n.to_string())) == Some(None) {
                std::thread::yield_now();
            }
        }
        assert_eq!(operations.outcome(&key("0")), None);
        assert!(operations.state().known.len() <= MOST_KEPT);
        let (go, wait) = channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for n in 0..MOST_RUNNING {
            let wait = Arc::clone(&wait);
            let work = move || {
                // The sender is dropped when the test ends.
                let _ = wait.lock().unwrap().recv();
                Ok(String::new())
            };
            operations.start(key(&format!("r{n}")), work).unwrap();
        }
        let error = operations.start(key("last"), || Ok(String::new())).unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("64 operations"), "{error}");
        drop(go);
    }
}
