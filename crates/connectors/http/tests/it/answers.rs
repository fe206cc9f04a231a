//! What the sink makes of answers: retries, pauses, lists of codes, and broken connections.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use riverrun_connect::Flush;
use riverrun_testkit::tcp::{self, HttpServer, Reply};

use crate::harness::{Kept, Writing, raw_table};

#[test]
fn a_server_that_always_fails_gets_retries_and_one_more_sends_and_the_record_is_kept_once() {
    let server = HttpServer::start(|_| Reply::with_body(500, "no luck"));
    let kept = Kept::new();
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &[]));
    writing.write_each((0..50).map(|n| n.to_string()));
    writing.end();
    let mut sends: BTreeMap<String, usize> = BTreeMap::new();
    server.journal().iter().for_each(|request| *sends.entry(request.text()).or_default() += 1);
    assert_eq!((sends.len(), sends.values().all(|sends| *sends == 4)), (50, true), "{sends:?}");
    let mut envelopes = kept.envelopes();
    envelopes.sort_by_key(|envelope| envelope.body.parse::<u32>().unwrap());
    assert_eq!(envelopes.len(), 50);
    let first = &envelopes[0];
    assert_eq!((first.method.as_str(), first.body.as_str(), first.tries), ("POST", "0", 4));
    assert_eq!(
        (first.url.as_str(), first.error.as_str()),
        (format!("{}/in", server.url()).as_str(), "the answer was 500: no luck")
    );
    assert!(first.first_attempt <= first.last_attempt && first.idempotency_key.len() == 32);
    assert_eq!(
        (writing.count("numRequestsSent"), writing.count("numSendRetries"), writing.count("httpAnswers5xx")),
        (200, 150, 200)
    );
    assert_eq!(
        (writing.count("numRecordsFailedOver"), writing.count("numRecordsSend"), writing.count("numRecordsTaken")),
        (50, 0, 50)
    );
}

#[test]
fn a_server_that_comes_back_gets_the_record_once_with_success() {
    let server = HttpServer::start(|request| Reply::status(if request.number < 3 { 500 } else { 200 }));
    let kept = Kept::new();
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &[]));
    writing.write(&[&["x"]]);
    writing.end();
    let answers: Vec<u16> = server.journal().iter().map(|request| request.answered).collect();
    assert_eq!((answers, kept.envelopes().len()), (vec![500, 500, 500, 200], 0));
}

#[test]
fn lists_of_codes_decide() {
    // A code, how often it is sent with two retries, and whether it is kept in the end.
    type Sends = &'static [(u16, usize, bool)];
    let cases: &[(&str, &str, Sends)] = &[
        (
            "2XX",
            "5XX",
            &[
                (200, 1, false),
                (201, 1, false),
                (202, 1, false),
                (204, 1, false),
                (301, 1, true),
                (404, 1, true),
                (503, 3, true),
            ],
        ),
        ("200", "", &[(200, 1, false), (201, 1, true), (202, 1, true), (204, 1, true), (500, 1, true)]),
        ("200,201,204", "404", &[(201, 1, false), (202, 1, true), (204, 1, false), (404, 3, true)]),
        ("2XX,!204,301", "204", &[(204, 3, true), (202, 1, false), (301, 1, false)]),
    ];
    for (success, retry, codes) in cases {
        for (code, sends, is_kept) in *codes {
            let code = *code;
            let server = HttpServer::start(move |_| Reply::status(code));
            let kept = Kept::new();
            let options = [
                ("http.sink.threshold.successCode", *success),
                ("sink.retry.codes", *retry),
                ("http.sink.threshold.retries", "2"),
            ];
            let mut writing = Writing::open(&raw_table(&server, Some(&kept), &options));
            writing.write(&[&["x"]]);
            writing.end();
            assert_eq!(
                (server.count(), kept.envelopes().len()),
                (*sends, usize::from(*is_kept)),
                "{success} {retry} {code}"
            );
        }
    }
}

#[test]
fn retry_after_is_obeyed_in_all_its_forms() {
    let date = |seconds: u64| {
        let at: chrono::DateTime<chrono::Utc> = (SystemTime::now() + Duration::from_secs(seconds)).into();
        at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for (value, at_least, at_most) in [
        ("1", 1000, 8000),
        ("date", 950, 9000),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 7000),
        ("soon", 0, 7000),
        ("0", 0, 7000),
    ] {
        for code in [429, 503] {
            let header = if value == "date" { date(2) } else { value.to_owned() };
            let server = HttpServer::start(move |request| match request.number {
                0 => Reply::with_header(code, "Retry-After", &header),
                _ => Reply::status(200),
            });
            let mut writing = Writing::open(&raw_table(&server, None, &[]));
            writing.write(&[&["x"]]);
            writing.end();
            let journal = server.journal();
            let wait = (journal[1].at - journal[0].at).as_millis();
            assert!((at_least..=at_most).contains(&wait), "{value}: {wait} ms");
        }
    }
}

#[test]
fn a_retry_after_that_is_too_long_sends_the_record_to_the_store() {
    let server = HttpServer::start(|_| Reply::with_header(429, "Retry-After", "99999999999"));
    let kept = Kept::new();
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &[("sink.retry.timeout", "30 s")]));
    let begin = Instant::now();
    writing.write(&[&["x"]]);
    writing.end();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!((server.count(), kept.envelopes().len()), (1, 1));
}

#[test]
fn a_destination_that_asks_to_wait_does_not_hold_another_one_up() {
    let waits = HttpServer::start(|request| match request.number {
        0 => Reply::with_header(503, "Retry-After", "3"),
        _ => Reply::status(200),
    });
    let other = HttpServer::start(|_| Reply::status(200));
    let list = format!("{};{}", waits.url(), other.url());
    let table = crate::harness::table(&["url"], &[("url", "{url}"), ("sink.allowed-destinations", list.as_str())]);
    let mut writing = Writing::open(&table);
    let begin = Instant::now();
    writing.write_each((0..100).map(|n| format!("{}/{n}", if n % 10 == 0 { waits.url() } else { other.url() })));
    riverrun_testkit::wait_until(Duration::from_secs(2), "the other destination has its records", || {
        other.count() == 90
    });
    assert!(begin.elapsed() < Duration::from_secs(2));
    writing.end();
    // Those that were under way at once when it asked may have been answered.
    let journal = waits.journal();
    assert_eq!(journal.iter().filter(|request| request.answered == 200).count(), 10);
    let late = journal.iter().filter(|request| request.at - journal[0].at > Duration::from_millis(2900));
    assert!(late.count() >= 1);
}

#[test]
fn broken_connections_are_tried_again_and_never_lose_a_record() {
    let breaks: Vec<(&str, Reply)> = vec![
        ("reset before headers", Reply::Reset(Vec::new())),
        ("reset within headers", Reply::Reset(b"HTTP/1.1 200 O".to_vec())),
        ("reset within the body", Reply::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec())),
        ("closed", Reply::Close(Vec::new())),
        ("garbage", Reply::Reset(b"SSH-2.0-x\r\n\r\n".to_vec())),
        ("silence", Reply::Silence),
        ("a byte a second", Reply::Drip(200, Duration::from_secs(1))),
    ];
    for (what, reply) in breaks {
        let first = reply.clone();
        let server =
            HttpServer::start(move |request| if request.number == 0 { first.clone() } else { Reply::status(200) });
        let mut writing = Writing::open(&raw_table(&server, None, &[("sink.threshold.timeout", "500")]));
        writing.write(&[&["x"]]);
        writing.end();
        let answers: Vec<u16> = server.journal().iter().map(|request| request.answered).collect();
        assert_eq!(answers, [0, 200], "{what}");

        let always = reply;
        let server = HttpServer::start(move |_| always.clone());
        let kept = Kept::new();
        let mut writing = Writing::open(&raw_table(
            &server,
            Some(&kept),
            &[("sink.threshold.timeout", "300"), ("sink.threshold.retries", "1")],
        ));
        writing.write(&[&["x"]]);
        writing.end();
        assert_eq!((server.count(), kept.envelopes().len()), (2, 1), "{what}");
    }
}

#[test]
fn who_never_accepts_costs_a_bounded_time_and_the_record_is_kept() {
    let kept = Kept::new();
    let nobody = format!("http://{}/", tcp::nobody());
    let mut table = crate::harness::table(
        &["v"],
        &[("url", nobody.as_str()), ("format", "raw"), ("sink.retry.initial-backoff", "5 ms")],
    );
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    writing.write_each((0..20).map(|n| n.to_string()));
    writing.end();
    assert_eq!((kept.envelopes().len(), writing.count("httpUnanswered") > 0), (20, true));
    assert!(
        kept.envelopes().iter().all(|envelope| envelope.error.contains("cannot connect")),
        "{}",
        kept.envelopes()[0].error
    );
}

#[test]
fn who_listens_and_never_accepts_costs_its_time_and_the_record_is_kept() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let kept = Kept::new();
    let options = [
        ("url", url.as_str()),
        ("format", "raw"),
        ("sink.retry.initial-backoff", "5 ms"),
        ("sink.threshold.timeout", "200"),
        ("sink.threshold.retries", "1"),
    ];
    let mut table = crate::harness::table(&["v"], &options);
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    let begin = Instant::now();
    // More than the system keeps for who does not accept.
    writing.write_each((0..200).map(|n| n.to_string()));
    writing.end();
    assert!(begin.elapsed() < crate::harness::LIMIT, "{:?}", begin.elapsed());
    let envelopes = kept.envelopes();
    assert_eq!(envelopes.len(), 200);
    assert!(
        envelopes.iter().any(|envelope| envelope.error.contains("no whole answer within")),
        "{}",
        envelopes[0].error
    );
}

#[test]
fn without_a_store_the_job_fails_with_request_answer_and_remedy() {
    let server = HttpServer::start(|_| Reply::with_body(422, "name is missing"));
    let mut writing = Writing::open(&raw_table(&server, None, &[]));
    writing.write(&[&["x"]]);
    let error = writing.writer.flush(Flush::End).unwrap_err().to_string();
    for part in ["422", "name is missing", &format!("POST {}/in", server.url()), "sink.failover.storage"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(writing.writer.snapshot().map_err(|error| error.to_string()).unwrap_err(), error);
}

#[test]
fn what_is_dropped_is_counted() {
    let server = HttpServer::start(|request| Reply::status(if request.text() == "bad" { 400 } else { 200 }));
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.on-exhausted", "drop")]));
    writing.write(&[&["good"], &["bad"], &["good"]]);
    writing.end();
    assert_eq!((writing.count("numRecordsDropped"), writing.count("numRecordsSend")), (1, 2));
}

#[test]
fn a_connection_that_is_reset_while_the_request_is_written_costs_a_try_and_no_record() {
    use std::io::Read as _;
    // What is left unread when a connection is closed resets it.
    let server = tcp::Server::new(|mut stream| drop(stream.read(&mut [0; 10])));
    let url = format!("http://{}/", server.address());
    let kept = Kept::new();
    let options = [
        ("url", url.as_str()),
        ("format", "raw"),
        ("sink.retry.initial-backoff", "5 ms"),
        ("sink.threshold.retries", "2"),
    ];
    let mut table = crate::harness::table(&["v"], &options);
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    let large = "x".repeat(4 << 20);
    writing.write(&[&[&large]]);
    writing.end();
    assert_eq!((server.accepted(), kept.envelopes().len(), kept.envelopes()[0].body.len()), (3, 1, large.len()));
}
