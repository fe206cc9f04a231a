//! SIGINT and SIGTERM: the first stops all jobs in order, the second cancels them, the third ends the program.
//!
//! The thread that gets a signal acts itself, for the main thread may be waiting for whoever reads standard output.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use riverrun_base::{Error, Result};
use riverrun_runtime::{JobControl, MetricsSnapshot};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Caught;
use signal_hook::low_level::emulate_default_handler;

use super::Event;

/// The signals of this process, and the jobs they go to. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Signals(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    jobs: Vec<StartedJob>,
    stopping: bool,
    /// The first signal's number.
    first: Option<u8>,
    canceled: bool,
}

/// A job of this process, which may have ended.
#[derive(Clone)]
pub(crate) struct StartedJob {
    pub(crate) control: JobControl,
    /// When it was started, in milliseconds since 1970.
    pub(crate) started_ms: i64,
}

/// The time of day, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Signals {
    /// Catches signals from now on, until the process ends; `events` is told of each.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(super) fn catch(events: Sender<Event>) -> Result<Self> {
        let refused = |error: std::io::Error| Error::external("signals cannot be caught").caused_by(error);
        let signals = Self::default();
        let mut caught = Caught::new([SIGINT, SIGTERM]).map_err(refused)?;
        let shared = signals.clone();
        let listen = move || {
            for signal in caught.forever() {
                shared.on(signal);
                // The run may have ended meanwhile.
                let _ = events.send(Event::Signal);
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(refused)?;
        Ok(signals)
    }

    /// A job that signals go to from now on.
    pub(super) fn add(&self, job: JobControl) {
        let mut state = self.state();
        if state.canceled {
            job.cancel();
        } else if state.stopping {
            job.stop();
        }
        state.jobs.push(StartedJob { control: job, started_ms: now_ms() });
    }

    /// Stops every job in order, those too that are added later.
    pub(super) fn stop_jobs(&self) {
        let mut state = self.state();
        state.stopping = true;
        state.jobs.iter().for_each(|job| job.control.stop());
    }

    /// Whether jobs are being stopped, by a signal or because another has failed.
    pub(super) fn are_stopping(&self) -> bool {
        self.state().stopping
    }

    /// The first signal that came.
    pub(super) fn received(&self) -> Option<u8> {
        self.state().first
    }

    /// Whether a signal canceled the jobs.
    pub(super) fn canceled(&self) -> bool {
        self.state().canceled
    }

    /// All jobs, in the order of their start.
    pub(crate) fn jobs(&self) -> Vec<StartedJob> {
        self.state().jobs.clone()
    }

    /// The metrics of all jobs.
    pub(crate) fn snapshots(&self) -> Vec<MetricsSnapshot> {
        self.jobs().iter().map(|job| job.control.metrics()).collect()
    }

    fn on(&self, signal: i32) {
        let mut state = self.state();
        if state.canceled {
            // Never returns for these signals.
            let _ = emulate_default_handler(signal);
        } else if state.first.is_some() {
            state.canceled = true;
            state.jobs.iter().for_each(|job| job.control.cancel());
        } else {
            state.first = u8::try_from(signal).ok();
            state.stopping = true;
            state.jobs.iter().for_each(|job| job.control.stop());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
