//! Names of files: each says what the file holds.

use std::path::{Path, PathBuf};

use super::Violation;

/// Names under which anything could be put, and then is.
const REFUSED: &[&str] = &["common", "helper", "helpers", "misc", "stuff", "util", "utils"];

pub(super) fn check(files: &[PathBuf]) -> Vec<Violation> {
    let refused = |path: &Path| path.components().find_map(|part| name_of(part.as_os_str().to_str()?));
    files
        .iter()
        .filter_map(|path| {
            let name = refused(path)?;
            Some(Violation::of(path, format!("`{name}` says nothing about what is in it: name the subject")))
        })
        .collect()
}

fn name_of(part: &str) -> Option<&'static str> {
    let stem = part.split('.').next().unwrap_or(part).to_lowercase();
    REFUSED.iter().copied().find(|name| *name == stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_named_for_what_they_hold() {
        let files = ["a/utils.rs", "tests/common/mod.rs", "a/common_table.rs", "src/commons.rs"].map(PathBuf::from);
        let found: Vec<_> = check(&files).into_iter().map(|violation| violation.file).collect();
        assert_eq!(found, ["a/utils.rs", "tests/common/mod.rs"].map(PathBuf::from));
    }
}
