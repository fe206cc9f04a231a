//! Through a proxy: whole URLs without TLS, `CONNECT` with it.

use riverrun_testkit::tcp::{self, HttpServer, Reply, Request};

use crate::encrypted::{Encrypted, Speaks, file, send};
use crate::harness::{Kept, Writing, table};

/// A proxy that lets this user through to a server, whatever name is asked for; and before that answers these codes, each once.
fn proxy(server: &Encrypted, before: &'static [u16]) -> HttpServer {
    let address = server.address;
    HttpServer::start(move |request: &Request| {
        if let Some(code) = before.get(request.number) {
            return Reply::with_body(*code, "not now");
        }
        match (request.method.as_str(), request.header("proxy-authorization")) {
            ("CONNECT", Some("Basic dTpw")) => Reply::Tunnel(address),
            _ => Reply::with_header(407, "Proxy-Authenticate", "Basic realm=\"p\""),
        }
    })
}

#[test]
fn rows_go_through_a_tunnel_that_a_proxy_makes() {
    for speaks in [Speaks::One, Speaks::Two] {
        let server = Encrypted::start(true, speaks, false);
        let proxy = proxy(&server, &[]);
        // Names are the proxy's matter: nobody here knows this port.
        let (ca, address) = (file("ca.pem"), proxy.url());
        let options = [
            ("sink.tls.ca", ca.as_str()),
            ("sink.proxy.url", &address),
            ("sink.proxy.username", "u"),
            ("sink.proxy.password", "p"),
            ("sink.threshold.num-writers", "3"),
        ];
        assert_eq!(send("https://localhost:4433/in?x=1", &options), None);
        let seen = server.seen();
        assert_eq!(seen.len(), 20);
        assert!(seen.iter().all(|(_, authority, _)| authority == "localhost:4433"), "{seen:?}");
        let journal = proxy.journal();
        assert!(journal.len() <= 3, "a connection is used again: {journal:?}");
        for request in journal {
            assert_eq!((request.method.as_str(), request.target.as_str()), ("CONNECT", "localhost:4433"));
            assert_eq!(request.header("host"), Some("localhost:4433"));
        }
    }
}

#[test]
fn a_proxy_that_refuses_its_user_or_the_destination_ends_the_tries_and_says_why() {
    for (code, password, part) in [(407, "wrong", "sink.proxy.password"), (403, "p", "403")] {
        let server = Encrypted::start(true, Speaks::One, false);
        let start = || if code == 407 { proxy(&server, &[]) } else { HttpServer::start(|_| Reply::status(403)) };
        let (proxy, proxy_of_one) = (start(), start());
        let (ca, address, kept) = (file("ca.pem"), proxy.url(), Kept::new());
        let options = [
            ("sink.tls.ca", ca.as_str()),
            ("sink.proxy.url", &address),
            ("sink.proxy.username", "u"),
            ("sink.proxy.password", password),
        ];
        let error = send("https://localhost:4433/", &options).unwrap();
        let parts = ["the proxy refuses to connect to localhost:4433", &code.to_string(), part];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        assert!(!error.contains("wrong") && !error.contains("dTp"), "{error}");
        let mut all = vec![("url", "https://localhost:4433/"), ("format", "raw")];
        all.extend(options);
        let mut table = table(&["v"], &all);
        table.options.extend(kept.options());
        table.options.insert("sink.proxy.url".into(), proxy_of_one.url());
        let mut writing = Writing::open(&table);
        writing.write_each(["x".to_owned()]);
        writing.end();
        assert_eq!((proxy_of_one.count(), kept.envelopes()[0].error.contains(part)), (1, true), "once, and kept");
        assert_eq!(server.seen().len(), 0);
    }
}

#[test]
fn a_proxy_that_cannot_reach_the_destination_now_is_asked_again() {
    let server = Encrypted::start(true, Speaks::One, false);
    let proxy = proxy(&server, &[502, 503, 429, 504]);
    let (ca, address) = (file("ca.pem"), proxy.url());
    let options = [
        ("sink.tls.ca", ca.as_str()),
        ("sink.proxy.url", &address),
        ("sink.proxy.username", "u"),
        ("sink.proxy.password", "p"),
        ("sink.threshold.num-writers", "1"),
        ("sink.threshold.retries", "4"),
    ];
    assert_eq!(send("https://localhost:4433/", &options), None);
    assert_eq!((server.seen().len(), proxy.count()), (20, 5));
}

#[test]
fn a_proxy_that_is_down_or_speaks_something_else_costs_tries_and_no_record() {
    let garbage = tcp::Server::greeting("SSH-2.0-x\r\n\r\n");
    let closing = tcp::Server::closing();
    let endless = tcp::Server::answering(vec![b'x'; 40_000]);
    for (address, part) in [
        (tcp::nobody(), "cannot connect"),
        (garbage.address(), "the proxy did not connect"),
        (closing.address(), "the proxy broke the connection"),
        (endless.address(), "the proxy does not speak HTTP"),
    ] {
        let (kept, address) = (Kept::new(), format!("http://{address}"));
        let options = [
            ("url", "https://destination.test/"),
            ("format", "raw"),
            ("sink.proxy.url", &address),
            ("sink.threshold.retries", "2"),
            ("sink.retry.initial-backoff", "1 ms"),
        ];
        let mut table = table(&["v"], &options);
        table.options.extend(kept.options());
        let mut writing = Writing::open(&table);
        writing.write_each(["x".to_owned()]);
        writing.end();
        let envelope = &kept.envelopes()[0];
        assert!(envelope.tries == 3 && envelope.error.contains(part), "{envelope:?}");
    }
}
