//! Sends one request and brings its answer: no retries, no redirects, one bound of time for all of it.
//!
//! Connections are kept and used again, by destination. A connection that was closed while nobody used it is no failure: the request has
//! not been written then, and goes over a new one.

mod auth;
mod body;
mod connect;
mod pool;
mod tls;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Response, Uri};
use riverrun_base::Result as Checked;
use rustls::ClientConfig;

use crate::codes::Codes;
use crate::core::Answer;
use crate::guard::Guard;
use crate::options::{BatchFormat, Compression, Version};
use crate::request::Request;
use crate::retry_after::retry_after;
use crate::url::{Origin, Url};
use auth::Token;
pub(crate) use auth::{Auth, basic};
use connect::{Body, Connection, failed};
use pool::Pool;
pub(crate) use tls::{TlsFiles, trusting};

/// An answer's body is read so far and no further; what is longer closes the connection.
const LONGEST_ANSWER: usize = 1 << 20;
/// So much of an answer is told.
const TOLD: usize = 300;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("riverrun/", env!("CARGO_PKG_VERSION")));

/// How requests are sent.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    /// Which destinations may be asked.
    pub(crate) guard: Guard,
    /// Which HTTP is spoken.
    pub(crate) version: Version,
    /// Files of TLS.
    pub(crate) tls: TlsFiles,
    /// The way to all destinations.
    pub(crate) proxy: Option<Proxy>,
    /// Who this client is.
    pub(crate) auth: Auth,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// How long an unused connection is kept.
    pub(crate) keep_alive: Duration,
    /// How many unused connections are kept.
    pub(crate) most_idle: usize,
    /// What all requests have.
    pub(crate) headers: HeaderMap,
    /// How bodies are compressed.
    pub(crate) compression: Compression,
    /// The header of the idempotency key.
    pub(crate) idempotency: Option<HeaderName>,
    /// How records are one body.
    pub(crate) batch: BatchFormat,
    /// The codes of success, whose answers need not be told.
    pub(crate) success: Codes,
    /// Where an answer has the results of a batch's records: pointers to the array, and to a result's code.
    pub(crate) results: Option<(String, String)>,
}

/// A proxy.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<riverrun_base::Secret>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There may be one later.
    Nothing(String),
    /// The request may not be made.
    Refused(String),
}

/// Sends requests. Dropped, it closes its connections.
pub(crate) struct Client {
    settings: ClientSettings,
    tls: Arc<ClientConfig>,
    pool: Pool,
    token: Token,
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// A file of certificates cannot be used.
    pub(crate) fn new(settings: ClientSettings) -> Checked<Self> {
        let tls = tls::config(&settings.tls, settings.version)?;
        let pool = Pool::new(settings.most_idle, settings.keep_alive);
        Ok(Self { settings, tls, pool, token: Token::default() })
    }

    /// Closes connections that were not used for long.
    pub(crate) fn close_unused(&self) {
        self.pool.close_unused();
    }

    /// Delivers records of one batch, or one record.
    pub(crate) async fn deliver(&self, requests: &[Arc<Request>]) -> Answer {
        let Some(first) = requests.first() else { return Answer::Refused("a request without a record".to_owned()) };
        let url = match &first.target {
            Ok(url) => url,
            Err(why) => return Answer::Refused(why.clone()),
        };
        let answer = match tokio::time::timeout(self.settings.timeout, self.exchange(first, url, requests)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Nothing(format!(
                "no whole answer within {}",
                riverrun_base::format_duration(self.settings.timeout)
            ))),
        };
        match answer {
            Ok(answer) => answer,
            Err(Failure::Nothing(why)) => Answer::Nothing(why),
            Err(Failure::Refused(why)) => Answer::Refused(why),
        }
    }

    async fn exchange(&self, first: &Request, url: &Url, requests: &[Arc<Request>]) -> Result<Answer, Failure> {
        let mut headers = self.settings.headers.clone();
        let (bytes, kind) = match requests {
            [_] if self.settings.batch == BatchFormat::None => (first.body.clone(), None),
            _ => body::joined(self.settings.batch, requests),
        };
        if let Some(kind) = kind {
            headers.entry(CONTENT_TYPE).or_insert(kind);
        }
        for (name, value) in &first.headers {
            headers.insert(name, value.clone());
        }
        headers.entry(USER_AGENT).or_insert(AGENT);
        if let Some(name) = &self.settings.idempotency {
            let value = HeaderValue::try_from(Request::key_of_all(requests)).map_err(|_| {
                Failure::Refused("its idempotency key has characters that no header can have".to_owned())
            })?;
            headers.insert(name, value);
        }
        if let Some(value) = self.token.header(self).await? {
            headers.insert(AUTHORIZATION, value);
        }
        let bytes = match body::compressed(self.settings.compression, &bytes)? {
            Some((encoding, bytes)) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
                bytes
            }
            None => bytes,
        };
        let response = self.send(first.verb.method(), url, headers, bytes).await?;
        let code = response.0;
        if code == 401 {
            self.token.forget();
        }
        let retry_after =
            response.1.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
        let results = match &self.settings.results {
            Some((items, status)) if requests.len() > 1 => body::results(&response.2, items, status),
            _ => None,
        };
        let text = match self.settings.success.contains(code) && results.is_none() {
            true => String::new(),
            false => body::told(&response.2, TOLD),
        };
        Ok(Answer::Status { code, retry_after, results, text })
    }

    /// Sends one request: the code, headers and body of its answer.
    async fn send(
        &self,
        method: hyper::Method,
        url: &Url,
        headers: HeaderMap,
        bytes: Bytes,
    ) -> Result<(u16, HeaderMap, Bytes), Failure> {
        let mut message = hyper::Request::new(Full::new(bytes));
        *message.method_mut() = method;
        *message.headers_mut() = headers;
        let origin = &url.origin;
        loop {
            let (mut connection, is_new) = match self.pool.take(origin) {
                Some(connection) => (connection, false),
                None => (self.connect(origin).await?, true),
            };
            self.address(&mut message, &connection, url)?;
            let sent = match &mut connection {
                Connection::One(one) => match one.sender.ready().await {
                    Ok(()) => one.sender.try_send_request(message).await,
                    Err(error) if is_new => return Err(failed("the destination closed the connection", &error)),
                    Err(_) => continue,
                },
                Connection::Two(sender) => {
                    if let Err(error) = sender.ready().await {
                        self.pool.forget(origin);
                        if is_new {
                            return Err(failed("the destination closed the connection", &error));
                        }
                        continue;
                    }
                    if is_new {
                        self.pool.share(origin, sender);
                    }
                    sender.try_send_request(message).await
                }
            };
            match sent {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let (bytes, is_whole) = read(Response::new(body)).await?;
                    if is_whole && let Connection::One(one) = connection {
                        self.pool.put(origin, one);
                    }
                    return Ok((parts.status.as_u16(), parts.headers, bytes));
                }
                Err(mut error) => {
                    if matches!(connection, Connection::Two(_)) {
                        self.pool.forget(origin);
                    }
                    match error.take_message() {
                        // It was not written: the connection had been closed before.
                        Some(unsent) if !is_new => message = unsent,
                        _ => return Err(failed("the request was not answered", &error.into_error())),
                    }
                }
            }
        }
    }

    /// Gives a request its URI in the form that the connection takes.
    fn address(&self, message: &mut hyper::Request<Body>, connection: &Connection, url: &Url) -> Result<(), Failure> {
        let origin = &url.origin;
        let through_proxy = self.settings.proxy.is_some() && !origin.is_https;
        let is_two = matches!(connection, Connection::Two(_));
        if let Connection::One(one) = connection {
            message.headers_mut().insert(HOST, one.host.clone());
            if through_proxy
                && let Some(value) = self.settings.proxy.as_ref().and_then(|proxy| proxy.authorization.as_ref())
            {
                let value = HeaderValue::try_from(value.expose())
                    .map_err(|error| failed("the proxy's user cannot be named", &error))?;
                message.headers_mut().insert(hyper::header::PROXY_AUTHORIZATION, value);
            }
        } else {
            message.headers_mut().remove(HOST);
        }
        *message.uri_mut() =
            if is_two || through_proxy { absolute(origin, &url.target)? } else { Uri::from(url.target.clone()) };
        *message.version_mut() = if is_two { hyper::Version::HTTP_2 } else { hyper::Version::HTTP_11 };
        Ok(())
    }
}

fn absolute(origin: &Origin, target: &PathAndQuery) -> Result<Uri, Failure> {
    let authority =
        Authority::try_from(origin.authority()).map_err(|error| failed("the host cannot be named", &error))?;
    let scheme = if origin.is_https { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target.clone()).build();
    uri.map_err(|error| failed("the URL cannot be written", &error))
}

/// Reads an answer's body; false if it is longer than is read.
async fn read(response: Response<Incoming>) -> Result<(Bytes, bool), Failure> {
    let mut body = response.into_body();
    let mut first = Bytes::new();
    let mut more: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed("the answer broke off", &error))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() && more.is_empty() {
            first = data;
            continue;
        }
        if more.is_empty() {
            more.extend_from_slice(&first);
        }
        more.extend_from_slice(&data);
        if more.len() > LONGEST_ANSWER {
            return Ok((Bytes::from(more), false));
        }
    }
    Ok((if more.is_empty() { first } else { Bytes::from(more) }, true))
}
