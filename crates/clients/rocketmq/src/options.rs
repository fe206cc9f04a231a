//! What a client is made with.

use std::time::Duration;

use riverrun_base::Result;

use crate::address;
use crate::auth::Credentials;
use crate::tls::Tls;

/// What a [`Client`](crate::Client) is made with; every field but the name servers has Java's default or one that suits.
///
/// ```
/// use riverrun_base::Secret;
/// use riverrun_rocketmq_client::{ClientOptions, Credentials};
///
/// let mut options = ClientOptions::new("10.0.0.1:9876;10.0.0.2:9876")?;
/// options.credentials = Some(Credentials::new("user", Secret::new("secret")));
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub(crate) name_servers: Vec<String>,
    /// Who asks, where requests must be signed.
    pub credentials: Option<Credentials>,
    /// How connections are encrypted; none: not at all.
    pub tls: Option<Tls>,
    /// How long a request may take in all, connecting and waiting for a pause to end included. 3 s.
    pub request_timeout: Duration,
    /// How long opening a connection may take. 3 s.
    pub connect_timeout: Duration,
    /// How often brokers are told that we live (`brokerserver.heartbeat.interval`). 30 s; they forget us after 120 s.
    pub heartbeat_interval: Duration,
    /// How often known routes are asked for again (`nameserver.poll.interval`). 30 s.
    pub route_interval: Duration,
    /// The longest pause between two tries to reach a server. 5 s.
    pub pause_max: Duration,
    /// The longest frame that is read; a longer one ends its connection. 64 MiB.
    pub frame_bytes_max: usize,
    /// The largest body that a compressed one may become. 64 MiB.
    pub body_bytes_max: usize,
}

impl ClientOptions {
    /// The defaults, with these name servers: `host:port`, several separated by `;` (`nameserver.address`).
    ///
    /// # Errors
    /// There is none, or one is no `host:port`.
    pub fn new(name_servers: &str) -> Result<Self> {
        Ok(Self {
            name_servers: address::list(name_servers)?,
            credentials: None,
            tls: None,
            request_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(3),
            heartbeat_interval: Duration::from_secs(30),
            route_interval: Duration::from_secs(30),
            pause_max: Duration::from_secs(5),
            frame_bytes_max: 64 << 20,
            body_bytes_max: 64 << 20,
        })
    }
}
