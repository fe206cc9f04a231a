//! Addresses of servers, `host:port`, as users write them and as name servers hand them out.

use riverrun_base::{Error, Result};

/// Splits a list by `;` or `,`, as Java's `namesrvAddr` is written.
///
/// # Errors
/// The list is empty, or one is no `host:port`.
pub(crate) fn list(text: &str) -> Result<Vec<String>> {
    let parts: Vec<&str> = text.split([';', ',']).map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(Error::user("no name server is given").hint("give host:port, several separated by ;"));
    }
    parts.into_iter().map(normal).collect()
}

/// One address, in the form that the resolver takes: an IPv6 host, which RocketMQ writes without brackets, in brackets.
///
/// # Errors
/// It is no `host:port`.
pub(crate) fn normal(text: &str) -> Result<String> {
    let invalid = || Error::user(format!("'{text}' is no address of a server")).hint("write it as host:port");
    // a user may write Java's form with a scheme
    let text = text.trim_start_matches("http://");
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    port.parse::<u16>().map_err(|_| invalid())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(invalid());
    }
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// The host of a normal address, without brackets.
pub(crate) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_name_servers_are_separated() {
        assert_eq!(list(" a:1; 10.0.0.1:9876,").unwrap(), ["a:1", "10.0.0.1:9876"]);
        assert!(list(" ; ").unwrap_err().to_string().starts_with("no name server is given"));
        assert!(list("a:1;b").unwrap_err().to_string().starts_with("'b' is no address"));
    }

    #[test]
    fn an_ipv6_host_is_put_in_brackets() {
        assert_eq!(normal("fe80::1:10911").unwrap(), "[fe80::1]:10911");
        assert_eq!(normal("[::1]:10911").unwrap(), "[::1]:10911");
        assert_eq!(host("[fe80::1]:10911"), "fe80::1");
        assert_eq!(host("a:1"), "a");
    }
}
