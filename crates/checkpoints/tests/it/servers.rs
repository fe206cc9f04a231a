//! HDFS and S3.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_checkpoints::{Created, Slot, Stores};
use riverrun_testkit::tcp::Proxy;
use riverrun_testkit::{HdfsServer, hdfs, s3, unique};

use crate::jobs::{checkpoint, fill, id, log_of, new_log, stores, stores_with};
use crate::log::log_suite;
use crate::storage::storage_suite;

fn s3_stores() -> Arc<Stores> {
    s3_stores_at(&s3().endpoint())
}

fn s3_stores_at(endpoint: &str) -> Arc<Stores> {
    stores_with(&[
        ("s3.endpoint", endpoint),
        ("s3.access-key", "test"),
        ("s3.secret-key", "test-secret"),
        ("s3.region", "us-east-1"),
        ("s3.path.style.access", "true"),
    ])
}

fn s3_url(name: &str) -> String {
    format!("s3://{}/{}", s3().bucket(), unique(name))
}

#[test]
fn hdfs_is_a_storage() {
    storage_suite(&*stores().open(&format!("{}/{}/deep", hdfs().url(), unique("suite"))).unwrap());
}

#[test]
fn hdfs_keeps_a_log() {
    log_suite(&stores(), &format!("{}/{}", hdfs().url(), unique("log")));
}

#[test]
fn s3_is_a_storage() {
    storage_suite(&*s3_stores().open(&s3_url("suite")).unwrap());
}

#[test]
fn s3_keeps_a_log() {
    log_suite(&s3_stores(), &s3_url("log").replace("s3://", "s3a://"));
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let error = s3_stores().open_checked("s3://no-such-bucket/checkpoints").unwrap_err().to_string();
    assert!(error.starts_with("cannot create s3://no-such-bucket/checkpoints/.check-"), "{error}");
    assert!(error.contains("there is no such bucket") && error.contains("make the bucket, or name another"), "{error}");
}

#[test]
fn one_key_of_two_is_refused() {
    let mut reader = riverrun_base::options::OptionReader::new(
        "stores",
        BTreeMap::from([("s3.access-key".to_owned(), "test".to_owned())]),
    );
    let error = Stores::new(reader.read().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "one of 's3.access-key' and 's3.secret-key' is missing; give both, or neither");
}

/// A port where nobody listens: the proxy's, which is closed.
fn dead_address() -> String {
    let proxy = Proxy::new();
    proxy.address().to_string()
}

#[test]
fn a_store_that_does_not_answer_is_an_error_within_seconds() {
    let begin = Instant::now();
    let address = dead_address();
    let error = stores().open_checked(&format!("hdfs://{address}/checkpoints")).unwrap_err().to_string();
    assert!(error.contains(&format!("hdfs://{address}/checkpoints")) && error.contains("name node"), "{error}");
    let error = s3_stores_at(&format!("http://{address}")).open_checked("s3://test/a").unwrap_err().to_string();
    assert!(error.contains("s3://test/a") && error.contains("is 's3.endpoint'"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
}

#[test]
fn a_log_on_hdfs_goes_on_after_its_nodes_were_killed() {
    let mut server = HdfsServer::start();
    let url = format!("{}/checkpoints", server.url());
    let log = new_log(&stores(), &url);
    let files = fill(&log, 3);
    server.kill9();
    // The write waits for the server, on the connection that is broken now.
    let slot = Slot::Completed(checkpoint(&log, 4, 1, &files));
    std::thread::scope(|scope| {
        let written = scope.spawn(|| log.write(id(4), &slot).unwrap());
        server.restart();
        assert_eq!(written.join().unwrap(), Created::Written);
    });
    let next = log_of(&stores(), &url, log.job_id());
    assert_eq!(next.read().unwrap().len(), 4);
    let restored = next.load(id(4)).unwrap();
    let state: Vec<_> = restored.stored_files().map(|file| next.open_state(file).unwrap()).collect();
    assert_eq!(state, [&b"state 2"[..], b"state 3"]);
}
