//! What is kept of a record: everything that it takes to send it again, and to know why it was not delivered.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use riverrun_base::{Error, Result};
use riverrun_protocol::CheckpointId;
use serde::{Deserialize, Serialize};

use crate::core::Failed;

/// The names of headers whose values are secrets, and are left out.
const SECRETS: &[&str] = &[
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "credential",
    "session",
    "signature",
    "api-key",
    "apikey",
];

/// A record that could not be delivered, on its own: it can be sent again from this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The version of this form: 1.
    pub version: u32,
    /// The method, in capitals.
    pub method: String,
    /// The URL, as the record had it.
    pub url: String,
    /// The record's own headers, without secrets. Those of all records come from the job again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as it was sent, before compression; in Base64 where it is no text.
    pub body: String,
    /// `base64` where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_encoding: Option<String>,
    /// The last answer, or why there was none.
    pub error: String,
    /// How often it was sent.
    pub tries: u32,
    /// When it was taken, in milliseconds since 1970.
    pub first_attempt: i64,
    /// When it was given up, in milliseconds since 1970.
    pub last_attempt: i64,
    /// The job's id.
    pub job: String,
    /// The sink's uid in it.
    pub operator: String,
    /// The last checkpoint before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Its idempotency key.
    pub idempotency_key: String,
    /// Whether the text after the URL's first `?` is in the body, as in Apache StreamPark, and was not sent as query.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known_mode: bool,
}

/// Who keeps a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamp {
    /// The job's id.
    pub(crate) job: String,
    /// The sink's uid.
    pub(crate) operator: String,
    /// The last checkpoint.
    pub(crate) checkpoint: Option<CheckpointId>,
}

impl Envelope {
    pub(crate) fn of(failed: &Failed, stamp: &Stamp, now_ms: i64) -> Self {
        let request = &failed.request;
        let (body, body_encoding) = match std::str::from_utf8(&request.body) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (STANDARD.encode(&request.body), Some("base64".to_owned())),
        };
        let is_told = |name: &str| !SECRETS.iter().any(|secret| name.contains(secret));
        let headers = request.headers.iter().filter(|(name, _)| is_told(name.as_str()));
        Self {
            version: 1,
            method: request.verb.method().to_string(),
            url: request.url.to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body,
            body_encoding,
            error: failed.why.clone(),
            tries: failed.tries,
            first_attempt: failed.first_ms,
            last_attempt: now_ms,
            job: stamp.job.clone(),
            operator: stamp.operator.clone(),
            checkpoint: stamp.checkpoint.map(|checkpoint| checkpoint.0),
            idempotency_key: request.idempotency_key(),
            known_mode: request.is_known_mode(),
        }
    }

    /// Reads what a store has in `values`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(values: &str) -> Result<Self> {
        let envelope: Self = serde_json::from_str(values)
            .map_err(|error| Error::data("this is no record that the http connector has kept").caused_by(error))?;
        match envelope.version {
            1 => Ok(envelope),
            version => {
                Err(Error::data(format!("the record is of version {version}, which is later than this program")))
            }
        }
    }

    /// The bytes of the body.
    ///
    /// # Errors
    /// They are not in the encoding that they are said to be in.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match self.body_encoding.as_deref() {
            None => Ok(self.body.clone().into_bytes()),
            Some("base64") => {
                STANDARD.decode(&self.body).map_err(|error| Error::data("the body is no Base64").caused_by(error))
            }
            Some(other) => Err(Error::data(format!("the body is in an unknown encoding: {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use bytes::Bytes;
    use hyper::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::request::{Request, Verb};
    use crate::url::Url;

    fn failed(body: &'static [u8]) -> Failed {
        let header = |name: &'static str| (HeaderName::from_static(name), HeaderValue::from_static("v"));
        let request = Request {
            verb: Verb::Put,
            url: Arc::from("http://h/?x=\"'\\"),
            target: Url::parse("http://h/"),
            headers: vec![header("x-kind"), header("x-api-key"), header("authorization"), header("x-auth-token")],
            body: Bytes::from_static(body),
            order: None,
            key: None,
        };
        Failed { id: 1, request: Arc::new(request), tries: 4, first_ms: 5, why: "the answer was 500".to_owned() }
    }

    #[test]
    fn an_envelope_holds_the_whole_request_and_no_secret() {
        let stamp = Stamp { job: "j".to_owned(), operator: "o".to_owned(), checkpoint: Some(CheckpointId(3)) };
        for body in [&b"x\\\", 1), (\\\"y\n\0'"[..], b"\xff\x00", b""] {
            let envelope = Envelope::of(&failed(body), &stamp, 9);
            let text = serde_json::to_string(&envelope).unwrap();
            let read = Envelope::parse(&text).unwrap();
            assert_eq!((&read, read.bytes().unwrap().as_slice()), (&envelope, body));
            assert_eq!(read.headers.keys().collect::<Vec<_>>(), ["x-kind"]);
            assert_eq!((read.method.as_str(), read.tries, read.checkpoint), ("PUT", 4, Some(3)));
            assert!(text.contains(r#""method":"PUT","url":"http://h/?x=\"'\\""#), "{text}");
        }
        assert!(Envelope::parse("{}").is_err());
    }
}
