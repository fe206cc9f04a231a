//! What the program's end tells a shell.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done; an unbounded job was ended in order.
    Done,
    /// A job failed.
    JobFailed,
    /// The user's mistake, found before anything ran.
    Mistake,
    /// A signal of this number ended jobs at once, or left statements undone.
    Signal(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::JobFailed => 1,
            Exit::Mistake => 2,
            Exit::Signal(number) => 128 + number,
        })
    }
}
