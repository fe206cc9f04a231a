//! An HTTP server that does as it is told, and journals every request.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Server;

/// A request as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// How many came before it.
    pub number: usize,
    /// The connection it came on, from 0.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// What is asked for: path and query, or a whole URL where the client takes this for a proxy.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When it was whole.
    pub at: Instant,
    /// The status of its answer, once a whole one was written; 0 until then.
    pub answered: u16,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} -> {}", self.method, self.target, self.text(), self.answered)
    }
}

impl Request {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole answer: status, headers, body. The connection stays open.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// The same after a while.
    After(Duration, Box<Reply>),
    /// An answer of which a byte is sent at a time, with this pause between bytes.
    Drip(u16, Duration),
    /// These bytes, and then the connection is reset.
    Reset(Vec<u8>),
    /// These bytes, and then the connection is closed.
    Close(Vec<u8>),
    /// Nothing, until the client goes away.
    Silence,
    /// 200, and what follows goes to this server and back, as a proxy does that was asked to `CONNECT`.
    Tunnel(SocketAddr),
}

impl Reply {
    /// An answer without headers and body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    /// An answer with one header.
    #[must_use]
    pub fn with_header(status: u16, name: &str, value: &str) -> Self {
        Self::Answer(status, vec![(name.to_owned(), value.to_owned())], Vec::new())
    }

    /// An answer with a body.
    #[must_use]
    pub fn with_body(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(status, Vec::new(), body.into())
    }

    /// The answer after a while.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }
}

/// The server. Dropped, it ends with all its connections.
#[derive(Debug)]
pub struct HttpServer {
    server: Server,
    journal: Journal,
    most_open: Arc<AtomicUsize>,
}

type Journal = Arc<Mutex<Vec<Request>>>;

impl HttpServer {
    /// Starts a server that answers as `script` says.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    #[track_caller]
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let journal = Journal::default();
        let (connections, open, most_open) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let (kept, most) = (Arc::clone(&journal), Arc::clone(&most_open));
        let server = Server::new(move |stream| {
            let connection = connections.fetch_add(1, Ordering::SeqCst);
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The client's going away is its matter.
            let _ = serve(stream, connection, &kept, &script);
            open.fetch_sub(1, Ordering::SeqCst);
        });
        Self { server, journal, most_open }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// All requests so far, in the order in which they were whole.
    #[must_use]
    pub fn journal(&self) -> Vec<Request> {
        lock(&self.journal).clone()
    }

    /// How many requests there were.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.journal).len()
    }

    /// How many connections were open at once at most.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }
}

fn lock(journal: &Mutex<Vec<Request>>) -> MutexGuard<'_, Vec<Request>> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: TcpStream,
    connection: usize,
    journal: &Mutex<Vec<Request>>,
    script: &impl Fn(&Request) -> Reply,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(mut request) = read(&mut reader, connection)? {
        {
            let mut journal = lock(journal);
            request.number = journal.len();
            journal.push(request.clone());
        }
        let mut reply = script(&request);
        while let Reply::After(wait, then) = reply {
            thread::sleep(wait);
            reply = *then;
        }
        match reply {
            Reply::Answer(status, headers, body) => {
                // In the journal before the client can know: what it takes for answered is answered there.
                let mark = |status| {
                    let mut journal = lock(journal);
                    if let Some(entry) = journal.get_mut(request.number) {
                        entry.answered = status;
                    }
                };
                mark(status);
                if let Err(error) = (&stream).write_all(&answer(status, &headers, &body)) {
                    mark(0);
                    return Err(error);
                }
            }
            Reply::Drip(status, pause) => {
                for byte in answer(status, &[], &[]) {
                    (&stream).write_all(&[byte])?;
                    thread::sleep(pause);
                }
            }
            Reply::Reset(bytes) => {
                (&stream).write_all(&bytes)?;
                let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                return Ok(());
            }
            Reply::Close(bytes) => return (&stream).write_all(&bytes),
            Reply::Tunnel(to) => {
                if let Some(entry) = lock(journal).get_mut(request.number) {
                    entry.answered = 200;
                }
                (&stream).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                super::proxy::join(&stream, to);
                return Ok(());
            }
            Reply::Silence | Reply::After(..) => while reader.read(&mut [0; 4096])? > 0 {},
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { number: 0, connection, method, target, headers, body, at: Instant::now(), answered: 0 }))
}

fn answer(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Scripted\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if status != 204 && status != 304 {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
