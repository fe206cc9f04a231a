//! What a file of failed records is named, and holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use riverrun_base::Result;

use super::{Found, Row};

/// The folder below the table's, by the form of dates, and a name that no other file has.
pub(super) fn place(date: &str, now_ms: i64) -> (String, String) {
    let day = DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
    (day.format(date).to_string(), format!("{now_ms}-{:016x}.json", fastrand::u64(..)))
}

/// Rows as lines.
pub(super) fn lines(rows: &[Row]) -> Vec<u8> {
    let mut text = Vec::new();
    for row in rows {
        text.extend_from_slice(row.line().as_bytes());
        text.push(b'\n');
    }
    text
}

/// Whether a file is one of ours, and finished.
pub(super) fn is_whole(name: &str) -> bool {
    !name.starts_with('.') && name.ends_with(".json")
}

/// The rows of a file; each is at `<file>#<line>`.
///
/// # Errors
/// A line is not one of ours.
pub(super) fn found(file: &str, text: &str) -> Result<Vec<Found>> {
    let row = |(n, line): (usize, &str)| {
        let row = Row::parse(line).map_err(|error| error.with("file", file).with("line", n + 1))?;
        Ok(Found { at: format!("{file}#{n}"), row })
    };
    text.lines().enumerate().map(row).collect()
}

/// The lines of rows, by their files.
pub(super) fn by_file(rows: &[Found]) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        if let Some((file, _)) = row.at.rsplit_once('#') {
            files.entry(file.to_owned()).or_default().insert(row.row.line());
        }
    }
    files
}

/// A file's text without lines; nothing where that is all of it. Lines are told by what they say: their numbers change.
pub(super) fn without(text: &str, lines: &BTreeSet<String>) -> Option<String> {
    let rest: String = text.lines().filter(|line| !lines.contains(*line)).flat_map(|line| [line, "\n"]).collect();
    (!rest.is_empty()).then_some(rest)
}
