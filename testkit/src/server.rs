//! One server process in a folder of a run: started by the keeper, awaited, stopped, killed, started again on what it
//! left in its folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::{Context, Error, Result};
use crate::keeper::Run;
use crate::system::{Process, tail};
use crate::wait::poll;

/// How long a server may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long a server may take to stop when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Server {
    run: Run,
    folder: PathBuf,
    /// Whether the server ends when this value is dropped, and not with the run.
    owned: bool,
    end: End,
}

/// How a server is ended when nobody needs it, or its data, any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGKILL.
    Kill,
    /// SIGQUIT, for one that otherwise leaves something outside its folder.
    Quit,
}

/// What starts a server; every word reaches it as it is.
pub(crate) struct Start {
    pub(crate) command: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Server {
    /// A server of a test's own, in a new folder.
    pub(crate) fn owned(name: &str, end: End) -> Result<Self> {
        let run = Run::own()?.clone();
        Ok(Self { folder: run.new_folder(name)?, run, owned: true, end })
    }

    /// The run's server of this name, in the folder of this name.
    pub(crate) fn shared(run: &Run, name: &str, end: End) -> Self {
        Self { run: run.clone(), folder: run.folder().join(name), owned: false, end }
    }

    /// Makes the folder empty: what is in it is of a server that died.
    pub(crate) fn clear(&self) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).doing(|| format!("empty {}", self.folder.display()))?;
        }
        fs::create_dir_all(&self.folder).doing(|| format!("make {}", self.folder.display()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, text).doing(|| format!("write {}", path.display()))
    }

    /// Starts the process and waits until `ready`. It is an error when the process ends before, or takes too long.
    pub(crate) fn start(&self, start: &Start, mut ready: impl FnMut() -> bool) -> Result<()> {
        // ready is read from the log, so its lines must be this process's
        for log in ["server.log", "out.log"] {
            let _ = fs::rename(self.file(log), self.file(&format!("{log}.before")));
        }
        self.write("start", &script(start))?;
        self.write("signal", self.end.name())?;
        let process = self.run.start(&self.folder)?;
        let begin = Instant::now();
        let outcome = poll(START_LIMIT, || if ready() { Some(true) } else { (!process.is_alive()).then_some(false) });
        match outcome {
            Some(true) => Ok(()),
            Some(false) => Err(Error::new(format!("{} died while starting:\n{}", self.name(), self.last_words()))),
            None => {
                process.signal(Signal::KILL);
                let waited = begin.elapsed();
                Err(Error::new(format!("{} was not ready after {waited:?}:\n{}", self.name(), self.last_words())))
            }
        }
    }

    pub(crate) fn process(&self) -> Option<Process> {
        Process::read(&self.file("pid")).filter(|process| process.is_alive())
    }

    /// The text of a file in the folder; empty if there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read(self.file(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Sends the signal and returns when the process is gone. It is an error when it stays.
    pub(crate) fn end(&self, signal: Signal) -> Result<()> {
        let Some(process) = self.process() else { return Ok(()) };
        process.signal(signal);
        if poll(STOP_LIMIT, || (!process.is_alive()).then_some(())).is_none() {
            process.signal(Signal::KILL);
            return Err(Error::new(format!("{} did not stop within {STOP_LIMIT:?}", self.name())));
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn last_words(&self) -> String {
        ["server.log", "out.log"].map(|name| tail(&self.file(name))).join("\n")
    }
}

impl End {
    fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Quit => Signal::QUIT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL\n",
            Self::Quit => "QUIT\n",
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.owned {
            // best effort: what fails here the keeper does when the run ends
            let _ = self.end(self.end.signal());
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Runs `attempt` again when it fails because another process was faster to take a free port.
pub(crate) fn with_free_ports<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut tries = 0;
    loop {
        match attempt() {
            Err(error) if tries < 3 && taken(&error) => tries += 1,
            result => return result,
        }
    }
}

/// Whether somebody listens on this port of 127.0.0.1.
pub(crate) fn accepts(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_millis(200)).is_ok()
}

fn taken(error: &Error) -> bool {
    let text = error.to_string().to_lowercase();
    text.contains("address already in use") || text.contains("could not bind")
}

fn script(start: &Start) -> String {
    let mut text = String::new();
    for (key, value) in &start.environment {
        text.push_str(&format!("export {key}={}\n", quoted(value)));
    }
    let words: Vec<String> = start.command.iter().map(|word| quoted(word)).collect();
    text.push_str(&format!("exec {}\n", words.join(" ")));
    text
}

/// One word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reaches_the_program_as_it_is() {
        let start = Start { command: vec!["echo".into(), "it's $HOME *".into()], environment: vec![] };
        assert_eq!(script(&start), "exec 'echo' 'it'\\''s $HOME *'\n");
    }
}
