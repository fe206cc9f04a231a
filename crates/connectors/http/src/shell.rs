//! Carries out what the core decides: requests over the network, records into the failover store, on the shared I/O runtime.
//!
//! As many workers as there may be requests under way take one after another from the core. They, the timer and the task of the failover
//! store end when this is dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, TaskContext, io_runtime};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::core::{Answer, Core, Failed, SendId, Slot, Time};
use crate::failover::{Keeper, Stamp};
use crate::metrics::{Metrics, TOLD_EVERY};
use crate::request::{Request, Stored};
use crate::settings::Settings;

/// So many records are handed to the failover store at once.
const KEPT_AT_ONCE: usize = 500;

/// What tasks and writer share.
pub(crate) struct Shared {
    state: Mutex<State>,
    client: Client,
    begin: Instant,
    log_bodies: bool,
    /// There is something to send.
    work: Notify,
    /// The time to wake at may be another.
    timer: Notify,
    /// There is something for the failover store.
    failover: Notify,
    /// What the writer waits for has come.
    progress: Notify,
}

struct State {
    core: Core,
    metrics: Metrics,
    /// The timer sleeps until then.
    wakes_at: Option<Time>,
    /// The writer waits until so few records are left.
    awaited: Option<usize>,
    /// Why nothing goes on.
    failure: Option<Error>,
    /// The checkpoint before which records were taken.
    stamp: Stamp,
}

/// The running tasks of one writer.
pub(crate) struct Shell {
    shared: Arc<Shared>,
    handle: Handle,
    cancellation: Cancellation,
    queue_rows: usize,
    _tasks: JoinSet<()>,
}

impl Shell {
    /// Starts the tasks.
    ///
    /// # Errors
    /// A file of certificates cannot be used, or a failover store cannot be reached that has to be.
    pub(crate) fn start(settings: Settings, context: &TaskContext) -> Result<Self> {
        let handle = io_runtime()?;
        let client = Client::new(settings.client.clone())?;
        let stamp = Stamp {
            job: context.job.id.to_string(),
            operator: context.job.operator.to_string(),
            checkpoint: context.job.restored,
        };
        let state = State {
            core: Core::new(settings.core.clone(), fastrand::u64(..)),
            metrics: Metrics::new(&context.counters)?,
            wakes_at: None,
            awaited: None,
            failure: None,
            stamp,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            client,
            begin: Instant::now(),
            log_bodies: settings.log_bodies,
            work: Notify::new(),
            timer: Notify::new(),
            failover: Notify::new(),
            progress: Notify::new(),
        });
        let mut keeper = Keeper::new(&settings)?;
        keeper.probe(&handle, settings.probe, &context.cancellation)?;
        let mut tasks = JoinSet::new();
        for _ in 0..settings.core.requests {
            tasks.spawn_on(work(Arc::clone(&shared)), &handle);
        }
        tasks.spawn_on(keep_time(Arc::clone(&shared)), &handle);
        tasks.spawn_on(tell(Arc::clone(&shared)), &handle);
        tasks.spawn_on(close_unused(Arc::clone(&shared), settings.client.keep_alive), &handle);
        if keeper.has_stores() {
            tasks.spawn_on(keep(Arc::clone(&shared), keeper), &handle);
        }
        let (cancellation, queue_rows) = (context.cancellation.clone(), settings.core.queue_rows);
        Ok(Self { shared, handle, cancellation, queue_rows, _tasks: tasks })
    }

    /// Takes records; waits while there is no room.
    ///
    /// # Errors
    /// A record could not be delivered and the job is to fail then, or the job stops.
    pub(crate) fn take(&self, requests: Vec<Request>) -> Result<()> {
        let mut requests = requests.into_iter().peekable();
        let now_ms = now_ms();
        while requests.peek().is_some() {
            let taken = self.shared.change(|state, now| {
                let mut taken = 0;
                while state.core.has_room()
                    && let Some(request) = requests.next()
                {
                    state.core.accept(request, now, now_ms);
                    taken += 1;
                }
                state.metrics.took(taken);
                // Woken when a part of the queue is free: a wake for each record would cost more than the record.
                state.awaited = requests
                    .peek()
                    .is_some()
                    .then(|| state.core.pending() - state.core.pending().div_ceil(4).min(self.queue_rows.div_ceil(4)));
                state.check()
            });
            taken?;
            if requests.peek().is_some() {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Takes records of a checkpoint, whether there is room or not.
    pub(crate) fn restore(&self, records: Vec<Stored>) {
        self.shared.change(|state, now| {
            state.metrics.restored(records.len() as u64);
            records.into_iter().for_each(|stored| state.core.restore(stored, now));
        });
    }

    /// The records that are not done.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn snapshot(&self) -> Result<Vec<Stored>> {
        let state = self.shared.lock();
        state.check()?;
        Ok(state.core.snapshot())
    }

    /// A checkpoint's barrier has come.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn barrier(&self, checkpoint: riverrun_protocol::CheckpointId) -> Result<()> {
        let mut state = self.shared.lock();
        state.stamp.checkpoint = Some(checkpoint);
        state.tell();
        state.check()
    }

    /// Waits until every record is done.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn finish(&self) -> Result<()> {
        loop {
            let left = self.shared.change(|state, _| {
                state.core.close_batches();
                state.awaited = (state.core.pending() > 0).then_some(0);
                state.tell();
                state.check().map(|()| state.core.pending())
            });
            if left? == 0 {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// An error that has come up meanwhile.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn check(&self) -> Result<()> {
        self.shared.lock().check()
    }

    fn wait(&self) -> Result<()> {
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.canceled() => Err(Error::canceled()),
                () = self.shared.progress.notified() => Ok(()),
            }
        })
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.shared.lock().tell();
    }
}

impl State {
    fn tell(&mut self) {
        self.metrics.tell(&self.core);
    }

    fn check(&self) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(again(failure));
        }
        match self.core.fatal() {
            None => Ok(()),
            Some(failed) => Err(undeliverable(failed)),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state at this time, and wakes whom that concerns.
    fn change<T>(&self, change: impl FnOnce(&mut State, Time) -> T) -> T {
        let now = self.begin.elapsed();
        let mut state = self.lock();
        let result = change(&mut state, now);
        let State { core, wakes_at, awaited, failure, .. } = &mut *state;
        let has_work = core.has_work();
        let has_failover = core.has_failover();
        let at = core.wake_at();
        let earlier = at.is_some_and(|at| wakes_at.is_none_or(|wakes_at| at < wakes_at));
        if earlier {
            *wakes_at = at;
        }
        let failed = core.fatal().is_some() || failure.is_some();
        let has_come = awaited.is_some_and(|awaited| core.pending() <= awaited) || awaited.is_some() && failed;
        if has_come {
            *awaited = None;
        }
        drop(state);
        if has_work {
            self.work.notify_one();
        }
        if has_failover {
            self.failover.notify_one();
        }
        if earlier {
            self.timer.notify_one();
        }
        if has_come {
            self.progress.notify_one();
        }
        result
    }
}

/// Sends one request after another.
async fn work(shared: Arc<Shared>) {
    let mut ended: Option<(SendId, Slot, Duration, Answer)> = None;
    loop {
        let next = shared.change(|state, now| {
            if let Some((id, slot, took, answer)) = ended.take() {
                state.metrics.latency(state.core.tally(), slot, took);
                state.core.answered(id, answer, now);
            }
            state.core.next(now)
        });
        let Some(dispatch) = next else {
            shared.work.notified().await;
            continue;
        };
        let begin = Instant::now();
        let answer = shared.client.deliver(&dispatch.requests).await;
        if let Answer::Nothing(why) | Answer::Refused(why) = &answer {
            tracing::debug!(records = dispatch.requests.len(), "a request was not answered: {why}");
        }
        if shared.log_bodies {
            for request in &dispatch.requests {
                let body = String::from_utf8_lossy(&request.body);
                tracing::info!("{} {}: {}", request.verb.method(), request.url.escape_debug(), body.escape_debug());
            }
        }
        ended = Some((dispatch.id, dispatch.slot, begin.elapsed(), answer));
    }
}

/// Tells the metrics now and then.
async fn tell(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        shared.lock().tell();
    }
}

/// Tells the core when its time has come.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let at = shared.change(|state, now| {
            state.core.advance(now);
            state.wakes_at = state.core.wake_at();
            state.wakes_at
        });
        match at {
            None => shared.timer.notified().await,
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until((shared.begin + at).into()) => {}
                () = shared.timer.notified() => {}
            },
        }
    }
}

async fn close_unused(shared: Arc<Shared>, keep_alive: Duration) {
    loop {
        tokio::time::sleep(keep_alive.max(Duration::from_millis(100))).await;
        shared.client.close_unused();
    }
}

/// Brings records to the failover store.
async fn keep(shared: Arc<Shared>, mut keeper: Keeper) {
    loop {
        let (failed, stamp) = shared.change(|state, _| (state.core.next_failover(KEPT_AT_ONCE), state.stamp.clone()));
        if failed.is_empty() {
            shared.failover.notified().await;
            continue;
        }
        let ids: Vec<u64> = failed.iter().map(|failed| failed.id).collect();
        let kept = keeper.keep(&failed, &stamp, || shared.lock().metrics.store_failed()).await;
        match kept {
            Ok(()) => shared.change(|state, now| state.core.stored(&ids, now)),
            Err(error) => {
                shared.change(|state, _| {
                    state.failure.get_or_insert(error);
                });
                return;
            }
        }
    }
}

/// The same error once more, as errors cannot be copied.
fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.to_string());
    if error.is_retryable() { copy.retryable() } else { copy }
}

fn undeliverable(failed: &Failed) -> Error {
    let Failed { request, tries, why, .. } = failed;
    let url: String = request.url.chars().take(300).collect();
    Error::external(format!("a record could not be delivered: {why}"))
        .with("request", format!("{} {}", request.verb.method(), url.escape_debug()))
        .with("tries", tries)
        .retryable()
        .hint("the record is still in the last checkpoint. Set 'sink.failover.storage' to keep such records elsewhere, or 'sink.on-exhausted' = 'drop'")
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
