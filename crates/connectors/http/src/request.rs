//! A record on its way: the request that delivers it, and how a checkpoint holds it.

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::{HeaderName, HeaderValue};
use riverrun_base::options::OptionValue;
use riverrun_base::{Error, Result};
use xxhash_rust::xxh3::Xxh3;

use crate::url::Url;

riverrun_base::option_enum! {
    /// The method of a request.
    pub(crate) enum Verb {
        /// GET.
        "get" => Get,
        /// POST.
        "post" => Post,
        /// PATCH.
        "patch" => Patch,
        /// PUT.
        "put" => Put,
        /// DELETE.
        "delete" => Delete,
        /// OPTIONS.
        "options" => Options,
        /// TRACE.
        "trace" => Trace,
    }
}

impl Verb {
    /// As it is sent.
    pub(crate) fn method(self) -> hyper::Method {
        match self {
            Self::Get => hyper::Method::GET,
            Self::Post => hyper::Method::POST,
            Self::Patch => hyper::Method::PATCH,
            Self::Put => hyper::Method::PUT,
            Self::Delete => hyper::Method::DELETE,
            Self::Options => hyper::Method::OPTIONS,
            Self::Trace => hyper::Method::TRACE,
        }
    }
}

/// A record as it is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The method.
    pub(crate) verb: Verb,
    /// The URL as the record says it.
    pub(crate) url: Arc<str>,
    /// Where it goes; or why it cannot be sent at all.
    pub(crate) target: std::result::Result<Url, String>,
    /// The headers that the record has of its own; those of all records are added when it is sent.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub(crate) body: Bytes,
    /// What it is put in order by.
    pub(crate) order: Option<u64>,
    /// The idempotency key, where it comes from columns; a hash of the content otherwise.
    pub(crate) key: Option<Arc<str>>,
}

impl Request {
    /// What it takes of the queue's room.
    pub(crate) fn bytes(&self) -> usize {
        256 + self.url.len() + self.body.len() + self.headers.iter().map(|(_, value)| value.len() + 64).sum::<usize>()
    }

    /// The idempotency key: the same for the same record whenever it is sent, by whichever attempt of the job.
    pub(crate) fn idempotency_key(&self) -> String {
        match &self.key {
            Some(key) => key.to_string(),
            None => {
                let mut hash = Xxh3::new();
                for part in [self.verb.to_string().as_bytes(), self.url.as_bytes(), &self.body] {
                    hash.update(&(part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
                format!("{:032x}", hash.digest128())
            }
        }
    }

    /// The idempotency key of a request with these records: that of its only one; otherwise a hash of their keys, so that it is the same as
    /// long as they stay together, and another one for each piece.
    pub(crate) fn key_of_all(requests: &[Arc<Self>]) -> String {
        if let [only] = requests {
            return only.idempotency_key();
        }
        let mut hash = Xxh3::new();
        for request in requests {
            let key = request.idempotency_key();
            hash.update(&(key.len() as u64).to_le_bytes());
            hash.update(key.as_bytes());
        }
        format!("{:032x}", hash.digest128())
    }

    /// Whether the query of its URL is in the body, as in Apache StreamPark.
    pub(crate) fn is_known_mode(&self) -> bool {
        self.url.contains('?') && self.target.as_ref().is_ok_and(|url| url.target.query().is_none())
    }

    /// What records of one batch must have in common.
    pub(crate) fn batch_key(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&[self.verb as u8]);
        hash.update(self.url.as_bytes());
        for (name, value) in &self.headers {
            hash.update(name.as_str().as_bytes());
            hash.update(&[0]);
            hash.update(value.as_bytes());
            hash.update(&[0]);
        }
        hash.digest()
    }
}

/// A record in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The request.
    pub(crate) request: Request,
    /// How often it was sent and failed.
    pub(crate) tries: u32,
    /// When it was taken, in milliseconds since 1970.
    pub(crate) first_ms: i64,
    /// Why it goes to the failover store, if its tries are spent.
    pub(crate) given_up: Option<String>,
}

const VERSION: u8 = 1;

impl Stored {
    /// As a checkpoint holds it: a version, numbers of fixed length, and texts behind their lengths.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Request { verb, url, target, headers, body, order, key } = &self.request;
        let mut to = Vec::with_capacity(64 + self.request.bytes());
        to.push(VERSION);
        to.push(*verb as u8);
        to.extend(self.tries.to_le_bytes());
        to.extend(self.first_ms.to_le_bytes());
        put(&mut to, url.as_bytes());
        put(&mut to, body);
        put_option(&mut to, order.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
        put_option(&mut to, key.as_deref().map(str::as_bytes));
        put_option(&mut to, target.as_ref().err().map(String::as_bytes));
        put_option(&mut to, self.given_up.as_deref().map(str::as_bytes));
        to.push(u8::from(self.request.is_known_mode()));
        to.extend(u32::try_from(headers.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (name, value) in headers {
            put(&mut to, name.as_str().as_bytes());
            put(&mut to, value.as_bytes());
        }
        to
    }

    /// The inverse of [`Self::encode`].
    ///
    /// # Errors
    /// The bytes are something else, or of a later version.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut from = bytes;
        Self::take(&mut from)
            .filter(|_| from.is_empty())
            .ok_or_else(|| Error::data("a record on its way in a checkpoint cannot be read by this version"))
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let [version, verb] = *take_array(from)?;
        if version != VERSION {
            return None;
        }
        let verb = Verb::parse(Verb::VALUES.get(usize::from(verb))?).ok()?;
        let tries = u32::from_le_bytes(*take_array(from)?);
        let first_ms = i64::from_le_bytes(*take_array(from)?);
        let url: Arc<str> = Arc::from(text(take(from)?)?);
        let body = Bytes::copy_from_slice(take(from)?);
        let order = match take_option(from)? {
            Some(bytes) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
            None => None,
        };
        let key = take_text(from)?.map(Arc::from);
        let refused = take_text(from)?;
        let given_up = take_text(from)?;
        let known_mode = *take_array::<1>(from)? == [1];
        let target = match refused {
            Some(why) => Err(why),
            None => Url::parse(if known_mode { crate::known_mode::split(&url).0 } else { &url }),
        };
        let count = u32::from_le_bytes(*take_array(from)?);
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = HeaderName::from_bytes(take(from)?).ok()?;
            headers.push((name, HeaderValue::from_bytes(take(from)?).ok()?));
        }
        let request = Request { verb, url, target, headers, body, order, key };
        Some(Self { request, tries, first_ms, given_up })
    }
}

fn put(to: &mut Vec<u8>, part: &[u8]) {
    to.extend((part.len() as u64).to_le_bytes());
    to.extend(part);
}

fn put_option(to: &mut Vec<u8>, part: Option<&[u8]>) {
    to.push(u8::from(part.is_some()));
    part.into_iter().for_each(|part| put(to, part));
}

fn take_array<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (array, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(array)
}

fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u64::from_le_bytes(*take_array(from)?)).ok()?;
    let (part, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(part)
}

fn take_option<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match take_array::<1>(from)? {
        [0] => Some(None),
        [1] => take(from).map(Some),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn take_text(from: &mut &[u8]) -> Option<Option<String>> {
    match take_option(from)? {
        Some(bytes) => Some(Some(text(bytes)?.to_owned())),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn stored(url: &str, body: &'static [u8]) -> Stored {
        let headers = vec![(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))];
        let request = Request {
            verb: Verb::Trace,
            url: Arc::from(url),
            target: Url::parse(url),
            headers,
            body: Bytes::from_static(body),
            order: Some(7),
            key: Some(Arc::from("k")),
        };
        Stored { request, tries: 3, first_ms: -1, given_up: Some("500".to_owned()) }
    }

    #[test]
    fn records_come_back_from_a_checkpoint_as_they_were() {
        for url in ["http://h/x?y=é", "no url\n"] {
            for body in [&b"\0\xff\"\\\n"[..], b""] {
                let stored = stored(url, body);
                let bytes = stored.encode();
                assert_eq!(Stored::decode(&bytes).unwrap(), stored);
                for end in 0..bytes.len() {
                    assert!(Stored::decode(&bytes[..end]).is_err());
                }
            }
        }
        assert!(Stored::decode(&[2, 0]).is_err());
    }

    #[test]
    fn a_key_from_the_content_is_the_same_for_the_same_record_only() {
        let key = |url: &str, body: &'static [u8]| {
            let mut request = stored(url, body).request;
            request.key = None;
            request.idempotency_key()
        };
        assert_eq!(key("http://h/a", b"b"), key("http://h/a", b"b"));
        assert_ne!(key("http://h/a", b"b"), key("http://h/", b"ab"));
        assert_eq!(key("http://h/a", b"b").len(), 32);
        assert_eq!(stored("http://h/a", b"").request.idempotency_key(), "k");
    }

    #[test]
    fn a_batch_has_a_key_of_its_own_and_a_record_alone_its_own() {
        let key = |names: &[&str]| {
            let record = |name: &&str| {
                let mut request = stored("http://h/a", b"").request;
                request.key = Some(Arc::from(*name));
                Arc::new(request)
            };
            Request::key_of_all(&names.iter().map(record).collect::<Vec<_>>())
        };
        assert_eq!(key(&["a"]), "a");
        let all = [key(&["a", "b"]), key(&["ab", ""]), key(&["b", "a"]), key(&["a", "b", "c"])];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert_eq!((all[0].len(), &all[0]), (32, &key(&["a", "b"])));
    }
}
