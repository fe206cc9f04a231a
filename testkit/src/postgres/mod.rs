//! PostgreSQL, from the distribution's packages.

#[cfg(feature = "postgres")]
mod client;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Context, Error, Result, or_fail};
use crate::install::{apt, cached, copy_folder, give_away, unprivileged};
use crate::keeper::Run;
use crate::ports::free_port;
use crate::server::{End, Server, Start, accepts, with_free_ports};
use crate::system::{is_root, program, run};

/// A PostgreSQL server with a database `test`, and a superuser `test` with password `test` (SCRAM).
///
/// Prepared transactions (100) and logical replication are on.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    /// Settings that are not the usual ones: `name=value`.
    settings: Vec<String>,
}

/// The server that all tests of this run share.
///
/// # Panics
/// When it cannot be installed or started.
#[track_caller]
pub fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Result<Postgres>> = OnceLock::new();
    match POSTGRES.get_or_init(|| Postgres::shared(Run::shared()?)) {
        Ok(server) => server,
        Err(error) => or_fail(Err(error.clone())),
    }
}

/// Fetches the server, and makes the data folder that every server begins with.
pub(crate) fn install() -> Result<()> {
    empty_database().map(drop)
}

impl Postgres {
    /// A server of this test's own: ended when dropped.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with settings: `max_prepared_transactions=0`.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    #[must_use]
    #[track_caller]
    pub fn start_with(settings: &[&str]) -> Self {
        or_fail(with_free_ports(|| Self::launch(Server::owned("postgres", End::Quit)?, settings)))
    }

    /// The server of a run: found running, or started.
    ///
    /// # Errors
    /// When it cannot be installed or started.
    pub fn shared(run: &Run) -> std::result::Result<Self, Error> {
        let _lock = run.lock("postgres")?;
        if let Some(running) = Self::running(run) {
            return Ok(running);
        }
        with_free_ports(|| {
            let server = Server::shared(run, "postgres", End::Quit);
            server.clear()?;
            Self::launch(server, &[])
        })
    }

    /// The server of a run, if it runs.
    #[must_use]
    pub fn running(run: &Run) -> Option<Self> {
        let server = Server::shared(run, "postgres", End::Quit);
        server.process()?;
        let port = server.read("port").trim_end().parse().ok()?;
        Some(Self { server, port, settings: Vec::new() })
    }

    fn launch(server: Server, settings: &[&str]) -> Result<Self> {
        copy_folder(&empty_database()?, &server.file("data"), &server.file("out.log"))?;
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let database = Self { server, port: free_port()?, settings };
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

    /// `jdbc:postgresql://127.0.0.1:port/test`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("jdbc:postgresql://{}/test", self.address())
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

    /// Kills the server and the processes of its connections as a power cut would (SIGKILL).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn kill9(&mut self) {
        let children = self.server.process().map(|process| process.children()).unwrap_or_default();
        let lock = self.server.file("data").join("postmaster.pid");
        let segment = shared_memory(&lock);
        or_fail(self.server.end(Signal::KILL));
        for child in children {
            child.signal(Signal::KILL);
        }
        // after a power cut neither of these would be there
        let _ = fs::remove_file(&lock);
        if let Some(segment) = segment {
            let _ = Command::new("ipcrm").args(["-m", &segment]).output();
        }
    }

    /// Stops the server in order (SIGINT: without waiting for clients to leave).
    ///
    /// # Panics
    /// When it does not go away.
    #[track_caller]
    pub fn stop(&mut self) {
        or_fail(self.server.end(Signal::INT));
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
        command.push(programs()?.join("postgres").display().to_string());
        command.extend(["-D".to_owned(), self.server.file("data").display().to_string()]);
        command.extend(["-p".to_owned(), self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            // not in /dev/shm, where a killed server would leave it
            "dynamic_shared_memory_type=mmap",
            "shared_buffers=64MB",
            "max_prepared_transactions=100",
            "wal_level=logical",
            // SIGKILL loses nothing that was written, and no test pulls the plug
            "fsync=off",
            "log_line_prefix=%m [%p] ",
        ] {
            command.extend(["-c".to_owned(), setting.to_owned()]);
        }
        for setting in &self.settings {
            command.extend(["-c".to_owned(), setting.clone()]);
        }
        let start = Start { command, environment: Vec::new() };
        self.server.start(&start, || {
            self.server.read("out.log").contains("database system is ready to accept connections") && accepts(self.port)
        })
    }
}

/// The number of the segment of System V memory by which PostgreSQL knows that it runs: line 7 has key and number.
fn shared_memory(lock: &Path) -> Option<String> {
    let text = fs::read_to_string(lock).ok()?;
    text.lines().nth(6)?.split_whitespace().nth(1).map(str::to_owned)
}

/// The folder of initdb and postgres, newest version first, which Debian keeps off the `PATH`.
fn programs() -> Result<PathBuf> {
    if let Some(folder) = find_programs() {
        return Ok(folder);
    }
    if is_root() {
        // the programs, and no server that starts with the machine
        let settings = Path::new("/etc/postgresql-common/createcluster.conf");
        if !settings.exists() {
            let folder = settings.with_file_name("");
            fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
            fs::write(settings, "create_main_cluster = false\n").doing(|| format!("write {}", settings.display()))?;
        }
    }
    apt("postgres", &["postgresql"])?;
    find_programs().ok_or_else(|| Error::new("the package postgresql did not bring postgres"))
}

fn find_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let newest = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("postgres").exists())
        .max();
    newest.map(|(_, folder)| folder).or_else(|| Some(program("postgres", &[])?.parent()?.to_owned()))
}

/// The data folder of a server that never ran, with its database. Copying it takes a tenth of the time of making one.
fn empty_database() -> Result<PathBuf> {
    let programs = programs()?;
    let version = version(&programs.join("postgres"))?;
    let user = if is_root() { "nobody" } else { "self" };
    let folder = cached(&format!("postgres-{version}-{user}"), |folder| {
        // made where the user that the server runs as can reach it, which the cache need not be
        let work = Run::own()?.new_folder("install")?;
        let log = folder.join("install.log");
        let data = work.join("data");
        fs::create_dir(&data).doing(|| format!("make {}", data.display()))?;
        give_away(&data, &log)?;
        for (name, text) in [("password", "test\n"), ("create.sql", "CREATE DATABASE test\n")] {
            fs::write(work.join(name), text).doing(|| format!("write {name}"))?;
        }
        let mut words = unprivileged();
        words.push(programs.join("initdb").display().to_string());
        words.extend(
            ["-U", "test", "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
                .map(str::to_owned),
        );
        words.push(format!("--pwfile={}", work.join("password").display()));
        words.extend(["-D".to_owned(), data.display().to_string()]);
        run(Command::new(&words[0]).args(&words[1..]).current_dir("/"), Duration::from_secs(120), &log)?;

        let mut words = unprivileged();
        words.extend(["sh", "-c", r#"exec "$0" --single -D "$1" postgres <"$2""#].map(str::to_owned));
        for path in [&programs.join("postgres"), &data, &work.join("create.sql")] {
            words.push(path.display().to_string());
        }
        run(Command::new(&words[0]).args(&words[1..]).current_dir("/"), Duration::from_secs(120), &log)?;
        copy_folder(&data, &folder.join("data"), &log)?;
        fs::remove_dir_all(&work).doing(|| format!("remove {}", work.display()))
    })?;
    Ok(folder.join("data"))
}

fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output().doing(|| format!("run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    let version = text.split_whitespace().nth(2);
    version.map(str::to_owned).ok_or_else(|| Error::new(format!("{} --version says: {text}", program.display())))
}
