//! The live lines on a terminal.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::kit::{LIMIT, UNBOUNDED, program};

#[test]
fn a_terminal_shows_live_lines_and_is_left_clean() {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let side = File::options().read(true).write(true).open(name).unwrap();
    let mut child = Command::new(program())
        .args(["run", "-e", UNBOUNDED, "-e", "INSERT INTO b SELECT * FROM g"])
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(side)
        .spawn()
        .unwrap();
    let (bytes, received) = channel();
    std::thread::spawn(move || {
        let mut terminal = File::from(terminal);
        let mut chunk = [0; 4096];
        // Reading fails when the program has closed the other side.
        while let Ok(read @ 1..) = terminal.read(&mut chunk) {
            if bytes.send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let begin = Instant::now();
    let mut text = String::new();
    let mut interrupted = false;
    while let Ok(more) = received.recv_timeout(LIMIT.saturating_sub(begin.elapsed())) {
        text.push_str(&String::from_utf8_lossy(&more));
        // Drawn twice: the second time in place of the first.
        if !interrupted && text.contains("\x1b[3A\r\x1b[Jinsert-into_b  running") {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            interrupted = true;
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert!(text.contains("  source g  ") && text.contains("  sink   b  ") && text.contains("backpressured"), "{text}");
    let after_last = text.rsplit("\x1b[J").next().unwrap();
    assert!(
        after_last.starts_with("insert-into_b: stopped in ") && after_last.trim_end().lines().count() == 1,
        "{text}"
    );
}
