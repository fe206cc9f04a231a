//! Bodies: of several records, compressed, and what an answer says.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderValue;

use super::Failure;
use super::connect::failed;
use crate::options::{BatchFormat, Compression};
use crate::request::Request;

/// What is shorter is not worth compressing.
const WORTH: usize = 256;

/// The records as one body, and what that is.
pub(super) fn joined(format: BatchFormat, requests: &[Arc<Request>]) -> (Bytes, Option<HeaderValue>) {
    let (open, between, close, kind) = match format {
        BatchFormat::JsonArray => ("[", ",", "]", Some("application/json")),
        BatchFormat::Ndjson => ("", "\n", "\n", Some("application/x-ndjson")),
        BatchFormat::Raw | BatchFormat::None => ("", "", "", None),
    };
    let length: usize = requests.iter().map(|request| request.body.len() + 1).sum();
    let mut body = Vec::with_capacity(length + 2);
    body.extend_from_slice(open.as_bytes());
    for (n, request) in requests.iter().enumerate() {
        if n > 0 {
            body.extend_from_slice(between.as_bytes());
        }
        body.extend_from_slice(&request.body);
    }
    body.extend_from_slice(close.as_bytes());
    (Bytes::from(body), kind.map(HeaderValue::from_static))
}

/// The body compressed, with the name of how; `None` where it stays as it is.
pub(super) fn compressed(how: Compression, body: &[u8]) -> Result<Option<(&'static str, Bytes)>, Failure> {
    if how == Compression::None || body.len() < WORTH {
        return Ok(None);
    }
    let cannot = |error: std::io::Error| failed("the body cannot be compressed", &error);
    match how {
        Compression::None => Ok(None),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 2), flate2::Compression::fast());
            encoder.write_all(body).map_err(cannot)?;
            Ok(Some(("gzip", Bytes::from(encoder.finish().map_err(cannot)?))))
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd => Ok(Some(("zstd", Bytes::from(zstd::bulk::compress(body, 0).map_err(cannot)?)))),
        #[cfg(not(feature = "zstd"))]
        Compression::Zstd => Err(Failure::Refused("this build does not have Zstandard".to_owned())),
    }
}

/// The codes of a batch's records. `None` where the answer has none.
pub(super) fn results(answer: &[u8], items: &str, status: &str) -> Option<Vec<u16>> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let items = answer.pointer(items)?.as_array()?;
    items.iter().map(|item| u16::try_from(item.pointer(status)?.as_u64()?).ok()).collect()
}

/// The beginning of an answer in one line.
pub(super) fn told(answer: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(answer.get(..most).unwrap_or(answer));
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Read;

    use super::*;
    use crate::request::Verb;

    fn record(body: &'static str) -> Arc<Request> {
        let (target, body) = (Err(String::new()), Bytes::from_static(body.as_bytes()));
        Arc::new(Request {
            verb: Verb::Post,
            url: Arc::from(""),
            target,
            headers: Vec::new(),
            body,
            order: None,
            key: None,
        })
    }

    #[test]
    fn records_are_joined_as_the_format_says() {
        let records = [record("{\"a\":1}"), record("2")];
        assert_eq!(joined(BatchFormat::JsonArray, &records).0, "[{\"a\":1},2]");
        assert_eq!(joined(BatchFormat::Ndjson, &records).0, "{\"a\":1}\n2\n");
        assert_eq!(joined(BatchFormat::Raw, &records).0, "{\"a\":1}2");
    }

    #[test]
    fn what_is_compressed_can_be_read_again() {
        let body = "riverrun ".repeat(100);
        let (name, bytes) = compressed(Compression::Gzip, body.as_bytes()).unwrap().unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!((name, text), ("gzip", body.clone()));
        #[cfg(feature = "zstd")]
        {
            let (name, bytes) = compressed(Compression::Zstd, body.as_bytes()).unwrap().unwrap();
            assert_eq!((name, zstd::bulk::decompress(&bytes, 1 << 20).unwrap()), ("zstd", body.clone().into_bytes()));
        }
        assert!(compressed(Compression::Gzip, b"short").unwrap().is_none());
    }

    #[test]
    fn results_are_found_where_the_user_says() {
        let answer = br#"{"items":[{"index":{"status":201}},{"index":{"status":400}}]}"#;
        assert_eq!(results(answer, "/items", "/index/status"), Some(vec![201, 400]));
        assert_eq!(results(answer, "/items", "/status"), None);
        assert_eq!(results(b"no json", "", ""), None);
        assert_eq!(told("a\r\n\tb \u{7}c".as_bytes(), 100), "a b c");
    }
}
