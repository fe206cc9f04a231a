//! SIGINT and SIGTERM for the jobs of a program that asks for it: the first stops them in order, the second cancels them, the third ends the
//! program. Without a job, a signal does what it would do otherwise.
//!
//! A handler stays for the life of the process, since the operating system's own cannot be given back.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use riverrun_base::{Error, Result};
use riverrun_runtime::JobControl;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Caught;
use signal_hook::low_level::emulate_default_handler;

/// The signals of this process. Clones share them.
#[derive(Clone)]
pub(super) struct Signals(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    jobs: Vec<(u64, JobControl)>,
    /// The number of the next job.
    next: u64,
    /// How many signals came while there were jobs.
    received: u32,
}

/// A job that signals go to, until this is dropped.
pub(super) struct Watched {
    signals: Signals,
    number: u64,
}

impl Signals {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(super) fn catch() -> Result<Self> {
        static SIGNALS: OnceLock<std::result::Result<Signals, String>> = OnceLock::new();
        let signals = SIGNALS.get_or_init(|| Self::start().map_err(|error| error.to_string()));
        signals.clone().map_err(|reason| Error::external(format!("signals cannot be caught: {reason}")))
    }

    fn start() -> std::io::Result<Self> {
        let signals = Self(Arc::default());
        let shared = signals.clone();
        let mut caught = Caught::new([SIGINT, SIGTERM])?;
        let listen = move || {
            for signal in caught.forever() {
                if shared.on_signal() {
                    // Never returns for these signals.
                    let _ = emulate_default_handler(signal);
                }
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(signals)
    }

    /// Lets signals go to a job too; one that came already stops it at once.
    pub(super) fn watch(self, job: JobControl) -> Watched {
        let mut state = self.state();
        match state.received {
            0 => {}
            1 => job.stop(),
            _ => job.cancel(),
        }
        let number = state.next;
        state.next += 1;
        state.jobs.push((number, job));
        drop(state);
        Watched { signals: self, number }
    }

    /// Passes a signal on; whether it is left to the operating system instead.
    fn on_signal(&self) -> bool {
        let mut state = self.state();
        if state.jobs.is_empty() || state.received > 1 {
            return true;
        }
        state.received += 1;
        let is_first = state.received == 1;
        tracing::info!("{}", if is_first { "stopping in order; a second signal cancels at once" } else { "canceling" });
        state.jobs.iter().for_each(|(_, job)| if is_first { job.stop() } else { job.cancel() });
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.signals.state().jobs.retain(|(number, _)| *number != self.number);
    }
}
