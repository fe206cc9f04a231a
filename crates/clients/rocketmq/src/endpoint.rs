//! One server, by its address: the connection with it, opened when it is needed, and opened again when it was lost, with
//! pauses that grow while that fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use riverrun_base::{Error, Result};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::auth::Credentials;
use crate::backoff;
use crate::connection::{Answer, Connection, Failure, Inbox, Settings};
use crate::fields::FieldsBuilder;
use crate::frame::{self, Frame, HEADER_BYTES_MAX};

/// What all connections of a client share.
pub(crate) struct Connector {
    pub(crate) settings: Settings,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) pause_max: Duration,
    pub(crate) inbox: Arc<dyn Inbox>,
    /// Called for every connection that was opened.
    pub(crate) opened: Box<dyn Fn() + Send + Sync>,
}

/// A server.
pub(crate) struct Endpoint {
    address: String,
    connector: Arc<Connector>,
    connection: RwLock<Option<Arc<Connection>>>,
    opening: Mutex<Trouble>,
    /// Until when, in milliseconds since `born`, nobody tries to reach it.
    pause_ends: AtomicU64,
    born: Instant,
}

/// What went wrong since the last connection on which something came.
#[derive(Default)]
struct Trouble {
    failures: u32,
    last: Option<(String, bool)>,
}

/// How many connections may be lost over one request.
const LOST_MAX: u32 = 3;

/// Whether a request may be sent again when it is not known what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, or nothing more the second time.
    Harmless,
    /// The caller decides.
    No,
}

impl Endpoint {
    pub(crate) fn new(address: String, connector: Arc<Connector>) -> Self {
        Self {
            address,
            connector,
            connection: RwLock::default(),
            opening: Mutex::default(),
            pause_ends: AtomicU64::new(0),
            born: Instant::now(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it could not be reached just now, and is left alone for a while.
    pub(crate) fn is_pausing(&self) -> bool {
        // most were never out of reach, and are not asked for the time
        self.pause_ends.load(Ordering::Relaxed) != 0 && self.pause_end() > Instant::now()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.current().is_some()
    }

    /// A request as it is written: with its fields signed.
    ///
    /// # Errors
    /// The fields are longer than the protocol can say.
    pub(crate) fn request(&self, code: i16, fields: FieldsBuilder, body: &[u8]) -> Result<Vec<u8>> {
        Ok(frame::request(code, self.signed(fields, body)?.as_bytes(), body))
    }

    /// Asks, and waits for the answer, until the deadline: through as many connections as it takes.
    pub(crate) async fn call(
        &self,
        code: i16,
        fields: FieldsBuilder,
        body: &[u8],
        deadline: Instant,
        repeat: Repeat,
    ) -> Result<Frame, Failure> {
        let request = self.request(code, fields, body).map_err(|error| Failure { was_sent: false, error })?;
        let mut lost = 0;
        loop {
            let failure = match self.call_once(request.clone(), deadline).await {
                Ok(frame) => return Ok(frame),
                Err(failure) => failure,
            };
            lost += u32::from(failure.was_sent);
            let is_allowed = if failure.was_sent { repeat == Repeat::Harmless && lost < LOST_MAX } else { true };
            let has_time = Instant::now().max(self.pause_end()) < deadline;
            if !(failure.error.is_retryable() && is_allowed && has_time) {
                return Err(failure);
            }
        }
    }

    /// Asks through one connection.
    pub(crate) async fn call_once(&self, request: Vec<u8>, deadline: Instant) -> Result<Frame, Failure> {
        self.send(request, deadline, None).await?.wait().await
    }

    /// Sends a request; the answer is awaited apart, as [`Connection::ask`] has it.
    pub(crate) async fn send(
        &self,
        request: Vec<u8>,
        deadline: Instant,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<Answer, Failure> {
        let connection = self.connection(deadline).await.map_err(|error| Failure { was_sent: false, error })?;
        connection.ask(request, deadline, slot).await
    }

    /// Sends what wants no answer; it may be lost.
    pub(crate) async fn tell(&self, code: i16, fields: FieldsBuilder, body: &[u8], deadline: Instant) -> Result<()> {
        let request = frame::one_way(code, self.signed(fields, body)?.as_bytes(), body);
        let connection = self.connection(deadline).await?;
        connection.tell(&request, deadline).await.map_err(|failure| failure.error)
    }

    fn signed(&self, fields: FieldsBuilder, body: &[u8]) -> Result<FieldsBuilder> {
        let fields = match &self.connector.credentials {
            Some(credentials) => credentials.sign(fields, body),
            None => fields,
        };
        if fields.as_bytes().len() > HEADER_BYTES_MAX / 2 {
            return Err(Error::data("the properties of a message are too long"));
        }
        Ok(fields)
    }

    fn current(&self) -> Option<Arc<Connection>> {
        let connection = self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        connection.is_open().then_some(connection)
    }

    async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        timeout_at(deadline, self.open(deadline)).await.unwrap_or_else(|_| {
            let mut message = format!("RocketMQ at {} was not reached in time", self.address);
            // whoever is opening it now will say so himself
            if let Ok(mut trouble) = self.opening.try_lock() {
                // the reason is in the tries before, which were not cut off
                message = trouble.last.take().map_or(message, |(last, _)| last);
                self.failed(&mut trouble, message.clone(), true);
            }
            Err(Error::external(message).retryable())
        })
    }

    /// Opens the connection: one who asks does, the others wait.
    async fn open(&self, deadline: Instant) -> Result<Arc<Connection>> {
        let mut trouble = self.opening.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        self.note_lost(&mut trouble);
        let pause_end = self.pause_end();
        if pause_end >= deadline
            && let Some((last, retryable)) = &trouble.last
        {
            let error = Error::external(last.clone());
            return Err(if *retryable { error.retryable() } else { error });
        }
        sleep_until(pause_end).await;
        let Connector { settings, inbox, .. } = &*self.connector;
        match Connection::open(&self.address, settings, Arc::clone(inbox)).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
                tracing::debug!(server = %self.address, "connected");
                (self.connector.opened)();
                Ok(connection)
            }
            Err(error) => {
                self.failed(&mut trouble, error.to_string(), error.is_retryable());
                Err(error)
            }
        }
    }

    /// A connection that was lost before anything came counts as a failure, so that a server which closes at once is not
    /// called without end.
    fn note_lost(&self, trouble: &mut Trouble) {
        let former = self.connection.write().unwrap_or_else(PoisonError::into_inner).take();
        match former {
            Some(former) if former.has_received() => *trouble = Trouble::default(),
            Some(_) => {
                let message = format!("RocketMQ at {} closes connections without an answer", self.address);
                self.failed(trouble, message, true);
            }
            None => {}
        }
    }

    fn failed(&self, trouble: &mut Trouble, message: String, retryable: bool) {
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.last = Some((message, retryable));
        let end = self.born.elapsed() + backoff::pause(trouble.failures, self.connector.pause_max, fastrand::f64());
        self.pause_ends.store(u64::try_from(end.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn pause_end(&self) -> Instant {
        self.born + Duration::from_millis(self.pause_ends.load(Ordering::Relaxed))
    }
}
