//! Local paths from what a user writes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use riverrun_base::{Error, Result};

/// The local path that an option's text names: the path itself, or behind `file:` or `file://`. As in Flink, nothing in it is decoded.
///
/// # Errors
/// Another scheme, another host, or no path at all.
pub(crate) fn local_path(text: &str) -> Result<PathBuf> {
    let refused = |error: Error| error.with("option", "path").with("path", text);
    let path = match scheme(text) {
        None => text,
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => {
            let rest = text.get(scheme.len() + 1..).unwrap_or_default();
            match rest.strip_prefix("//") {
                None => rest,
                Some(rest) => match rest.split_once('/') {
                    Some(("" | "localhost", _)) => rest.strip_prefix("localhost").unwrap_or(rest),
                    _ => {
                        let error = Error::user("a file URI cannot name a host");
                        return Err(refused(error.hint("write 'file:///...' with three slashes for a local path")));
                    }
                },
            }
        }
        Some(scheme) => {
            let error = Error::not_supported(format!("the file system '{scheme}'"));
            return Err(refused(error.hint("connector 'filesystem' reads and writes local files")));
        }
    };
    if path.is_empty() { Err(refused(Error::user("the path is empty"))) } else { Ok(PathBuf::from(path)) }
}

/// The scheme of a URI: at least two letters, digits, `+`, `-` or `.` before a colon.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letter))
        .then_some(scheme)
}

/// The error of an operation on a file or folder.
pub(crate) fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    let error = Error::external(what).caused_by(error).with("path", path.display());
    if is_full { error.hint("make room on its file system, or raise the limit on the size of files") } else { error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn paths_and_file_uris_are_local() {
        let cases = [
            ("/a/b", "/a/b"),
            ("a/b.csv", "a/b.csv"),
            ("file:///a/b", "/a/b"),
            ("file:/a/b", "/a/b"),
            ("file:a", "a"),
            ("FILE://localhost/a", "/a"),
            ("/a:b/c", "/a:b/c"),
            ("c:/x", "c:/x"),
            ("/a%20b", "/a%20b"),
        ];
        for (text, path) in cases {
            assert_eq!(local_path(text).unwrap(), PathBuf::from(path), "{text}");
        }
    }

    #[test]
    fn other_file_systems_are_refused_by_name() {
        for (text, message) in [
            ("s3://bucket/a", "the file system 's3' is not supported yet"),
            ("hdfs://namenode:8020/a", "the file system 'hdfs' is not supported yet"),
            ("file://host/a", "cannot name a host"),
            ("file://", "cannot name a host"),
            ("", "the path is empty"),
            ("file:", "the path is empty"),
        ] {
            let error = local_path(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
