//! Requests a second of the sink, beside a bare loop over the same HTTP client against the same local server: 64 connections, a small body
//! each, on this machine. Then what a destination that is down costs nine others.
//! `cargo run --release -p riverrun-http --example throughput [requests]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use riverrun_connect::{Flush, TableContext, TaskContext, io_runtime};
use riverrun_data::{Batch, DataType, LogicalType, RowField, arrow_schema};

const CONNECTIONS: usize = 64;
const BODY: &str = r#"{"id":1234567,"name":"a name of some length","amount":12.5}"#;

/// Answers 200 to whatever comes, a thread for each connection; requests are of one length.
fn server(answered: &Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::clone(answered);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answered = Arc::clone(&answered);
            std::thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut held) = (vec![0; 16 << 10], Vec::new());
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    held.extend_from_slice(&buffer[..read]);
                    while let Some(end) = whole(&held) {
                        held.drain(..end);
                        answered.fetch_add(1, Ordering::Relaxed);
                        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// Where the first request ends, if it is whole.
fn whole(held: &[u8]) -> Option<usize> {
    let head = held.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&held[..head]).ok()?.to_ascii_lowercase();
    let length: usize = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    (held.len() >= head + length).then_some(head + length)
}

/// A connection each for 64 loops that do nothing else.
fn bare(address: SocketAddr, requests: usize) -> f64 {
    let left = Arc::new(AtomicUsize::new(requests));
    let begin = Instant::now();
    io_runtime().unwrap().block_on(async {
        let mut loops = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let left = Arc::clone(&left);
            loops.spawn(async move {
                let stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    sender.ready().await.unwrap();
                    let request = hyper::Request::post("/in")
                        .header("host", "127.0.0.1")
                        .header("content-type", "application/json");
                    let request = request.body(Full::new(Bytes::from_static(BODY.as_bytes()))).unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.unwrap();
                }
            });
        }
        loops.join_all().await;
    });
    requests as f64 / begin.elapsed().as_secs_f64()
}

fn sink(address: SocketAddr, requests: usize, options: &[(&str, &str)]) -> f64 {
    let url = format!("http://{address}/in");
    let mut all = vec![
        ("url", url.as_str()),
        ("format", "raw"),
        ("sink.threshold.num-writers", "64"),
        ("headers.Content-Type", "application/json"),
    ];
    all.extend(options);
    let table = TableContext {
        name: "calls".into(),
        columns: vec![RowField { name: "v".into(), data_type: DataType::nullable(LogicalType::STRING) }],
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: all.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        connector: "http".into(),
    };
    let mut writer = riverrun_http::HTTP.sink.unwrap()(&table)
        .unwrap()
        .writer(&TaskContext { parallelism: 1, ..TaskContext::default() })
        .unwrap();
    let rows = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(BODY, 1000))) as ArrayRef;
    let batch = Batch::insertions(RecordBatch::try_new(arrow_schema(&table.columns), vec![rows]).unwrap());
    let begin = Instant::now();
    for _ in 0..requests / 1000 {
        writer.write(batch.clone()).unwrap();
    }
    writer.flush(Flush::End).unwrap();
    (requests / 1000 * 1000) as f64 / begin.elapsed().as_secs_f64()
}

/// Requests a second that nine servers answer, while a tenth destination, if there is one, gets as many records as each of them. The time
/// ends when all is done, the records of the tenth too: one that is silent costs its time-outs until it counts as down, so let this run long.
fn many(addresses: &[SocketAddr], dead: Option<SocketAddr>, requests: usize) -> f64 {
    let folder = std::env::temp_dir().join(format!("riverrun-throughput-{}", std::process::id()));
    let all: Vec<String> = addresses.iter().chain(&dead).map(|address| format!("http://{address}")).collect();
    let options = [
        ("url", "{url}"),
        ("format", "raw"),
        ("body.columns", "v"),
        ("sink.allowed-destinations", &all.join(";")),
        ("sink.failover.storage", "local"),
        ("sink.failover.table", "failed"),
        ("sink.failover.local.path", &folder.display().to_string()),
    ];
    let string = || DataType::nullable(LogicalType::STRING);
    let table = TableContext {
        name: "calls".into(),
        columns: vec![
            RowField { name: "url".into(), data_type: string() },
            RowField { name: "v".into(), data_type: string() },
        ],
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        connector: "http".into(),
    };
    let mut writer = riverrun_http::HTTP.sink.unwrap()(&table)
        .unwrap()
        .writer(&TaskContext { parallelism: 1, ..TaskContext::default() })
        .unwrap();
    let urls =
        Arc::new(StringArray::from_iter_values((0..100 * all.len()).map(|n| format!("{}/in", all[n % all.len()]))));
    let bodies = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(BODY, 100 * all.len())));
    let batch = Batch::insertions(
        RecordBatch::try_new(arrow_schema(&table.columns), vec![urls as ArrayRef, bodies as ArrayRef]).unwrap(),
    );
    let (rounds, begin) = (requests / (100 * addresses.len()), Instant::now());
    for _ in 0..rounds {
        writer.write(batch.clone()).unwrap();
    }
    writer.flush(Flush::End).unwrap();
    let rate = (rounds * 100 * addresses.len()) as f64 / begin.elapsed().as_secs_f64();
    drop(writer);
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    rate
}

/// Accepts, and never answers.
fn hole() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let _all: Vec<_> = listener.incoming().collect();
    });
    address
}

/// Nobody listens there.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// CPU seconds of this process, the server's among them.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() {
    let requests: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(200_000);
    let answered = Arc::new(AtomicUsize::new(0));
    let address = server(&answered);
    bare(address, requests / 10);
    println!("{:<28}{:>12}{:>14}", "", "requests/s", "per CPU s");
    for round in 1..=3 {
        for (name, options) in [
            ("bare loop", None),
            ("sink", Some(&[][..])),
            ("sink, idempotency key", Some(&[("sink.idempotency-key.header", "Idempotency-Key")][..])),
        ] {
            let before = cpu();
            let rate = match options {
                None => bare(address, requests),
                Some(options) => sink(address, requests, options),
            };
            println!("{:<28}{rate:>12.0}{:>14.0}", format!("{round}. {name}"), requests as f64 / (cpu() - before));
        }
    }
    let nine: Vec<SocketAddr> = (0..9).map(|_| server(&answered)).collect();
    for round in 1..=3 {
        for (name, dead) in
            [("nine destinations", None), ("and one refuses", Some(nobody())), ("and one is silent", Some(hole()))]
        {
            let before = cpu();
            let rate = many(&nine, dead, requests);
            println!("{:<28}{rate:>12.0}{:>14.0}", format!("{round}. {name}"), requests as f64 / (cpu() - before));
        }
    }
    println!("{} requests were answered", answered.load(Ordering::Relaxed));
}
