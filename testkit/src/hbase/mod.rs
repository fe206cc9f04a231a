//! Apache HBase: master, one region server and ZooKeeper in one process, from Maven Central.

mod program;

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::error::{Error, Result, or_fail};
use crate::keeper::Run;
use crate::ports::free_port;
use crate::server::{End, Server, Start, accepts, with_free_ports};

/// An HBase on the local file system, where everybody may do everything.
#[derive(Debug)]
pub struct HBaseServer {
    server: Server,
    ports: Ports,
}

/// The ports on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
struct Ports {
    zookeeper: u16,
    master: u16,
    region_server: u16,
}

/// The HBase that all tests of this run share.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn hbase() -> &'static HBaseServer {
    static HBASE: OnceLock<Result<HBaseServer>> = OnceLock::new();
    match HBASE.get_or_init(|| HBaseServer::shared(Run::shared()?)) {
        Ok(hbase) => hbase,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the server.
pub(crate) fn install() -> Result<()> {
    program::installed().map(drop)
}

impl HBaseServer {
    /// An HBase of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        or_fail(with_free_ports(|| Self::launch(Server::owned("hbase", End::Kill)?)))
    }

    /// The HBase of a run: found running, or started.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("hbase")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let server = Server::shared(run, "hbase", End::Kill);
            server.clear()?;
            Self::launch(server)
        })
    }

    /// The HBase of a run, if it runs.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let server = Server::shared(run, "hbase", End::Kill);
        server.process()?;
        let ports = Ports::read(&server.read("ports"))?;
        Some(Self { server, ports })
    }

    fn launch(server: Server) -> Result<Self> {
        let hbase = Self { server, ports: Ports::free()? };
        program::configure(hbase.server.folder(), hbase.ports)?;
        hbase.run()?;
        hbase.server.write("ports", &hbase.ports.text())?;
        Ok(hbase)
    }

    /// The ZooKeeper quorum, `127.0.0.1:port`. Stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn quorum(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.ports.zookeeper)
    }

    /// Kills the process as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        or_fail(self.server.end(Signal::KILL));
    }

    /// Stops it in its tracks: its ports accept and its clock goes on, but it answers nothing until it may [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.server.process() {
            process.signal(signal);
        }
    }

    /// Starts it again on the same ports and data; returns when the master is up. A table's regions may come a moment later.
    ///
    /// # Panics
    /// When it runs, or does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.server.process().is_none(), "HBase runs already");
        or_fail(self.run());
    }

    /// The server's log until now, for a test's message.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.read("server.log")
    }

    fn run(&self) -> Result<()> {
        let program = program::installed()?;
        let environment = vec![("CLASSPATH", program.class_path(&self.server.file("conf"))?)];
        let start = Start { command: program.command(self.server.folder()), environment };
        let up = || self.log().contains("Master has completed initialization") && accepts(self.ports.region_server);
        self.server.start(&start, up).map_err(|error| {
            // ZooKeeper's way to say what others say as "address already in use"
            let taken = error.to_string().contains("Could not start ZK at requested port");
            if taken { Error::new(format!("address already in use: {error}")) } else { error }
        })
    }
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self { zookeeper: free_port()?, master: free_port()?, region_server: free_port()? })
    }

    fn text(self) -> String {
        let Self { zookeeper, master, region_server } = self;
        format!("{zookeeper} {master} {region_server}")
    }

    fn read(text: &str) -> Option<Self> {
        let ports: Vec<u16> = text.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        let [zookeeper, master, region_server] = ports[..] else { return None };
        Some(Self { zookeeper, master, region_server })
    }
}
