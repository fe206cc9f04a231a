//! Where HBase is, and how long to try.

use std::fmt;
use std::time::Duration;

use riverrun_base::{Error, Result};

/// Where HBase is, and how long to try. [`Client::new`](crate::Client::new) checks it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The servers of ZooKeeper, `host:port`, separated by commas (`hbase.zookeeper.quorum`).
    pub quorum: String,
    /// The port of those servers for which the quorum names none (`hbase.zookeeper.property.clientPort`). Default 2181.
    pub client_port: u16,
    /// The node of ZooKeeper under which HBase keeps its own (`zookeeper.znode.parent`). Default `/hbase`.
    pub znode_parent: String,
    /// As whom to come. HBase believes it: there is no password. Default: `HADOOP_USER_NAME`, or `USER`, or `riverrun`.
    pub user: String,
    /// How long a connection may take to open. Default 5 s.
    pub connect_timeout: Duration,
    /// How long the answer to one call may take before it is asked again; a connection on which nothing came in that time
    /// is given up. Default 20 s; a scan over much that was deleted needs more than 10 s.
    pub call_timeout: Duration,
    /// How long a method may take with all its attempts. Default 60 s.
    pub operation_timeout: Duration,
    /// How many calls may be under way on the connection to one server. Default 16.
    pub calls_in_flight: usize,
}

impl Options {
    /// The defaults, with this quorum.
    pub fn new(quorum: impl Into<String>) -> Self {
        let user = ["HADOOP_USER_NAME", "USER"].into_iter().filter_map(|name| std::env::var(name).ok());
        Self {
            quorum: quorum.into(),
            client_port: 2181,
            znode_parent: "/hbase".to_owned(),
            user: user.into_iter().find(|user| !user.is_empty()).unwrap_or_else(|| "riverrun".to_owned()),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(20),
            operation_timeout: Duration::from_secs(60),
            calls_in_flight: 16,
        }
    }

    /// The servers of ZooKeeper, if everything is as it should be.
    pub(crate) fn check(&self) -> Result<Vec<Address>> {
        let parent = &self.znode_parent;
        if !parent.starts_with('/') || (parent.len() > 1 && parent.ends_with('/')) || parent.contains("//") {
            let error = Error::user(format!("'{parent}' is no path of ZooKeeper"));
            return Err(error.hint("the parent node of HBase begins with a slash and does not end with one: /hbase"));
        }
        let limits = [self.connect_timeout, self.call_timeout, self.operation_timeout];
        if limits.contains(&Duration::ZERO) || self.calls_in_flight == 0 {
            return Err(Error::user("the client of HBase needs time-outs and calls in flight above zero"));
        }
        self.quorum.split(',').map(|server| Address::parse(server.trim(), self.client_port)).collect()
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    fn parse(text: &str, default_port: u16) -> Result<Self> {
        let wrong = || {
            Error::user(format!("'{text}' in the ZooKeeper quorum is no address"))
                .hint("a quorum is host:port,host:port; the node of HBase is named by an option of its own")
        };
        // an IPv6 address has colons of its own, and stands in brackets where a port follows
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (text, default_port),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let has_strange = |c: char| c.is_whitespace() || c.is_control() || "/[]@=".contains(c);
        if host.is_empty() || host.contains(has_strange) || port == 0 {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(quorum: &str) -> Vec<String> {
        let servers = Options::new(quorum).check().unwrap();
        servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_quorum_is_addresses_with_the_usual_port() {
        assert_eq!(servers("a:1, b ,c:3"), ["a:1", "b:2181", "c:3"]);
        assert_eq!(servers("[::1]:5,::1,[::1],10.0.0.1"), ["[::1]:5", "[::1]:2181", "[::1]:2181", "10.0.0.1:2181"]);
    }

    #[test]
    fn what_is_no_quorum_is_named() {
        for quorum in ["", "a:1,", "a:x", "a:70000", "a:0", "a:1/hbase", "zk://a:1", ":1", "a b"] {
            let error = Options::new(quorum).check().unwrap_err();
            assert!(error.to_string().contains("in the ZooKeeper quorum is no address"), "{quorum}: {error}");
        }
    }

    #[test]
    fn a_parent_that_is_no_path_and_times_of_zero_are_refused() {
        for parent in ["hbase", "/hbase/", "", "/a//b"] {
            let options = Options { znode_parent: parent.to_owned(), ..Options::new("a") };
            assert!(options.check().unwrap_err().to_string().contains("is no path of ZooKeeper"), "{parent}");
        }
        let options = Options { call_timeout: Duration::ZERO, ..Options::new("a") };
        assert!(options.check().unwrap_err().to_string().contains("above zero"));
    }
}
