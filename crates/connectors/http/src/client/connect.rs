//! Connections: names resolved, addresses checked, through a proxy, with TLS.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderValue;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::body::told;
use super::{Client, Failure};
use crate::options::Version;
use crate::url::Origin;

/// What a request has as body.
pub(super) type Body = Full<Bytes>;

/// An open connection.
pub(super) enum Connection {
    One(One),
    Two(http2::SendRequest<Body>),
}

/// A connection of HTTP/1.1.
pub(super) struct One {
    pub(super) sender: http1::SendRequest<Body>,
    /// The value of `Host`.
    pub(super) host: HeaderValue,
}

/// A stream with TLS or without.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Client {
    /// Connects to a destination.
    ///
    /// # Errors
    /// It may not be asked, or does not answer.
    pub(super) async fn connect(&self, origin: &Origin) -> Result<Connection, Failure> {
        let tcp = match &self.settings.proxy {
            Some(proxy) => {
                self.settings.guard.permits(origin).map_err(Failure::Refused)?;
                let addresses = resolve(&proxy.host, proxy.port).await?;
                let mut tcp = open(&addresses).await?;
                if origin.is_https {
                    tunnel(&mut tcp, origin, proxy.authorization.as_ref().map(riverrun_base::Secret::expose)).await?;
                }
                tcp
            }
            None => open(&self.permitted(origin).await?).await?,
        };
        if !origin.is_https {
            return self.handshake(origin, Stream::Plain(tcp), self.settings.version == Version::Two).await;
        }
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| Failure::Refused(format!("{} is no name of a server: {error}", origin.host)))?;
        let connector = TlsConnector::from(std::sync::Arc::clone(&self.tls));
        let tls =
            connector.connect(name, tcp).await.map_err(|error| failed("TLS with the destination failed", &error))?;
        let two = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        self.handshake(origin, Stream::Tls(Box::new(tls)), two).await
    }

    /// The addresses of a destination that may be connected to.
    async fn permitted(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Failure> {
        let guard = &self.settings.guard;
        guard.permits(origin).map_err(Failure::Refused)?;
        let mut refused = None;
        let mut addresses = resolve(&origin.host, origin.port).await?;
        addresses.retain(|address| match guard.permits_address(origin, address.ip()) {
            Ok(()) => true,
            Err(why) => {
                refused = Some(why);
                false
            }
        });
        match refused {
            Some(why) if addresses.is_empty() => Err(Failure::Refused(why)),
            _ => Ok(addresses),
        }
    }

    async fn handshake(&self, origin: &Origin, stream: Stream, two: bool) -> Result<Connection, Failure> {
        let io = TokioIo::new(stream);
        if two {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new()).keep_alive_interval(self.settings.keep_alive);
            let (sender, connection) =
                builder.handshake(io).await.map_err(|error| failed("HTTP/2 could not begin", &error))?;
            // Ends with its last sender, or when the destination closes.
            tokio::spawn(connection);
            return Ok(Connection::Two(sender));
        }
        let (sender, connection) =
            http1::handshake(io).await.map_err(|error| failed("HTTP could not begin", &error))?;
        tokio::spawn(connection);
        let host =
            HeaderValue::try_from(origin.authority()).map_err(|error| failed("the host cannot be named", &error))?;
        Ok(Connection::One(One { sender, host }))
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> =
        found.map_err(|error| failed(&format!("the name {host} cannot be resolved"), &error))?.collect();
    if found.is_empty() {
        return Err(Failure::Nothing(format!("the name {host} has no address")));
    }
    Ok(found)
}

/// Connects to the first address that answers.
async fn open(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut last = Failure::Nothing("there is no address to connect to".to_owned());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| failed("the connection cannot be used", &error))?;
                return Ok(stream);
            }
            Err(error) => last = failed(&format!("cannot connect to {address}"), &error),
        }
    }
    Err(last)
}

/// Asks a proxy for a way to the destination (`CONNECT`, RFC 9110, section 9.3.6).
async fn tunnel(stream: &mut TcpStream, origin: &Origin, authorization: Option<&str>) -> Result<(), Failure> {
    const LONGEST: usize = 16 << 10;
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let to = format!("{host}:{}", origin.port);
    let authorization = authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{authorization}\r\n");
    let broken = |error: std::io::Error| failed("the proxy broke the connection", &error);
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // A byte at a time: what follows belongs to the destination.
        answer.push(stream.read_u8().await.map_err(broken)?);
        if answer.len() > LONGEST {
            return Err(Failure::Nothing("the proxy does not speak HTTP".to_owned()));
        }
    }
    let first = told(answer.split(|byte| *byte == b'\n').next().unwrap_or_default(), 200);
    match first.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok()) {
        Some(200..=299) => Ok(()),
        // Who may not use the proxy, or may not go there, will not later either.
        Some(code @ 400..=499) if !matches!(code, 408 | 425 | 429) => {
            let remedy = if code == 407 { "; see 'sink.proxy.username' and 'sink.proxy.password'" } else { "" };
            Err(Failure::Refused(format!("the proxy refuses to connect to {to}: {first}{remedy}")))
        }
        _ => Err(Failure::Nothing(format!("the proxy did not connect to {to}: {first}"))),
    }
}

/// An error with all its causes, as nobody beyond sees more than a text.
pub(super) fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    Failure::Nothing(text)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
