//! What a writer counts, beside what the servers have seen.

use std::collections::BTreeSet;

use riverrun_connect::Measure;
use riverrun_testkit::tcp::{HttpServer, Reply, Request};
use riverrun_testkit::wait_until;

use crate::harness::{Kept, LIMIT, Writing, raw_table, url_table};

/// What a destination says, by what its URL ends with and how often it was asked.
fn moody(request: &Request) -> Reply {
    match (request.target.as_bytes().last(), request.number % 7) {
        (Some(b'3'), _) => Reply::status(404),
        (Some(b'5'), _) => Reply::status(503),
        (Some(b'7'), _) => Reply::with_header(301, "Location", "/elsewhere"),
        (_, 0) => Reply::Reset(Vec::new()),
        (_, 1) => Reply::status(500),
        (_, 2) => Reply::status(204),
        _ => Reply::status(200),
    }
}

#[test]
fn counters_equal_the_journal_of_each_destination() {
    let servers = [HttpServer::start(moody), HttpServer::start(moody), HttpServer::start(|_| Reply::status(200))];
    let kept = Kept::new();
    let all: Vec<&HttpServer> = servers.iter().collect();
    // A connection that is closed while it is not used would cost a send that no server sees.
    let mut writing = Writing::open(&url_table(&all, &kept, &[("sink.threshold.retries", "2")]));
    writing.write_each((0..600).map(|n| format!("{}/{n}", servers[n % 3].url())));
    writing.write_each(["no url".to_owned()]);
    writing.end();
    let envelopes = kept.envelopes();
    let mut sums = [0; 10];
    for server in &servers {
        let journal = server.journal();
        let class = |class: u16| journal.iter().filter(|request| request.answered / 100 == class).count() as u64;
        let records: BTreeSet<&str> = journal.iter().map(|request| request.target.as_str()).collect();
        let failed = envelopes.iter().filter(|envelope| envelope.url.starts_with(&server.url())).count() as u64;
        let expected = [
            ("destinationRequestsSent", "numRequestsSent", journal.len() as u64),
            ("destinationSendRetries", "numSendRetries", (journal.len() - records.len()) as u64),
            ("destinationRecordsSend", "numRecordsSend", class(2)),
            ("destinationAnswers2xx", "httpAnswers2xx", class(2)),
            ("destinationAnswers3xx", "httpAnswers3xx", class(3)),
            ("destinationAnswers4xx", "httpAnswers4xx", class(4)),
            ("destinationAnswers5xx", "httpAnswers5xx", class(5)),
            ("destinationUnanswered", "httpUnanswered", class(0)),
            ("destinationRecordsFailedOver", "numRecordsFailedOver", failed),
            ("destinationRecordsSendErrors", "numRecordsSendErrors", failed),
        ];
        let label = format!("{{destination=\"{}\"}}", server.url());
        for (place, (name, _, count)) in expected.iter().enumerate() {
            assert_eq!(writing.count(&format!("{name}{label}")), *count, "{name} of {}", server.url());
            sums[place] += count;
        }
        let Some(Measure::Histogram(latency)) = writing.measure(&format!("destinationLatencyMicros{label}")) else {
            panic!("no histogram")
        };
        assert_eq!((latency.count(), latency.max() > 0), (journal.len() as u64, true));
        assert_eq!(writing.gauge(&format!("destinationInFlight{label}")), 0.0);
        assert_eq!(writing.gauge(&format!("destinationQueue{label}")), 0.0);
        for (place, (_, name, _)) in expected.iter().enumerate() {
            let others = u64::from(place >= 8);
            if server.address() == servers[2].address() {
                assert_eq!(writing.count(name), sums[place] + others, "{name}");
            }
        }
    }
    assert!(sums[..2].iter().all(|sum| *sum > 0) && sums[9] > 0);
    assert_eq!(writing.count("destinationRecordsFailedOver{destination=\"other\"}"), 1, "what has no destination");
    assert_eq!(
        (writing.count("numRecordsTaken"), writing.gauge("httpQueue"), writing.gauge("httpQueueBytes")),
        (601, 0.0, 0.0)
    );
}

#[test]
fn what_is_under_way_and_what_waits_is_shown() {
    let server = HttpServer::start(|_| Reply::Silence);
    let options = [("sink.threshold.timeout", "60 s"), ("sink.threshold.numWriters", "4")];
    let mut writing = Writing::open(&raw_table(&server, None, &options));
    writing.write_each((0..100).map(|n| n.to_string()));
    let label = format!("{{destination=\"{}\"}}", server.url());
    wait_until(LIMIT, "requests are under way", || {
        writing.gauge("httpInFlight") == 4.0 && writing.measure(&format!("destinationInFlight{label}")).is_some()
    });
    assert_eq!((writing.gauge("httpQueue"), writing.gauge(&format!("destinationQueue{label}"))), (100.0, 100.0));
    assert_eq!(writing.gauge(&format!("destinationInFlight{label}")), 4.0);
    assert!(writing.gauge("httpQueueBytes") >= 100.0);
}

#[test]
fn the_metrics_of_destinations_that_records_choose_stay_few() {
    let servers: Vec<HttpServer> = (0..30).map(|_| HttpServer::start(|_| Reply::status(200))).collect();
    let kept = Kept::new();
    let all: Vec<&HttpServer> = servers.iter().collect();
    let mut writing = Writing::open(&url_table(&all, &kept, &[]));
    for server in &servers {
        writing.write_each((0..3).map(|n| format!("{}/{n}", server.url())));
        writing.end();
    }
    let sent: Vec<(&str, u64)> = writing
        .context
        .counters
        .snapshot()
        .into_iter()
        .filter(|(name, _)| name.starts_with("destinationRequestsSent"))
        .collect();
    assert_eq!((sent.len(), sent.iter().map(|(_, count)| count).sum::<u64>()), (21, 90), "{sent:?}");
    assert_eq!(writing.count("destinationRequestsSent{destination=\"other\"}"), 30);
    let Some(Measure::Histogram(latency)) = writing.measure("destinationLatencyMicros{destination=\"other\"}") else {
        panic!("no histogram")
    };
    assert_eq!(latency.count(), 30);
}
