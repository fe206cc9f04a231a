//! What `benchmarks/http_sink.py` measures: Riverrun's HTTP sink as a job, a bare loop over the same client, and the server that they ask.
//!
//! - `http_requests serve PORTS [SECONDS]` listens on so many ports of this machine, of which it prints the numbers, and answers 200 to everything; with
//!   seconds, nothing is answered before so many have passed since the first request. `GET /taken` on the first port tells, for each port, how many
//!   requests came, and when the first and the last, in milliseconds; then it counts anew. It ends with its standard input.
//! - `http_requests loop URL COUNT` sends from 64 connections that do nothing else.
//! - `http_requests job URLS COUNT [--http.KEY VALUE]...` sends by a job; records go to the URLs in turn.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use riverrun::connect::io_runtime;
use riverrun::connectors::http::HttpSink;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::{Error, ParameterTool, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

const CONNECTIONS: usize = 64;
const BODY: &str = r#"{"id":"1234567","name":"a name of some length","amount":"12.5"}"#;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", ports, wait @ ..] => {
            let seconds = wait.first().map_or(Ok(0), |seconds| number(seconds))?;
            serve(number(ports)?, Duration::from_secs(seconds))
        }
        ["loop", url, count] => bare_loop(url, number(count)?),
        ["job", urls, count, options @ ..] => job(urls, number(count)?, &ParameterTool::from_args(options.to_vec())?),
        _ => Err(Error::user("what is to be done?").hint("serve PORTS, loop URL COUNT, or job URLS COUNT")),
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::user(format!("'{text}' is no number")))
}

fn job(urls: &str, count: u64, parameters: &ParameterTool) -> Result<()> {
    let env = StreamExecutionEnvironment::new();
    env.set_no_restart();
    let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
    let numbers = env.add_source(GeneratorSource::new(|n| n).count(count), "numbers");
    let calls = numbers.map(move |n| {
        let url = &urls[usize::try_from(n).unwrap_or_default() % urls.len()];
        format!("{url}?id={n}&name=a name of some length&amount=12.5")
    });
    HttpSink::from_parameters(parameters)?.option("sink.allowed-destinations", "127.0.0.1").post(calls)?;
    env.execute("http requests").map(drop)
}

/// What a programmer writes who needs nothing but speed.
fn bare_loop(url: &str, count: u64) -> Result<()> {
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let left = Arc::new(AtomicU64::new(count));
    io_runtime()?.block_on(async {
        let mut loops = JoinSet::new();
        for _ in 0..CONNECTIONS {
            loops.spawn(send(address.clone(), Arc::clone(&left)));
        }
        while let Some(done) = loops.join_next().await {
            done.map_err(failed)??;
        }
        Ok(())
    })
}

async fn send(address: String, left: Arc<AtomicU64>) -> Result<()> {
    let stream = TcpStream::connect(&address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    tokio::spawn(connection);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        sender.ready().await.map_err(failed)?;
        let request =
            hyper::Request::post("/").header("host", address.as_str()).header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from_static(BODY.as_bytes()))).map_err(failed)?;
        let response = sender.send_request(request).await.map_err(failed)?;
        if response.status() != 200 {
            return Err(Error::external(format!("the answer is {}", response.status())));
        }
        response.into_body().collect().await.map_err(failed)?;
    }
    Ok(())
}

fn failed(error: impl Into<riverrun::functions::BoxError>) -> Error {
    Error::external(error.into().to_string())
}

/// Of a port: requests, and when the first and the last came.
#[derive(Clone, Copy, Default)]
struct Taken {
    count: u64,
    span: Option<(Instant, Instant)>,
}

/// The server's books; it is one thread.
struct Books {
    begin: Instant,
    ports: Vec<Taken>,
    /// How long nothing is answered, and since when.
    wait: Duration,
    first: Option<Instant>,
}

/// One thread and little else, so that it is the client that is measured.
fn serve(ports: u64, wait: Duration) -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let books = Books { begin: Instant::now(), ports: Vec::new(), wait, first: None };
    let books = Rc::new(RefCell::new(books));
    LocalSet::new().block_on(&runtime, async {
        let mut line = String::new();
        for port in 0..ports {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
            let _ = write!(line, "{} ", listener.local_addr().map_err(failed)?.port());
            books.borrow_mut().ports.push(Taken::default());
            tokio::task::spawn_local(accept(listener, usize::try_from(port).unwrap_or_default(), Rc::clone(&books)));
        }
        println!("{}", line.trim());
        std::future::pending::<Result<()>>().await
    })
}

async fn accept(listener: TcpListener, port: usize, books: Rc<RefCell<Books>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let books = Rc::clone(&books);
        // A connection's end is the client's matter.
        tokio::task::spawn_local(async move { answer(stream, port, &books).await.unwrap_or_default() });
    }
}

async fn answer(mut stream: TcpStream, port: usize, books: &RefCell<Books>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut held, mut filled) = (vec![0; 16 << 10], 0);
    loop {
        let read = stream.read(&mut held[filled..]).await?;
        filled += read;
        if read == 0 || filled == held.len() {
            return Ok(());
        }
        let Some(end) = whole(&held[..filled]) else { continue };
        if held.starts_with(b"GET /taken ") {
            let body = told(books);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        } else {
            if let Some(wait) = count(books, port) {
                tokio::time::sleep(wait).await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
        }
        held.copy_within(end..filled, 0);
        filled -= end;
    }
}

/// Notes a request, and answers how long its answer waits.
fn count(books: &RefCell<Books>, port: usize) -> Option<Duration> {
    let (now, mut books) = (Instant::now(), books.borrow_mut());
    let taken = &mut books.ports[port];
    taken.count += 1;
    taken.span = Some((taken.span.map_or(now, |(first, _)| first), now));
    let until = *books.first.get_or_insert(now) + books.wait;
    (until > now).then(|| until - now)
}

/// The books as JSON, `[[count, first, last], ...]`; then they are empty.
fn told(books: &RefCell<Books>) -> String {
    let mut books = books.borrow_mut();
    let begin = books.begin;
    let ports: Vec<(u64, u128, u128)> = std::mem::take(&mut books.ports)
        .into_iter()
        .map(|taken| {
            let (first, last) = taken.span.unwrap_or((begin, begin));
            (taken.count, (first - begin).as_millis(), (last - begin).as_millis())
        })
        .collect();
    books.ports = vec![Taken::default(); ports.len()];
    serde_json::to_string(&ports).unwrap_or_default()
}

/// Where the request ends, once it is whole.
fn whole(held: &[u8]) -> Option<usize> {
    let head = held.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = held[..head].split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
    });
    let end = head + length.unwrap_or(0);
    (held.len() >= end).then_some(end)
}
