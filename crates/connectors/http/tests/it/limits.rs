//! What a slow, stalled or dead destination may cost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use riverrun_http::failover::Envelope;
use riverrun_testkit::tcp::{self, HttpServer, Reply};
use riverrun_testkit::wait_until;

use crate::harness::{Kept, LIMIT, Writing, raw_table, table};

#[test]
fn a_stalled_server_slows_the_source_down_and_holds_few_connections() {
    let server = HttpServer::start(|_| Reply::Silence);
    let options = [
        ("sink.threshold.timeout", "60 s"),
        ("sink.threshold.queueCapacity", "500"),
        ("sink.threshold.numWriters", "16"),
    ];
    let mut writing = Writing::open(&raw_table(&server, None, &options));
    let cancellation = writing.context.cancellation.clone();
    let counters = writing.context.counters.clone();
    let taken = move || {
        counters.snapshot().into_iter().find(|(name, _)| *name == "numRecordsTaken").map_or(0, |(_, taken)| taken)
    };
    let writer = std::thread::spawn(move || {
        for first in 0..100 {
            let texts: Vec<String> = (0..100).map(|n| (first * 100 + n).to_string()).collect();
            let all: Vec<[&str; 1]> = texts.iter().map(|text| [text.as_str()]).collect();
            if writing.try_write(&all.iter().map(<[&str; 1]>::as_slice).collect::<Vec<_>>()).is_err() {
                return;
            }
        }
        panic!("the source was not slowed down");
    });
    wait_until(LIMIT, "the queue is full", || taken() == 500);
    wait_until(LIMIT, "requests are under way", || server.count() == 16);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((taken(), server.count(), server.most_open()), (500, 16, 16));
    cancellation.cancel();
    writer.join().unwrap();
}

#[test]
fn large_records_fill_the_queue_by_their_bytes() {
    let server = HttpServer::start(|_| Reply::Silence);
    let options =
        [("sink.threshold.timeout", "60 s"), ("sink.queue.max-bytes", "1 mb"), ("sink.threshold.numWriters", "1")];
    let mut writing = Writing::open(&raw_table(&server, None, &options));
    let (cancellation, counters) = (writing.context.cancellation.clone(), writing.context.counters.clone());
    let writer = std::thread::spawn(move || {
        let large = "x".repeat(100_000);
        let row: &[&str] = &[&large];
        assert!(writing.try_write(&[row; 100]).unwrap_err().is_canceled());
    });
    let taken =
        || counters.snapshot().into_iter().find(|(name, _)| *name == "numRecordsTaken").map_or(0, |(_, taken)| taken);
    wait_until(LIMIT, "the queue is full", || taken() == 11);
    cancellation.cancel();
    writer.join().unwrap();
}

#[test]
fn a_dead_destination_does_not_hold_a_healthy_one_up() {
    let dead = format!("http://{}", tcp::nobody());
    // One that swallows what it gets is worse than one that refuses.
    let hole = HttpServer::start(|_| Reply::Silence);
    let healthy = HttpServer::start(|_| Reply::status(200));
    let kept = Kept::new();
    let list = format!("{dead};{};{}", healthy.url(), hole.url());
    let options = [
        ("url", "{url}"),
        ("sink.allowed-destinations", list.as_str()),
        ("sink.threshold.timeout", "1 s"),
        ("sink.breaker.failures", "20"),
        ("sink.threshold.queueCapacity", "300"),
        ("sink.retry.initial-backoff", "20 ms"),
    ];
    let mut table = table(&["url"], &options);
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    let begin = Instant::now();
    for round in 0..60 {
        writing.write_each((0..50).map(|n| match n % 10 {
            0 => format!("{dead}/{round}-{n}"),
            1 => format!("{}/{round}-{n}", hole.url()),
            _ => format!("{}/{round}-{n}", healthy.url()),
        }));
    }
    writing.end();
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    let answered: BTreeSet<String> =
        healthy.journal().into_iter().filter(|request| request.answered == 200).map(|request| request.target).collect();
    let is_lost = |envelope: &&Envelope| envelope.url.starts_with(&dead) || envelope.url.starts_with(&hole.url());
    assert_eq!((answered.len(), kept.envelopes().iter().filter(is_lost).count()), (2400, 600));
    assert!(writing.count("httpDestinationsDown") >= 2);
}

#[test]
fn a_rate_is_kept_to() {
    let server = HttpServer::start(|_| Reply::status(200));
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.rate-limit", "50")]));
    let begin = Instant::now();
    writing.write_each((0..60).map(|n| n.to_string()));
    writing.end();
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1050) && took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn connections_are_used_again_and_one_that_is_closed_meanwhile_costs_no_record() {
    let server = HttpServer::start(|_| Reply::with_header(200, "Connection", "keep-alive"));
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.threshold.numWriters", "4")]));
    for _ in 0..10 {
        writing.write_each((0..100).map(|n| n.to_string()));
        writing.end();
    }
    assert!(server.most_open() <= 4 && server.journal().iter().all(|request| request.connection < 4));
    // This one closes after each answer, without saying so.
    let server = HttpServer::start(|_| Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.threshold.numWriters", "1")]));
    for n in 0..20 {
        writing.write(&[&[&n.to_string()]]);
        writing.end();
    }
    // Where the end of the connection was not seen yet, the request is sent again, and the server has not read it before.
    assert_eq!((server.count(), writing.count("numRecordsSend")), (20, 20));
}

#[test]
fn records_of_a_key_arrive_in_order() {
    let server = HttpServer::start(|request| {
        let jitter = Duration::from_millis(request.number as u64 % 7);
        Reply::status(if request.number % 5 == 0 { 503 } else { 200 }).after(jitter)
    });
    let url = format!("{}/{{k}}", server.url());
    let options = [
        ("url", url.as_str()),
        ("format", "raw"),
        ("body.columns", "v"),
        ("sink.order", "key"),
        ("sink.order.columns", "k"),
        ("sink.retry.initial-backoff", "5 ms"),
        ("sink.threshold.retries", "20"),
    ];
    let mut writing = Writing::open(&table(&["k", "v"], &options));
    let texts: Vec<[String; 2]> = (0..300).map(|n| [format!("k{}", n % 10), n.to_string()]).collect();
    let all: Vec<[&str; 2]> = texts.iter().map(|[k, v]| [k.as_str(), v.as_str()]).collect();
    writing.write(&all.iter().map(<[&str; 2]>::as_slice).collect::<Vec<_>>());
    writing.end();
    for key in 0..10 {
        let path = format!("/k{key}");
        let arrived: Vec<u32> = server
            .journal()
            .iter()
            .filter(|request| request.target == path && request.answered == 200)
            .map(|request| request.text().parse().unwrap())
            .collect();
        assert_eq!(arrived, (0..30).map(|n| n * 10 + key).collect::<Vec<_>>());
    }
}

/// A server that answers `code` to the requests of these numbers, or nothing at all for 0, and takes a moment for each; and how many it had
/// at once at each request.
fn overloaded(tired: std::ops::Range<usize>, code: u16) -> (HttpServer, Arc<Mutex<Vec<usize>>>) {
    let (active, seen) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let actives = Arc::clone(&seen);
    let server = HttpServer::start(move |request| {
        let now = active.fetch_add(1, Ordering::SeqCst) + 1;
        actives.lock().unwrap().push(now);
        std::thread::sleep(Duration::from_millis(2));
        active.fetch_sub(1, Ordering::SeqCst);
        match (tired.contains(&request.number), code) {
            (true, 0) => Reply::Silence,
            (true, code) => Reply::status(code),
            _ => Reply::status(200),
        }
    });
    (server, seen)
}

#[test]
fn the_number_of_requests_falls_for_who_is_overloaded_and_rises_again() {
    for (tired, code) in [(400..470, 429), (400..470, 503), (400..450, 0)] {
        let end = tired.end;
        let (server, seen) = overloaded(tired, code);
        let options = [
            ("sink.concurrency", "adaptive"),
            ("sink.threshold.num-writers", "16"),
            ("sink.threshold.retries", "1000"),
            // On a busy machine anything takes long; who says nothing has to be given up soon.
            ("sink.threshold.timeout", if code == 0 { "200" } else { "60 s" }),
            ("sink.breaker.failures", "0"),
            ("sink.retry.timeout", "10 min"),
        ];
        let mut writing = Writing::open(&raw_table(&server, None, &options));
        writing.write_each((0..900).map(|n| n.to_string()));
        writing.end();
        let seen = seen.lock().unwrap();
        let most = |numbers: std::ops::Range<usize>| seen[numbers].iter().copied().max().unwrap();
        let (before, while_tired, after) = (most(200..400), most(end - 5..end), most(seen.len() - 300..seen.len()));
        assert!(before >= 6 && while_tired <= 4 && after >= 6, "{code}: {before}, {while_tired}, {after}");
        assert!(code == 0 || seen.iter().all(|active| *active <= 16), "{code}: {seen:?}");
    }
}

#[test]
fn without_the_option_the_number_of_requests_stays() {
    let (server, seen) = overloaded(50..120, 500);
    let options =
        [("sink.threshold.num-writers", "8"), ("sink.threshold.retries", "1000"), ("sink.threshold.timeout", "60 s")];
    let mut writing = Writing::open(&raw_table(&server, None, &options));
    writing.write_each((0..300).map(|n| n.to_string()));
    writing.end();
    let seen = seen.lock().unwrap();
    assert!(seen[50..300].iter().copied().max().unwrap() >= 6 && seen.iter().all(|active| *active <= 8));
}
