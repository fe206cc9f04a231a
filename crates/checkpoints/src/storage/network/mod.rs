//! What the network stores have in common: a thread that waits for answers, limits, and repeating what failed in passing.

use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use riverrun_base::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{sleep, timeout};

use super::{Created, Entry, Storage};

/// How long an operation is repeated while it fails in passing, and how long one try may take beside the transfer of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) repeat: Duration,
    pub(super) each: Duration,
}

impl Patience {
    /// In a running job: a server may restart meanwhile.
    pub(super) const RUNNING: Self = Self { repeat: Duration::from_secs(60), each: Duration::from_secs(30) };
    /// Before a job starts: someone waits for the answer.
    pub(super) const STARTING: Self = Self { repeat: Duration::from_secs(4), each: Duration::from_secs(10) };

    /// A try that moves so many bytes may take longer: a mebibyte a second is slow.
    fn limit(self, bytes: usize) -> Duration {
        self.each + Duration::from_secs(bytes as u64 >> 20)
    }
}

/// The first pause between two tries; each is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is nothing of this name.
    Absent,
    /// There is something of this name already.
    Taken,
    /// It may go better later, and may have been done although it seems not.
    Passing(String),
    /// It will not go better, for this reason; and what the user can do.
    Refused(String, Option<&'static str>),
}

/// A file's bytes, in the pieces they arrive in.
pub(super) type Pieces<'a> = BoxStream<'a, Result<Bytes, Failure>>;

/// One try of each operation, on paths relative to the storage's folder.
pub(super) trait Remote: fmt::Debug + Send + Sync {
    fn url(&self) -> &str;
    /// What a user can check where the server does not answer.
    fn unreachable(&self) -> &'static str;
    /// Atomic; [`Failure::Taken`] where there is such a file.
    fn put_new(&self, path: &str, bytes: &[u8]) -> impl Future<Output = Result<(), Failure>>;
    fn put(&self, path: &str, bytes: &[u8]) -> impl Future<Output = Result<(), Failure>>;
    fn get(&self, path: &str) -> impl Future<Output = Result<Pieces<'_>, Failure>>;
    /// [`Failure::Absent`] where there is no such file.
    fn head(&self, path: &str) -> impl Future<Output = Result<(), Failure>>;
    fn entries(&self, folder: &str) -> impl Future<Output = Result<Vec<Entry>, Failure>>;
    fn remove(&self, path: &str) -> impl Future<Output = Result<(), Failure>>;
    fn remove_folder(&self, folder: &str) -> impl Future<Output = Result<(), Failure>>;
}

/// A storage of tries that may fail.
#[derive(Debug)]
pub(super) struct Network<R> {
    remote: R,
    patience: Patience,
}

impl<R: Remote> Network<R> {
    pub(super) fn new(remote: R, patience: Patience) -> Self {
        Self { remote, patience }
    }

    /// Repeats one try, each with its limit, until it succeeds or fails for good. `None` where there is nothing of this name.
    fn call<T, F>(&self, what: &str, path: &str, bytes: usize, attempt: impl Fn() -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.repeated(what, path, || self.once(bytes, attempt()))
    }

    fn repeated<T, F>(&self, what: &str, path: &str, attempt: impl Fn() -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let outcome = self.block_on(async {
            let mut pauses = Pauses::new(self.patience);
            loop {
                let failure = match attempt().await {
                    Err(Failure::Passing(reason)) => reason,
                    outcome => return outcome,
                };
                if !pauses.pause().await {
                    return Err(Failure::Passing(failure));
                }
            }
        })?;
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Absent) => Ok(None),
            Err(failure) => Err(self.failed(what, path, failure)),
        }
    }

    async fn once<T>(&self, bytes: usize, attempt: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let limit = self.patience.limit(bytes);
        timeout(limit, attempt)
            .await
            .unwrap_or_else(|_| Err(Failure::Passing(format!("no answer within {} s", limit.as_secs()))))
    }

    /// How long a file is is not known before: each piece has its limit.
    async fn fetch(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut pieces = self.once(0, self.remote.get(path)).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = self.once(0, async { pieces.next().await.transpose() }).await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Reads back what is under a name after a try whose answer does not tell whether it was ours.
    async fn create_async(&self, path: &str, bytes: &[u8]) -> Result<Created, Failure> {
        let mut pauses = Pauses::new(self.patience);
        loop {
            let failure = match self.once(bytes.len(), self.remote.put_new(path, bytes)).await {
                Ok(()) => return Ok(Created::Written),
                Err(failure @ Failure::Refused(..)) => return Err(failure),
                Err(failure) => failure,
            };
            match self.fetch(path).await {
                Ok(found) if found == bytes => return Ok(Created::Written),
                Ok(_) => return Ok(Created::Exists),
                // It was taken by something that is gone again, or the store was not reached: the next try tells.
                Err(_) => {}
            }
            if !pauses.pause().await {
                return Err(match failure {
                    Failure::Passing(reason) => Failure::Passing(reason),
                    _ => Failure::Passing("it is there, and cannot be read".to_owned()),
                });
            }
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        Ok(runtime()?.block_on(future))
    }

    fn failed(&self, what: &str, path: &str, failure: Failure) -> Error {
        let message = format!("cannot {what} {}/{path}", self.remote.url());
        match failure {
            Failure::Passing(reason) => {
                Error::external(message).caused_by(reason).hint(self.remote.unreachable()).retryable()
            }
            Failure::Refused(reason, Some(hint)) => Error::external(message).caused_by(reason).hint(hint),
            Failure::Refused(reason, None) => Error::external(message).caused_by(reason),
            Failure::Absent => Error::external(format!("{message}: there is no such file")),
            Failure::Taken => Error::external(format!("{message}: it is there already")),
        }
    }
}

impl<R: Remote> Storage for Network<R> {
    fn url(&self) -> &str {
        self.remote.url()
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<Created> {
        let created = self.block_on(self.create_async(path, bytes))?;
        created.map_err(|failure| self.failed("create", path, failure))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        match self.call("write", path, bytes.len(), || self.remote.put(path, bytes))? {
            Some(()) => Ok(()),
            None => Err(self.failed("write", path, Failure::Absent)),
        }
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.repeated("read", path, || self.fetch(path))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.call("read", path, 0, || self.remote.head(path))?.is_some())
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let mut entries = self.call("list", folder, 0, || self.remote.entries(folder))?.unwrap_or_default();
        entries.sort();
        Ok(entries)
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.call("delete", path, 0, || self.remote.remove(path)).map(drop)
    }

    fn delete_folder(&self, folder: &str) -> Result<()> {
        self.call("delete", folder, 0, || self.remote.remove_folder(folder)).map(drop)
    }
}

/// The pauses between tries.
struct Pauses {
    end: Instant,
    next: Duration,
}

impl Pauses {
    fn new(patience: Patience) -> Self {
        Self { end: Instant::now() + patience.repeat, next: FIRST_PAUSE }
    }

    /// Waits, unless the time is over.
    async fn pause(&mut self) -> bool {
        // From half to the whole, so that many that failed together do not come again together.
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        if Instant::now() + pause > self.end {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        sleep(pause).await;
        true
    }
}

/// The thread on which all stores do their network I/O, started at the first call.
pub(super) fn runtime() -> Result<Handle> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let start = || Builder::new_multi_thread().worker_threads(1).thread_name("riverrun-stores").enable_all().build();
    match RUNTIME.get_or_init(start) {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(Error::external(format!("cannot start the thread of the checkpoint stores: {error}"))),
    }
}

#[cfg(test)]
mod tests;
