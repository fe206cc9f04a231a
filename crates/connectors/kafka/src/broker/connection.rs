//! One connection to one broker: opened, logged in, then a question and an answer at a time.

use std::collections::HashMap;

use riverrun_base::{Error, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::messages::{ApiVersions, Request, SaslAuthenticate, SaslHandshake};
use super::wire::{Malformed, Reader, Writer};

/// No answer to these questions is larger.
const ANSWER_BYTES: usize = 64 << 20;

/// The code of an authentication that failed.
const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// Who logs in, by SASL PLAIN.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The user's name.
    pub(crate) username: String,
    /// The password.
    pub(crate) password: Secret,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection is gone, or could not be opened; whether the request was carried out is not known.
    Broken(String),
    /// Nobody listens there.
    Absent(String),
    /// Asking again does not help.
    Refused(Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Self::Absent(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    stream: TcpStream,
    correlation: i32,
    /// First and last version of each API.
    offered: HashMap<i16, (i16, i16)>,
    client_id: String,
}

impl Connection {
    /// Connects and logs in. The caller bounds the time.
    pub(super) async fn open(address: &str, login: Option<&Login>, client_id: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, correlation: 0, offered: HashMap::new(), client_id: client_id.to_owned() };
        let (code, offered) = connection.exchange(&ApiVersions).await?;
        if code != 0 {
            return Err(Failure::Refused(too_old(address, ApiVersions::NAME)));
        }
        connection.offered = offered.into_iter().map(|(key, first, last)| (key, (first, last))).collect();
        if let Some(login) = login {
            connection.log_in(address, login).await?;
        }
        Ok(connection)
    }

    async fn log_in(&mut self, address: &str, login: &Login) -> Result<(), Failure> {
        let refused = |reason: &str| {
            let hint = "check 'properties.security.protocol', 'properties.sasl.mechanism' and the login";
            Failure::Refused(Error::external(format!("Kafka at {address} refuses the login: {reason}")).hint(hint))
        };
        if self.ask(address, &SaslHandshake("PLAIN")).await? != 0 {
            return Err(refused("it does not offer PLAIN"));
        }
        let token = format!("\0{}\0{}", login.username, login.password.expose());
        match self.ask(address, &SaslAuthenticate(token.as_bytes())).await? {
            (0, _) => Ok(()),
            (code, message) => {
                let message = message.unwrap_or_else(|| super::codes::text(code).into_owned());
                if code == SASL_AUTHENTICATION_FAILED { Err(refused(&message)) } else { Err(Failure::Broken(message)) }
            }
        }
    }

    /// Asks, and waits for the answer. After an error the connection is good for nothing.
    pub(super) async fn ask<R: Request>(&mut self, address: &str, request: &R) -> Result<R::Answer, Failure> {
        let offered = self.offered.get(&R::KEY);
        if !offered.is_some_and(|(first, last)| (*first..=*last).contains(&R::VERSION)) {
            return Err(Failure::Refused(too_old(address, R::NAME)));
        }
        self.exchange(request).await
    }

    async fn exchange<R: Request>(&mut self, request: &R) -> Result<R::Answer, Failure> {
        self.correlation = self.correlation.wrapping_add(1);
        let frame = frame(request, self.correlation, &self.client_id);
        self.stream.write_all(&frame).await?;
        let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES {
            return Err(Failure::Broken(format!("the answer to {} is no Kafka answer", R::NAME)));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        body(request, &answer, self.correlation)
            .map_err(|Malformed| Failure::Broken(format!("the answer to {} is malformed", R::NAME)))
    }
}

/// A request with its headers.
fn frame<R: Request>(request: &R, correlation: i32, client_id: &str) -> Vec<u8> {
    let mut out = Writer::default();
    out.i32(0).i16(R::KEY).i16(R::VERSION).i32(correlation).old_text(client_id);
    if R::FLEXIBLE {
        out.no_tags();
    }
    request.write(&mut out);
    let mut frame = out.0;
    let length = i32::try_from(frame.len().saturating_sub(4)).unwrap_or(i32::MAX);
    if let Some(start) = frame.first_chunk_mut::<4>() {
        *start = length.to_be_bytes();
    }
    frame
}

/// The answer behind its header.
fn body<R: Request>(_: &R, answer: &[u8], correlation: i32) -> Result<R::Answer, Malformed> {
    let mut reader = Reader(answer);
    if reader.i32()? != correlation {
        return Err(Malformed);
    }
    // This one must be understood before anything is known of the broker, so its header has no tags.
    if R::FLEXIBLE && R::KEY != ApiVersions::KEY {
        reader.tags()?;
    }
    R::read(&mut reader)
}

fn too_old(address: &str, request: &str) -> Error {
    Error::not_supported(format!("exactly once with the broker at {address}, which does not speak {request}"))
        .hint("it takes Kafka 3.0 or newer; 'sink.delivery-guarantee' = 'at-least-once' works with older ones")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::broker::messages::{Commit, DescribeTransactions, ListTransactions};

    #[test]
    fn a_request_is_framed_as_kafka_has_it() {
        let commit = Commit { id: "a", producer: 7, epoch: 2 };
        let expected = [
            &[0, 0, 0, 27][..],
            &[0, 26, 0, 3, 0, 0, 0, 9, 0, 1, b'c', 0],
            &[2, b'a', 0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 1, 0],
        ]
        .concat();
        let frame = frame(&commit, 9, "c");
        assert_eq!(usize::try_from(i32::from_be_bytes(*frame.first_chunk().unwrap())).unwrap() + 4, frame.len());
        assert_eq!(frame[4..], expected[4..]);
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        assert!(body(&Commit { id: "a", producer: 7, epoch: 2 }, &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 51, 0], 9).is_err());
        assert_eq!(body(&Commit { id: "a", producer: 7, epoch: 2 }, &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 51, 0], 9), Ok(51));
    }

    #[test]
    fn lists_of_transactions_are_read() {
        let mut answer = Writer::default();
        answer.i32(1).no_tags().i32(0).i16(0).texts(["Odd"].into_iter());
        answer.count(1).text("id").i64(5).text("Ongoing").no_tags().no_tags();
        let listed = body(&ListTransactions(&[]), &answer.0, 1).unwrap();
        assert_eq!(listed, (0, vec![("id".to_owned(), "Ongoing".to_owned())]));

        let mut answer = Writer::default();
        answer.i32(1).no_tags().i32(0).count(1).i16(0).text("id").text("Ongoing").i32(60000).i64(12).i64(5).i16(3);
        answer.count(1).text("t").count(2).i32(0).i32(1).no_tags().no_tags().no_tags();
        let (id, code, described) = body(&DescribeTransactions(&["id"]), &answer.0, 1).unwrap().remove(0);
        assert_eq!((id.as_str(), code), ("id", 0));
        let expected = super::super::messages::Described {
            state: "Ongoing".into(),
            start_ms: 12,
            producer: 5,
            epoch: 3,
            partitions: 2,
        };
        assert_eq!(described, expected);
    }
}
