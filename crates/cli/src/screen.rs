//! Standard error: lines that stay, and on a terminal a live block beneath them that is drawn again and again.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;
use unicode_width::UnicodeWidthChar;

/// The width where the terminal does not tell.
const WIDTH: usize = 100;

/// Standard error, shared by logs, messages and the live block. Clones share it.
#[derive(Clone)]
pub(crate) struct Screen(Arc<Mutex<State>>);

struct State {
    terminal: bool,
    colors: bool,
    /// The live block as it stands on the terminal.
    block: Vec<String>,
}

/// What a log line is written to.
pub(crate) struct LogWriter<'s>(&'s Screen);

impl Screen {
    /// Standard error as it is.
    pub(crate) fn on_stderr() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let terminal = io::stderr().is_terminal() && variable("TERM").is_none_or(|term| term != "dumb");
        let colors = terminal && variable("NO_COLOR").is_none();
        Self(Arc::new(Mutex::new(State { terminal, colors, block: Vec::new() })))
    }

    /// Whether a live block can be shown.
    pub(crate) fn is_terminal(&self) -> bool {
        self.state().terminal
    }

    /// Whether text may be coloured.
    pub(crate) fn has_colors(&self) -> bool {
        self.state().colors
    }

    /// Writes lines that stay, above the live block. Text ends with a line end.
    pub(crate) fn print(&self, text: &str) {
        let state = self.state();
        // Nobody can be told that standard error is closed.
        let _ = io::stderr().write_all(&redrawn(&state.block, text.as_bytes(), &state.block));
    }

    /// Puts another live block in place of the last one; none hides it.
    pub(crate) fn draw(&self, block: Vec<String>) {
        let mut state = self.state();
        let width = terminal_width();
        let block: Vec<String> = block.iter().map(|line| cut(line, width)).collect();
        if state.terminal && !(block.is_empty() && state.block.is_empty()) {
            let _ = io::stderr().write_all(&redrawn(&state.block, b"", &block));
            state.block = block;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'s> MakeWriter<'s> for Screen {
    type Writer = LogWriter<'s>;

    fn make_writer(&'s self) -> LogWriter<'s> {
        LogWriter(self)
    }
}

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.print(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What takes the terminal from one block to another with text above it, in one write so that nothing comes between.
fn redrawn(before: &[String], text: &[u8], after: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !before.is_empty() {
        bytes.extend_from_slice(format!("\x1b[{}A\r\x1b[J", before.len()).as_bytes());
    }
    bytes.extend_from_slice(text);
    for line in after {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(rustix::stdio::stderr())
        .map(|size| usize::from(size.ws_col))
        .ok()
        .filter(|width| *width > 0)
        .unwrap_or(WIDTH)
}

/// What fits in one line of the terminal: a line that wraps would be two.
fn cut(line: &str, width: usize) -> String {
    let mut used = 0;
    line.chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_and_text_goes_above_it() {
        let block = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(redrawn(&block(&[]), b"", &block(&["a", "b"])), b"a\nb\n");
        assert_eq!(redrawn(&block(&["a", "b"]), b"log\n", &block(&["c"])), b"\x1b[2A\r\x1b[Jlog\nc\n");
        assert_eq!(redrawn(&block(&["a"]), b"", &block(&[])), b"\x1b[1A\r\x1b[J");
    }

    #[test]
    fn a_line_never_wraps() {
        assert_eq!(cut("abcdef", 4), "abc");
        assert_eq!(cut("日本語", 6), "日本");
    }
}
