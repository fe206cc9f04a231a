//! Lines from a socket, to try things out.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::Error;

use super::{InputStatus, SourceFunction, SourceOutput};
use crate::functions::FnResult;

/// How long the other side may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// So much is read at a time.
const CHUNK: usize = 64 << 10;

/// The longest line.
const LONGEST: usize = 16 << 20;

/// Lines of text from a TCP connection, until the other side closes it. What was read before a failure is gone: the socket has no position.
#[derive(Clone, Debug)]
pub(crate) struct SocketTextStream {
    host: String,
    port: u16,
    connection: Option<Arc<TcpStream>>,
    buffer: Vec<u8>,
}

impl SocketTextStream {
    pub(crate) fn new(host: String, port: u16) -> Self {
        Self { host, port, connection: None, buffer: Vec::new() }
    }

    fn failed(&self, what: &str, error: std::io::Error) -> Error {
        Error::external(format!("cannot {what} {}:{}", self.host, self.port)).caused_by(error).retryable()
    }

    fn line(bytes: &[u8]) -> FnResult<String> {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::data("a line of the socket is not UTF-8").into())
    }
}

impl SourceFunction for SocketTextStream {
    type Out = String;
    type Position = ();

    fn open(&mut self, (): &mut ()) -> FnResult {
        use std::net::ToSocketAddrs;
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses: Vec<_> = addresses.map_err(|error| self.failed("find", error))?.collect();
        let mut last = std::io::Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
                Ok(connection) => {
                    self.connection = Some(Arc::new(connection));
                    return Ok(());
                }
                Err(error) => last = error,
            }
        }
        Err(self.failed("connect to", last).hint("is somebody listening there? 'nc -lk 9999' does").into())
    }

    fn poll(&mut self, (): &mut (), wait: Duration, out: &mut SourceOutput<'_, String>) -> FnResult<InputStatus> {
        let Some(connection) = self.connection.clone() else { return Ok(InputStatus::EndOfInput) };
        // A time-out of zero is no time-out.
        let wait = wait.max(Duration::from_micros(100));
        connection.set_read_timeout(Some(wait)).map_err(|error| self.failed("read from", error))?;
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = (&*connection).read(&mut self.buffer[filled..]);
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => {
                if !self.buffer.is_empty() {
                    out.collect(Self::line(&self.buffer)?);
                    self.buffer.clear();
                }
                return Ok(InputStatus::EndOfInput);
            }
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                return Ok(InputStatus::NothingAvailable);
            }
            Err(error) => return Err(self.failed("read from", error).into()),
        }
        let mut begin = 0;
        for end in (filled..self.buffer.len()).filter(|at| self.buffer[*at] == b'\n') {
            out.collect(Self::line(&self.buffer[begin..end])?);
            begin = end + 1;
        }
        self.buffer.drain(..begin);
        if self.buffer.len() > LONGEST {
            return Err(Error::data(format!("a line of the socket is longer than {LONGEST} bytes")).into());
        }
        Ok(InputStatus::MoreAvailable)
    }
}
