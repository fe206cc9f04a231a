//! Which files a path names.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use riverrun_base::{Error, Result};

use super::{Files, file};
use crate::path::failed;

/// Refuses a path that names nothing.
///
/// # Errors
/// It does not exist, or cannot be read.
pub(super) fn check(files: &Files) -> Result<()> {
    roots(&absolute(&files.path)?).map(drop)
}

/// The absolute paths of all files, sorted: the path itself, those below it, or those that its pattern names; without hidden ones and
/// those that the regular expression leaves out.
///
/// # Errors
/// The path does not exist, a folder cannot be read, or a file cannot be read because of its name or its compression.
pub(super) fn list(files: &Files) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for root in roots(&absolute(&files.path)?)? {
        add(root, &mut found)?;
    }
    let mut paths = Vec::with_capacity(found.len());
    for path in found {
        let Some(text) = path.to_str() else {
            return Err(Error::user("the name of a file is not UTF-8").with("path", path.display()));
        };
        if files.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text)) {
            file::Compression::of(&path)?;
            paths.push(text.to_owned());
        }
    }
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| failed("cannot resolve a path", path, error))
}

/// The path itself, or what its pattern names.
fn roots(path: &Path) -> Result<Vec<PathBuf>> {
    match fs::metadata(path) {
        Ok(_) => Ok(vec![path.to_owned()]),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let pattern = path.to_str().filter(|text| is_wild(text));
            match pattern {
                Some(pattern) => matches(pattern),
                None => Err(missing("the path does not exist", path)),
            }
        }
        Err(error) => Err(failed("cannot read the path", path, error)),
    }
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    let paths = glob::glob(pattern).map_err(|error| {
        Error::user(format!("the path is no pattern: {}", error.msg)).with("path", pattern).with("option", "path")
    })?;
    // The part of the path that is named as it is, and so not hidden.
    let named: PathBuf = path.iter().take_while(|part| !is_wild(&part.to_string_lossy())).collect();
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let at = error.path().to_owned();
            failed("cannot read the folder", &at, error.into())
        })?;
        let wild = path.strip_prefix(&named).unwrap_or(&path);
        if !wild.iter().any(|part| is_hidden(Path::new(part))) {
            found.push(path);
        }
    }
    if found.is_empty() { Err(missing("no file matches the path", path)) } else { Ok(found) }
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn missing(message: &str, path: &Path) -> Error {
    Error::user(message).with("path", path.display()).with("option", "path")
}

/// Adds a file, or all files below a folder.
fn add(path: PathBuf, found: &mut Vec<PathBuf>) -> Result<()> {
    let vanished = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        // Taken away while the folder was read.
        Err(error) if vanished(&error) => return Ok(()),
        Err(error) => return Err(failed("cannot read the path", &path, error)),
    };
    if metadata.is_file() {
        found.push(path);
    } else if metadata.is_dir() {
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if vanished(&error) => return Ok(()),
            Err(error) => return Err(failed("cannot read the folder", &path, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("cannot read the folder", &path, error))?.path();
            if !is_hidden(&entry) {
                add(entry, found)?;
            }
        }
    }
    Ok(())
}

/// Whether a name begins with `.` or `_`: files that are not complete, and those that tell about others.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')))
}
