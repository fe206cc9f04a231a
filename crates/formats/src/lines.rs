//! Splitting a byte stream into lines.

use std::ops::Range;

use memchr::memchr_iter;

/// Appends the ranges of the lines of `bytes` without `\n` or `\r\n`; returns how many bytes they are, line ends included. With `end`, a
/// last line needs no line end.
pub fn split_lines(bytes: &[u8], end: bool, lines: &mut Vec<Range<usize>>) -> usize {
    let without_return = |start: usize, line_end: usize| {
        if bytes[start..line_end].ends_with(b"\r") { start..line_end - 1 } else { start..line_end }
    };
    let mut start = 0;
    for line_end in memchr_iter(b'\n', bytes) {
        lines.push(without_return(start, line_end));
        start = line_end + 1;
    }
    if end && start < bytes.len() {
        lines.push(without_return(start, bytes.len()));
        start = bytes.len();
    }
    start
}
