//! Apache Hadoop HDFS: a name node and a data node, from Maven Central.

mod program;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Error, Result, or_fail};
use crate::keeper::Run;
use crate::ports::free_port;
use crate::server::{End, Server, Start, accepts, with_free_ports};

/// An HDFS of one name node and one data node, where everybody may do everything.
#[derive(Debug)]
pub struct HdfsServer {
    /// Its folder holds the settings of both.
    name_node: Server,
    data_node: Server,
    ports: Ports,
}

/// The ports on 127.0.0.1. The data node takes another one by itself.
#[derive(Debug, Clone, Copy)]
struct Ports {
    name_node: u16,
    name_node_http: u16,
    data_node: u16,
    data_node_http: u16,
    data_node_ipc: u16,
}

/// The HDFS that all tests of this run share.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn hdfs() -> &'static HdfsServer {
    static HDFS: OnceLock<Result<HdfsServer>> = OnceLock::new();
    match HDFS.get_or_init(|| HdfsServer::shared(Run::shared()?)) {
        Ok(hdfs) => hdfs,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the servers.
pub(crate) fn install() -> Result<()> {
    program::installed().map(drop)
}

impl HdfsServer {
    /// An HDFS of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        or_fail(with_free_ports(|| {
            Self::launch(Server::owned("hdfs-name", End::Kill)?, Server::owned("hdfs-data", End::Kill)?)
        }))
    }

    /// The HDFS of a run: found running, or started.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("hdfs")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let [name_node, data_node] = Self::of(run);
            // One of them may live on alone.
            name_node.end(Signal::KILL)?;
            data_node.end(Signal::KILL)?;
            name_node.clear()?;
            data_node.clear()?;
            Self::launch(name_node, data_node)
        })
    }

    /// The HDFS of a run, if it runs.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let [name_node, data_node] = Self::of(run);
        name_node.process()?;
        data_node.process()?;
        let ports = Ports::read(&name_node.read("ports"))?;
        Some(Self { name_node, data_node, ports })
    }

    fn of(run: &Run) -> [Server; 2] {
        ["hdfs-name", "hdfs-data"].map(|name| Server::shared(run, name, End::Kill))
    }

    fn launch(name_node: Server, data_node: Server) -> Result<Self> {
        let hdfs = Self { name_node, data_node, ports: Ports::free()? };
        program::installed()?.prepare(hdfs.name_node.folder(), hdfs.data_node.folder(), hdfs.ports)?;
        hdfs.run()?;
        hdfs.name_node.write("ports", &hdfs.ports.text())?;
        Ok(hdfs)
    }

    /// `hdfs://127.0.0.1:port`. Stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn url(&self) -> String {
        format!("hdfs://{}:{}", Ipv4Addr::LOCALHOST, self.ports.name_node)
    }

    /// Kills both nodes as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When one does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.kill9_name_node();
        or_fail(self.data_node.end(Signal::KILL));
    }

    /// Kills the name node alone.
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9_name_node(&mut self) {
        or_fail(self.name_node.end(Signal::KILL));
    }

    /// Starts what does not run, on the same ports and data; returns when files can be written and read.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        or_fail(self.run());
    }

    /// The log of the name node until now, for a test's message.
    #[must_use]
    pub fn log(&self) -> String {
        self.name_node.read("server.log")
    }

    fn run(&self) -> Result<()> {
        let program = program::installed()?;
        let conf = self.name_node.file("conf");
        let start = |server: &Server, class: &str| -> Result<Start> {
            let command = program.command(server.folder(), class);
            Ok(Start { command, environment: vec![("CLASSPATH", program.class_path(&conf)?)] })
        };
        if self.name_node.process().is_none() {
            let start = start(&self.name_node, program::NAME_NODE)?;
            self.name_node.start(&start, || accepts(self.ports.name_node))?;
        }
        if self.data_node.process().is_none() {
            let start = start(&self.data_node, program::DATA_NODE)?;
            self.data_node.start(&start, || self.has_registered() && self.is_writable())
        } else if crate::wait::poll(Duration::from_secs(120), || self.is_writable().then_some(())).is_some() {
            Ok(())
        } else {
            Err(Error::new(format!("HDFS did not become writable: {}", self.log())))
        }
    }

    fn has_registered(&self) -> bool {
        self.data_node.read("server.log").contains("successfully registered with NN")
    }

    /// Whether the name node has left its safe mode and has a data node.
    fn is_writable(&self) -> bool {
        let says = |bean: &str, text: &str| self.ask(bean).is_some_and(|answer| answer.contains(text));
        says("NameNodeInfo", "\"Safemode\" : \"\"") && says("FSNamesystemState", "\"NumLiveDataNodes\" : 1")
    }

    /// One of the name node's management beans, as JSON.
    fn ask(&self, bean: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.name_node_http)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET /jmx?qry=Hadoop:service=NameNode,name={bean} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

impl Ports {
    fn free() -> Result<Self> {
        Ok(Self {
            name_node: free_port()?,
            name_node_http: free_port()?,
            data_node: free_port()?,
            data_node_http: free_port()?,
            data_node_ipc: free_port()?,
        })
    }

    fn text(self) -> String {
        let Self { name_node, name_node_http, data_node, data_node_http, data_node_ipc } = self;
        format!("{name_node} {name_node_http} {data_node} {data_node_http} {data_node_ipc}")
    }

    fn read(text: &str) -> Option<Self> {
        let ports: Vec<u16> = text.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        let [name_node, name_node_http, data_node, data_node_http, data_node_ipc] = ports[..] else { return None };
        Some(Self { name_node, name_node_http, data_node, data_node_http, data_node_ipc })
    }
}
