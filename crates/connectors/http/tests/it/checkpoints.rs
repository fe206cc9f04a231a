//! What is on its way at a barrier is in the checkpoint, and comes again from there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use riverrun_testkit::tcp::{HttpServer, Reply};
use riverrun_testkit::wait_until;

use crate::harness::{Kept, LIMIT, Writing, raw_table};

#[test]
fn answers_that_are_held_over_a_barrier_do_not_stall_it_and_nothing_is_lost() {
    let stalled = HttpServer::start(|_| Reply::Silence);
    let options = [("sink.threshold.timeout", "60 s"), ("sink.threshold.numWriters", "4")];
    let mut writing = Writing::open(&raw_table(&stalled, None, &options));
    writing.write_each((0..100).map(|n| n.to_string()));
    wait_until(LIMIT, "requests are under way", || stalled.count() == 4);
    let begin = Instant::now();
    let entries = writing.barrier(1);
    assert!(begin.elapsed() < Duration::from_millis(500));
    assert_eq!(entries.len(), 100);
    // The process ends here, without a flush.
    drop(writing);

    let server = HttpServer::start(|_| Reply::status(200));
    let mut table =
        raw_table(&server, None, &[("sink.threshold.numWriters", "1"), ("sink.allowed-destinations", "127.0.0.1")]);
    // The same place, as far as the sink knows: requests name where they go.
    table.options.insert("sink.proxy.url".into(), server.url());
    let mut writing = Writing::open(&table);
    writing.writer.restore(entries).unwrap();
    writing.write(&[&["new"]]);
    writing.end();
    let mut texts: Vec<String> = server.journal().iter().map(riverrun_testkit::tcp::Request::text).collect();
    let new = texts.iter().position(|text| text == "new").unwrap();
    texts.remove(new);
    assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>(), "restored records keep their order");
    assert_eq!(writing.count("numRecordsRestored"), 100);
}

#[test]
fn a_checkpoint_holds_what_is_not_done_and_nothing_else() {
    let server =
        HttpServer::start(|request| if request.text() == "held" { Reply::Silence } else { Reply::status(200) });
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.threshold.timeout", "60 s")]));
    writing.write(&[&["a"], &["held"], &["b"]]);
    wait_until(LIMIT, "two records are done", || writing.count("numRecordsSend") == 2);
    assert_eq!(writing.barrier(1).len(), 1);
}

#[test]
fn tries_are_kept_over_a_restart_and_so_is_the_bound_of_sends() {
    let server = HttpServer::start(|_| Reply::status(500));
    let kept = Kept::new();
    let slow =
        [("sink.retry.initial-backoff", "10 min"), ("sink.retry.max-backoff", "10 min"), ("sink.retry.timeout", "1 d")];
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &slow));
    writing.write(&[&["x"]]);
    wait_until(LIMIT, "it was sent once", || writing.count("httpAnswers5xx") == 1);
    let entries = writing.barrier(1);
    drop(writing);
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &[]));
    writing.writer.restore(entries).unwrap();
    writing.end();
    assert_eq!((server.count(), kept.envelopes()[0].tries), (4, 4));
}

#[test]
fn the_end_of_input_waits_until_all_is_done() {
    let server = HttpServer::start(|_| Reply::status(200).after(Duration::from_millis(20)));
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.threshold.numWriters", "8")]));
    writing.write_each((0..200).map(|n| n.to_string()));
    writing.end();
    let answered: BTreeSet<String> = server
        .journal()
        .iter()
        .filter(|request| request.answered == 200)
        .map(riverrun_testkit::tcp::Request::text)
        .collect();
    assert_eq!(answered.len(), 200);
    assert!(writing.barrier(1).is_empty());
}

#[test]
fn a_job_that_stops_wakes_who_waits() {
    let server = HttpServer::start(|_| Reply::Silence);
    let options = [("sink.threshold.timeout", "60 s"), ("sink.threshold.queueCapacity", "10")];
    let mut writing = Writing::open(&raw_table(&server, None, &options));
    let cancellation = writing.context.cancellation.clone();
    let begin = Instant::now();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancellation.cancel();
    });
    let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let all: Vec<[&str; 1]> = texts.iter().map(|text| [text.as_str()]).collect();
    let error = writing.try_write(&all.iter().map(<[&str; 1]>::as_slice).collect::<Vec<_>>()).unwrap_err();
    assert!(error.is_canceled() && begin.elapsed() < Duration::from_secs(10));
    stopper.join().unwrap();
}
