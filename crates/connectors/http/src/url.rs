//! URLs of requests: where they go, and what is asked there.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::http::uri::PathAndQuery;

/// A destination: what has a connection, a queue and a breaker of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// Whether it speaks TLS.
    pub(crate) is_https: bool,
    /// A name in lower case, or an address without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl Origin {
    /// The host as a literal address, if it is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host` or `host:port`, as the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.is_https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_https { "https" } else { "http" }, self.authority())
    }
}

/// A URL that can be requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Where it goes.
    pub(crate) origin: Arc<Origin>,
    /// Path and query, with everything percent-encoded that has to be.
    pub(crate) target: PathAndQuery,
}

impl Url {
    /// Reads an absolute URL. Spaces, quotes and what is not ASCII are percent-encoded as UTF-8, a fragment is left out; what is encoded
    /// already stays as it is. The error says what is wrong, without the URL.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(format!("it has a control character ({})", control.escape_unicode()));
        }
        let (scheme, rest) = text.trim().split_once("://").ok_or("it does not begin with http:// or https://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => return Err(format!("its scheme is '{other}', not http or https")),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = host_and_port(authority, if is_https { 443 } else { 80 })?;
        let mut path = String::with_capacity(target.len() + 1);
        if !target.starts_with('/') {
            path.push('/');
        }
        encode(target, &mut path, |byte| byte > b' ' && byte < 0x7f && !b"\"<>\\^`{|}".contains(&byte));
        let target = PathAndQuery::try_from(path).map_err(|error| format!("its path is not valid: {error}"))?;
        Ok(Self { origin: Arc::new(Origin { is_https, host, port }), target })
    }
}

fn host_and_port(authority: &str, default: u16) -> Result<(String, u16), String> {
    if authority.contains('@') {
        return Err("it has a user name in it, which belongs into 'sink.auth.*'".to_owned());
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("its address has no closing bracket")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("'{host}' is no IPv6 address"));
            }
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default,
        Some("") => default,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("{digits} is no port"))?
        }
        _ => return Err("what follows its host is no port".to_owned()),
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(known) {
        return Err("it has no valid host".to_owned());
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    // `0x7f.1` and `2130706433` are 127.0.0.1 to some resolvers: who means an address writes four numbers.
    let odd = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x"));
    if host.is_empty() || odd && !host.contains(':') && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(format!("'{host}' is neither a name nor an address"));
    }
    Ok((host, port))
}

/// Appends text, percent-encoding the bytes that do not stay.
pub(crate) fn encode(text: &str, to: &mut String, stays: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii() && stays(byte) {
            to.push(char::from(byte));
        } else {
            to.push('%');
            to.push(char::from(DIGITS[usize::from(byte >> 4)]));
            to.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Appends a value so that it is data wherever it stands in a URL: only unreserved characters stay (RFC 3986, section 2.3).
pub(crate) fn encode_component(text: &str, to: &mut String) {
    encode(text, to, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shown(text: &str) -> String {
        let url = Url::parse(text).unwrap();
        format!("{} {}", url.origin, url.target)
    }

    #[test]
    fn urls_are_cut_into_destination_and_target() {
        assert_eq!(shown("http://127.0.0.1:8080?a=1&a=2"), "http://127.0.0.1:8080 /?a=1&a=2");
        assert_eq!(shown("HTTPS://Example.COM."), "https://example.com /");
        assert_eq!(shown("http://h:80/a b/ü?q=%20x y?z#frag"), "http://h /a%20b/%C3%BC?q=%20x%20y?z");
        assert_eq!(shown("https://[::1]:8443/x"), "https://[::1]:8443 /x");
        assert_eq!(shown("http://h/\"'<x>"), "http://h /%22'%3Cx%3E");
        assert_eq!(shown("http://h:/x"), "http://h /x");
    }

    #[test]
    fn what_cannot_be_requested_is_refused_with_the_reason() {
        for text in [
            "",
            "h/x",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://u:p@h/",
            "http://h:x/",
            "http://h:0/",
            "http://h:99999/",
            "http://[::1/",
            "http://[1]/",
            "http://a b/",
            "http://h/\nX: y",
            "http://h/\0",
            "http://ü.de/",
            "http://0x7f.0.0.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://h\\@evil/",
            "http://h:80:80/",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_value_stays_data() {
        let mut text = String::new();
        encode_component("a/b?c=d&e é%", &mut text);
        assert_eq!(text, "a%2Fb%3Fc%3Dd%26e%20%C3%A9%25");
    }
}
