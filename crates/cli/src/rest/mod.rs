//! The control endpoint of a running process: Flink's REST API, as far as it is true of one process, and its jobs' metrics.
//!
//! One thread serves all clients. What takes long, a savepoint above all, runs in a thread of its own, and is asked for by the id that its
//! trigger was answered with. When the process ends, those that wait for such an answer still get it.

mod answers;
mod operations;
mod routes;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use riverrun_base::{Error, Result};
use tokio::sync::oneshot;

use crate::jobs::Signals;
use operations::Operations;
use routes::{Served, router};

/// Where Flink's job manager listens, and a client looks without `--address`.
pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:8081";
/// How long the end of the process waits for clients to ask what has become of their triggers.
const LINGER: Duration = Duration::from_secs(5);
/// How long answers may take that are under way when the server ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Serves until it is dropped.
pub(crate) struct RestServer {
    address: SocketAddr,
    operations: Arc<Operations>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RestServer {
    /// Listens on an address (port 0 takes a free one), and steers these jobs.
    ///
    /// # Errors
    /// The address is in use or not this machine's.
    pub(crate) fn start(address: SocketAddr, jobs: Signals) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
            let error =
                Error::user("the control endpoint cannot listen").caused_by(error).with("address", address.to_string());
            if in_use { error.hint("another process listens there: choose another by --rest=HOST:PORT") } else { error }
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let operations = Arc::<Operations>::default();
        let (stop, stopped) = oneshot::channel();
        let router = router(Served { jobs, operations: Arc::clone(&operations) });
        let serve = async move {
            let (closing, close) = oneshot::channel::<()>();
            let served = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let close = async { drop(close.await) };
                axum::serve(listener, router).with_graceful_shutdown(close).await
            };
            let bounded = async {
                // An error is a sender that is gone, which is a stop too.
                drop(stopped.await);
                drop(closing);
                tokio::time::sleep(LAST_ANSWERS).await;
            };
            tokio::select! {
                served = served => if let Err(error) = served {
                    tracing::warn!(%error, "the control endpoint has ended");
                },
                () = bounded => {}
            }
        };
        let thread = std::thread::Builder::new().name("rest".into()).spawn(move || runtime.block_on(serve));
        Ok(Self { address, operations, stop: Some(stop), thread: Some(thread.map_err(failed)?) })
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RestServer {
    fn drop(&mut self) {
        self.operations.wait_until_told(LINGER);
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the control endpoint had panicked");
        }
    }
}

#[cfg(test)]
mod tests;
