//! Runs a program with a time limit, and hears what it prints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// `cargo` as it runs us, with these arguments; with `--locked` where nobody could commit a changed lock file.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let (subcommand, rest) = arguments.split_at(1.min(arguments.len()));
    command.args(subcommand);
    if std::env::var_os("CI").is_some() && !matches!(subcommand, ["fmt" | "install"]) {
        command.arg("--locked");
    }
    // set for us by `cargo run`, and not for what we run
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME"] {
        command.env_remove(name);
    }
    command.args(rest).current_dir(crate::workspace::root()).stdin(Stdio::null());
    command
}

/// Runs to the end, output passed on. It and all it started are killed when the limit is over.
pub(crate) fn run(mut command: Command, limit: Duration) -> Outcome {
    let name = shown(&command);
    let mut child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
    finish(&mut child, Instant::now() + limit, limit, &name)
}

/// Runs to the end, passing every line of standard output on to ours and to `hear`.
pub(crate) fn run_hearing(mut command: Command, limit: Duration, mut hear: impl FnMut(&str)) -> Outcome {
    let name = shown(&command);
    let end = Instant::now() + limit;
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{name}: {error}"))?;
    let Some(pipe) = child.stdout.take() else {
        return Err(format!("{name}: no output"));
    };
    let (send, lines) = mpsc::sync_channel(1000);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    // ends when all who could write have closed their output, or the time is over
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        print!("{line}");
        hear(line.trim_end());
    }
    finish(&mut child, end, limit, &name)
}

fn finish(child: &mut Child, end: Instant, limit: Duration, name: &str) -> Outcome {
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("{name}: {status}")),
            Ok(None) => {}
            Err(error) => return Err(format!("{name}: {error}")),
        }
        if Instant::now() >= end {
            riverrun_testkit::process::kill_tree(child.id());
            let _ = child.wait();
            return Err(format!("{name}: took longer than {} min, and was killed", limit.as_secs() / 60));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// What a program prints on standard output, when it ends well.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let name = shown(&command);
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_are_heard() {
        let mut lines = Vec::new();
        run_hearing(shell("echo a; echo b"), Duration::from_secs(20), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["a", "b"]);
    }

    #[test]
    fn a_failure_and_its_code_are_reported() {
        assert_eq!(run(shell("exit 3"), Duration::from_secs(20)).unwrap_err(), "bash -c exit 3: exit status: 3");
    }

    #[test]
    fn what_takes_too_long_is_killed_with_all_it_started() {
        let mut child = String::new();
        let error = run_hearing(shell("sleep 1000 & echo $!; wait"), Duration::from_millis(300), |line| {
            child = line.to_owned()
        });
        assert!(error.unwrap_err().ends_with("took longer than 0 min, and was killed"));
        let gone = || !std::path::Path::new(&format!("/proc/{child}/exe")).exists();
        riverrun_testkit::wait_until(Duration::from_secs(20), "the child to go", gone);
    }
}
