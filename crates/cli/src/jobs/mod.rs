//! The jobs of a run: started, watched, stopped in order on a signal, summed up.
//!
//! INSERTs run in the background, a query in the foreground, and all are awaited at the end. The first job that fails ends the run: the others are
//! stopped in order, so that a process under a supervisor is never half alive.

mod flow;
pub(crate) mod numbers;
mod signals;
mod summary;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_runtime::{JobHandle, JobSummary, MetricsServer};
use riverrun_sql::{InsertJob, QueryJob};

pub(crate) use signals::{Signals, StartedJob, now_ms};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Broken, QueryPrinter};
use crate::rest::RestServer;
use crate::screen::Screen;
use crate::script::Statement;
use view::View;

/// How long rows are waited for before signals and other jobs are looked after.
const TICK: Duration = Duration::from_millis(50);

/// A job of this run, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobNumber(usize);

/// What happens while jobs run.
pub(super) enum Event {
    /// A job has ended.
    Ended(JobNumber, Result<JobSummary>),
    /// A signal came; [`Signals`] has already passed it on to the jobs.
    Signal,
}

/// The jobs of this run.
pub(crate) struct Jobs {
    screen: Screen,
    signals: Signals,
    events: Sender<Event>,
    received: Receiver<Event>,
    jobs: Vec<Job>,
    view: View,
    failure: Option<Failure>,
    /// Whoever read standard output is gone.
    reader_gone: bool,
    rest: Option<RestServer>,
    _metrics: Option<MetricsServer>,
}

/// Where the run is served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoints {
    /// Its jobs, to steer them.
    pub(crate) rest: Option<SocketAddr>,
    /// Their metrics, and nothing else.
    pub(crate) metrics: Option<SocketAddr>,
}

struct Job {
    statement: Statement,
    is_query: bool,
    running: bool,
}

impl Jobs {
    /// None yet. `prints` says that a job may print rows to the terminal itself, where a live block would erase them.
    ///
    /// # Errors
    /// An endpoint cannot listen, or signals cannot be caught.
    pub(crate) fn new(screen: &Screen, endpoints: Endpoints, prints: bool) -> Result<Self> {
        let (events, received) = channel();
        let signals = Signals::catch(events.clone())?;
        let rest = endpoints.rest.map(|address| RestServer::start(address, signals.clone())).transpose()?;
        if let Some(server) = &rest {
            screen.print(&format!("control endpoint at http://{}\n", server.address()));
        }
        let metrics = endpoints.metrics.map(|address| {
            let signals = signals.clone();
            MetricsServer::start(address, move || signals.snapshots())
        });
        let metrics = metrics.transpose()?;
        if let Some(server) = &metrics {
            screen.print(&format!("metrics at http://{}/metrics\n", server.address()));
        }
        Ok(Self {
            screen: screen.clone(),
            signals,
            events,
            received,
            jobs: Vec::new(),
            view: View::new(screen.clone(), prints),
            failure: None,
            reader_gone: false,
            rest,
            _metrics: metrics,
        })
    }

    /// Starts an INSERT and goes on.
    ///
    /// # Errors
    /// The job cannot be started.
    pub(crate) fn insert(&mut self, job: InsertJob, statement: &Statement) -> Result<JobNumber, Failure> {
        let started = job.start().and_then(|handle| self.watch(handle, statement, false));
        started.map_err(|error| statement.failure(error))
    }

    /// Runs a query and prints its rows until it ends, a signal comes, or nobody reads any more.
    ///
    /// # Errors
    /// The job cannot be started or its rows cannot be printed. What the job itself fails with comes from [`Self::finish`].
    pub(crate) fn query(
        &mut self,
        job: QueryJob,
        mut printer: QueryPrinter,
        statement: &Statement,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let started = job.start().and_then(|(handle, rows)| {
            let control = handle.control();
            Ok((self.watch(handle, statement, true)?, control, rows))
        });
        let (number, control, mut rows) = started.map_err(|error| statement.failure(error))?;
        self.view.query_prints(true);
        let printed = printer.begin().and_then(|()| {
            loop {
                match rows.next_batch(TICK) {
                    Ok(batch) => printer.rows(&rows, &batch)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                self.look();
            }
        });
        if printed.is_err() {
            control.cancel();
        }
        drop(rows);
        self.wait_for(number);
        self.view.query_prints(false);
        let printed = match printed {
            Ok(()) if self.failure.is_some() => Ok(()),
            Ok(()) => printer.end(begun.elapsed(), self.signals.received().is_some()),
            Err(broken) => Err(broken),
        };
        match printed {
            Ok(()) => Ok(()),
            Err(Broken::ReaderGone) => {
                self.reader_gone = true;
                self.signals.stop_jobs();
                Ok(())
            }
            Err(Broken::Failed(error)) => Err(statement.job_failure(error)),
        }
    }

    /// Waits for the end of one job.
    pub(crate) fn wait_for(&mut self, job: JobNumber) {
        self.wait_until(|jobs| jobs.get(job.0).is_none_or(|job| !job.running));
    }

    /// Whether no more statements shall begin.
    pub(crate) fn is_ending(&mut self) -> bool {
        self.look();
        self.failure.is_some() || self.reader_gone || self.signals.received().is_some()
    }

    /// Waits for all jobs, and says how the run ended. `statements` is what became of the script: whether it was carried out to its end.
    ///
    /// # Errors
    /// What ended the run: a statement's failure, or else that of the job that failed first.
    pub(crate) fn finish(mut self, statements: Result<bool, Failure>) -> Result<Exit, Failure> {
        let complete = match statements {
            Ok(complete) => complete,
            Err(failure) => {
                self.fail(failure);
                false
            }
        };
        self.wait_until(|jobs| jobs.iter().all(|job| !job.running));
        self.screen.draw(Vec::new());
        // Whoever has triggered something is still told what has become of it.
        drop(self.rest.take());
        match (self.failure, self.signals.received()) {
            (Some(failure), _) => Err(failure),
            (None, Some(signal)) if !complete || self.signals.canceled() => Ok(Exit::Signal(signal)),
            (None, _) => Ok(Exit::Done),
        }
    }

    /// Looks after a job in a thread of its own, which tells its end.
    fn watch(&mut self, handle: JobHandle, statement: &Statement, is_query: bool) -> Result<JobNumber> {
        let number = JobNumber(self.jobs.len());
        self.signals.add(handle.control());
        let events = self.events.clone();
        let wait = move || {
            // Nobody listens any more when the run has ended.
            let _ = events.send(Event::Ended(number, handle.wait()));
        };
        let thread = std::thread::Builder::new().name("job".to_owned()).spawn(wait);
        thread.map_err(|error| Error::external("the operating system gives no thread").caused_by(error))?;
        self.jobs.push(Job { statement: statement.clone(), is_query, running: true });
        Ok(number)
    }

    fn wait_until(&mut self, reached: impl Fn(&[Job]) -> bool) {
        while !reached(&self.jobs) {
            match self.received.recv_timeout(self.view.next_in()) {
                Ok(event) => self.on(event),
                Err(RecvTimeoutError::Timeout) => self.view.update(&self.signals.snapshots()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes what has happened, without waiting.
    fn look(&mut self) {
        while let Ok(event) = self.received.try_recv() {
            self.on(event);
        }
        if self.view.next_in().is_zero() {
            self.view.update(&self.signals.snapshots());
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Signal => {
                if !self.signals.canceled() && self.jobs.iter().any(|job| job.running) {
                    self.screen.print("stopping in order; a second signal cancels at once\n");
                }
            }
            Event::Ended(number, result) => {
                let Some(job) = self.jobs.get_mut(number.0) else { return };
                job.running = false;
                // The last lines of a job that has ended would only stand in the way of what is said about it.
                self.screen.draw(Vec::new());
                match result {
                    Ok(summary) if job.is_query => self.screen.print(&summary::losses(&summary)),
                    Ok(summary) => self.screen.print(&summary::text(&summary, self.signals.are_stopping())),
                    Err(error) if was_canceled(&error) && (self.reader_gone || stdout_is_closed()) => {
                        self.reader_gone = true;
                        self.signals.stop_jobs();
                    }
                    Err(error) => {
                        let failure = job.statement.job_failure(error);
                        self.fail(failure);
                    }
                }
            }
        }
    }

    /// Keeps the first failure, and ends the others.
    fn fail(&mut self, failure: Failure) {
        if self.failure.is_none() {
            self.failure = Some(failure);
            self.signals.stop_jobs();
        } else {
            self.screen.print(&failure.render(self.screen.has_colors()));
        }
    }
}

/// Whether a job ended because somebody wanted it to: the `print` connector does when nobody reads.
fn was_canceled(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
    error.is_canceled() || cause.is_some_and(Error::is_canceled)
}

/// Whether the reader of standard output has gone away.
fn stdout_is_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
