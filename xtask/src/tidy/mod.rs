//! `cargo xtask tidy`: the rules of this repository that no compiler knows. Each rule is a file, and a function from
//! what the repository holds to violations; each message says where, what and why.

mod layers;
mod links;
mod manifests;
mod names;
mod purity;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::workspace::{files, members, root};

/// A rule broken, in one place.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: PathBuf,
    /// Counted from 1; none for the file as a whole.
    line: Option<usize>,
    message: String,
}

impl Violation {
    fn of(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, message: message.into() }
    }

    /// At a line counted from 0.
    fn at(file: impl Into<PathBuf>, index: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(index + 1), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.message),
            None => write!(f, "{}: {}", self.file.display(), self.message),
        }
    }
}

/// A file with its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn extension(&self) -> &str {
        self.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

pub(crate) fn run() -> Outcome {
    let violations = check()?;
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    Err(format!("{}\ntidy: {} to put right", lines.join("\n"), lines.len()))
}

fn check() -> Result<Vec<Violation>, String> {
    let (files, members) = (files()?, members()?);
    let mut violations = names::check(&files);
    violations.extend(layers::check(&members));
    violations.extend(links::check(&files, |path| std::fs::read_to_string(root().join(path)).unwrap_or_default()));
    for path in files {
        violations.extend(check_file(&path)?);
    }
    Ok(violations)
}

fn check_file(path: &Path) -> Result<Vec<Violation>, String> {
    let bytes = std::fs::read(root().join(path)).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut violations = text::check_size(path, bytes.len());
    if let Ok(text) = String::from_utf8(bytes)
        && !text.contains('\0')
    {
        let source = Source { path: path.to_owned(), text };
        violations.extend(text::check(&source));
        violations.extend(purity::check(&source));
        violations.extend(manifests::check(&source));
    }
    Ok(violations)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_repository_is_tidy() {
        if let Err(message) = super::run() {
            panic!("{message}");
        }
    }
}
