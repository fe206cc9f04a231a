#![allow(clippy::unwrap_used, reason = "tests")]
use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

const UNKNOWN: &str = "00000000000000000000000000000000";

/// Status and body of a request.
fn ask(server: &RestServer, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut client = TcpStream::connect(server.address()).unwrap();
    let length = body.len();
    // As a client that names no content type, as curl does.
    write!(
        client,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn server() -> RestServer {
    RestServer::start("127.0.0.1:0".parse().unwrap(), Signals::default()).unwrap()
}

#[test]
fn a_process_without_jobs_says_so_with_and_without_the_version_in_the_path() {
    let server = server();
    for prefix in ["", "/v1"] {
        assert_eq!(ask(&server, "GET", &format!("{prefix}/jobs"), ""), (200, r#"{"jobs":[]}"#.into()));
        // Flink's client sends an empty object with every GET.
        assert_eq!(ask(&server, "GET", &format!("{prefix}/jobs/overview"), "{}"), (200, r#"{"jobs":[]}"#.into()));
    }
    let (status, config) = ask(&server, "GET", "/config", "");
    assert!(status == 200 && config.starts_with(r#"{"refresh-interval":3000,"#), "{config}");
    assert_eq!(ask(&server, "GET", "/metrics", ""), (200, String::new()));
}

#[test]
fn what_is_unknown_or_cannot_be_read_is_answered_by_errors() {
    let server = server();
    for (method, path, body, status, error) in [
        ("GET", "/jobs/xyz", "", 400, "Cannot resolve path parameter (jobid) from value \\\"xyz\\\""),
        ("GET", &format!("/jobs/{UNKNOWN}"), "", 404, &format!("Job {UNKNOWN} not found")),
        ("GET", &format!("/jobs/{UNKNOWN}/checkpoints"), "", 404, "not found"),
        ("PATCH", &format!("/jobs/{UNKNOWN}?mode=cancel"), "", 404, "not found"),
        ("PATCH", &format!("/jobs/{UNKNOWN}?mode=stop"), "", 400, "the mode 'stop' is not supported"),
        ("POST", &format!("/jobs/{UNKNOWN}/savepoints"), "{}", 404, "not found"),
        ("POST", &format!("/jobs/{UNKNOWN}/stop"), "{drain}", 400, "the request cannot be read"),
        ("POST", &format!("/jobs/{UNKNOWN}/checkpoints"), r#"{"checkpointType":"FULL"}"#, 400, "CONFIGURED"),
        ("GET", &format!("/jobs/{UNKNOWN}/savepoints/1"), "", 400, "(triggerid) from value \\\"1\\\""),
        (
            "GET",
            &format!("/jobs/{UNKNOWN}/savepoints/{UNKNOWN}"),
            "",
            404,
            &format!("There is no savepoint operation with triggerId={UNKNOWN} for job {UNKNOWN}."),
        ),
        ("GET", "/nope", "", 404, "there is nothing at this path"),
        ("DELETE", "/jobs", "", 405, "does not take this method"),
    ] {
        let (answered, body) = ask(&server, method, path, body);
        assert!(
            answered == status && body.starts_with(r#"{"errors":[""#) && body.contains(error),
            "{method} {path}: {answered} {body}"
        );
    }
}

#[test]
fn its_port_is_free_when_it_is_dropped_and_an_open_connection_does_not_hold_it() {
    let server = server();
    let address = server.address();
    let error = RestServer::start(address, Signals::default()).err().unwrap().to_string();
    assert!(error.contains("cannot listen") && error.contains("--rest=HOST:PORT"), "{error}");
    let _idle = TcpStream::connect(address).unwrap();
    drop(server);
    drop(RestServer::start(address, Signals::default()).unwrap());
}
