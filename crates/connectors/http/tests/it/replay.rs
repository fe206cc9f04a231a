//! Records in a failover store, read and sent again.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_http::failover::{Failover, Filter, Outcome, Replay};
use riverrun_testkit::tcp::{HttpServer, Reply};
use riverrun_testkit::{hbase, hdfs, kafka, mariadb, postgres, temp_folder, unique};

use crate::harness::{Kept, Writing, raw_table};

const ROWS: usize = 250;

/// Options of a store, as a table has them.
type Options = Vec<(String, String)>;

fn store(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(key, value)| (format!("sink.failover.{key}"), (*value).to_owned())).collect()
}

/// Lets 250 records fail, of which every tenth is about `later`, and replays them: first those that a filter means, then all, while the
/// destination fails for some.
fn replays(options: &Options) {
    let refusing = HttpServer::start(|request| {
        Reply::with_body(if request.text().starts_with("later") { 409 } else { 400 }, "no")
    });
    let mut table =
        raw_table(&refusing, None, &[("sink.allowed-destinations", "127.0.0.1"), ("headers.X-From", "job")]);
    table.options.extend(options.iter().cloned());
    let mut writing = Writing::open(&table);
    let texts: Vec<String> =
        (0..ROWS).map(|n| if n % 10 == 0 { format!("later-{n}") } else { format!("row-{n}") }).collect();
    writing.write_each(texts.clone());
    writing.end();
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    drop(writing);

    let written: BTreeMap<String, String> = table.options.clone();
    let all = Filter::default();
    let later = Filter { error: Some("409".to_owned()), host: Some("127.0.0.1".to_owned()), ..Filter::default() };
    let listed = Failover::open(&written, false).unwrap().list(&all, 10_000).unwrap();
    assert_eq!(listed.len(), ROWS);
    assert_eq!(
        listed.iter().map(|kept| kept.envelope.body.clone()).collect::<BTreeSet<_>>(),
        texts.iter().cloned().collect()
    );
    assert_eq!(Failover::open(&written, false).unwrap().list(&later, 10_000).unwrap().len(), 25);
    assert_eq!(Failover::open(&written, false).unwrap().list(&all, 7).unwrap().len(), 7);
    let before = refusing.count();
    let dry =
        Failover::open(&written, false).unwrap().replay(&later, &Replay { dry_run: true, rate: None }, |_| {}).unwrap();
    assert_eq!(dry, Outcome { selected: 25, skipped: 225, ..Outcome::default() });
    assert_eq!(refusing.count(), before, "a dry run sends nothing");
    let address = refusing.address();
    drop(refusing);

    // The destination is there again, at the same place: through a proxy, as its port may be another's now.
    let healthy = HttpServer::start(move |request| {
        assert!(request.target.starts_with(&format!("http://{address}/in")), "{}", request.target);
        Reply::status(if request.text() == "row-111" && request.number < 260 { 422 } else { 200 })
    });
    let mut through = written.clone();
    through.insert("sink.proxy.url".into(), healthy.url());
    through.insert("sink.idempotency-key.header".into(), "Idempotency-Key".into());
    let is_topic = options.iter().any(|(_, value)| value == "kafka");
    let first = Failover::open(&through, false).unwrap().replay(&later, &Replay::default(), |_| {}).unwrap();
    assert_eq!((first.selected, first.delivered, first.failed), (25, 25, 0));
    let second = Failover::open(&through, false)
        .unwrap()
        .replay(&all, &Replay { dry_run: false, rate: Some(1000.0) }, |_| {})
        .unwrap();
    // What is behind a record that stays is read again from a topic.
    assert_eq!((second.failed, second.delivered >= 224), (1, true), "{second:?}");
    let left = Failover::open(&through, false).unwrap().list(&all, 10_000).unwrap();
    let is_left = left.iter().any(|kept| kept.envelope.body == "row-111");
    assert!(is_left && (is_topic || left.len() == 1), "{} are left", left.len());
    while healthy.count() < 260 {
        Failover::open(&through, false).unwrap().replay(&all, &Replay::default(), |_| {}).unwrap();
    }
    let last = Failover::open(&through, false).unwrap().replay(&all, &Replay::default(), |_| {}).unwrap();
    assert_eq!(last.failed, 0);
    assert_eq!(
        Failover::open(&through, false).unwrap().list(&all, 10_000).unwrap().len(),
        0,
        "all is removed or marked"
    );
    for request in healthy.journal() {
        assert_eq!((request.method.as_str(), request.header("x-from")), ("POST", Some("job")));
        keys.entry(request.text()).or_default().insert(request.header("idempotency-key").unwrap().to_owned());
    }
    let delivered: BTreeSet<String> = healthy
        .journal()
        .iter()
        .filter(|request| request.answered == 200)
        .map(riverrun_testkit::tcp::Request::text)
        .collect();
    assert_eq!(delivered, texts.into_iter().collect());
    assert!(keys.values().all(|keys| keys.len() == 1), "the key is the same each time");
}

#[test]
fn a_folder_is_replayed() {
    replays(&Kept::new().options());
}

#[test]
fn mysql_is_replayed() {
    let table = unique("failed");
    let url = format!("jdbc:mysql://{}/test", mariadb().address());
    replays(&store(&[
        ("storage", "mysql"),
        ("table", &table),
        ("jdbc.url", &url),
        ("jdbc.username", mariadb().user()),
        ("jdbc.password", mariadb().password()),
    ]));
}

#[test]
fn postgresql_is_replayed() {
    let table = unique("failed");
    let server = postgres();
    replays(&store(&[
        ("storage", "postgresql"),
        ("table", &table),
        ("jdbc.url", &server.url()),
        ("jdbc.username", server.user()),
        ("jdbc.password", server.password()),
    ]));
}

#[test]
fn sqlite_is_replayed() {
    let folder = temp_folder();
    let url = format!("jdbc:sqlite:{}", folder.path().join("failed.db").display());
    replays(&store(&[("storage", "sqlite"), ("table", "failed"), ("jdbc.url", &url)]));
}

#[test]
fn kafka_is_replayed_and_marked() {
    let topic = unique("failed");
    replays(&store(&[
        ("storage", "kafka"),
        ("kafka.topic", &topic),
        ("kafka.bootstrap.servers", &kafka().bootstrap()),
    ]));
}

#[test]
fn hdfs_is_replayed() {
    let table = unique("failed");
    replays(&store(&[
        ("storage", "hdfs"),
        ("table", &table),
        ("hdfs.namenode", &hdfs().url()),
        ("hdfs.user", "root"),
        ("hdfs.path", "/riverrun/replay"),
    ]));
}

#[test]
fn hbase_is_replayed() {
    let table = unique("failed");
    replays(&store(&[("storage", "hbase"), ("table", &table), ("hbase.zookeeper.quorum", &hbase().quorum())]));
}

#[test]
fn what_is_no_store_of_ours_is_told() {
    let kept = Kept::new();
    std::fs::create_dir_all(format!("{}/failed/2026-01-01", kept.path())).unwrap();
    std::fs::write(format!("{}/failed/2026-01-01/1.json", kept.path()), "{\"a\":1}\n").unwrap();
    let options: BTreeMap<String, String> = kept.options().into_iter().collect();
    let error = Failover::open(&options, false).unwrap().list(&Filter::default(), 10).unwrap_err().to_string();
    assert!(error.contains("2026-01-01/1.json") && error.contains("line: 1"), "{error}");
    assert!(Failover::open(&options, true).err().unwrap().to_string().contains("second"));
}
