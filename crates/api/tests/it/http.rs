//! Calls by HTTP, as Apache StreamPark's users write them, against a scripted server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use riverrun::connectors::http::HttpSink;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::{DataStreamSink, ParameterTool, Result};
use riverrun_testkit::tcp::{HttpServer, Reply, Request};
use tempfile::TempDir;

/// A sink whose pauses are short, and that may ask this machine.
fn here() -> HttpSink {
    HttpSink::new()
        .option("sink.allowed-destinations", "127.0.0.1")
        .option("sink.retry.initial-backoff", "5 ms")
        .option("sink.retry.max-backoff", "20 ms")
}

/// Records that cannot be delivered go to a folder.
fn kept_in(sink: HttpSink, folder: &TempDir) -> HttpSink {
    sink.option("http.sink.failover.storage", "local")
        .option("http.sink.failover.table", "record")
        .option("http.sink.failover.local.path", folder.path().display().to_string())
}

/// The bodies of the envelopes in the folder.
fn kept(folder: &TempDir) -> Vec<String> {
    let mut bodies = Vec::new();
    for day in std::fs::read_dir(folder.path().join("record")).into_iter().flatten() {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap() {
            for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let envelope: serde_json::Value = serde_json::from_str(row["values"].as_str().unwrap()).unwrap();
                bodies.push(envelope["body"].as_str().unwrap().to_owned());
            }
        }
    }
    bodies
}

fn send(urls: Vec<String>, to: impl FnOnce(DataStream<String>) -> Result<DataStreamSink>) -> Result<()> {
    let env = StreamExecutionEnvironment::new();
    env.set_no_restart();
    to(env.from_collection(urls))?;
    env.execute("calls").map(drop)
}

/// The error of a sink that is not taken.
fn refused(sink: &HttpSink) -> String {
    let env = StreamExecutionEnvironment::new();
    match sink.get(env.from_collection(vec![String::new()])) {
        Ok(_) => panic!("the sink is taken"),
        Err(error) => error.to_string(),
    }
}

fn file(name: &str, text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

#[test]
fn each_method_sends_what_follows_the_question_mark_as_json_and_headers_with_it() {
    type Method = fn(&HttpSink, DataStream<String>) -> Result<DataStreamSink>;
    let methods: [(&str, Method); 7] = [
        ("GET", HttpSink::get),
        ("POST", HttpSink::post),
        ("PATCH", HttpSink::patch),
        ("PUT", HttpSink::put),
        ("DELETE", HttpSink::delete),
        ("OPTIONS", HttpSink::options),
        ("TRACE", HttpSink::trace),
    ];
    for (name, method) in methods {
        let server = HttpServer::start(|_| Reply::status(200));
        let sink = here().header("X-One", "1").headers([("X-Two", "2"), ("User-Agent", "mine")]);
        send(vec![format!("{}/a?userId=7&name=%20&name=b?c", server.url())], |urls| method(&sink, urls)).unwrap();
        let journal = server.journal();
        assert_eq!((journal.len(), journal[0].method.as_str(), journal[0].target.as_str()), (1, name, "/a"));
        assert_eq!(journal[0].text(), r#"{"userId":"7","name":"b?c"}"#, "{name}");
        for (header, value) in [("x-one", "1"), ("x-two", "2"), ("user-agent", "mine")] {
            assert_eq!(journal[0].header(header), Some(value), "{name}");
        }
        assert_eq!(journal[0].header("content-type"), Some("application/json"), "{name}");
    }
}

#[test]
fn an_ordinary_query_is_sent_as_one_without_a_body() {
    let server = HttpServer::start(|_| Reply::status(200));
    let sink = here().option("http.query-mode", "query");
    send(vec![format!("{}/a?userId=7&name=%20", server.url())], |urls| sink.get(urls)).unwrap();
    let journal = server.journal();
    assert_eq!((journal[0].target.as_str(), journal[0].text().as_str()), ("/a?userId=7&name=%20", ""));
    assert_eq!(journal[0].header("content-type"), None);
}

/// Every key that Apache StreamPark documents, in the file's own form.
const KNOWN: &str = "
flink:
  property:
    parallelism.default: 1
http.sink:
  threshold:
    numWriters: 3
    queueCapacity: 10000
    timeout: 100
    retries: 3
    successCode: 200
    delayTime: 1000
  failover:
    table: record
    storage: mysql #kafka,hbase,hdfs
    jdbc:
      jdbcUrl: jdbc:mysql://localhost:3306/test
      username: root
      password: 123456
    kafka:
      topic: bigdata
      bootstrap.servers: localhost:9091,localhost:9092,localhost:9093
      compression.type: lz4
    hbase:
      zookeeper.quorum: localhost
      zookeeper.property.clientPort: 2181
    hdfs:
      namenode: hdfs://localhost:8020
      user: benjobs
      path: /http/failover
      format: yyyy-MM-dd
";

#[test]
fn every_known_key_is_taken_in_both_spellings_whatever_the_store() {
    let code = KNOWN.replace("    timeout: 100", "    requestTimeout: 100").replace("    jdbc:", "    mysql:");
    let others = KNOWN.replace("successCode: 200", "successCode: [200, 201, 204]");
    for known in [KNOWN, &code, &others] {
        for storage in ["mysql", "kafka", "hbase", "hdfs", "NONE", "none"] {
            let (_folder, path) =
                file("application.yml", &known.replace("storage: mysql", &format!("storage: {storage}")));
            let sink = HttpSink::from_config_file(&path).unwrap();
            let env = StreamExecutionEnvironment::new();
            let calls = env.from_collection(vec![String::new()]);
            sink.post(calls).map(drop).unwrap_or_else(|error| panic!("{storage}: {error}"));
        }
    }
    let (_folder, path) =
        file("job.properties", "http.sink.threshold.retries = 0\nhttp.sink.threshold.successCode=200,201\nother=1\n");
    let server = HttpServer::start(|_| Reply::status(201));
    let sink = HttpSink::from_config_file(path).unwrap().option("sink.allowed-destinations", "127.0.0.1");
    send(vec![server.url()], |urls| sink.post(urls)).unwrap();
}

#[test]
fn the_files_keys_do_what_they_say_and_the_command_line_holds_over_them() {
    let (_folder, path) = file(
        "application.yml",
        "http:\n  sink:\n    threshold:\n      retries: 2\n      successCode: 200,201\n      numWriters: 1\n",
    );
    for (arguments, sends) in [(vec![], 3), (vec!["--http.sink.threshold.retries", "0"], 1)] {
        let server = HttpServer::start(|request| Reply::status(if request.target == "/bad" { 500 } else { 201 }));
        let folder = tempfile::tempdir().unwrap();
        let parameters =
            ParameterTool::from_args(["--conf", &format!("file://{path}"), "--mine", "1"].into_iter().chain(arguments))
                .unwrap();
        let sink = HttpSink::from_parameters(&parameters)
            .unwrap()
            .option("http.sink.retry.initial-backoff", "5 ms")
            .option("http.sink.allowed-destinations", "127.0.0.1");
        let urls = vec![format!("{}/bad?n=1", server.url()), format!("{}/good", server.url())];
        send(urls, |urls| kept_in(sink, &folder).put(urls)).unwrap();
        let of = |target: &str| server.journal().iter().filter(|request| request.target == target).count();
        assert_eq!((of("/bad"), of("/good"), server.most_open()), (sends, 1, 1));
        assert_eq!(kept(&folder), [r#"{"n":"1"}"#]);
    }
}

#[test]
fn mistakes_are_told_before_the_job_runs_with_the_nearest_name() {
    let (_folder, path) = file("application.yml", "http.sink.threshold:\n  retrys: 3\n");
    let text = refused(&HttpSink::from_config_file(&path).unwrap());
    assert!(text.contains("sink.threshold.retrys") && text.contains("did you mean 'sink.threshold.retries'"), "{text}");
    assert!(text.contains(&path), "{text}");
    for (key, value, parts) in [
        ("http.sink.failover.storrage", "mysql", &["did you mean 'sink.failover.storage'"][..]),
        ("sink.failover.storage", "mysq", &["sink.failover.storage", "mysql"]),
        ("sink.failover.storage", "mysql", &["sink.failover.table"]),
        ("sink.threshold.numWriters", "many", &["sink.threshold.num", "many"]),
        ("sink.threshold.numWriters", "0", &["nothing would ever be sent"]),
        ("sink.threshold.successCode", "2000", &["2000"]),
        ("sink.threshold.timeout", "soon", &["soon"]),
        ("sink.allowed-destinations", "ftp://host", &["ftp"]),
        ("query-mode", "body", &["query-mode", "json-body"]),
        ("sink.auth.bearer-token", "hush", &["sink.allowed-destinations"]),
        ("url", "http://host", &["each string says all of its request"]),
        ("sink.on-exhausted", "failover", &["needs a failover store"]),
    ] {
        let text = refused(&HttpSink::new().option(key, value));
        assert!(parts.iter().all(|part| text.contains(part)), "{key}: {text}");
        assert!(!text.contains("hush"), "{text}");
    }
    for (name, value) in [("X y", "1"), ("X", "1\r\nY: 2"), ("Content-Length", "3")] {
        let text = refused(&HttpSink::new().header(name, value));
        assert!(text.contains(&format!("'{name}'")), "{text}");
    }
    let both = HttpSink::new().option("sink.threshold.timeout", "1").option("http.sink.threshold.requestTimeout", "2");
    assert!(refused(&both).contains("same option"));
    for (arguments, part) in [
        (["--conf", "/nowhere/application.yml"], "/nowhere/application.yml"),
        (["--conf", "hdfs://host/application.yml"], "not a file of this machine"),
        (["--http.sink.threshold.retries", "--x"], "has no value"),
    ] {
        let text = HttpSink::from_parameters(&ParameterTool::from_args(arguments).unwrap()).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
    let (_folder, path) = file("application.yml", "http.sink: [\n");
    assert!(HttpSink::from_config_file(&path).unwrap_err().to_string().contains(&path));
    assert_eq!(
        format!("{:?}", HttpSink::new().option("sink.auth.basic.password", "hush").header("X", "hush")).find("hush"),
        None
    );
    let server = HttpServer::start(|_| Reply::status(200));
    let text = send(vec![server.url()], |urls| here().parallelism(0).get(urls)).unwrap_err().to_string();
    assert!(text.contains("parallelism") && server.count() == 0, "{text}");
}

#[test]
fn a_record_that_cannot_be_delivered_fails_the_job_where_nothing_keeps_it_and_says_what_to_do() {
    let server = HttpServer::start(|_| Reply::with_body(404, "no such user"));
    let sink = here().name("visits");
    let text = send(vec![format!("{}/x?a=1", server.url())], |urls| sink.post(urls)).unwrap_err().to_string();
    for part in ["visits", "POST", "/x?a=1", "404", "no such user", "sink.failover.storage"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // An address of this machine is refused unless it is listed, and a URL that is none is a record like others.
    let folder = tempfile::tempdir().unwrap();
    let sink = kept_in(HttpSink::new(), &folder);
    let urls = vec![format!("{}?n=1", server.url()), "nowhere?n=2".to_owned()];
    send(urls, |urls| sink.post(urls)).unwrap();
    let mut found = kept(&folder);
    found.sort();
    assert_eq!((found.as_slice(), server.count()), (&[r#"{"n":"1"}"#.to_owned(), r#"{"n":"2"}"#.to_owned()][..], 1));
}

/// Which numbers were answered with 200, and how many answers each had.
fn answered(server: &HttpServer) -> BTreeMap<u64, u64> {
    let number = |request: &Request| -> u64 {
        let body: serde_json::Value = serde_json::from_str(&request.text()).unwrap();
        body["n"].as_str().unwrap().parse().unwrap()
    };
    let mut found = BTreeMap::new();
    for request in server.journal().iter().filter(|request| request.answered == 200) {
        *found.entry(number(request)).or_default() += 1;
    }
    found
}

#[test]
fn every_record_is_answered_though_a_map_fails_and_what_comes_twice_is_bounded_by_a_checkpoint() {
    const RECORDS: u64 = 3_000;
    let server = HttpServer::start(|_| Reply::status(200).after(Duration::from_millis(1)));
    let folder = tempfile::tempdir().unwrap();
    let env = StreamExecutionEnvironment::new();
    env.enable_checkpointing(Duration::from_millis(50)).set_fixed_delay_restart(1, Duration::from_millis(10));
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let (url, seen, failed) = (server.url(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let passed = Arc::clone(&seen);
    let calls = env
        .add_source(GeneratorSource::new(|n| n).count(RECORDS).rate_per_second(3_000.0), "numbers")
        .try_map(move |n| {
            if seen.fetch_add(1, Ordering::Relaxed) == RECORDS / 2 && !failed.swap(true, Ordering::Relaxed) {
                return Err("on purpose");
            }
            Ok(n)
        })
        .map(move |n| format!("{url}?n={n}"));
    here().option("http.sink.threshold.queueCapacity", "100").parallelism(2).uid("calls").post(calls).unwrap();
    env.execute("calls").unwrap();
    let found = answered(&server);
    let missing: Vec<u64> = (0..RECORDS).filter(|n| !found.contains_key(n)).collect();
    assert!(missing.is_empty(), "{missing:?} are lost");
    // What the map has seen twice, and what was in the queues of two writers at the barrier.
    let again = passed.load(Ordering::Relaxed) - RECORDS;
    let twice = found.values().map(|count| count - 1).sum::<u64>();
    assert!(twice <= again + 2 * 100, "{twice} came twice, {again} were read twice");
}
