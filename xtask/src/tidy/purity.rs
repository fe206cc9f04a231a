//! `protocol` decides and does nothing else: it has no clock, no data, no network, no file and no thread, so that a
//! simulation can run it a million times a minute and replay a failure by its seed.

use super::text::has_word;
use super::{Source, Violation};

const REFUSED: &[&str] = &[
    "tokio",
    "arrow",
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "RandomState",
];

/// In `use std::{...}`.
const MODULES: &[&str] = &["net", "fs", "thread", "process", "env"];

pub(super) fn check(source: &Source) -> Vec<Violation> {
    if source.extension() != "rs" || !source.is_in("crates/protocol/src") {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let named = REFUSED.iter().filter(|word| has_word(code, word));
        let grouped = code.split_once("std::{").map_or("", |(_, list)| list);
        for word in named.chain(MODULES.iter().filter(|word| has_word(grouped, word))) {
            let message =
                format!("protocol names `{word}`: it is told the time and what happened, and says what to do");
            violations.push(Violation::at(&source.path, index, message));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Source { path: path.into(), text: text.to_owned() }).len()
    }

    #[test]
    fn the_outside_is_refused_in_protocol_only() {
        let pure = "crates/protocol/src/lib.rs";
        assert_eq!(count(pure, "let now = Instant::now();"), 1);
        assert_eq!(count(pure, "use std::{fmt, fs};"), 1);
        assert_eq!(
            count(pure, "// SystemTime is for others\nuse std::time::Duration; // no tokio\nlet narrow = 1;"),
            0
        );
        assert_eq!(count("crates/runtime/src/lib.rs", "let now = Instant::now();"), 0);
    }
}
