//! Brings records into the stores, however long that takes: again after pauses, into the second store where the first does not take them.

use std::time::{Duration, Instant};

use riverrun_base::{Error, Kind, Result};
use riverrun_connect::Cancellation;
use tokio::runtime::Handle;

use super::{Envelope, Row, Stamp, Store};
use crate::core::Failed;
use crate::options::Probe;
use crate::settings::Settings;
use crate::shell::now_ms;

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the first store is tried before the second takes the rows.
const TRIES_BEFORE_SECOND: u32 = 3;
/// How long a store may take for one attempt.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long the start waits for a store.
const PROBE: Duration = Duration::from_secs(10);

/// The stores of a writer.
pub(crate) struct Keeper {
    stores: Vec<Open>,
    timeout: Duration,
}

struct Open {
    name: String,
    store: Box<dyn Store>,
    /// Failures since it last took rows.
    failures: u32,
}

impl Keeper {
    /// # Errors
    /// This build does not have a store, or a property of it is refused.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let open = |store: &super::StoreSettings| Ok(Open { name: store.name(), store: store.open()?, failures: 0 });
        let stores = settings.stores.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { stores, timeout: settings.failover_timeout })
    }

    /// Whether there is one at all.
    pub(crate) fn has_stores(&self) -> bool {
        !self.stores.is_empty()
    }

    /// Looks at the start whether the stores can be written to, and says so.
    ///
    /// # Errors
    /// A store cannot be, and that is fatal; or the job stops.
    pub(crate) fn probe(&mut self, handle: &Handle, probe: Probe, cancellation: &Cancellation) -> Result<()> {
        if probe == Probe::None {
            return Ok(());
        }
        for open in &mut self.stores {
            let looked = handle.block_on(async {
                tokio::select! {
                    biased;
                    () = cancellation.canceled() => Err(Error::canceled()),
                    looked = open.store.probe() => looked,
                    () = tokio::time::sleep(PROBE) => Err(Error::external("no answer within 10 s")),
                }
            });
            match looked {
                Ok(()) => {}
                Err(error) if error.is_canceled() => return Err(error),
                Err(error) if probe == Probe::Fail => {
                    return Err(Error::external(format!("the failover store, {}, cannot be written to", open.name))
                        .caused_by(error)
                        .retryable()
                        .hint("with 'sink.failover.probe' = 'warn' the job starts all the same, and waits for it when it is needed"));
                }
                Err(error) => {
                    tracing::warn!(
                        "the failover store, {}, cannot be written to now: {error}; it is tried again when it is needed",
                        open.name
                    );
                }
            }
        }
        Ok(())
    }

    /// Makes records durable in one of the stores; returns only when they are. `failed_once` is told of each failure.
    ///
    /// # Errors
    /// No store has taken them for as long as that is allowed, or will ever take one of them.
    pub(crate) async fn keep(&mut self, failed: &[Failed], stamp: &Stamp, failed_once: impl Fn()) -> Result<()> {
        let now = now_ms();
        let rows = failed.iter().map(|failed| row(failed, stamp, now)).collect::<Result<Vec<_>>>()?;
        let mut left = rows.as_slice();
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        // Alone, a row that no store takes is told from others.
        let mut at_once = rows.len();
        while !left.is_empty() {
            let (now, later) = left.split_at(at_once.min(left.len()));
            match self.attempt(now, &failed_once).await {
                Ok(()) => {
                    left = later;
                    pause = FIRST_PAUSE;
                }
                Err(error) if error.kind() == Kind::Data && now.len() > 1 => at_once = 1,
                Err(error) if error.kind() == Kind::Data || begin.elapsed() >= self.timeout => {
                    return Err(Error::external(
                        "a record that could not be delivered could not be kept elsewhere either",
                    )
                    .caused_by(error)
                    .retryable()
                    .hint("the record is still in the last checkpoint"));
                }
                Err(_) => {
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        Ok(())
    }

    /// Tries the first store, and the second where the first has failed for a while or will never take the rows.
    async fn attempt(&mut self, rows: &[Row], failed_once: &impl Fn()) -> Result<()> {
        let mut last = Error::internal("there is no failover store");
        for open in &mut self.stores {
            let written = match tokio::time::timeout(ATTEMPT, open.store.write(rows)).await {
                Ok(written) => written,
                Err(_) => Err(Error::external("no answer within 30 s")),
            };
            match written {
                Ok(()) => {
                    open.failures = 0;
                    return Ok(());
                }
                Err(error) => {
                    failed_once();
                    open.failures = open.failures.saturating_add(1);
                    tracing::warn!(
                        rows = rows.len(),
                        "the failover store, {}, did not take records: {error}",
                        open.name
                    );
                    let goes_on = open.failures >= TRIES_BEFORE_SECOND || error.kind() == Kind::Data;
                    last = error.with("failover store", &open.name);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Err(last)
    }
}

fn row(failed: &Failed, stamp: &Stamp, now: i64) -> Result<Row> {
    let values = serde_json::to_string(&Envelope::of(failed, stamp, now))
        .map_err(|error| Error::internal("a record cannot be written as JSON").caused_by(error))?;
    Ok(Row { values, timestamp: now })
}
