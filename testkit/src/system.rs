//! Processes as Linux shows them, and commands that end in time.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Context, Error, Result};
use crate::wait::poll;

/// A process, and not another one that got its number later: the number with the time of its birth, in clock ticks
/// since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) born: u64,
}

impl Process {
    /// The living process with this number; none for a zombie.
    pub(crate) fn find(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // the name, in parentheses, may itself hold parentheses and spaces
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?;
        let born = fields.nth(18)?.parse().ok()?;
        (state != "Z").then_some(Self { id, born })
    }

    pub(crate) fn this() -> Result<Self> {
        Self::find(std::process::id()).ok_or_else(|| Error::new("/proc is needed to run servers for tests"))
    }

    pub(crate) fn parent() -> Option<Self> {
        Self::find(std::os::unix::process::parent_id())
    }

    /// The file name of the program, cut to 15 characters.
    pub(crate) fn name(self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.id)).unwrap_or_default();
        name.trim_end().to_owned()
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::find(self.id) == Some(self)
    }

    /// Sends the signal, if the process still lives.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw)
        {
            // it may have ended since: that is what was wanted
            let _ = kill_process(pid, signal);
        }
    }

    /// What the keeper writes: number and birth.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (id, born) = text.trim_end().split_once(' ')?;
        Some(Self { id: id.parse().ok()?, born: born.parse().ok()? })
    }

    /// What the threads of this process have started and is its child still.
    pub(crate) fn children(self) -> Vec<Self> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id)).into_iter().flatten().flatten();
        let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
        let ids: Vec<u32> = lists.flat_map(|list| numbers(&list)).collect();
        ids.into_iter().filter_map(Self::find).collect()
    }

    /// SIGKILL for this process, its children, and theirs.
    pub(crate) fn kill_with_children(self) {
        // first, so that it starts no more
        self.signal(Signal::STOP);
        for child in self.children() {
            child.kill_with_children();
        }
        self.signal(Signal::KILL);
    }
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Runs a command to its end, its output appended to `log`. It is an error when it fails or takes longer than `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration, log: &Path) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = finish(command, limit, log)?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Error::new(format!("{name} ended with {status}, {}:\n{}", log.display(), tail(log)))),
        None => Err(Error::new(format!("{name} did not end within {limit:?}, {}:\n{}", log.display(), tail(log)))),
    }
}

fn finish(command: &mut Command, limit: Duration, log: &Path) -> Result<Option<ExitStatus>> {
    let output = File::options().create(true).append(true).open(log).doing(|| format!("open {}", log.display()))?;
    let errors = output.try_clone().doing(|| format!("open {}", log.display()))?;
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = command.spawn().doing(|| format!("start {name}"))?;
    let status = poll(limit, || child.try_wait().ok().flatten());
    if status.is_none() {
        child.kill().and_then(|()| child.wait()).doing(|| format!("end {name}"))?;
    }
    Ok(status)
}

/// The last lines of a log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Where a program is on the `PATH` or in one of `more` folders.
pub(crate) fn program(name: &str, more: &[&str]) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(more.iter().map(std::path::PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_number() {
        let this = Process::this().unwrap();
        assert!(this.is_alive());
        assert!(!Process { born: this.born + 1, ..this }.is_alive());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("true").spawn().unwrap();
        assert!(poll(Duration::from_secs(10), || Process::find(child.id()).is_none().then_some(())).is_some());
        child.wait().unwrap();
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_and_named() {
        let folder = crate::temp_folder();
        let mut command = Command::new("sleep");
        let error = run(command.arg("100"), Duration::from_millis(30), &folder.path().join("log")).unwrap_err();
        assert!(error.to_string().starts_with("sleep did not end within 30ms"), "{error}");
    }
}
