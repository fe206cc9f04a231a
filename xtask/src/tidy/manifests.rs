//! Every version stands once, in the root's `Cargo.toml`, and every crate takes the workspace's lints.

use super::{Source, Violation};

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let is_member =
        source.path.file_name().is_some_and(|name| name == "Cargo.toml") && source.path.components().count() > 1;
    if !is_member {
        return Vec::new();
    }
    let mut violations = Vec::new();
    let (mut section, mut lints) = ("", false);
    for (index, line) in source.text.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            section = line;
        } else if line.starts_with('#') || !line.contains('=') {
            continue;
        } else if section == "[lints]" {
            lints |= line == "workspace = true";
        } else if section.ends_with("dependencies]") && !line.contains("workspace = true") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            let message =
                format!("take {name} from the root's [workspace.dependencies], where every version stands once");
            violations.push(Violation::at(&source.path, index, message));
        }
    }
    if !lints {
        violations
            .push(Violation::of(&source.path, "add `[lints]` with `workspace = true`: the rules hold for every crate"));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let source = Source { path: "crates/a/Cargo.toml".into(), text: text.to_owned() };
        check(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_version_of_its_own_is_refused() {
        let text = "[dependencies]\na.workspace = true\nb = \"1\"\nc = { workspace = true, features = [\n  \"x\",\n] }\n[lints]\nworkspace = true\n";
        let expected =
            "crates/a/Cargo.toml:3: take b from the root's [workspace.dependencies], where every version stands once";
        assert_eq!(messages(text), [expected]);
    }

    #[test]
    fn a_crate_without_the_lints_is_refused() {
        assert!(messages("[dependencies]\n")[0].contains("add `[lints]`"));
    }
}
