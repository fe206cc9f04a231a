//! The sink of strings: URLs as in Apache StreamPark.

use std::collections::BTreeMap;

use riverrun_connect::{Counters, Flush, Sink, TaskContext};
use riverrun_data::Records;
use riverrun_http::UrlSink;
use riverrun_testkit::tcp::{HttpServer, Reply};

use crate::harness::Kept;

fn send(method: &str, config: &str, kept: &Kept, urls: Vec<String>) {
    let mut options = UrlSink::options_of_yaml(config).unwrap();
    options.extend(kept.options());
    options.insert("sink.allowed-destinations".into(), "127.0.0.1".into());
    let headers = BTreeMap::from([("X-Static".to_owned(), "1".to_owned())]);
    let sink = UrlSink::new(method, &options, &headers).unwrap();
    let context = TaskContext { parallelism: 1, counters: Counters::default(), ..TaskContext::default() };
    let mut writer = sink.writer(&context).unwrap();
    writer.write(Records::from(urls)).unwrap();
    writer.flush(Flush::End).unwrap();
}

#[test]
fn the_known_sample_is_a_post_of_json() {
    let (server, kept) = (HttpServer::start(|_| Reply::status(200)), Kept::new());
    send(
        "post",
        "http.sink:\n  threshold:\n    numWriters: 1\n",
        &kept,
        vec![format!("{}?userId=(..&siteId=..)", server.url())],
    );
    let journal = server.journal();
    assert_eq!((journal.len(), journal[0].method.as_str(), journal[0].target.as_str()), (1, "POST", "/"));
    assert_eq!(journal[0].text(), r#"{"userId":"(..","siteId":"..)"}"#);
    assert_eq!(
        (journal[0].header("content-type"), journal[0].header("x-static")),
        (Some("application/json"), Some("1"))
    );
}

#[test]
fn success_is_200_alone_unless_the_list_says_more() {
    for (list, is_kept) in [("", true), ("    successCode: [200, 201]\n", false), ("    successCode: 200,201\n", false)]
    {
        let (server, kept) = (HttpServer::start(|_| Reply::status(201)), Kept::new());
        send(
            "get",
            &format!("http.sink:\n  threshold:\n    retries: 0\n{list}"),
            &kept,
            vec![format!("{}/?a=1", server.url())],
        );
        assert_eq!(kept.envelopes().len(), usize::from(is_kept), "{list}");
        if let [envelope] = kept.envelopes().as_slice() {
            assert_eq!(
                (envelope.method.as_str(), envelope.body.as_str(), envelope.known_mode),
                ("GET", r#"{"a":"1"}"#, true)
            );
            assert_eq!(envelope.url, format!("{}/?a=1", server.url()));
        }
    }
}

#[test]
fn malformed_urls_never_stop_the_writers() {
    let (server, kept) = (HttpServer::start(|_| Reply::status(200)), Kept::new());
    let mut urls: Vec<String> = (0..50).map(|n| format!("not a url {n}")).collect();
    urls.extend((0..50).map(|n| format!("{}?n={n}", server.url())));
    send("put", "http.sink.threshold.numWriters: 2\n", &kept, urls);
    assert_eq!((server.count(), kept.envelopes().len()), (50, 50));
}
