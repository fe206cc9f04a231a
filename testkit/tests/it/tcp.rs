use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use riverrun_testkit::tcp::{Proxy, Server, nobody};
use riverrun_testkit::wait_until;

const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(20);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, question: &str) -> std::io::Result<String> {
    stream.write_all(question.as_bytes())?;
    let mut answer = [0; 100];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
fn a_closing_server_closes() {
    let server = Server::closing();
    assert_eq!(connect(server.address()).read(&mut [0; 10]).unwrap_or(0), 0);
    wait_until(LONG, "the connection to be counted", || server.accepted() == 1);
}

#[test]
fn a_silent_server_takes_everything_and_answers_nothing() {
    let server = Server::silent();
    let mut stream = connect(server.address());
    stream.set_read_timeout(Some(SHORT)).unwrap();
    let error = ask(&mut stream, "hello?").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_greeting_comes_first_and_an_answer_after_a_question() {
    let first = Server::greeting("welcome");
    assert_eq!(ask(&mut connect(first.address()), "").unwrap(), "welcome");
    let second = Server::answering("no");
    assert_eq!(ask(&mut connect(second.address()), "may I?").unwrap(), "no");
}

#[test]
fn a_dropped_server_closes_its_connections_and_its_port() {
    let server = Server::silent();
    let address = server.address();
    let mut stream = connect(address);
    wait_until(LONG, "the connection", || server.accepted() == 1);
    drop(server);
    assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn nobody_refuses() {
    assert_eq!(TcpStream::connect(nobody()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_cut_proxy_breaks_connections_and_refuses_until_healed() {
    let server = Server::answering("pong");
    let proxy = Proxy::to(server.address());
    let mut stream = connect(proxy.address());
    assert_eq!(ask(&mut stream, "ping").unwrap(), "pong");

    proxy.cut();
    assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0);
    assert_eq!(TcpStream::connect(proxy.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);

    proxy.heal();
    assert_eq!(ask(&mut connect(proxy.address()), "ping").unwrap(), "pong");
}

#[test]
fn a_held_proxy_passes_nothing_and_all_of_it_later() {
    let server = Server::answering("pong");
    let proxy = Proxy::to(server.address());
    let mut stream = connect(proxy.address());
    assert_eq!(ask(&mut stream, "ping").unwrap(), "pong");

    proxy.hold();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    assert!(ask(&mut stream, "ping").is_err());
    let mut late = connect(proxy.address());

    proxy.heal();
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(ask(&mut stream, "").unwrap(), "pong");
    assert_eq!(ask(&mut late, "ping").unwrap(), "pong");
}

#[test]
fn held_answers_come_late_or_are_lost_with_the_connection() {
    let server = Server::answering("pong");
    let proxy = Proxy::to(server.address());
    let mut stream = connect(proxy.address());
    assert_eq!(ask(&mut stream, "ping").unwrap(), "pong");

    proxy.hold_answers();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    assert!(ask(&mut stream, "ping").is_err());
    proxy.heal();
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(ask(&mut stream, "").unwrap(), "pong");

    proxy.hold_answers();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    assert!(ask(&mut stream, "ping").is_err());
    proxy.cut();
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(stream.read(&mut [0; 10]).unwrap_or(0), 0, "the answer is lost");
    proxy.heal();
    assert_eq!(ask(&mut connect(proxy.address()), "ping").unwrap(), "pong");
}

#[test]
fn a_proxy_without_a_server_closes() {
    let proxy = Proxy::new();
    assert_eq!(connect(proxy.address()).read(&mut [0; 10]).unwrap_or(0), 0);
}
