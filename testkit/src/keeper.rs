//! A run: one owner process, one temporary folder, one keeper.
//!
//! - *owner*: the process for whose life the run lasts. Shared servers belong to cargo, so that all test binaries of
//!   one `cargo test` find the same; what a test starts for itself belongs to the test process.
//! - *folder*: `riverrun-test-<pid>-<birth>` of the owner, in the temporary folder. Every server has a folder in it.
//! - *keeper*: `keeper.sh`, which starts the servers and, when the owner is gone, ends them and removes the folder.
//!
//! A run whose keeper was itself killed is cleaned up by the next run that starts.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Context, Error, Result, or_fail};
use crate::system::{Process, is_root};
use crate::wait::poll;

const PREFIX: &str = "riverrun-test-";

/// Names the folder of a run whose servers are to be used, instead of new ones. `cargo xtask servers up` prints it.
pub(crate) const SERVERS: &str = "RIVERRUN_SERVERS";

/// One owner's servers and temporary folders.
#[derive(Debug, Clone)]
pub struct Run {
    folder: PathBuf,
}

impl Run {
    /// The run of this process: ends with it.
    pub(crate) fn own() -> Result<&'static Self> {
        static RUN: OnceLock<Result<Run>> = OnceLock::new();
        RUN.get_or_init(|| Self::of(Process::this()?)).as_ref().map_err(Clone::clone)
    }

    /// The run that all test binaries started by one cargo share: ends with that cargo. Where `RIVERRUN_SERVERS` names
    /// a standing run, that one.
    pub(crate) fn shared() -> Result<&'static Self> {
        static RUN: OnceLock<Result<Run>> = OnceLock::new();
        RUN.get_or_init(|| {
            if let Some(folder) = std::env::var_os(SERVERS).filter(|name| !name.is_empty()) {
                return Self::standing_at(PathBuf::from(folder));
            }
            match Process::parent() {
                Some(parent) if parent.name().starts_with("cargo") => Self::of(parent),
                _ => Self::of(Process::this()?),
            }
        })
        .as_ref()
        .map_err(Clone::clone)
    }

    /// The standing run of this user, whose servers outlive every process: started when it is not there.
    ///
    /// # Errors
    /// When its folder cannot be made or its keeper does not start.
    pub fn standing() -> std::result::Result<Self, Error> {
        sweep();
        let init = Process::find(1).ok_or_else(|| Error::new("/proc is needed to run servers for tests"))?;
        Self::open(Self::standing_folder(), init)
    }

    /// The standing run, if there is one.
    #[must_use]
    pub fn find_standing() -> Option<Self> {
        Self::standing_at(Self::standing_folder()).ok()
    }

    fn standing_folder() -> PathBuf {
        base().join(format!("riverrun-servers-{}", rustix::process::geteuid().as_raw()))
    }

    fn standing_at(folder: PathBuf) -> Result<Self> {
        let run = Self { folder };
        if run.has_keeper() {
            Ok(run)
        } else {
            let folder = run.folder.display();
            Err(Error::new(format!("no servers run in {folder} ({SERVERS}): start them with `cargo xtask servers up`")))
        }
    }

    fn of(owner: Process) -> Result<Self> {
        sweep();
        Self::open(base().join(format!("{PREFIX}{}-{}", owner.id, owner.born)), owner)
    }

    fn open(folder: PathBuf, owner: Process) -> Result<Self> {
        fs::create_dir_all(folder.join("processes")).doing(|| format!("make {}", folder.display()))?;
        // servers that may not run as root must be able to reach their own folder in it
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
            .doing(|| format!("open {} to others", folder.display()))?;
        let run = Self { folder };
        let _lock = run.lock("keeper")?;
        if !run.has_keeper() {
            keep(owner, &run.folder)?;
            poll(Duration::from_secs(20), || run.has_keeper().then_some(())).ok_or_else(|| {
                Error::new(format!("the keeper of {} did not start (is bash there?)", run.folder.display()))
            })?;
        }
        Ok(run)
    }

    /// Where this run keeps its servers.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn has_keeper(&self) -> bool {
        Process::read(&self.folder.join("keeper")).is_some_and(Process::is_alive)
    }

    /// Held until the file is dropped; processes that share the run exclude each other.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        let path = self.folder.join(format!("{name}.lock"));
        let file = File::create(&path).doing(|| format!("open {}", path.display()))?;
        file.lock().doing(|| format!("lock {}", path.display()))?;
        Ok(file)
    }

    /// Has the keeper run `folder/start`; the process is known when this returns.
    pub(crate) fn start(&self, folder: &Path) -> Result<Process> {
        let pid = folder.join("pid");
        // a former process of this server: forgotten first, so that only the new one is found
        let _ = fs::remove_file(&pid);
        let control = self.folder.join("control");
        let mut ask =
            File::options().read(true).write(true).open(&control).doing(|| format!("open {}", control.display()))?;
        // one write: a line of several could be mixed with another's
        ask.write_all(format!("{}\n", folder.display()).as_bytes()).doing(|| format!("write {}", control.display()))?;
        poll(Duration::from_secs(60), || Process::read(&pid)).ok_or_else(|| {
            let alive = if self.has_keeper() { "lives" } else { "has ended" };
            let told = fs::read_to_string(&pid).unwrap_or_else(|error| error.to_string());
            Error::new(format!("the keeper of {}, which {alive}, does not answer: {told}", self.folder.display()))
        })
    }

    /// Has the keeper end the process with the run, should it still live then. Forgotten when the guard is dropped.
    pub(crate) fn guard(&self, id: u32) -> Result<Guard> {
        let born = Process::find(id).map_or(0, |process| process.born);
        let file = self.folder.join("processes").join(format!("{id}-{born}"));
        fs::write(&file, format!("{id} {born}\n")).doing(|| format!("write {}", file.display()))?;
        Ok(Guard(file))
    }

    /// A new empty folder of the run.
    pub(crate) fn new_folder(&self, name: &str) -> Result<PathBuf> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        loop {
            let folder = self.folder.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).doing(|| format!("make {}", folder.display())),
            }
        }
    }

    /// Ends the run's servers and removes its folder; returns when that is done.
    ///
    /// # Errors
    /// When it is not done within 20 s.
    pub fn end(self) -> std::result::Result<(), Error> {
        let down = self.folder.join("down");
        fs::write(&down, "").doing(|| format!("write {}", down.display()))?;
        poll(Duration::from_secs(20), || (!self.folder.exists()).then_some(()))
            .ok_or_else(|| Error::new(format!("{} is still there", self.folder.display())))
    }
}

/// A process that the keeper ends if its owner does not live to do it.
#[derive(Debug)]
pub(crate) struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// An empty folder for one test: removed when dropped, and by the keeper if the test process is killed first.
///
/// # Panics
/// When it cannot be made.
#[must_use]
#[track_caller]
pub fn temp_folder() -> TempFolder {
    TempFolder(or_fail(Run::own().and_then(|run| run.new_folder("folder"))))
}

/// See [`temp_folder`].
#[derive(Debug)]
pub struct TempFolder(PathBuf);

impl TempFolder {
    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts a keeper: in a session of its own and nobody's child, so that what ends this test does not end it, and
/// with no output that anyone could wait for.
fn keep(owner: Process, folder: &Path) -> Result<()> {
    let script = folder.join("keeper.sh");
    fs::write(&script, include_str!("keeper.sh")).doing(|| format!("write {}", script.display()))?;
    let status = Command::new("setsid")
        .args(["--fork", "bash"])
        .arg(&script)
        .arg(owner.id.to_string())
        .arg(owner.born.to_string())
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .doing(|| "start setsid, for the keeper of servers".to_owned())?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("setsid --fork bash: {status}"))) }
}

/// Gives every run that has lost both owner and keeper a new keeper, who finds no owner and cleans up.
fn sweep() {
    for entry in fs::read_dir(base()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((id, born)) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')) else {
            continue;
        };
        let (Ok(id), Ok(born)) = (id.parse(), born.parse()) else {
            continue;
        };
        let owner = Process { id, born };
        let run = Run { folder: entry.path() };
        if !owner.is_alive() && !run.has_keeper() {
            // somebody else's is not ours to remove, and fails here
            let _ = keep(owner, &run.folder);
        }
    }
}

/// Where runs have their folders: the temporary folder, or /tmp where that is closed to the users that servers run as.
fn base() -> PathBuf {
    let folder = std::env::temp_dir();
    let open = |path: &Path| fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o001 != 0);
    if !is_root() || folder.ancestors().all(open) { folder } else { PathBuf::from("/tmp") }
}
