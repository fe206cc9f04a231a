//! What requests look like: methods, URLs, headers, bodies, keys, authorization.

use std::io::Read;

use arrow::array::{ArrayRef, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder};
use riverrun_connect::MetadataColumn;
use riverrun_data::Batch;
use riverrun_testkit::tcp::{HttpServer, Reply, Request};

use crate::harness::{Kept, Writing, raw_table, table};

fn ok() -> HttpServer {
    HttpServer::start(|_| Reply::status(200))
}

fn only(server: &HttpServer) -> Request {
    let journal = server.journal();
    assert_eq!(journal.len(), 1, "{journal:?}");
    journal[0].clone()
}

const METHODS: [&str; 7] = ["get", "post", "patch", "put", "delete", "options", "trace"];

/// What stands behind the address; the query that is sent; the body of the known mode.
const QUERIES: &[(&str, &str, Option<&str>)] = &[
    ("", "/", None),
    ("/p", "/p", None),
    ("?", "/?", Some("{}")),
    ("?userId=(..&siteId=..)", "/?userId=(..&siteId=..)", Some(r#"{"userId":"(..","siteId":"..)"}"#)),
    ("/p?a=1&b=2&a=3", "/p?a=1&b=2&a=3", Some(r#"{"a":"3","b":"2"}"#)),
    ("/p?a=x%20y", "/p?a=x%20y", Some(r#"{"a":"x%20y"}"#)),
    ("/p?a=b?c", "/p?a=b?c", Some(r#"{"a":"b?c"}"#)),
    ("/p?k=é 漢", "/p?k=%C3%A9%20%E6%BC%A2", Some(r#"{"k":"é 漢"}"#)),
];

#[test]
fn every_method_takes_a_url_as_its_query_or_as_a_json_body() {
    for method in METHODS {
        for known in [false, true] {
            let server = ok();
            let mode = if known { "json-body" } else { "query" };
            let options = [
                ("url", "{url}"),
                ("method", method),
                ("query-mode", mode),
                ("sink.allowed-destinations", &server.url()),
                ("sink.threshold.numWriters", "1"),
            ];
            let mut writing = Writing::open(&table(&["url"], &options));
            writing.write_each(QUERIES.iter().map(|(rest, ..)| format!("{}{rest}", server.url())));
            writing.end();
            let journal = server.journal();
            assert_eq!(journal.len(), QUERIES.len());
            for (request, (rest, target, body)) in journal.iter().zip(QUERIES) {
                assert_eq!(request.method, method.to_uppercase(), "{rest}");
                let path = rest.split('?').next().filter(|path| !path.is_empty()).unwrap_or("/");
                let (expected, text) = if known { (path, body.unwrap_or_default()) } else { (*target, "") };
                assert_eq!((request.target.as_str(), request.text().as_str()), (expected, text), "{method} {rest}");
                assert_eq!(request.header("host"), Some(server.address().to_string().as_str()));
            }
        }
    }
}

#[test]
fn rows_are_json_bodies_and_columns_fill_url_method_and_headers() {
    let server = ok();
    let url = format!("{}/users/{{id}}?name={{name}}", server.url());
    let options = [
        ("url", url.as_str()),
        ("method", "{verb}"),
        ("format", "json"),
        ("headers.X-Tenant", "tenant-{id}"),
        ("http.headers.Authorization", "Token t"),
        ("body.columns", "id;name"),
    ];
    let mut writing = Writing::open(&table(&["id", "name", "verb"], &options));
    writing.write(&[&["7/8", "Zoë & co", "put"]]);
    writing.end();
    let request = only(&server);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/users/7%2F8?name=Zo%C3%AB%20%26%20co"));
    assert_eq!(request.text(), r#"{"id":"7/8","name":"Zoë & co"}"#);
    let header = |name| request.header(name).unwrap_or_default();
    assert_eq!(
        [header("x-tenant"), header("authorization"), header("content-type")],
        ["tenant-7/8", "Token t", "application/json"]
    );
    assert!(header("user-agent").starts_with("riverrun/"));
}

#[test]
fn metadata_columns_say_url_method_headers_and_key() {
    let server = ok();
    let mut table = table(
        &["v"],
        &[
            ("format", "raw"),
            ("sink.allowed-destinations", "127.0.0.1"),
            ("sink.idempotency-key.header", "Idempotency-Key"),
        ],
    );
    for known in (riverrun_http::HTTP.metadata)() {
        table.metadata.push(MetadataColumn {
            key: known.key.into(),
            name: known.key.into(),
            data_type: known.data_type,
            is_virtual: false,
        });
    }
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut headers = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    headers.keys().append_value("X-Row");
    headers.values().append_value("1");
    headers.append(true).unwrap();
    let text = |text: &str| std::sync::Arc::new(StringArray::from_iter_values([text])) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("v", text("body")),
        ("url", text(&format!("{}/x", server.url()))),
        ("method", text("patch")),
        ("headers", std::sync::Arc::new(headers.finish())),
        ("idempotency-key", text("key-1")),
    ];
    let mut writing = Writing::open(&table);
    writing.writer.write(Batch::insertions(RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    writing.end();
    let request = only(&server);
    assert_eq!((request.method.as_str(), request.target.as_str(), request.text().as_str()), ("PATCH", "/x", "body"));
    assert_eq!((request.header("x-row"), request.header("idempotency-key")), (Some("1"), Some("key-1")));
}

#[test]
fn hostile_data_arrives_as_data() {
    let server = ok();
    let hostile = [
        "x\\\", 1), (\\\"y",
        "a\r\nX-Injected: 1\r\n\r\nGET /evil HTTP/1.1",
        "nul\0nul",
        "\"'`;--",
        "%0d%0a",
        &"x".repeat(100_000),
    ];
    let url = format!("{}/p?v={{v}}", server.url());
    let options = [("url", url.as_str()), ("format", "raw"), ("sink.threshold.numWriters", "1")];
    let mut writing = Writing::open(&table(&["v"], &options));
    let all: Vec<[&str; 1]> = hostile[..5].iter().map(|text| [*text]).collect();
    writing.write(&all.iter().map(<[&str; 1]>::as_slice).collect::<Vec<_>>());
    writing.end();
    let journal = server.journal();
    assert_eq!(journal.iter().map(Request::text).collect::<Vec<_>>(), hostile[..5]);
    assert!(
        journal.iter().all(|request| request.header("x-injected").is_none() && request.target.starts_with("/p?v="))
    );
    // A long one as body.
    let server = ok();
    let mut writing = Writing::open(&raw_table(&server, None, &[]));
    writing.write(&[&[hostile[5]]]);
    writing.end();
    assert_eq!(only(&server).text(), hostile[5]);
}

#[test]
fn a_header_cannot_be_slipped_in_and_such_a_record_is_kept() {
    let (server, kept) = (ok(), Kept::new());
    let mut table = raw_table(&server, Some(&kept), &[("headers.X-V", "{v}")]);
    table.options.insert("body.columns".into(), "v".into());
    let mut writing = Writing::open(&table);
    writing.write(&[&["good"], &["bad\r\nX-Injected: 1"], &["also good"]]);
    writing.end();
    assert_eq!(server.count(), 2);
    let envelopes = kept.envelopes();
    assert_eq!((envelopes.len(), envelopes[0].tries, envelopes[0].body.as_str()), (1, 0, "bad\r\nX-Injected: 1"));
    assert!(envelopes[0].error.contains("'x-v'"), "{}", envelopes[0].error);
}

#[test]
fn malformed_urls_and_methods_are_kept_and_the_others_go_on() {
    let (server, kept) = (ok(), Kept::new());
    let mut table = table(
        &["url", "verb"],
        &[("url", "{url}"), ("method", "{verb}"), ("sink.allowed-destinations", &server.url())],
    );
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    let good = format!("{}/good", server.url());
    let bad = ["", "no url", "http://", "ftp://h/x", "http://h:99999/", "http://u:p@h/", "/relative"];
    let mut all: Vec<[&str; 2]> = bad.iter().map(|url| [*url, "get"]).collect();
    all.push([&good, "steal"]);
    (0..500).for_each(|_| all.push([&good, "get"]));
    writing.write(&all.iter().map(<[&str; 2]>::as_slice).collect::<Vec<_>>());
    writing.end();
    assert_eq!((server.count(), kept.envelopes().len()), (500, bad.len() + 1));
}

#[test]
fn private_and_unlisted_destinations_are_refused_and_redirects_are_not_followed() {
    let secret = ok();
    let elsewhere = format!("{}/secret", secret.url());
    let server = HttpServer::start(move |_| Reply::with_header(302, "Location", &elsewhere));
    let kept = Kept::new();
    let mut table = table(&["url"], &[("url", "{url}"), ("sink.allowed-destinations", &server.url())]);
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    writing.write_each([
        format!("{}/a", server.url()),
        secret.url(),
        "http://localhost:1/".into(),
        "http://169.254.169.254/latest".into(),
    ]);
    writing.end();
    assert_eq!((server.count(), secret.count()), (1, 0));
    let mut errors: Vec<String> = kept.envelopes().into_iter().map(|envelope| envelope.error).collect();
    errors.sort();
    assert_eq!(errors.len(), 4);
    assert!(
        errors[3].contains("302") && errors[..3].iter().all(|error| error.contains("sink.allowed-destinations")),
        "{errors:?}"
    );
    // Without a list a record may not choose what only this machine can reach, by whatever name.
    let kept = Kept::new();
    let mut table = crate::harness::table(&["url"], &[("url", "{url}")]);
    table.options.extend(kept.options());
    let mut writing = Writing::open(&table);
    writing.write_each([secret.url(), format!("http://localhost:{}/", secret.address().port())]);
    writing.end();
    assert_eq!((secret.count(), kept.envelopes().len()), (0, 2));
    assert!(kept.envelopes().iter().all(|envelope| envelope.error.contains("private address")));
}

#[test]
fn the_idempotency_key_is_the_same_each_time_and_after_a_restart() {
    let keys = |columns: Option<&str>| {
        let server = HttpServer::start(|request| Reply::status(if request.number < 3 { 500 } else { 200 }));
        let mut table = raw_table(&server, None, &[("sink.idempotency-key.header", "Idempotency-Key")]);
        table.options.insert("url".into(), format!("{}/in", server.url()));
        table.options.extend(columns.map(|columns| ("sink.idempotency-key.columns".to_owned(), columns.to_owned())));
        let mut writing = Writing::open(&table);
        writing.write(&[&["x"]]);
        writing.end();
        let keys: Vec<String> =
            server.journal().iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect();
        assert!(keys.len() == 4 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        keys[0].clone()
    };
    assert_eq!(keys(Some("v")), keys(Some("v")), "it does not depend on the run");
    assert_eq!(keys(None).len(), 32);
}

#[test]
fn bodies_are_compressed_and_authorized() {
    let body = "riverrun ".repeat(200);
    for how in ["gzip", "zstd"] {
        let server = ok();
        let options =
            [("sink.compression", how), ("sink.auth.basic.username", "me"), ("sink.auth.basic.password", "pä:ss")];
        let mut writing = Writing::open(&raw_table(&server, None, &options));
        writing.write(&[&[&body], &["short"]]);
        writing.end();
        for request in server.journal() {
            assert_eq!(request.header("authorization"), Some("Basic bWU6cMOkOnNz"));
            let Some(encoding) = request.header("content-encoding") else {
                assert_eq!(request.text(), "short");
                continue;
            };
            let mut text = String::new();
            match encoding {
                "gzip" => flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut text).unwrap(),
                "zstd" => zstd::stream::Decoder::new(&request.body[..]).unwrap().read_to_string(&mut text).unwrap(),
                other => panic!("{other}"),
            };
            assert_eq!((text.as_str(), encoding), (body.as_str(), how));
            assert!(request.body.len() < 200 && request.header("content-length").is_some());
        }
        assert_eq!(server.count(), 2);
    }
    let server = ok();
    let mut writing = Writing::open(&raw_table(&server, None, &[("sink.auth.bearer-token", "abc")]));
    writing.write(&[&["x"]]);
    writing.end();
    assert_eq!(only(&server).header("authorization"), Some("Bearer abc"));
}

#[test]
fn tokens_of_oauth_are_asked_for_once_and_again_when_they_are_refused() {
    let tokens = HttpServer::start(|request| {
        Reply::with_body(200, format!(r#"{{"access_token":"t{}","expires_in":3600}}"#, request.number))
    });
    let server = HttpServer::start(|request| {
        Reply::status(match (request.header("authorization"), request.number) {
            (Some("Bearer t0"), 0..5) | (Some("Bearer t1"), _) => 200,
            _ => 401,
        })
    });
    let url = format!("{}/token", tokens.url());
    let options = [
        ("sink.auth.oauth2.token-url", url.as_str()),
        ("sink.auth.oauth2.client-id", "id"),
        ("sink.auth.oauth2.client-secret", "s&cret"),
        ("sink.auth.oauth2.scope", "a b"),
        ("sink.retry.codes", "401,5XX"),
        ("sink.threshold.numWriters", "1"),
    ];
    let mut writing = Writing::open(&raw_table(&server, None, &options));
    writing.write_each((0..10).map(|n| n.to_string()));
    writing.end();
    let asked = tokens.journal();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].text(), "grant_type=client_credentials&scope=a%20b");
    assert_eq!(asked[0].header("authorization"), Some("Basic aWQ6cyUyNmNyZXQ="));
    assert_eq!(server.journal().iter().filter(|request| request.answered == 200).count(), 10);
}

#[test]
fn a_proxy_is_asked_for_whole_urls_with_its_own_authorization() {
    let proxy = ok();
    let address = proxy.url();
    let options = [
        ("url", "http://destination.test/in?x=1"),
        ("format", "raw"),
        ("sink.proxy.url", address.as_str()),
        ("sink.proxy.username", "u"),
        ("sink.proxy.password", "p"),
    ];
    let mut writing = Writing::open(&table(&["v"], &options));
    writing.write(&[&["x"]]);
    writing.end();
    let request = only(&proxy);
    assert_eq!(request.target, "http://destination.test/in?x=1");
    assert_eq!(
        (request.header("host"), request.header("proxy-authorization")),
        (Some("destination.test"), Some("Basic dTpw"))
    );
}

#[test]
fn a_key_that_no_header_can_have_is_told_and_not_left_out() {
    let (server, kept) = (ok(), Kept::new());
    let mut table = raw_table(&server, Some(&kept), &[("sink.idempotency-key.header", "Idempotency-Key")]);
    let known = (riverrun_http::HTTP.metadata)().into_iter().find(|known| known.key == "idempotency-key").unwrap();
    let column =
        MetadataColumn { key: known.key.into(), name: known.key.into(), data_type: known.data_type, is_virtual: false };
    table.metadata.push(column);
    let texts = |texts: [&str; 2]| std::sync::Arc::new(StringArray::from_iter_values(texts)) as ArrayRef;
    let columns = [("v", texts(["a", "b"])), ("idempotency-key", texts(["good", "bad\nX-Evil: 1"]))];
    let mut writing = Writing::open(&table);
    writing.writer.write(Batch::insertions(RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    writing.end();
    assert_eq!((only(&server).text().as_str(), kept.envelopes()[0].body.as_str()), ("a", "b"));
    assert!(kept.envelopes()[0].error.contains("idempotency key"), "{}", kept.envelopes()[0].error);
}
