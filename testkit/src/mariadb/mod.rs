//! MariaDB, from the distribution's packages.

#[cfg(feature = "mariadb")]
mod client;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Context, Error, Result, or_fail};
use crate::install::{cached, copy_folder, give_away, program_of, unprivileged};
use crate::keeper::Run;
use crate::ports::free_port;
use crate::server::{End, Server, Start, accepts, with_free_ports};
use crate::system::{is_root, run};

const PACKAGES: &[&str] = &["mariadb-server-core", "mariadb-client-core"];

/// A MariaDB server with a database `test`, and a user `test` with password `test` who may do everything.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    port: u16,
}

/// The server that all tests of this run share.
///
/// `RIVERRUN_MARIADB_PORT` names one that runs already on 127.0.0.1, with the same database and user. It may be a
/// MySQL: the same tests then say what holds there.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn mariadb() -> &'static MariaDb {
    static MARIADB: OnceLock<Result<MariaDb>> = OnceLock::new();
    let server = || match std::env::var("RIVERRUN_MARIADB_PORT").ok().and_then(|port| port.parse().ok()) {
        Some(port) => Ok(MariaDb { server: Server::shared(Run::shared()?, "mariadb-elsewhere", End::Kill), port }),
        None => MariaDb::shared(Run::shared()?),
    };
    match MARIADB.get_or_init(server) {
        Ok(server) => server,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the server, and makes the data folder that every server begins with.
pub(crate) fn install() -> Result<()> {
    empty_database().map(drop)
}

impl MariaDb {
    /// A server of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        or_fail(with_free_ports(|| Self::launch(Server::owned("mariadb", End::Kill)?)))
    }

    /// The server of a run: found running, or started.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("mariadb")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let server = Server::shared(run, "mariadb", End::Kill);
            server.clear()?;
            Self::launch(server)
        })
    }

    /// The server of a run, if it runs.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let server = Server::shared(run, "mariadb", End::Kill);
        server.process()?;
        let port = server.read("port").trim_end().parse().ok()?;
        Some(Self { server, port })
    }

    fn launch(server: Server) -> Result<Self> {
        copy_folder(&empty_database()?, &server.file("data"), &server.file("out.log"))?;
        server.write("init.sql", include_str!("init.sql"))?;
        let database = Self { server, port: free_port()? };
        database.run()?;
        database.server.write("port", &database.port.to_string())?;
        Ok(database)
    }

    /// The server's port on 127.0.0.1. Stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// `jdbc:mysql://127.0.0.1:port/test`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("jdbc:mysql://{}/test", self.address())
    }

    /// `test`.
    #[must_use]
    pub fn user(&self) -> &'static str {
        "test"
    }

    /// `test`.
    #[must_use]
    pub fn password(&self) -> &'static str {
        "test"
    }

    /// Kills the server as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        or_fail(self.server.end(Signal::KILL));
    }

    /// Stops the server in order (SIGTERM).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn stop(&mut self) {
        or_fail(self.server.end(Signal::TERM));
    }

    /// Starts the server again, on the same port and data. One that still runs is stopped first.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        or_fail(self.run());
    }

    fn run(&self) -> Result<()> {
        let mut command = unprivileged();
        command.push(program_of("mariadbd", PACKAGES)?.display().to_string());
        command.extend(
            [
                "--no-defaults",
                // in the data folder, and so short enough for a socket's name
                "--socket=socket",
                "--pid-file=mariadbd.pid",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--character-set-server=utf8mb4",
                "--max-allowed-packet=64M",
                "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=16M",
                // written at commit and so safe from SIGKILL, but not forced to disk
                "--innodb-flush-log-at-trx-commit=2",
            ]
            .map(str::to_owned),
        );
        command.push(format!("--datadir={}", self.server.file("data").display()));
        command.push(format!("--init-file={}", self.server.file("init.sql").display()));
        command.push(format!("--port={}", self.port));
        let start = Start { command, environment: Vec::new() };
        self.server
            .start(&start, || self.server.read("out.log").contains("ready for connections") && accepts(self.port))
    }
}

/// The data folder of a server that never ran. Copying it takes a tenth of the time of making one.
fn empty_database() -> Result<PathBuf> {
    let version = version(&program_of("mariadbd", PACKAGES)?)?;
    let user = if is_root() { "nobody" } else { "self" };
    let folder = cached(&format!("mariadb-{version}-{user}"), |folder| {
        // made where the user that the server runs as can reach it, which the cache need not be
        let work = Run::own()?.new_folder("install")?;
        let log = folder.join("install.log");
        let data = work.join("data");
        fs::create_dir(&data).doing(|| format!("make {}", data.display()))?;
        give_away(&data, &log)?;
        let mut words = unprivileged();
        words.push(program_of("mariadb-install-db", PACKAGES)?.display().to_string());
        words.extend(
            [
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ]
            .map(str::to_owned),
        );
        words.push(format!("--datadir={}", data.display()));
        run(Command::new(&words[0]).args(&words[1..]).current_dir("/"), Duration::from_secs(120), &log)?;
        copy_folder(&data, &folder.join("data"), &log)?;
        fs::remove_dir_all(&work).doing(|| format!("remove {}", work.display()))
    })?;
    Ok(folder.join("data"))
}

fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output().doing(|| format!("run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)
    let version = text.split_whitespace().skip_while(|word| *word != "Ver").nth(1);
    version.map(str::to_owned).ok_or_else(|| Error::new(format!("{} --version says: {text}", program.display())))
}
