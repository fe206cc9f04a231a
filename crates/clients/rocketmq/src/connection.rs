//! One connection to one server, shared by any number of requests at a time.
//!
//! Two tasks serve it: one writes what requests have put into a common buffer, many of them at once under load; the
//! other reads frames, hands answers to who waits for them, by `opaque`, and servers' own requests to [`Inbox`]. Both end
//! when the connection is dropped or broken; then everybody who waits is told. An answer that nobody waits for any more
//! is dropped. What has not been written yet is bounded: who wants to add to a full buffer waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use riverrun_base::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::frame::{self, Frame};
use crate::tls;

/// How many bytes may wait to be written before requests wait too.
const UNWRITTEN_BYTES_MAX: usize = 4 << 20;

/// Buffers larger than this are given back when they were used.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

const READ_BYTES: usize = 64 << 10;

/// Takes the requests that come from servers.
pub(crate) trait Inbox: Send + Sync {
    /// Whether the request was understood; if not, the server is told so. Must not block.
    fn take(&self, server: &str, request: &Frame) -> bool;
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether it may have reached the server.
    pub(crate) was_sent: bool,
    pub(crate) error: Error,
}

/// How a connection is opened and how large its frames may be.
pub(crate) struct Settings {
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) connect_timeout: Duration,
    pub(crate) frame_bytes_max: usize,
}

/// An open connection.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

struct Shared {
    address: String,
    state: Mutex<State>,
    /// There is something to write.
    filled: Notify,
    /// There is room to write again.
    emptied: Notify,
    /// How many frames came: shows whether the other side lives.
    received: AtomicU64,
}

#[derive(Default)]
struct State {
    unwritten: Vec<u8>,
    waiting: HashMap<i32, Waiting>,
    last_opaque: i32,
    /// Why the connection is good for nothing any more.
    broken: Option<String>,
}

/// Who waits for an answer, and what is given back when it comes.
struct Waiting {
    sender: oneshot::Sender<Frame>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Connects. Must be called in a tokio runtime, which then runs the connection's tasks.
    pub(crate) async fn open(address: &str, settings: &Settings, inbox: Arc<dyn Inbox>) -> Result<Self> {
        let connecting = async {
            let stream = TcpStream::connect(address).await.map_err(|error| unreachable(address).caused_by(error))?;
            stream.set_nodelay(true).map_err(|error| unreachable(address).caused_by(error))?;
            let most = settings.frame_bytes_max;
            match &settings.tls {
                None => {
                    let (reader, writer) = stream.into_split();
                    Ok(Self::serve(address, reader, writer, most, inbox))
                }
                Some(connector) => {
                    let stream = tls::connect(connector, address, stream).await?;
                    let (reader, writer) = tokio::io::split(stream);
                    Ok(Self::serve(address, reader, writer, most, inbox))
                }
            }
        };
        timeout(settings.connect_timeout, connecting).await.unwrap_or_else(|_| {
            Err(unreachable(address).caused_by(format!("no answer in {:?}", settings.connect_timeout)))
        })
    }

    fn serve<R, W>(address: &str, reader: R, writer: W, most: usize, inbox: Arc<dyn Inbox>) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            state: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
            received: AtomicU64::new(0),
        });
        let (reading, writing) = (Arc::clone(&shared), Arc::clone(&shared));
        let tasks = [
            tokio::spawn(async move { reading.read(reader, most, &*inbox).await }).abort_handle(),
            tokio::spawn(async move { writing.write(writer).await }).abort_handle(),
        ];
        Self { shared, tasks }
    }

    /// Whether it can still be used.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.lock().broken.is_none()
    }

    /// Whether the other side has ever sent a frame.
    pub(crate) fn has_received(&self) -> bool {
        self.shared.received.load(Ordering::Relaxed) > 0
    }

    /// Sends a request; the answer is awaited apart, until `deadline`. The slot is given back when the answer comes, whether it is
    /// awaited or not, or when it is known that none will.
    pub(crate) async fn ask(
        &self,
        mut request: Vec<u8>,
        deadline: Instant,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Result<Answer, Failure> {
        self.shared.room(deadline).await?;
        let (sender, receiver) = oneshot::channel();
        let opaque = {
            let mut state = self.shared.usable()?;
            // after four billion requests a number comes again, of which the answer came long ago
            let opaque = state.last_opaque.wrapping_add(1);
            state.last_opaque = opaque;
            frame::set_opaque(&mut request, opaque);
            state.unwritten.extend_from_slice(&request);
            state.waiting.insert(opaque, Waiting { sender, _slot: slot });
            opaque
        };
        self.shared.filled.notify_one();
        let received = self.shared.received.load(Ordering::Relaxed);
        Ok(Answer { receiver, shared: Arc::clone(&self.shared), opaque, deadline, received, is_open: true })
    }

    /// Sends what wants no answer; it may be lost.
    pub(crate) async fn tell(&self, request: &[u8], deadline: Instant) -> Result<(), Failure> {
        self.shared.room(deadline).await?;
        self.shared.usable()?.unwritten.extend_from_slice(request);
        self.shared.filled.notify_one();
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.give_up("the client is closed");
    }
}

/// An answer to come. Dropped, it is not waited for any more.
pub(crate) struct Answer {
    receiver: oneshot::Receiver<Frame>,
    shared: Arc<Shared>,
    opaque: i32,
    deadline: Instant,
    received: u64,
    is_open: bool,
}

impl Answer {
    /// Waits for the answer, until the deadline. A connection on which nothing came meanwhile is taken for dead: half-open
    /// ones are never noticed otherwise.
    pub(crate) async fn wait(mut self) -> Result<Frame, Failure> {
        let error = match timeout_at(self.deadline, &mut self.receiver).await {
            Ok(Ok(frame)) => {
                self.is_open = false;
                return Ok(frame);
            }
            Ok(Err(_)) => self.shared.broken(),
            Err(_) => {
                let address = &self.shared.address;
                if self.shared.received.load(Ordering::Relaxed) == self.received {
                    self.shared.give_up("nothing came from it in the time a request may take");
                }
                Error::external(format!("RocketMQ at {address} did not answer in time")).retryable()
            }
        };
        Err(Failure { was_sent: true, error })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.is_open {
            self.shared.lock().waiting.remove(&self.opaque);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Result<MutexGuard<'_, State>, Failure> {
        let state = self.lock();
        if state.broken.is_some() {
            drop(state);
            return Err(Failure { was_sent: false, error: self.broken() });
        }
        Ok(state)
    }

    fn broken(&self) -> Error {
        let why = self.lock().broken.clone().unwrap_or_default();
        Error::external(format!("the connection with RocketMQ at {} is lost: {why}", self.address)).retryable()
    }

    /// Marks the connection as lost, and tells who waits.
    fn give_up(&self, why: &str) {
        let waiting = {
            let mut state = self.lock();
            if state.broken.is_some() {
                return;
            }
            state.broken = Some(why.to_owned());
            std::mem::take(&mut state.waiting)
        };
        // dropping the senders wakes those who wait
        drop(waiting);
        self.emptied.notify_waiters();
        // both tasks look whether they are still needed
        self.filled.notify_one();
    }

    /// Waits until there is room to write.
    async fn room(&self, deadline: Instant) -> Result<(), Failure> {
        loop {
            let emptied = self.emptied.notified();
            if self.usable()?.unwritten.len() < UNWRITTEN_BYTES_MAX {
                return Ok(());
            }
            if timeout_at(deadline, emptied).await.is_err() {
                let error = Error::external(format!("RocketMQ at {} takes nothing more", self.address)).retryable();
                return Err(Failure { was_sent: false, error });
            }
        }
    }

    async fn write<W: AsyncWrite + Unpin>(&self, mut writer: W) {
        let mut buffer = Vec::new();
        loop {
            {
                let mut state = self.lock();
                if state.broken.is_some() {
                    break;
                }
                std::mem::swap(&mut state.unwritten, &mut buffer);
            }
            if buffer.is_empty() {
                self.filled.notified().await;
                continue;
            }
            self.emptied.notify_waiters();
            let written = async {
                writer.write_all(&buffer).await?;
                writer.flush().await
            };
            if let Err(error) = written.await {
                return self.give_up(&error.to_string());
            }
            buffer.clear();
            buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        // the other side may be gone
        let _ = writer.shutdown().await;
    }

    async fn read<R: AsyncRead + Unpin>(&self, mut reader: R, most: usize, inbox: &dyn Inbox) {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            loop {
                match frame::decode(&mut buffer, most) {
                    Ok(Some(frame)) => self.received(frame, inbox),
                    Ok(None) => break,
                    Err(error) => return self.give_up(&error.to_string()),
                }
            }
            if buffer.capacity() - buffer.len() < READ_BYTES / 8 {
                buffer.reserve(READ_BYTES);
            }
            match reader.read_buf(&mut buffer).await {
                Ok(0) => return self.give_up("the server closed it"),
                Ok(_) => {}
                Err(error) => return self.give_up(&error.to_string()),
            }
            if self.lock().broken.is_some() {
                return;
            }
        }
    }

    fn received(&self, frame: Frame, inbox: &dyn Inbox) {
        self.received.fetch_add(1, Ordering::Relaxed);
        if frame.is_answer() {
            let waiting = self.lock().waiting.remove(&frame.opaque);
            if let Some(waiting) = waiting {
                // who asked may have gone just now
                let _ = waiting.sender.send(frame);
            }
        } else if !inbox.take(&self.address, &frame) && !frame.is_one_way() {
            let refusal = frame::refusal(&frame);
            let mut state = self.lock();
            if state.unwritten.len() < UNWRITTEN_BYTES_MAX {
                state.unwritten.extend_from_slice(&refusal);
                drop(state);
                self.filled.notify_one();
            }
        }
    }
}

fn unreachable(address: &str) -> Error {
    Error::external(format!("RocketMQ at {address} cannot be reached")).retryable()
}
