//! The wish that a job stops, seen by whatever waits.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use tokio::sync::watch;

/// Says when a job stops. Clones share it.
#[derive(Clone, Debug)]
pub struct Cancellation(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    canceled: Mutex<bool>,
    changed: Condvar,
    watch: watch::Sender<bool>,
}

impl Default for Cancellation {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancellation {
    /// One that has not happened.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            canceled: Mutex::new(false),
            changed: Condvar::new(),
            watch: watch::Sender::new(false),
        }))
    }

    /// Cancels; waiters wake at once. Further calls change nothing.
    pub fn cancel(&self) {
        // First: who wakes below looks here to see whether it was canceled.
        self.0.watch.send_replace(true);
        *self.0.canceled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }

    /// Whether it has happened.
    pub fn is_canceled(&self) -> bool {
        *self.0.watch.borrow()
    }

    /// An error if it has happened.
    ///
    /// # Errors
    /// [`Error::canceled`].
    pub fn check(&self) -> Result<()> {
        if self.is_canceled() { Err(Error::canceled()) } else { Ok(()) }
    }

    /// Sleeps for `duration`, or until the job stops.
    ///
    /// # Errors
    /// [`Error::canceled`] when the job stops.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        let mut canceled = self.0.canceled.lock().unwrap_or_else(PoisonError::into_inner);
        while !*canceled {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            canceled = self.0.changed.wait_timeout(canceled, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(Error::canceled())
    }

    /// Ends when the job stops, for code that runs on the shared I/O runtime.
    pub async fn canceled(&self) {
        let mut watch = self.0.watch.subscribe();
        // The sender lives as long as `self`.
        let _ = watch.wait_for(|canceled| *canceled).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_when_the_job_stops() {
        let cancellation = Cancellation::new();
        assert!(cancellation.sleep(Duration::from_millis(1)).is_ok());
        let sleeper = std::thread::spawn({
            let cancellation = cancellation.clone();
            move || {
                cancellation.sleep(Duration::from_secs(600)).is_err_and(|error| error.is_canceled())
                    && cancellation.is_canceled()
            }
        });
        cancellation.cancel();
        assert!(sleeper.join().is_ok_and(|woken| woken));
    }
}
