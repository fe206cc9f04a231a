//! The programs of the servers: found on the machine, or fetched once into the cache.
//!
//! The cache is `$RIVERRUN_CACHE`, by default `~/.cache/riverrun`; servers are in its folder `servers`, one folder
//! each, made under a lock so that any number of processes may ask at once. Debian's packages are installed by apt
//! where we are root; elsewhere the error names the command to run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Context, Error, Result};
use crate::system::{is_root, program, run, tail};

/// Long enough for a download on a slow line.
const APT_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Folders of programs that are not on everyone's `PATH`.
const SYSTEM_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/usr/bin"];

/// The cache's folder: `$RIVERRUN_CACHE`, or `~/.cache/riverrun`.
#[must_use]
pub fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("RIVERRUN_CACHE").filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache").join("riverrun")
}

/// Fetches what every server needs, so that no test waits for it.
///
/// # Errors
/// When a download fails, or a package is missing and we may not install it.
pub fn everything() -> std::result::Result<(), Error> {
    crate::hbase::install()?;
    crate::hdfs::install()?;
    crate::kafka::install()?;
    crate::mariadb::install()?;
    crate::postgres::install()?;
    crate::rocketmq::install()?;
    crate::s3::install()?;
    Ok(())
}

/// The folder `name` of the cache, filled by `fill` if nobody did it before. A `fill` that failed or was interrupted
/// starts again in an empty folder.
pub(crate) fn cached(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let servers = cache().join("servers");
    let folder = servers.join(name);
    let done = folder.join(".complete");
    if done.exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&servers).doing(|| format!("make {}", servers.display()))?;
    let _lock = locked(&servers.join(format!("{name}.lock")))?;
    if done.exists() {
        return Ok(folder);
    }
    eprintln!("installing {name} into {} ...", servers.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).doing(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir(&folder).doing(|| format!("make {}", folder.display()))?;
    fill(&folder)?;
    fs::write(&done, "").doing(|| format!("write {}", done.display()))?;
    Ok(folder)
}

fn locked(path: &Path) -> Result<File> {
    let file = File::create(path).doing(|| format!("open {}", path.display()))?;
    file.lock().doing(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// A program, after its packages were installed if it was not there.
pub(crate) fn program_of(name: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(path) = program(name, SYSTEM_FOLDERS) {
        return Ok(path);
    }
    apt(name, packages)?;
    program(name, SYSTEM_FOLDERS).ok_or_else(|| Error::new(format!("{} did not bring {name}", packages.join(", "))))
}

/// Installs Debian packages because `missing` is missing.
pub(crate) fn apt(missing: &str, packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !is_root() {
        return Err(Error::new(format!("{missing} is missing: run `sudo {by_hand}`")));
    }
    if program("apt-get", SYSTEM_FOLDERS).is_none() {
        return Err(Error::new(format!(
            "{missing} is missing and there is no apt-get: install what Debian calls {}",
            packages.join(", ")
        )));
    }
    let servers = cache().join("servers");
    fs::create_dir_all(&servers).doing(|| format!("make {}", servers.display()))?;
    let _lock = locked(&servers.join("apt.lock"))?;
    eprintln!("installing {} ...", packages.join(", "));
    let log = servers.join("apt.log");
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", "DPkg::Lock::Timeout=600"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(&mut apt_get(&["update"]), APT_LIMIT, &log)?;
    let mut install = apt_get(&["install", "-y", "--no-install-recommends"]);
    run(install.args(packages), APT_LIMIT, &log).map_err(|_| Error::new(format!("`{by_hand}` failed:\n{}", tail(&log))))
}

/// Copies a folder with owners and modes; sharing the blocks where the file system can.
pub(crate) fn copy_folder(from: &Path, to: &Path, log: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    command.args(["-a", "--reflink=auto", "--sparse=always"]).arg(from).arg(to);
    run(&mut command, Duration::from_secs(60), log)
}

/// What stands before a server's command so that it does not run as root: nothing if we are not root.
pub(crate) fn unprivileged() -> Vec<String> {
    if is_root() {
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"].map(str::to_owned).to_vec()
    } else {
        Vec::new()
    }
}

/// Gives a folder and all in it to the user that [`unprivileged`] servers run as.
pub(crate) fn give_away(folder: &Path, log: &Path) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut command = Command::new("chown");
    command.args(["-R", "nobody:nogroup"]).arg(folder);
    run(&mut command, Duration::from_secs(60), log)
}
