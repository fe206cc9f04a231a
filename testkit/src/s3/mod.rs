//! An S3 server: moto, from PyPI, which holds everything in memory and checks no signature. With `RIVERRUN_S3=versity` it is Versity's gateway,
//! from Go's registry, which keeps objects as files and checks everything: for long runs, as it is built first.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Context, Error, Result, or_fail};
use crate::install::{apt, cached, program_of};
use crate::keeper::Run;
use crate::ports::free_port;
use crate::server::{End, Server, Start, with_free_ports};
use crate::system::run;

const VERSION: &str = "5.2.5";
const VERSITY: &str = "1.8.0";

/// An S3 server with a bucket `test`.
#[derive(Debug)]
pub struct S3Server {
    server: Server,
    port: u16,
}

/// The S3 server that all tests of this run share.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn s3() -> &'static S3Server {
    static S3: OnceLock<Result<S3Server>> = OnceLock::new();
    match S3.get_or_init(|| S3Server::shared(Run::shared()?)) {
        Ok(server) => server,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the server.
pub(crate) fn install() -> Result<()> {
    python().map(drop)
}

impl S3Server {
    /// A server of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        or_fail(with_free_ports(|| Self::launch(Server::owned("s3", End::Kill)?)))
    }

    /// The server of a run: found running, or started.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("s3")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let server = Server::shared(run, "s3", End::Kill);
            server.clear()?;
            Self::launch(server)
        })
    }

    /// The server of a run, if it runs.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let server = Server::shared(run, "s3", End::Kill);
        server.process()?;
        let port = server.read("port").trim_end().parse().ok()?;
        Some(Self { server, port })
    }

    fn launch(server: Server) -> Result<Self> {
        let s3 = Self { server, port: free_port()? };
        s3.run()?;
        s3.server.write("port", &s3.port.to_string())?;
        Ok(s3)
    }

    /// `http://127.0.0.1:port`. Stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// `test`.
    #[must_use]
    pub fn bucket(&self) -> &'static str {
        "test"
    }

    /// Kills the server (SIGKILL), and all it held.
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        or_fail(self.server.end(Signal::KILL));
    }

    /// Starts the server again, on the same port, with an empty bucket.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill9();
        or_fail(self.run());
    }

    fn run(&self) -> Result<()> {
        if std::env::var("RIVERRUN_S3").is_ok_and(|server| server == "versity") {
            return self.run_versity();
        }
        let python = python()?.display().to_string();
        let port = self.port.to_string();
        self.server.write("server.py", include_str!("server.py"))?;
        let command = vec![python, self.server.file("server.py").display().to_string(), port];
        self.server.start(&Start { command, environment: Vec::new() }, || self.make_bucket())
    }

    /// Buckets are folders there, and the keys are those that tests use.
    fn run_versity(&self) -> Result<()> {
        let program = versity()?.display().to_string();
        let folder = self.server.file("buckets");
        // what it held is gone, as with the other
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join(self.bucket())).doing(|| format!("make {}", folder.display()))?;
        let port = format!("{}:{}", Ipv4Addr::LOCALHOST, self.port);
        let options =
            ["--access", "test", "--secret", "test-secret", "--region", "us-east-1", "--port", &port, "posix"];
        let folder = folder.display().to_string();
        let command =
            [program.as_str()].into_iter().chain(options).chain([folder.as_str()]).map(str::to_owned).collect();
        let answers = || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        self.server.start(&Start { command, environment: Vec::new() }, answers)
    }

    /// Whether it answers and has the bucket now.
    fn make_bucket(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
            let bucket = self.bucket();
            // the region is read from the signature, which is not checked
            let signed = "Authorization: AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
            write!(stream, "PUT /{bucket} HTTP/1.0\r\nHost: 127.0.0.1\r\n{signed}\r\nContent-Length: 0\r\n\r\n")
                .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.split_whitespace().nth(1).map(|status| status == "200" || status == "409")
        };
        ask() == Some(true)
    }
}

/// Versity's gateway, built if it is not there: some minutes.
fn versity() -> Result<PathBuf> {
    let folder = cached(&format!("versitygw-{VERSITY}"), |folder| {
        let go = program_of("go", &["golang"])?;
        let log = folder.join("install.log");
        let mut build = Command::new(go);
        build.args(["install", &format!("github.com/versity/versitygw/cmd/versitygw@v{VERSITY}")]);
        run(build.env("GOBIN", folder), Duration::from_secs(30 * 60), &log)
    })?;
    Ok(folder.join("versitygw"))
}

/// The Python that has the server, fetched if it is not there: a minute.
fn python() -> Result<PathBuf> {
    let python = |folder: &Path| folder.join("environment/bin/python");
    let folder = cached(&format!("moto-{VERSION}"), |folder| {
        let system = program_of("python3", &["python3", "python3-venv"])?;
        let log = folder.join("install.log");
        let environment = folder.join("environment");
        let make = || {
            let mut command = Command::new(&system);
            run(command.args(["-m", "venv"]).arg(&environment), Duration::from_secs(120), &log)
        };
        if make().is_err() {
            // Debian has this part of Python in a package of its own
            apt("Python's venv", &["python3-venv"])?;
            let _ = fs::remove_dir_all(&environment);
            make()?;
        }
        let mut pip = Command::new(python(folder));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("moto[server]=={VERSION}"));
        run(&mut pip, Duration::from_secs(15 * 60), &log)
    })?;
    Ok(python(&folder))
}
