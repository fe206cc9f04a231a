//! Apache Kafka: one broker, KRaft, from Maven Central.

#[cfg(feature = "kafka")]
mod client;
mod program;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::error::{Error, Result, or_fail};
use crate::keeper::Run;
use crate::ports::free_port;
use crate::server::{End, Server, Start, accepts, with_free_ports};
use crate::tcp::Proxy;

pub use program::KafkaVersion;

#[cfg(feature = "kafka")]
pub use client::{Consumed, Record};

/// A Kafka broker.
///
/// Broker settings are Kafka's defaults but for what makes one broker on one machine possible and fast; topics are made
/// on first use by a producer, with one partition.
#[derive(Debug)]
pub struct KafkaServer {
    version: KafkaVersion,
    server: Server,
    ports: Ports,
    /// Further broker settings, which win.
    settings: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    broker: u16,
    controller: u16,
}

/// The broker that all tests of this run share.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn kafka() -> &'static KafkaServer {
    static KAFKA: OnceLock<Result<KafkaServer>> = OnceLock::new();
    match KAFKA.get_or_init(|| KafkaServer::shared(Run::shared()?)) {
        Ok(kafka) => kafka,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the broker.
pub(crate) fn install() -> Result<()> {
    program::installed(KafkaVersion::default()).map(drop)
}

impl KafkaServer {
    /// A broker of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A broker of this test's own with further settings, such as `("auto.create.topics.enable", "false")`.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_version(KafkaVersion::default(), settings)
    }

    /// A broker of this test's own, of this version, with further settings.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start_version(version: KafkaVersion, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        or_fail(with_free_ports(|| Self::launch(version, Server::owned("kafka", End::Kill)?, settings.clone())))
    }

    /// A broker of this test's own that clients reach through a proxy, so that the network to it can be cut.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start_behind_proxy() -> (Self, Proxy) {
        let proxy = Proxy::new();
        let advertised = format!("PLAINTEXT://{}", proxy.address());
        let broker = Self::start_with(&[("advertised.listeners", &advertised)]);
        proxy.forward_to(SocketAddr::from((Ipv4Addr::LOCALHOST, broker.ports.broker)));
        (broker, proxy)
    }

    /// The broker of a run: found running, or started.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("kafka")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let server = Server::shared(run, "kafka", End::Kill);
            server.clear()?;
            Self::launch(KafkaVersion::default(), server, Vec::new())
        })
    }

    /// The broker of a run, if it runs.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let server = Server::shared(run, "kafka", End::Kill);
        server.process()?;
        let ports = Ports::read(&server.read("ports"))?;
        Some(Self { version: KafkaVersion::default(), server, ports, settings: Vec::new() })
    }

    fn launch(version: KafkaVersion, server: Server, settings: Vec<(String, String)>) -> Result<Self> {
        let kafka = Self { version, server, ports: Ports::free()?, settings };
        let Ports { broker, controller } = kafka.ports;
        kafka.prepare()?;
        kafka.run()?;
        kafka.server.write("ports", &format!("{broker} {controller}"))?;
        Ok(kafka)
    }

    /// Where it listens, `127.0.0.1:port`, for `properties.bootstrap.servers`. Stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.ports.broker)
    }

    /// Kills the broker as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        or_fail(self.server.end(Signal::KILL));
    }

    /// Stops the broker in order (SIGTERM).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn stop(&mut self) {
        or_fail(self.server.end(Signal::TERM));
    }

    /// Starts the broker again, on the same port and data. One that still runs is stopped first. After a kill it takes
    /// about 5 s, until the session of the killed one has ended.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        or_fail(self.run());
    }

    /// The broker's log until now, for a test's message.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.read("server.log")
    }

    /// The folder's first contents: settings and formatted data.
    fn prepare(&self) -> Result<()> {
        let program = program::installed(self.version)?;
        self.server.write("broker.properties", &program::settings(self.server.folder(), self.ports, &self.settings))?;
        program.copy_formatted(self.server.folder())
    }

    fn run(&self) -> Result<()> {
        let program = program::installed(self.version)?;
        let start = Start {
            command: program.command(self.server.folder()),
            environment: vec![("CLASSPATH", program.class_path()?)],
        };
        let started = || self.log().contains("Kafka Server started") && accepts(self.ports.broker);
        self.server.start(&start, started)
    }
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self { broker: free_port()?, controller: free_port()? })
    }

    fn read(text: &str) -> Option<Self> {
        let (broker, controller) = text.trim_end().split_once(' ')?;
        Some(Self { broker: broker.parse().ok()?, controller: controller.parse().ok()? })
    }
}
