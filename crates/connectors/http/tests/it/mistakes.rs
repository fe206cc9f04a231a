//! What is refused before anything runs.

use crate::harness::{refused, sink, table};

fn error(options: &[(&str, &str)]) -> String {
    let mut all = vec![("url", "http://h/")];
    all.extend(options);
    refused(&table(&["v", "w"], &all))
}

#[test]
fn options_that_are_wrong_or_do_not_go_together_are_refused_with_the_remedy() {
    for (options, parts) in [
        (
            &[("sink.threshold.retrys", "3")][..],
            &["sink.threshold.retrys", "did you mean 'sink.threshold.retries'?"][..],
        ),
        (&[("method", "steal")], &["'steal'", "post"]),
        (&[("sink.on-exhausted", "failover")], &["needs a failover store", "sink.failover.storage"]),
        (&[("sink.failover.storage", "local"), ("sink.failover.table", "t")], &["sink.failover.local.path"]),
        (
            &[
                ("sink.failover.storage", "mysql"),
                ("sink.failover.table", "a;b"),
                ("sink.failover.jdbc.url", "jdbc:mysql://h/d"),
            ],
            &["'a;b'"],
        ),
        (
            &[("sink.failover.storage", "hbase"), ("sink.failover.table", "t")],
            &["sink.failover.hbase.zookeeper.quorum"],
        ),
        (&[("sink.threshold.successCode", "2XY")], &["2XY", "2XX,!204"]),
        (&[("sink.batch.format", "ndjson")], &["no"]),
        (&[("format", "csv"), ("sink.batch.format", "json-array")], &["csv"]),
        (&[("format", "json"), ("query-mode", "json-body")], &["query-mode"]),
        (&[("http.sink.threshold.retries", "1"), ("sink.threshold.retries", "2")], &["twice"]),
        (&[("sink.threshold.timeout", "1 s"), ("sink.threshold.requestTimeout", "2 s")], &["same option"]),
        (&[("sink.order", "key")], &["PRIMARY KEY"]),
        (&[("headers.Host", "x")], &["Host"]),
        (&[("headers.X", "a\nb")], &["headers.*"]),
        (&[("headers.X", "{nope}")], &["no column 'nope'"]),
        (&[("sink.auth.basic.username", "a"), ("sink.auth.bearer-token", "b")], &["one way"]),
        (&[("sink.tls.ca", "/nowhere.pem")], &["/nowhere.pem"]),
        (&[("sink.allowed-destinations", "ftp://h")], &["ftp://h"]),
        (&[("sink.threshold.queueCapacity", "0")], &["sink.threshold.queue-capacity"]),
        (&[("sink.idempotency-key.columns", "v")], &["sink.idempotency-key.header"]),
        (&[("sink.proxy.url", "https://p:1")], &["https://p:1"]),
    ] {
        if options.iter().any(|(key, _)| *key == "sink.tls.ca") {
            // Files are read when a writer is opened.
            let mut all = vec![("url", "http://h/")];
            all.extend(options);
            let error = crate::harness::Writing::try_open(&table(&["v"], &all)).err().unwrap().to_string();
            assert!(error.contains(parts[0]), "{error}");
            continue;
        }
        let error = error(options);
        for part in parts {
            assert!(error.contains(part), "{options:?}: {error}");
        }
    }
}

#[test]
fn a_table_says_where_its_rows_go_and_who_may_have_credentials() {
    assert!(refused(&table(&["v"], &[])).contains("'url'"));
    assert!(refused(&table(&["v"], &[("url", "http//h")])).contains("not valid"));
    assert!(
        refused(&table(&["u"], &[("url", "{u}"), ("sink.auth.bearer-token", "s3cret")]))
            .contains("sink.allowed-destinations")
    );
    assert!(
        refused(&table(&["u"], &[("url", "https://{u}.example.com/"), ("sink.auth.bearer-token", "x")]))
            .contains("wherever a record says")
    );
    assert!(sink(&table(&["u"], &[("url", "https://example.com/{u}"), ("sink.auth.bearer-token", "x")])).is_ok());
}

#[test]
fn the_known_keys_are_taken_with_the_prefix_and_without() {
    let known = [
        ("url", "http://h/"),
        ("http.sink.threshold.numWriters", "4"),
        ("http.sink.threshold.queueCapacity", "10000"),
        ("http.sink.threshold.timeout", "100"),
        ("http.sink.threshold.retries", "3"),
        ("sink.threshold.successCode", "200,201,204"),
        ("http.sink.threshold.delayTime", "1000"),
        ("http.sink.failover.table", "record"),
        ("http.sink.failover.storage", "mysql"),
        ("http.sink.failover.mysql.jdbcUrl", "jdbc:mysql://localhost:3306/test"),
        ("http.sink.failover.mysql.username", "root"),
        ("http.sink.failover.mysql.password", "p"),
        ("http.sink.failover.second.storage", "kafka"),
        ("http.sink.failover.second.kafka.topic", "record"),
        ("http.sink.failover.second.kafka.bootstrap.servers", "localhost:9092"),
        ("http.sink.failover.second.kafka.compression.type", "lz4"),
    ];
    if let Err(error) = sink(&table(&["v"], &known)) {
        panic!("{error}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let mut options = vec![
        ("url", "http://h/"),
        ("headers.Authorization", "Bearer s3cret"),
        ("sink.auth.basic.password", "s3cret"),
        ("sink.nope", "1"),
    ];
    options.push(("sink.failover.jdbc.password", "s3cret"));
    assert!(!refused(&table(&["v"], &options)).contains("s3cret"));
}
