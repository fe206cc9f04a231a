//! Apache RocketMQ: a name server and its brokers, from Maven Central.

mod program;
mod remoting;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Error, Result, or_fail};
use crate::keeper::{Run, temp_folder};
use crate::names::unique;
use crate::ports::free_port;
use crate::server::{End, Server, Start, with_free_ports};
use crate::wait::{poll, wait_until};

/// A name server with its brokers, named `broker-a`, `broker-b` and so on, one cluster named `riverrun`.
///
/// Settings are RocketMQ's defaults but for what makes them fit on one machine, and for transactions, of whose fate the
/// broker asks every 5 s. Topics are made on first use by a producer.
///
/// A broker refuses messages, whatever its settings, while more than nine tenths of its disk are used: `TMPDIR` says where it lives.
#[derive(Debug)]
pub struct RocketMqServer {
    name_server: Server,
    name_server_port: u16,
    brokers: Vec<Broker>,
    options: RocketMqOptions,
}

#[derive(Debug)]
struct Broker {
    letter: char,
    server: Server,
    port: u16,
}

/// What servers of a test's own are to be like.
///
/// ```no_run
/// use riverrun_testkit::RocketMqOptions;
///
/// let server = RocketMqOptions::new().brokers(1).setting("autoCreateTopicEnable", "false").start();
/// println!("{}", server.name_server());
/// ```
#[derive(Debug, Clone)]
pub struct RocketMqOptions {
    brokers: usize,
    settings: Vec<(String, String)>,
    acl: bool,
    tls: bool,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Default for RocketMqOptions {
    fn default() -> Self {
        Self { brokers: 2, settings: Vec::new(), acl: false, tls: false, identity: None }
    }
}

impl RocketMqOptions {
    /// Two brokers; no access control; no TLS.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many brokers, from 1 to 8.
    #[must_use]
    pub fn brokers(mut self, brokers: usize) -> Self {
        self.brokers = brokers.clamp(1, LETTERS.len());
        self
    }

    /// A further setting of the brokers, which wins.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Brokers that take signed requests only; see [`RocketMqServer::admin`].
    #[must_use]
    pub fn access_control(mut self) -> Self {
        self.acl = true;
        self
    }

    /// Name server and brokers that take TLS too, on the same ports, with a certificate that each made for itself.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// As [`tls`](Self::tls), with this certificate and its key, PEM files, the key in PKCS#8.
    #[must_use]
    pub fn tls_with(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self.tls()
    }

    /// Starts them: ended when dropped.
    ///
    /// # Panics
    /// When they cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> RocketMqServer {
        or_fail(with_free_ports(|| {
            let name_server = Server::owned("rocketmq-ns", End::Kill)?;
            let broker = |letter: &char| Server::owned(&format!("rocketmq-{letter}"), End::Kill);
            let brokers = LETTERS[..self.brokers].iter().map(broker).collect::<Result<_>>()?;
            RocketMqServer::launch(name_server, brokers, self.clone())
        }))
    }
}

const LETTERS: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/// How long what was asked of running servers may take: a broker registers every 10 s.
const LIMIT: Duration = Duration::from_secs(60);

/// The RocketMQ that all tests of this run share: two brokers, `broker-a` and `broker-b`.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn rocketmq() -> &'static RocketMqServer {
    static ROCKETMQ: OnceLock<Result<RocketMqServer>> = OnceLock::new();
    match ROCKETMQ.get_or_init(|| RocketMqServer::shared(Run::shared()?)) {
        Ok(rocketmq) => rocketmq,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the servers.
pub(crate) fn install() -> Result<()> {
    program::installed().map(drop)
}

impl RocketMqServer {
    /// Two brokers of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When they cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        RocketMqOptions::new().start()
    }

    /// The servers of a run: found running, or started.
    ///
    /// # Errors
    /// When they cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("rocketmq")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let (name_server, brokers) = Self::of(run);
            for server in brokers.iter().chain([&name_server]) {
                // one of them may live on alone
                server.end(Signal::KILL)?;
                server.clear()?;
            }
            Self::launch(name_server, brokers, RocketMqOptions::default())
        })
    }

    /// The servers of a run, if they run.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let (name_server, servers) = Self::of(run);
        name_server.process()?;
        let ports = name_server.read("ports");
        let mut ports = ports.split_whitespace().map_while(|port| port.parse().ok());
        let name_server_port = ports.next()?;
        let mut brokers = Vec::new();
        for (server, letter) in servers.into_iter().zip(LETTERS) {
            server.process()?;
            brokers.push(Broker { letter, server, port: ports.next()? });
        }
        Some(Self { name_server, name_server_port, brokers, options: RocketMqOptions::default() })
    }

    fn of(run: &Run) -> (Server, Vec<Server>) {
        let server = |name: &str| Server::shared(run, &format!("rocketmq-{name}"), End::Kill);
        (server("ns"), vec![server("a"), server("b")])
    }

    fn launch(name_server: Server, brokers: Vec<Server>, options: RocketMqOptions) -> Result<Self> {
        let mut rocketmq = Self { name_server, name_server_port: free_port()?, brokers: Vec::new(), options };
        rocketmq.name_server.write("conf.properties", &program::name_server_settings(rocketmq.name_server_port))?;
        let mut ports = rocketmq.name_server_port.to_string();
        for (server, letter) in brokers.into_iter().zip(LETTERS) {
            let port = broker_port()?;
            let RocketMqOptions { acl, settings, .. } = &rocketmq.options;
            let pair = (rocketmq.name_server_port, port);
            let text = program::broker_settings(server.folder(), letter, pair, *acl, settings);
            server.write("conf.properties", &text)?;
            ports.push_str(&format!(" {port}"));
            rocketmq.brokers.push(Broker { letter, server, port });
        }
        rocketmq.run()?;
        rocketmq.name_server.write("ports", &ports)?;
        Ok(rocketmq)
    }

    /// Where the name server listens, `127.0.0.1:port`. Stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn name_server(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.name_server_port)
    }

    /// Where the broker of this letter listens, `127.0.0.1:port`.
    ///
    /// # Panics
    /// When there is no such broker.
    #[must_use]
    #[track_caller]
    pub fn broker(&self, letter: char) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.of_letter(letter).port)
    }

    /// User and secret of who may do everything, where requests must be signed.
    #[must_use]
    pub fn admin(&self) -> (&'static str, &'static str) {
        program::ADMIN
    }

    /// Makes a topic under a new name that begins with `prefix`, with this many queues on each broker; returns when the
    /// name server's route has them all. Not with access control.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    #[track_caller]
    pub fn topic(&self, prefix: &str, queues: u32) -> String {
        let topic = unique(prefix);
        self.create_topic(&topic, queues);
        topic
    }

    /// Makes a topic of this name on the brokers that run, or changes its number of queues; otherwise as
    /// [`topic`](Self::topic).
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub fn create_topic(&self, topic: &str, queues: u32) {
        let running: Vec<&Broker> = self.brokers.iter().filter(|broker| broker.server.process().is_some()).collect();
        for broker in &running {
            let name = broker.name();
            wait_until(LIMIT, &format!("{name} to make the topic {topic}"), || {
                remoting::create_topic(broker.port, topic, queues).is_some()
            });
        }
        let names: Vec<String> = running.iter().map(|broker| broker.name()).collect();
        wait_until(LIMIT, &format!("the route of {topic}"), || {
            remoting::has_route(self.name_server_port, topic, &names, queues)
        });
    }

    /// Kills the broker of this letter as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When there is no such broker, or it does not go away.
    #[track_caller]
    pub fn kill9_broker(&mut self, letter: char) {
        or_fail(self.of_letter(letter).server.end(Signal::KILL));
    }

    /// Stops the broker of this letter in order (SIGTERM), which takes it some seconds.
    ///
    /// # Panics
    /// When there is no such broker, or it does not go away.
    #[track_caller]
    pub fn stop_broker(&mut self, letter: char) {
        or_fail(self.of_letter(letter).server.end(Signal::TERM));
    }

    /// Kills the name server.
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9_name_server(&mut self) {
        or_fail(self.name_server.end(Signal::KILL));
    }

    /// Kills all of them.
    ///
    /// # Panics
    /// When one does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.kill9_name_server();
        for broker in &self.brokers {
            or_fail(broker.server.end(Signal::KILL));
        }
    }

    /// Starts what does not run, on the same ports and data; returns when the name server knows every broker.
    ///
    /// # Panics
    /// When one does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        or_fail(self.run());
    }

    /// Runs a Java program, whose one class is in `source`, with Apache's client on its class path; what it printed.
    ///
    /// # Panics
    /// When it fails or takes longer than five minutes.
    #[must_use]
    #[track_caller]
    pub fn run_java(&self, source: &str, words: &[&str]) -> String {
        self.run_java_with(&["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"], source, words)
    }

    /// As [`run_java`](Self::run_java), with options of the JVM.
    ///
    /// # Panics
    /// When it fails or takes longer than five minutes.
    #[must_use]
    #[track_caller]
    pub fn run_java_with(&self, jvm: &[&str], source: &str, words: &[&str]) -> String {
        let folder = temp_folder();
        or_fail(program::installed().and_then(|program| program.client(folder.path(), source, jvm, words)))
    }

    /// What the servers wrote until now, for a test's message.
    #[must_use]
    pub fn log(&self) -> String {
        let servers = self.brokers.iter().map(|broker| &broker.server).chain([&self.name_server]);
        servers.map(|server| server.read("out.log")).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn of_letter(&self, letter: char) -> &Broker {
        let broker = self.brokers.iter().find(|broker| broker.letter == letter);
        or_fail(broker.ok_or_else(|| Error::new(format!("there is no broker {letter}"))))
    }

    fn run(&self) -> Result<()> {
        let program = program::installed()?;
        let start = |server: &Server, class: &str| -> Result<Start> {
            let home = server.folder().display().to_string();
            if let Some((certificate, key)) = &self.options.identity {
                server.write("tls.properties", &program::tls_settings(certificate, key))?;
            }
            Ok(Start {
                command: program.command(server.folder(), class, self.options.tls),
                environment: vec![("CLASSPATH", program.class_path()?), ("ROCKETMQ_HOME", home)],
            })
        };
        let booted = |server: &Server| server.read("out.log").contains("boot success");
        if self.name_server.process().is_none() {
            self.name_server.start(&start(&self.name_server, program::NAME_SERVER)?, || booted(&self.name_server))?;
        }
        thread::scope(|scope| {
            let missing = self.brokers.iter().map(|broker| &broker.server).filter(|server| server.process().is_none());
            let starting: Vec<_> = missing
                .map(|server| scope.spawn(|| server.start(&start(server, program::BROKER)?, || booted(server))))
                .collect();
            starting
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::new("a broker's start panicked"))))
        })?;
        for broker in &self.brokers {
            let registered = || {
                if remoting::is_registered(self.name_server_port, &broker.name()) {
                    return Some(());
                }
                // where requests must be signed it comes by itself
                if !self.options.acl {
                    remoting::register(broker.port);
                }
                None
            };
            if poll(LIMIT, registered).is_none() {
                return Err(Error::new(format!("{} did not register:\n{}", broker.name(), self.log())));
            }
        }
        Ok(())
    }
}

impl Broker {
    fn name(&self) -> String {
        format!("broker-{}", self.letter)
    }
}

/// A free port whose neighbours are free too: a broker also takes the second before and, on every interface, the next.
fn broker_port() -> Result<u16> {
    for _ in 0..1000 {
        let first = free_port()?;
        let (port, next) = (first + 2, first + 3);
        let is_free = |host: Ipv4Addr, port: u16| TcpListener::bind((host, port)).is_ok();
        if is_free(Ipv4Addr::LOCALHOST, port) && is_free(Ipv4Addr::UNSPECIFIED, next) {
            // free ports are given in turn: nobody else gets these
            while (first..next).contains(&free_port()?) {}
            return Ok(port);
        }
    }
    Err(Error::new("no three free ports for a broker"))
}
