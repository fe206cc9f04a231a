//! Which crate may know which: a crate depends on the crates behind its arrow, and on what they may depend on.
//! `docs/` says what each layer is for.

use std::collections::BTreeSet;

use super::Violation;
use crate::workspace::Package;

/// Folder in `crates/`, and what it may depend on. `connectors/*` stands for every connector, to whose arrow no other
/// connector belongs; `clients/*` for every client of a system that a connector talks with.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("protocol", &["base"]),
    ("checkpoints", &["base", "protocol"]),
    ("data", &["base"]),
    ("formats", &["data"]),
    ("state", &["data", "protocol"]),
    ("connect", &["data", "formats", "protocol"]),
    ("runtime", &["checkpoints", "state", "connect"]),
    ("sql", &["runtime"]),
    ("api", &["runtime", "sql", "connectors/*", "bundle"]),
    ("cluster-model", &["base"]),
    ("cluster", &["runtime", "protocol", "cluster-model"]),
    ("clients/*", &["base"]),
    ("connectors/*", &["connect", "clients/*"]),
    ("bundle", &["connectors/*"]),
    ("cli", &["api", "sql", "bundle", "runtime", "cluster", "cluster-model"]),
];

/// Folders outside `crates/` that may depend on anything: tests and chores.
const FREE: &[&str] = &["testkit", "conformance", "examples/rust", "sim", "xtask"];

/// The one crate that any other may use, and only in its tests.
const TESTKIT: &str = "testkit";

pub(super) fn check(members: &[Package]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in members {
        let manifest = package.folder.join("Cargo.toml");
        let folder = layer(package);
        violations.extend(third_parties(package).map(|message| Violation::of(&manifest, message)));
        if FREE.contains(&folder.as_str()) {
            continue;
        }
        let Some(allowed) = reach(&folder) else {
            let message =
                "this crate is in no layer: give it one in xtask/src/tidy/layers.rs, and in the architecture page";
            violations.push(Violation::of(&manifest, message));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(target) = members.iter().find(|member| member.name == *dependency) else {
                continue;
            };
            let target = layer(target);
            if target == TESTKIT || allowed.contains(target.as_str()) {
                continue;
            }
            let list: Vec<&str> = allowed.iter().copied().collect();
            let message = format!("{folder} must not know {target}; it may know: {}", list.join(", "));
            violations.push(Violation::of(&manifest, message));
        }
    }
    violations
}

/// The crates that others must not name, whoever they are.
fn third_parties(package: &Package) -> impl Iterator<Item = String> {
    let folder = layer(package);
    package.dependencies.iter().filter_map(move |dependency| {
        if dependency.starts_with("datafusion") && folder != "sql" {
            return Some(format!(
                "{folder} names {dependency}: only sql may, so that DataFusion can be replaced in one place"
            ));
        }
        let io = ["tokio", "arrow", "async-", "futures", "rand", "fastrand", "libc", "rustix"];
        (folder == "protocol" && io.iter().any(|name| dependency.starts_with(name)))
            .then(|| format!("protocol names {dependency}: it decides, and leaves clock, data and network to others"))
    })
}

/// A crate's row in the table.
fn layer(package: &Package) -> String {
    let path = package.folder.display().to_string();
    let folder = path.strip_prefix("crates/").unwrap_or(&path);
    let family = ["clients", "connectors"].into_iter().find(|family| folder.starts_with(&format!("{family}/")));
    family.map_or_else(|| folder.to_owned(), |family| format!("{family}/*"))
}

/// All that a layer may depend on.
fn reach(folder: &str) -> Option<BTreeSet<&'static str>> {
    let (_, direct) = LAYERS.iter().find(|(name, _)| *name == folder)?;
    let further = direct.iter().filter_map(|name| reach(name)).flatten();
    Some(direct.iter().copied().chain(further).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn package(folder: &str, dependencies: &[&str]) -> Package {
        let name = Path::new(folder).file_name().unwrap().to_str().unwrap();
        Package {
            name: format!("riverrun-{name}"),
            folder: folder.into(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn messages(of: Package) -> Vec<String> {
        let others = ["crates/base", "crates/sql", "crates/connectors/kafka", "crates/connectors/jdbc", "testkit"];
        let mut members: Vec<Package> = others.into_iter().map(|folder| package(folder, &[])).collect();
        members.push(of);
        check(&members).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_layer_reaches_is_allowed_and_so_is_the_testkit() {
        assert_eq!(
            messages(package("crates/cli", &["riverrun-base", "riverrun-sql", "riverrun-testkit", "serde"])),
            [""; 0]
        );
    }

    #[test]
    fn a_layer_above_is_refused() {
        let expected = "crates/data/Cargo.toml: data must not know sql; it may know: base";
        assert_eq!(messages(package("crates/data", &["riverrun-base", "riverrun-sql"])), [expected]);
    }

    #[test]
    fn a_connector_knows_no_other() {
        let found = messages(package("crates/connectors/http", &["riverrun-kafka"]));
        let expected =
            "connectors/* must not know connectors/*; it may know: base, clients/*, connect, data, formats, protocol";
        assert_eq!(found, [format!("crates/connectors/http/Cargo.toml: {expected}")]);
    }

    #[test]
    fn a_crate_without_a_layer_is_refused() {
        assert!(messages(package("crates/extra", &[]))[0].contains("this crate is in no layer"));
    }

    #[test]
    fn only_sql_names_datafusion_and_protocol_names_no_runtime() {
        assert!(messages(package("crates/runtime", &["datafusion-common"]))[0].contains("only sql may"));
        assert!(messages(package("crates/protocol", &["tokio"]))[0].contains("protocol names tokio"));
    }
}
