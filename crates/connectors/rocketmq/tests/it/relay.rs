//! A broker's neighbour that keeps back single requests: it understands as much of the protocol as it takes to tell them apart.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use riverrun_testkit::tcp::Server;

/// Requests by their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A commit of a transaction.
    Commit,
    /// Where a group goes on: whether a claim still counts.
    Offset,
    /// A message.
    Send,
    Other,
}

/// What is kept back: the first request of a kind, where it says so only behind the first of another, and from then on every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) kind: Request,
    pub(crate) behind: Option<Request>,
}

/// A broker as it is reached through a network that keeps requests back, and a name server that says so.
pub(crate) struct Relay {
    name_server: Server,
    _broker: Server,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// What it is behind of has come.
    is_behind: bool,
    /// How many requests were kept back until now.
    count: usize,
}

impl State {
    fn keeps(&self, kind: Request) -> bool {
        let is_kept = |kept: Kept| self.count > 0 || kept.kind == kind && (kept.behind.is_none() || self.is_behind);
        self.kept.is_some_and(is_kept)
    }
}

impl Relay {
    /// To the broker of this name at this address, which has `queues` queues of the topic that is asked for.
    pub(crate) fn to(name: &str, broker: SocketAddr, queues: u32) -> Self {
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        let relay = Server::new(move |client| forward(&client, broker, &shared));
        let route = format!(
            r#"{{"brokerDatas":[{{"brokerAddrs":{{"0":"{}"}},"brokerName":"{name}","cluster":"riverrun"}}],
            "queueDatas":[{{"brokerName":"{name}","perm":6,"readQueueNums":{queues},"writeQueueNums":{queues},"topicSysFlag":0}}]}}"#,
            relay.address()
        );
        Self { name_server: Server::new(move |stream| tell(stream, &route)), _broker: relay, state }
    }

    pub(crate) fn name_server(&self) -> String {
        self.name_server.address().to_string()
    }

    /// Keeps back from now on.
    pub(crate) fn keep(&self, kept: Kept) {
        *self.state.0.lock().unwrap() = State { kept: Some(kept), ..State::default() };
    }

    /// How many requests are kept back or were.
    pub(crate) fn kept(&self) -> usize {
        self.state.0.lock().unwrap().count
    }

    /// Lets everything pass, what was kept back first.
    pub(crate) fn release(&self) {
        self.state.0.lock().unwrap().kept = None;
        self.state.1.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.release();
    }
}

/// Joins a client with the broker, a request at a time. What was kept back reaches the broker even when its sender is gone.
fn forward(client: &TcpStream, broker: SocketAddr, state: &(Mutex<State>, Condvar)) {
    let Ok(server) = TcpStream::connect(broker) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut &server, &mut &*client);
            let _ = client.shutdown(Shutdown::Both);
        });
        let (mut from, mut to) = (client, &server);
        while let Some(frame) = read_frame(&mut from) {
            let kind = kind(&frame);
            let mut locked = state.0.lock().unwrap();
            if locked.keeps(kind) {
                locked.count += 1;
                locked = state.1.wait_while(locked, |state| state.keeps(kind)).unwrap();
            }
            locked.is_behind |= locked.kept.is_some_and(|kept| kept.behind == Some(kind));
            drop(locked);
            if to.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
    });
}

fn read_frame(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).ok()?;
    let length = usize::try_from(u32::from_be_bytes(frame[..4].try_into().unwrap())).unwrap();
    frame.resize(4 + length, 0);
    stream.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}

/// The header is binary: length of all, kind and length of the header, code, ..., fields by name.
fn kind(frame: &[u8]) -> Request {
    let is_commit = || frame.windows(21).any(|part| part == b"commitOrRollback\0\0\0\x018");
    match i16::from_be_bytes([frame[8], frame[9]]) {
        37 if is_commit() => Request::Commit,
        14 => Request::Offset,
        310 => Request::Send,
        _ => Request::Other,
    }
}

/// Answers every request with this body.
fn tell(mut stream: TcpStream, body: &str) {
    while let Some(request) = read_frame(&mut stream) {
        let opaque = i32::from_be_bytes(request[13..17].try_into().unwrap());
        let header = format!(r#"{{"code":0,"flag":1,"language":"JAVA","opaque":{opaque},"version":477}}"#);
        let size = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
        let answer =
            [&size(4 + header.len() + body.len())[..], &size(header.len()), header.as_bytes(), body.as_bytes()];
        if stream.write_all(&answer.concat()).is_err() {
            return;
        }
    }
}
