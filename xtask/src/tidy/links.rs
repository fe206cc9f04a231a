//! Links between the pages of this repository lead somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::Violation;

/// Looks at every Markdown page; `read` gives a page's text.
pub(super) fn check(files: &[PathBuf], read: impl Fn(&Path) -> String) -> Vec<Violation> {
    let known: BTreeSet<&Path> = files.iter().flat_map(|path| path.ancestors()).collect();
    let mut violations = Vec::new();
    for page in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        for (index, line) in read(page).lines().enumerate() {
            for target in targets(line) {
                let file = resolve(page, target);
                if !known.contains(file.as_path()) {
                    violations.push(Violation::at(page, index, format!("the link to {target} leads nowhere")));
                }
            }
        }
    }
    violations
}

/// The files that a line of Markdown links to, as written there, without their anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#', ' ']).next()?;
        let is_file = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        is_file.then_some(target)
    })
}

/// The file that a link on a page means, relative to the root.
fn resolve(page: &Path, target: &str) -> PathBuf {
    let mut file = page.parent().map(Path::to_owned).unwrap_or_default();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(file.pop()),
            Component::Normal(name) => file.push(name),
            _ => {}
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_file_or_folder_that_is_not_there_is_found() {
        let files = ["README.md", "docs/a.md", "docs/b/c.md"].map(PathBuf::from);
        let pages = |path: &Path| match path.to_str() {
            Some("README.md") => {
                "[a](docs/a.md#part) [web](https://x.org/y) [b](docs/b)\n[gone](docs/gone.md)".to_owned()
            }
            Some("docs/b/c.md") => "[up](../a.md) [here](#part)".to_owned(),
            _ => String::new(),
        };
        let found: Vec<String> = check(&files, pages).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["README.md:2: the link to docs/gone.md leads nowhere"]);
    }
}
