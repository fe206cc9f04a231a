//! What HBase keeps in ZooKeeper for its clients: where the region of `hbase:meta` is, and where the master.
//!
//! Only two nodes are read, and rarely: at the start and when a server is lost. So this speaks as much of ZooKeeper's protocol as that
//! takes, in a session that ends with the answer: connect, `getData`, close
//! (<https://github.com/apache/zookeeper/blob/master/zookeeper-jute/src/main/resources/zookeeper.jute>). The maintained client
//! `zookeeper-client` was looked at: it brings sessions, watches and locks that are not needed, and some twenty crates that nothing else here needs,
//! a second I/O reactor (`async-io`) with a thread of its own among them. `zookeeper-async` and `tokio-zookeeper` are not maintained.

use std::time::Duration;

use bytes::{Buf, Bytes};
use prost::Message;
use riverrun_base::{Kind, format_duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::{Failure, Stale};
use crate::options::{Address, Options};
use crate::rpc::messages::ServerNode;

/// How long a session lives that was not closed.
const SESSION_MS: i32 = 10_000;

/// ZooKeeper's own limit of a node is 1 MB.
const FRAME_BYTES_MAX: usize = 2 << 20;

const GET_DATA: i32 = 4;
const CLOSE_SESSION: i32 = -11;

const NO_NODE: i32 = -101;
const NO_AUTH: i32 = -102;

/// The number of the only question.
const QUESTION: i32 = 1;

/// The servers of ZooKeeper, any of which may be asked.
#[derive(Debug)]
pub(crate) struct ZooKeeper {
    servers: Vec<Address>,
    parent: String,
    limit: Duration,
}

/// Why one server did not answer.
enum Mute {
    /// Another one may.
    Passing(String),
    /// All would say the same.
    Final(Failure),
}

impl From<std::io::Error> for Mute {
    fn from(error: std::io::Error) -> Self {
        let is_end = error.kind() == std::io::ErrorKind::UnexpectedEof;
        Self::Passing(if is_end { "it closes the connection".to_owned() } else { error.to_string() })
    }
}

impl ZooKeeper {
    pub(crate) fn new(servers: Vec<Address>, options: &Options) -> Self {
        Self { servers, parent: options.znode_parent.clone(), limit: options.connect_timeout }
    }

    /// Where the region server is that has `hbase:meta`.
    pub(crate) async fn meta_server(&self) -> Result<Address, Failure> {
        self.server("meta-region-server").await
    }

    /// Where the active master is.
    pub(crate) async fn master(&self) -> Result<Address, Failure> {
        self.server("master").await
    }

    async fn server(&self, node: &str) -> Result<Address, Failure> {
        let path = format!("{}/{node}", self.parent.trim_end_matches('/'));
        let data = self.read(&path).await?;
        let node = unwrapped(data).and_then(|data| ServerNode::decode(data).ok());
        let Some(ServerNode { server }) = node else {
            let message = format!("the node {path} of ZooKeeper is not HBase's");
            return Err(Failure::refused(Kind::External, message).hint("is the parent node that of HBase 2?"));
        };
        let port = server.port.and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| Failure::malformed("the address of a server"))?;
        Ok(Address { host: server.host_name, port })
    }

    /// The data of a node: the servers are asked one after another, from any one on, until one answers.
    async fn read(&self, path: &str) -> Result<Bytes, Failure> {
        let first = fastrand::usize(..self.servers.len().max(1));
        let mut reasons = Vec::new();
        for server in self.servers.iter().cycle().skip(first).take(self.servers.len()) {
            let answer = timeout(self.limit, ask(server, path)).await;
            let reason = match answer {
                Ok(Ok(data)) => return Ok(data),
                Ok(Err(Mute::Final(failure))) => return Err(failure),
                Ok(Err(Mute::Passing(reason))) => reason,
                Err(_) => format!("no answer within {}", format_duration(self.limit)),
            };
            reasons.push(format!("{server}: {reason}"));
        }
        Err(Failure::passing(Stale::Nothing, format!("ZooKeeper at {}", reasons.join(", "))))
    }
}

/// Reads a node from one server.
async fn ask(server: &Address, path: &str) -> Result<Bytes, Mute> {
    let mut stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&frame(&connect())).await?;
    // protocol version, time-out of the session, its number and password: none of them is needed
    read_frame(&mut stream).await?;

    stream.write_all(&frame(&get_data(path))).await?;
    let data = loop {
        let mut answer = read_frame(&mut stream).await?;
        let is_ours = answer.try_get_i32().is_ok_and(|number| number == QUESTION);
        if is_ours {
            break node_data(answer, server, path)?;
        }
    };
    // the session would end by itself: whether the server hears this does not matter
    let _ = stream.write_all(&frame(&close())).await;
    Ok(data)
}

/// The data in an answer, behind its number: i64 transaction, i32 error, i32 length, data.
fn node_data(mut answer: Bytes, server: &Address, path: &str) -> Result<Bytes, Mute> {
    let malformed = || Mute::Passing("it does not speak ZooKeeper's protocol".to_owned());
    answer.try_get_i64().map_err(|_| malformed())?;
    match answer.try_get_i32().map_err(|_| malformed())? {
        0 => {}
        NO_NODE => return Err(Mute::Passing(format!("it has no node {path}"))),
        NO_AUTH => {
            let message = format!("ZooKeeper at {server} does not let everybody read {path}");
            return Err(Mute::Final(Failure::refused(Kind::User, message).hint("logins are not supported")));
        }
        code => return Err(Mute::Passing(format!("it answers with error {code}"))),
    }
    let length = answer.try_get_i32().map_err(|_| malformed())?;
    // -1 for a node without data
    let length = usize::try_from(length).unwrap_or(0);
    if length > answer.len() {
        return Err(malformed());
    }
    Ok(answer.split_to(length))
}

/// What HBase has put into a node, without what stands before it: `0xFF`, i32 length and name of the writer; `PBUF`.
fn unwrapped(mut data: Bytes) -> Option<Bytes> {
    if data.first() == Some(&0xff) {
        data.advance(1);
        let length = usize::try_from(data.try_get_u32().ok()?).ok()?;
        if length > data.len() {
            return None;
        }
        data.advance(length);
    }
    data.starts_with(b"PBUF").then(|| data.split_off(4))
}

/// Version 0, no transaction seen, a new session with no password, of a server that may write.
fn connect() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&0i32.to_be_bytes());
    body.extend_from_slice(&0i64.to_be_bytes());
    body.extend_from_slice(&SESSION_MS.to_be_bytes());
    body.extend_from_slice(&0i64.to_be_bytes());
    body.extend_from_slice(&16i32.to_be_bytes());
    body.extend_from_slice(&[0; 16]);
    body.push(0);
    body
}

/// Without a watch.
fn get_data(path: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&QUESTION.to_be_bytes());
    body.extend_from_slice(&GET_DATA.to_be_bytes());
    body.extend_from_slice(&i32::try_from(path.len()).unwrap_or(i32::MAX).to_be_bytes());
    body.extend_from_slice(path.as_bytes());
    body.push(0);
    body
}

fn close() -> Vec<u8> {
    [(QUESTION + 1).to_be_bytes(), CLOSE_SESSION.to_be_bytes()].concat()
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], body].concat()
}

async fn read_frame(stream: &mut TcpStream) -> Result<Bytes, Mute> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(Mute::Passing("it does not speak ZooKeeper's protocol".to_owned()));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: i32, data: &[u8]) -> Bytes {
        let length = i32::try_from(data.len()).unwrap().to_be_bytes();
        [&7i64.to_be_bytes()[..], &error.to_be_bytes(), &length, data, &[0; 68]].concat().into()
    }

    fn server() -> Address {
        Address { host: "zk".to_owned(), port: 1 }
    }

    #[test]
    fn a_nodes_data_is_what_hbase_wrote() {
        let node = [&[0xff, 0, 0, 0, 3][..], b"abc", b"PBUF", b"\x0a\x05\x0a\x01h\x10\x07"].concat();
        let data = node_data(answer(0, &node), &server(), "/x").ok().unwrap();
        let node = ServerNode::decode(unwrapped(data).unwrap()).unwrap();
        assert_eq!((&node.server.host_name[..], node.server.port), ("h", Some(7)));
    }

    #[test]
    fn an_error_of_zookeeper_is_told() {
        let Err(Mute::Passing(reason)) = node_data(answer(NO_NODE, b""), &server(), "/hbase/master") else { panic!() };
        assert_eq!(reason, "it has no node /hbase/master");
        let Err(Mute::Final(Failure::Refused(refusal))) = node_data(answer(NO_AUTH, b""), &server(), "/x") else {
            panic!()
        };
        assert!(refusal.message.contains("does not let everybody read"));
    }

    #[test]
    fn what_is_not_hbases_is_refused() {
        for data in [&b""[..], b"PBU", b"x", b"\xff", b"\xff\x7f\xff\xff\xffPBUF", b"\xff\0\0\0\x01a"] {
            assert_eq!(unwrapped(Bytes::from_static(data)), None);
        }
        for cut in 0..16 {
            assert!(node_data(answer(0, b"data").slice(..cut), &server(), "/x").is_err());
        }
    }
}
