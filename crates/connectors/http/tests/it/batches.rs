//! Several records in one request.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_testkit::tcp::{HttpServer, Reply, Request};

use crate::harness::{Kept, Writing, raw_table, table};

#[test]
fn records_are_an_array_lines_or_one_behind_the_other() {
    for (format, body, kind) in [
        ("json-array", r#"[{"v":"1"},{"v":"2"},{"v":"3"}]"#, Some("application/json")),
        ("ndjson", "{\"v\":\"1\"}\n{\"v\":\"2\"}\n{\"v\":\"3\"}\n", Some("application/x-ndjson")),
        ("raw", r#"{"v":"1"}{"v":"2"}{"v":"3"}"#, Some("application/json")),
    ] {
        let server = HttpServer::start(|_| Reply::status(200));
        let options = [
            ("url", server.url()),
            ("format", "json".into()),
            ("sink.batch.format", format.into()),
            ("sink.batch.max-rows", "3".into()),
        ];
        let mut writing = Writing::open(&table(&["v"], &options.each_ref().map(|(key, value)| (*key, value.as_str()))));
        writing.write_each(["1", "2", "3", "4"].map(str::to_owned));
        writing.end();
        let mut journal = server.journal();
        journal.sort_by_key(|request| request.body.len());
        assert_eq!(
            (journal.len(), journal[1].text().as_str(), journal[1].header("content-type")),
            (2, body, kind),
            "{format}"
        );
        assert_eq!(writing.count("numRecordsSend"), 4);
    }
}

#[test]
fn one_bad_record_of_500_is_found_and_kept_and_the_others_arrive() {
    let server = HttpServer::start(|request| Reply::status(if request.text().contains("\"321\"") { 400 } else { 200 }));
    let kept = Kept::new();
    let options = [("format", "json"), ("sink.batch.format", "json-array"), ("sink.batch.max-rows", "500")];
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &options));
    writing.write_each((0..500).map(|n| n.to_string()));
    writing.end();
    assert!(server.count() <= 19, "{}", server.count());
    assert_eq!(kept.envelopes().iter().map(|envelope| envelope.body.clone()).collect::<Vec<_>>(), [r#"{"v":"321"}"#]);
    let arrived = server
        .journal()
        .iter()
        .filter(|request| request.answered == 200)
        .map(|request| request.text().matches("\"v\"").count())
        .sum::<usize>();
    assert_eq!((arrived, writing.count("numRecordsSend"), writing.count("httpBatchesBisected") > 0), (499, 499, true));
}

#[test]
fn results_of_single_records_decide_about_each() {
    let server = HttpServer::start(|request: &Request| {
        let items: Vec<serde_json::Value> = serde_json::from_slice(&request.body).unwrap();
        let code = |item: &serde_json::Value| match (item["v"].as_str().unwrap(), request.number) {
            ("bad", _) => 400,
            ("later", 0) => 503,
            _ => 201,
        };
        let results: Vec<serde_json::Value> =
            items.iter().map(|item| serde_json::json!({ "index": { "status": code(item) } })).collect();
        Reply::with_body(200, serde_json::json!({ "items": results }).to_string())
    });
    let kept = Kept::new();
    let options = [
        ("format", "json"),
        ("sink.batch.format", "json-array"),
        ("sink.batch.max-rows", "4"),
        ("sink.batch.results", "/items"),
        ("sink.batch.results.status", "/index/status"),
    ];
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &options));
    writing.write_each(["ok", "bad", "later", "ok"].map(str::to_owned));
    writing.end();
    assert_eq!(server.journal().iter().map(Request::text).nth(1).unwrap(), r#"[{"v":"later"}]"#);
    assert_eq!((kept.envelopes().len(), writing.count("numRecordsSend")), (1, 3));
}

#[test]
fn a_batch_waits_for_its_age_only() {
    let server = HttpServer::start(|_| Reply::status(200));
    let mut writing = Writing::open(&raw_table(
        &server,
        None,
        &[("format", "json"), ("sink.batch.format", "ndjson"), ("threshold.delayTime", "50")],
    ));
    writing.write(&[&["x"]]);
    riverrun_testkit::wait_until(crate::harness::LIMIT, "the batch is sent without a flush", || server.count() == 1);
}

#[test]
fn a_batch_has_one_key_for_all_its_tries_and_its_pieces_have_others() {
    let keys_by_body = || {
        let server = HttpServer::start(|request| {
            Reply::status(match request.text() {
                _ if request.number < 2 => 503,
                text if text.contains("\"3\"") => 400,
                _ => 200,
            })
        });
        let kept = Kept::new();
        let options = [
            ("format", "json"),
            ("sink.batch.format", "json-array"),
            ("sink.batch.max-rows", "4"),
            ("sink.idempotency-key.header", "Idempotency-Key"),
            ("sink.idempotency-key.columns", "v"),
            ("sink.threshold.num-writers", "1"),
        ];
        let mut writing = Writing::open(&raw_table(&server, Some(&kept), &options));
        writing.write_each((0..4).map(|n| n.to_string()));
        writing.end();
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for request in server.journal() {
            let key = request.header("idempotency-key").unwrap().to_owned();
            keys.entry(request.text()).or_default().insert(key);
        }
        assert_eq!(server.journal().iter().filter(|request| request.text().matches("\"v\"").count() == 4).count(), 3);
        (keys, kept.envelopes()[0].idempotency_key.clone())
    };
    let (keys, key_of_kept) = keys_by_body();
    // All; the halves; the quarters.
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert!(keys.values().all(|keys| keys.len() == 1), "{keys:?}");
    assert_eq!(keys.values().flatten().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(keys[r#"[{"v":"3"}]"#], [key_of_kept].into(), "alone, a record has its own key, also in a replay");
    assert_eq!(keys, keys_by_body().0, "they do not depend on the run");
    assert_ne!(keys[r#"[{"v":"2"}]"#], keys[r#"[{"v":"3"}]"#]);
}
