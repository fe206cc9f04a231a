//! The `riverrun` program as a process: started, watched line by line, interrupted, killed, awaited.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::{Context, Error, Result, or_fail};
use crate::keeper::{Guard, Run};
use crate::system::Process;
use crate::wait::poll;

/// A running `riverrun`. Killed when dropped, and by the run's keeper if the test is killed first.
#[derive(Debug)]
pub struct Riverrun {
    child: Child,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    command: String,
    _guard: Guard,
}

/// What a `riverrun` that ended said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code; none where a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Lines as they came, and whether more can come.
#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    stdout: Vec<String>,
    stderr: Vec<String>,
    closed: usize,
}

/// How to start `riverrun`: arguments, environment, folder.
#[derive(Debug)]
pub struct Builder {
    command: Command,
}

impl Riverrun {
    /// The program that the environment variable `RIVERRUN_BIN` names, or the one beside this test in cargo's target
    /// folder.
    ///
    /// # Panics
    /// When there is none; cargo builds it for the tests of its own package only.
    #[must_use]
    #[track_caller]
    pub fn builder() -> Builder {
        Self::builder_at(or_fail(binary()))
    }

    /// This program, as in `Riverrun::builder_at(env!("CARGO_BIN_EXE_riverrun"))`.
    #[must_use]
    pub fn builder_at(program: impl AsRef<OsStr>) -> Builder {
        Builder { command: Command::new(program) }
    }

    /// The first line, of standard output or error, that contains this text; waits for it.
    ///
    /// # Panics
    /// When the limit passes or the program ends without that line; the message shows all output.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> String {
        let end = Instant::now() + limit;
        let mut lines = self.output.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.stdout.iter().chain(&lines.stderr).find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            let ended = lines.closed == 2;
            if ended || left.is_zero() {
                let why = if ended { "ended without".to_owned() } else { format!("did not within {limit:?} print") };
                panic!("{} {why} a line with {text:?}\n{}", self.command, lines.show());
            }
            (lines, _) = self.output.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The lines of standard output until now.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).stdout.clone()
    }

    /// The lines of standard error until now.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).stderr.clone()
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its memory now (resident set), bytes; 0 when it has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    }

    /// Ctrl-C (SIGINT).
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL.
    pub fn kill9(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = Process::find(self.id()) {
            process.signal(signal);
        }
    }

    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end, and returns how it ended with all output.
    ///
    /// # Panics
    /// When it has not ended within the limit; the message shows all output. It is killed then.
    #[must_use]
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Finished {
        let Some(status) = poll(limit, || self.child.try_wait().ok().flatten()) else {
            let lines = self.output.lines.lock().unwrap_or_else(PoisonError::into_inner).show();
            panic!("{} did not end within {limit:?}\n{lines}", self.command);
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let lines = self.output.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Finished { status, stdout: joined(&lines.stdout), stderr: joined(&lines.stderr) }
    }
}

impl Drop for Riverrun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Builder {
    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// In this folder.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts the program, standard input closed.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Riverrun {
        or_fail(self.spawn())
    }

    /// Starts the program and waits for its end.
    ///
    /// # Panics
    /// When it cannot be started, or has not ended within the limit.
    #[must_use]
    #[track_caller]
    pub fn run(self, limit: Duration) -> Finished {
        self.start().wait(limit)
    }

    fn spawn(mut self) -> Result<Riverrun> {
        let name = shown(&self.command);
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().doing(|| format!("start {name}"))?;
        let guard = Run::own().and_then(|run| run.guard(child.id()))?;
        let output = Arc::new(Output::default());
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(read(pipe, &output, |lines| &mut lines.stdout));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(read(pipe, &output, |lines| &mut lines.stderr));
        }
        Ok(Riverrun { child, output, readers, command: name, _guard: guard })
    }
}

impl Lines {
    fn show(&self) -> String {
        let mut text = String::new();
        for (name, lines) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let from = lines.len().saturating_sub(200);
            let _ = writeln!(text, "--- {name}, {} lines{}", lines.len(), if from > 0 { ", the last 200" } else { "" });
            text.push_str(&joined(&lines[from..]));
        }
        text
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// Collects the lines of a pipe, until it is closed.
fn read<R: Read + Send + 'static>(
    pipe: R,
    output: &Arc<Output>,
    list: fn(&mut Lines) -> &mut Vec<String>,
) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            list(&mut output.lines.lock().unwrap_or_else(PoisonError::into_inner)).push(text);
            output.changed.notify_all();
            line.clear();
        }
        output.lines.lock().unwrap_or_else(PoisonError::into_inner).closed += 1;
        output.changed.notify_all();
    })
}

/// SIGKILL for a process, its children, and theirs. The keepers of servers are nobody's children: they stay, and clean up.
pub fn kill_tree(id: u32) {
    if let Some(process) = Process::find(id) {
        process.kill_with_children();
    }
}

fn shown(command: &Command) -> String {
    let words: Vec<_> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

fn binary() -> Result<OsString> {
    if let Some(path) = std::env::var_os("RIVERRUN_BIN").filter(|path| !path.is_empty()) {
        return Ok(path);
    }
    let test = std::env::current_exe().doing(|| "find this test's program".to_owned())?;
    // target/debug/deps/test-hash or target/debug/xtask
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join("riverrun")).find(|path| path.is_file());
    found.map(PathBuf::into_os_string).ok_or_else(|| {
        Error::new(format!(
            "there is no riverrun beside {}: build it with `cargo build -p riverrun-cli`",
            test.display()
        ))
    })
}
