//! The endpoint that Prometheus scrapes.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};

use super::{MetricsSnapshot, prometheus_text};

/// How long a client may take to ask and to read.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a request is read.
const REQUEST_LIMIT: usize = 16 << 10;

/// Answers `GET /metrics` on an address, one client after another, until it is dropped.
pub struct MetricsServer {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Listens on `address` (port 0 takes a free one); `snapshots` is asked for the jobs' metrics at each request.
    ///
    /// # Errors
    /// The address is in use or not this machine's.
    pub fn start(address: SocketAddr, snapshots: impl Fn() -> Vec<MetricsSnapshot> + Send + 'static) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::user("the metrics endpoint cannot listen").caused_by(error).with("address", address)
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let serve = {
            let stopped = Arc::clone(&stopped);
            move || {
                for client in listener.incoming() {
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    if let Err(error) = client.and_then(|client| answer(client, &snapshots)) {
                        tracing::debug!(%error, "a client of the metrics endpoint got no answer");
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(serve).map_err(failed)?;
        Ok(Self { address, stopped, thread: Some(thread) })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            } else {
                IpAddr::V6(Ipv6Addr::LOCALHOST)
            });
        }
        // A connection of our own wakes the thread.
        if TcpStream::connect_timeout(&address, TIMEOUT).is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the metrics endpoint had panicked");
        }
    }
}

fn answer(mut client: TcpStream, snapshots: &impl Fn() -> Vec<MetricsSnapshot>) -> std::io::Result<()> {
    client.set_write_timeout(Some(TIMEOUT))?;
    let request = read_request(&mut client)?;
    let mut words = request.split_whitespace();
    let (status, body) = match (words.next(), words.next().and_then(|target| target.split('?').next())) {
        (Some("GET"), Some("/metrics" | "/")) => ("200 OK", prometheus_text(&snapshots())),
        (Some("GET"), _) => ("404 Not Found", "the metrics are at /metrics\n".into()),
        _ => ("405 Method Not Allowed", "only GET is answered\n".into()),
    };
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// All of a request's head: closing with unread bytes would reset the connection.
fn read_request(client: &mut TcpStream) -> std::io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while request.len() < REQUEST_LIMIT && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        // A timeout of zero would be none.
        client
            .set_read_timeout(Some(deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))?;
        match client.read(&mut chunk)? {
            0 => break,
            read => request.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn get(address: SocketAddr, request: &str) -> String {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_endpoint_answers_and_its_port_is_free_when_it_is_dropped() {
        let server = MetricsServer::start("127.0.0.1:0".parse().unwrap(), Vec::new).unwrap();
        let address = server.address();
        assert!(get(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(get(address, "GET /else HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(get(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert!(MetricsServer::start(address, Vec::new).err().unwrap().to_string().contains("cannot listen"));
        drop(server);
        MetricsServer::start(address, Vec::new).unwrap();
    }
}
