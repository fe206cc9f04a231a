//! Bad neighbours on the network: servers that do one thing, and a proxy that can be cut.
//!
//! All listen on 127.0.0.1 and end, with their threads and connections, when dropped.

mod http;
mod proxy;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::{Context, Result, or_fail};
use crate::ports::free_port;

pub use http::{HttpServer, Reply, Request};
pub use proxy::Proxy;

/// A server that does the same to everyone who connects.
#[derive(Debug)]
pub struct Server {
    listener: Option<Listener>,
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Connections,
}

impl Server {
    /// Accepts, and closes at once.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn closing() -> Self {
        Self::new(drop)
    }

    /// Accepts, reads what comes, and never answers.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn silent() -> Self {
        Self::new(|mut stream| while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {})
    }

    /// Sends these bytes to everyone who connects, at once, as servers do that speak first; then reads and says no more.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn greeting(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |mut stream| {
            if stream.write_all(&bytes).is_ok() {
                while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
            }
        })
    }

    /// Answers whatever arrives with these bytes, once for each piece that is read.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(
            move |mut stream| {
                while matches!(stream.read(&mut [0; 65536]), Ok(1..)) && stream.write_all(&bytes).is_ok() {}
            },
        )
    }

    /// Runs `serve` for every connection, in a thread of its own; the connection is shut when the server is dropped.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn new(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let (serve, accepted, open) = (Arc::new(serve), Arc::new(AtomicUsize::new(0)), Connections::default());
        let (count, connections) = (Arc::clone(&accepted), open.clone());
        let listener = Listener::start(0, move |stream| {
            count.fetch_add(1, Ordering::Relaxed);
            let serve = Arc::clone(&serve);
            connections.serve(stream, move |stream| serve(stream));
        });
        let listener = or_fail(listener);
        Self { address: listener.address, listener: Some(listener), accepted, open }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener = None;
        self.open.shut();
    }
}

/// An address on which nobody listens: connecting is refused.
///
/// # Panics
/// When there is no free port.
#[must_use]
#[track_caller]
pub fn nobody() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, or_fail(free_port())))
}

/// A thread that accepts until dropped; then its port is free again.
#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on this port, on any free one for 0.
    fn start(port: u16, accept: impl Fn(TcpStream) + Send + 'static) -> Result<Self> {
        let port = if port == 0 { free_port()? } else { port };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).doing(|| format!("listen on {address}"))?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Acquire) {
                    break;
                }
                if let Ok(stream) = stream {
                    accept(stream);
                }
            }
        });
        Ok(Self { address, ended, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // wakes the thread
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The connections now open, each with its thread.
#[derive(Debug, Clone, Default)]
struct Connections(Arc<Mutex<Vec<Connection>>>);

type Connection = (TcpStream, JoinHandle<()>);

impl Connections {
    /// Serves a connection in a thread until it ends or is shut.
    fn serve(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) + Send + 'static) {
        let Ok(copy) = stream.try_clone() else { return };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, thread)| !thread.is_finished());
        let ending = copy.try_clone();
        let thread = thread::spawn(move || {
            serve(stream);
            // our copy would keep it open
            if let Ok(stream) = ending {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        });
        open.push((copy, thread));
    }

    /// Closes all, and waits for their threads.
    fn shut(&self) {
        let open = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (stream, _) in &open {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        for (_, thread) in open {
            let _ = thread.join();
        }
    }
}
