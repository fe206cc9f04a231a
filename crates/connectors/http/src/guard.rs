//! Which destinations a record may choose.
//!
//! A record that chooses its URL could make this process ask addresses that only it can reach (server-side request forgery). So private
//! addresses are refused unless they are listed, whatever name leads to them; and with a list, everything that is not on it. The address
//! is looked at after the name is resolved, and it is that address that is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use riverrun_base::{Error, Result};

use crate::url::Origin;

/// The rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    entries: Vec<Entry>,
    /// Whether only what is listed may be asked.
    closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    is_https: Option<bool>,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// This name or address.
    Exact(String),
    /// Names that end so, with the dot: `.example.com`.
    Below(String),
    /// Addresses that begin with so many bits.
    Network(IpAddr, u8),
    Any,
}

impl Guard {
    /// Reads `sink.allowed-destinations`; `own` are destinations that the user has written himself.
    pub(crate) fn new(list: Option<&[String]>, own: &[&Origin]) -> Result<Self> {
        let mut entries = list.unwrap_or_default().iter().map(|text| Entry::parse(text)).collect::<Result<Vec<_>>>()?;
        for own in own {
            let host = Host::Exact(own.host.clone());
            entries.push(Entry { is_https: Some(own.is_https), host, port: Some(own.port) });
        }
        Ok(Self { entries, closed: list.is_some() })
    }

    /// Whether a destination may be asked, before its name is resolved.
    pub(crate) fn permits(&self, origin: &Origin) -> std::result::Result<(), String> {
        if self.closed && !self.entries.iter().any(|entry| entry.may_match(origin)) {
            return Err(format!("{origin} is not among 'sink.allowed-destinations'"));
        }
        match origin.address() {
            Some(address) => self.permits_address(origin, address),
            None => Ok(()),
        }
    }

    /// Whether an address of a destination may be connected to.
    pub(crate) fn permits_address(&self, origin: &Origin, address: IpAddr) -> std::result::Result<(), String> {
        let listed = self.entries.iter().any(|entry| entry.lists(origin, address));
        if listed {
            return Ok(());
        }
        if is_private(address) {
            return Err(format!(
                "{origin} is the private address {address}, which a record may not choose unless 'sink.allowed-destinations' lists it"
            ));
        }
        if self.closed && !self.entries.iter().any(|entry| entry.matches(origin, Some(address))) {
            return Err(format!("{origin} ({address}) is not among 'sink.allowed-destinations'"));
        }
        Ok(())
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::user(format!("'{text}' is no destination: {why}")).with("option", "sink.allowed-destinations").hint(
                "write scheme://host:port, of which scheme and port may be left out; a host is a name, *.example.com, an address, 10.0.0.0/8, or *",
            )
        };
        let trimmed = text.trim().trim_end_matches('/');
        let (is_https, rest) = match trimmed.split_once("://") {
            None => (None, trimmed),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => (Some(false), rest),
                "https" => (Some(true), rest),
                _ => return Err(bad("its scheme is neither http nor https")),
            },
        };
        if let Some((address, bits)) = rest.split_once('/') {
            let address: IpAddr =
                address.trim_matches(['[', ']']).parse().map_err(|_| bad("a path is not looked at"))?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse().ok().filter(|bits: &u8| *bits <= most).ok_or_else(|| bad("no such network"))?;
            return Ok(Self { is_https, host: Host::Network(address, bits), port: None });
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(|| bad("its bracket is not closed"))?;
                (host, port.strip_prefix(':'))
            }
            None if rest.matches(':').count() > 1 => (rest, None),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map(|port| port.parse().map_err(|_| bad("its port is no number"))).transpose()?;
        // A URL without a port names the scheme's.
        let port = port.or(is_https.map(|is_https| if is_https { 443 } else { 80 }));
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix('*') {
            Some("") => Host::Any,
            Some(below) if below.starts_with('.') && below.len() > 1 => Host::Below(below.to_owned()),
            Some(_) => return Err(bad("a star stands for all names below a name: *.example.com")),
            None if host.is_empty() || host.contains(['?', '#', '@', ' ']) => return Err(bad("its host is not valid")),
            None => Host::Exact(host),
        };
        let port = if host == Host::Any && rest == "*" { None } else { port };
        Ok(Self { is_https, host, port })
    }

    fn matches(&self, origin: &Origin, address: Option<IpAddr>) -> bool {
        self.is_https.is_none_or(|is_https| is_https == origin.is_https)
            && self.port.is_none_or(|port| port == origin.port)
            && match &self.host {
                Host::Exact(host) => *host == origin.host,
                Host::Below(end) => origin.host.len() > end.len() && origin.host.ends_with(end.as_str()),
                Host::Network(network, bits) => address.is_some_and(|address| is_in(address, *network, *bits)),
                Host::Any => true,
            }
    }

    /// As [`Self::matches`], where a name's address is not known yet.
    fn may_match(&self, origin: &Origin) -> bool {
        match (&self.host, origin.address()) {
            (Host::Network(..), None) => true,
            (_, address) => self.matches(origin, address),
        }
    }

    /// Whether it names this very host, or a network that the address is in, so that the address may be private.
    fn lists(&self, origin: &Origin, address: IpAddr) -> bool {
        matches!(self.host, Host::Exact(_) | Host::Network(..)) && self.matches(origin, Some(address))
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (plain(address), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// An IPv4 address that is written as IPv6 is what it is.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Whether an address is not one of the public Internet (IANA's special-purpose registries).
fn is_private(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(four) => is_private_v4(four),
        IpAddr::V6(six) => is_private_v6(six),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || a == 100 && (64..128).contains(&b)
        || a == 198 && (18..20).contains(&b)
        || a == 192 && b == 0 && c == 0
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [first, second, ..] = segments;
    let embedded = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || first == 0x2001 && second == 0x0db8
        // IPv4-compatible, NAT64 and 6to4 addresses lead to the IPv4 address in them.
        || segments[..6] == [0; 6] && is_private_v4(embedded(segments[6], segments[7]))
        || first == 0x0064 && second == 0xff9b && is_private_v4(embedded(segments[6], segments[7]))
        || first == 0x2002 && is_private_v4(embedded(second, segments[2]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::url::Url;

    fn guard(list: &[&str]) -> Guard {
        let list: Vec<String> = list.iter().map(|entry| (*entry).to_owned()).collect();
        Guard::new(Some(&list), &[]).unwrap()
    }

    fn origin(url: &str) -> Origin {
        (*Url::parse(url).unwrap().origin).clone()
    }

    #[test]
    fn private_addresses_are_refused_unless_the_user_wrote_them() {
        let open = Guard::default();
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "[::1]",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            let origin = origin(&format!("http://{host}/"));
            assert!(open.permits(&origin).unwrap_err().contains("private"), "{host}");
            assert!(Guard::new(None, &[&origin]).unwrap().permits(&origin).is_ok(), "{host}");
        }
        assert!(open.permits(&origin("http://8.8.8.8/")).is_ok());
        assert!(open.permits(&origin("https://example.com/")).is_ok());
        assert!(open.permits_address(&origin("https://example.com/"), "10.0.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn with_a_list_only_what_is_on_it_may_be_asked() {
        let listed = guard(&["https://api.example.com", "*.partner.org", "10.0.0.0/8", "http://127.0.0.1:8080"]);
        let may = |url: &str, address: &str| {
            let origin = origin(url);
            listed.permits(&origin).is_ok() && listed.permits_address(&origin, address.parse().unwrap()).is_ok()
        };
        assert!(may("https://api.example.com/x", "93.184.216.34"));
        assert!(may("https://api.example.com/x", "192.168.0.1"), "a host that is listed by its name may be private");
        assert!(!may("http://api.example.com/x", "93.184.216.34"));
        assert!(!may("https://api.example.com:8443/x", "93.184.216.34"));
        assert!(!may("https://evil-api.example.com/x", "93.184.216.34"));
        assert!(may("http://a.b.partner.org:81/", "93.184.216.34"));
        assert!(!may("http://partner.org/", "93.184.216.34"));
        assert!(!may("http://a.partner.org/", "127.0.0.1"), "a name below a listed one may not lead inside");
        assert!(may("http://anything/", "10.2.3.4"));
        assert!(!may("http://anything/", "11.2.3.4"));
        assert!(may("http://127.0.0.1:8080/", "127.0.0.1"));
        assert!(!may("http://127.0.0.1:8081/", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for entry in ["ftp://h", "h:x", "http://h/path", "*x.com", "10.0.0.0/33", "", "[::1", "u@h"] {
            assert!(Guard::new(Some(&[entry.to_owned()]), &[]).is_err(), "{entry}");
        }
    }
}
