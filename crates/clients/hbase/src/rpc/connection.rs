//! One connection to one service of one server, which many calls share.
//!
//! A task of its own moves the bytes. Callers put frames into a bounded queue and wait for their answer, each for a bounded time; answers come in any
//! order and are told apart by their number. When the connection breaks, whoever waits learns it at once, and whoever comes later too: a
//! new one must be opened. A network that swallows everything breaks nothing, so a connection on which nothing came while a call waited in vain is
//! given up as well.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use riverrun_base::format_duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::frame::{Answer, Call, NO_CALL, opening};
use super::{Service, exception};
use crate::failure::{Failure, Stale};
use crate::options::{Address, Options};

/// What is longer is no answer: HBase refuses requests of this size too.
const FRAME_BYTES_MAX: usize = 256 << 20;

/// How long the other side's last words are read after it was found to listen no more.
const LAST_WORDS: Duration = Duration::from_secs(1);

type Outcome = Result<Answer, Failure>;

/// An open connection. It is closed when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    frames: mpsc::Sender<Frame>,
    /// A permit for each call under way.
    slots: Semaphore,
    next_id: AtomicU32,
    call_timeout: Duration,
    task: AbortHandle,
}

/// What callers and the connection's task share.
#[derive(Debug)]
struct Shared {
    server: Address,
    state: Mutex<State>,
    /// How many answers came.
    received: AtomicU64,
    /// Tells the task to end.
    closing: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<u32, oneshot::Sender<Outcome>>,
    /// Why there will be no answers any more.
    closed: Option<Failure>,
}

/// A call on its way: its frame in two pieces.
#[derive(Debug)]
struct Frame {
    head: Vec<u8>,
    cells: Vec<u8>,
}

impl Connection {
    /// Connects, within the time for that. The server says nothing, so it is not known yet whether it accepts.
    pub(crate) async fn open(server: &Address, service: Service, options: &Options) -> Result<Self, Failure> {
        let open = async {
            let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
            stream.set_nodelay(true)?;
            let (reader, mut writer) = stream.into_split();
            writer.write_all(&opening(service, &options.user)).await?;
            Ok((reader, writer))
        };
        let limit = options.connect_timeout;
        let opened = timeout(limit, open).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {}", format_duration(limit))))
        });
        let (reader, writer) = opened.map_err(|error| Failure::passing(Stale::Server, format!("{server}: {error}")))?;
        let shared = Arc::new(Shared {
            server: server.clone(),
            state: Mutex::default(),
            received: AtomicU64::new(0),
            closing: Notify::new(),
        });
        let (frames, queue) = mpsc::channel(options.calls_in_flight);
        let task = tokio::spawn(serve(Arc::clone(&shared), reader, writer, queue)).abort_handle();
        Ok(Self {
            shared,
            frames,
            slots: Semaphore::new(options.calls_in_flight),
            next_id: AtomicU32::new(0),
            call_timeout: options.call_timeout,
            task,
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.shared.state().closed.is_none()
    }

    /// Asks, and waits for the answer, its cells beside it. An answer that does not come in time is a failure, and an exception is.
    pub(crate) async fn ask<R: Message + Default>(&self, call: Call) -> Result<(R, Bytes), Failure> {
        let answer = self.exchange(call).await?;
        if let Some(exception) = &answer.exception {
            return Err(exception::of_call(exception));
        }
        let message = R::decode(answer.message).map_err(|_| Failure::malformed("the answer of HBase"))?;
        Ok((message, answer.cells))
    }

    /// Asks, and does not want to know the answer. Nothing is asked where too much is under way.
    pub(crate) fn tell(&self, call: Call) {
        let frame = self.frame(self.next_id(), call);
        // only what saves the server work is asked so
        let _ = self.frames.try_send(frame);
    }

    async fn exchange(&self, call: Call) -> Outcome {
        // closed with the connection
        let _slot = match self.slots.acquire().await {
            Ok(slot) => slot,
            Err(_) => return Err(self.shared.reason()),
        };
        let id = self.next_id();
        let (ticket, answer) = Ticket::take(&self.shared, id)?;
        let received = self.shared.received.load(Ordering::Relaxed);
        let exchange = async {
            if self.frames.send(self.frame(id, call)).await.is_err() {
                return Err(self.shared.reason());
            }
            answer.await.unwrap_or_else(|_| Err(self.shared.reason()))
        };
        let outcome = timeout(self.call_timeout, exchange).await;
        drop(ticket);
        outcome.unwrap_or_else(|_| Err(self.unanswered(received)))
    }

    /// Why a call has no answer, of which it is not known whether it was carried out. `received` is how many answers had come when it was sent.
    fn unanswered(&self, received: u64) -> Failure {
        let limit = format_duration(self.call_timeout);
        let is_silent = self.shared.received.load(Ordering::Relaxed) == received;
        let stale = if is_silent { Stale::Server } else { Stale::Nothing };
        let failure = Failure::passing(stale, format!("{}: no answer within {limit}", self.shared.server)).open();
        if is_silent {
            self.close(failure.clone());
        }
        failure
    }

    fn close(&self, reason: Failure) {
        self.shared.close(reason);
        self.slots.close();
        self.shared.closing.notify_one();
    }

    fn next_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed) % NO_CALL
    }

    fn frame(&self, id: u32, call: Call) -> Frame {
        let timeout_ms = u32::try_from(self.call_timeout.as_millis()).unwrap_or(u32::MAX);
        Frame { head: call.head(id, timeout_ms), cells: call.cells }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why there will be no more answers, and tells everybody who waits for one. The first reason counts.
    fn close(&self, reason: Failure) {
        let mut state = self.state();
        let waiting = std::mem::take(&mut state.waiting);
        let reason = state.closed.get_or_insert(reason).clone();
        drop(state);
        for (_, caller) in waiting {
            // who waits no more need not be told
            let _ = caller.send(Err(reason.clone()));
        }
    }

    fn reason(&self) -> Failure {
        let reason = self.state().closed.clone();
        reason.unwrap_or_else(|| Failure::passing(Stale::Server, format!("{}: the connection is closed", self.server)))
    }

    fn lost(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::passing(Stale::Server, format!("{}: the connection is lost: {reason}", self.server)).open()
    }

    /// Hands an answer to its caller. An error ends the connection.
    fn deliver(&self, answer: Answer) -> Result<(), Failure> {
        self.received.fetch_add(1, Ordering::Relaxed);
        if answer.call_id == NO_CALL {
            return Err(match &answer.exception {
                // of the connection: its beginning or its login
                Some(exception) => exception::of_call(exception),
                None => self.lost("an answer that nobody asked for"),
            });
        }
        let caller = self.state().waiting.remove(&answer.call_id);
        if let Some(caller) = caller {
            // it may have given up just now
            let _ = caller.send(Ok(answer));
        }
        Ok(())
    }
}

/// The right to an answer; given up when dropped.
struct Ticket<'a> {
    shared: &'a Shared,
    id: u32,
}

impl<'a> Ticket<'a> {
    fn take(shared: &'a Shared, id: u32) -> Result<(Self, oneshot::Receiver<Outcome>), Failure> {
        let (caller, answer) = oneshot::channel();
        let mut state = shared.state();
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        state.waiting.insert(id, caller);
        drop(state);
        Ok((Self { shared, id }, answer))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.shared.state().waiting.remove(&self.id);
    }
}

/// Moves bytes until the connection breaks or is closed.
async fn serve(shared: Arc<Shared>, reader: OwnedReadHalf, writer: OwnedWriteHalf, queue: mpsc::Receiver<Frame>) {
    let reason = tokio::select! {
        reason = read(&shared, reader) => reason,
        reason = write(&shared, writer, queue) => reason,
        () = shared.closing.notified() => shared.reason(),
    };
    tracing::debug!(server = %shared.server, "connection to HBase closed: {reason:?}");
    shared.close(reason);
}

async fn read(shared: &Shared, reader: OwnedReadHalf) -> Failure {
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    loop {
        let frame = match read_frame(&mut reader).await {
            Ok(frame) => frame,
            Err(error) => return shared.lost(error),
        };
        let Ok(answer) = Answer::decode(frame) else { return shared.lost("the answer of HBase is malformed") };
        if let Err(reason) = shared.deliver(answer) {
            return reason;
        }
    }
}

async fn read_frame(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Bytes> {
    let length = u64::from(reader.read_u32().await?);
    if length > FRAME_BYTES_MAX as u64 {
        // with a login of SASL, this is how its answers look
        return Err(io::Error::other(format!("{length} bytes are no answer of HBase")));
    }
    // as it comes: what is announced need not be true
    let mut frame = Vec::new();
    reader.take(length).read_to_end(&mut frame).await?;
    if frame.len() as u64 == length { Ok(frame.into()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn write(shared: &Shared, writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Frame>) -> Failure {
    let mut writer = BufWriter::with_capacity(64 << 10, writer);
    let write = async {
        while let Some(frame) = queue.recv().await {
            write_frame(&mut writer, frame).await?;
            while let Ok(frame) = queue.try_recv() {
                write_frame(&mut writer, frame).await?;
            }
            writer.flush().await?;
        }
        Ok::<(), io::Error>(())
    };
    match write.await {
        // whoever could ask is gone, and with it this task
        Ok(()) => pending().await,
        Err(error) => {
            // a server that refuses a connection says why before it closes it, and the reader is to find that
            sleep(LAST_WORDS).await;
            shared.lost(error)
        }
    }
}

async fn write_frame(writer: &mut BufWriter<OwnedWriteHalf>, frame: Frame) -> io::Result<()> {
    writer.write_all(&frame.head).await?;
    writer.write_all(&frame.cells).await
}

#[cfg(test)]
mod tests;
