//! `cargo xtask audit`: licences, sources and bans of what we depend on, by cargo-deny with `deny.toml`.
//!
//! cargo-deny is built once, in one version, into the cache (3 CPU-minutes). Security advisories are not asked for:
//! they come from the network, and would make the same commit pass today and fail tomorrow.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::running::{cargo, run as run_command};
use crate::workspace::root;

const VERSION: &str = "0.20.2";
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
const LIMIT: Duration = Duration::from_secs(5 * 60);

pub(crate) fn run() -> Outcome {
    let mut command = Command::new(installed()?);
    command.args(["--offline", "--log-level", "error", "check", "licenses", "bans", "sources"]).current_dir(root());
    run_command(command, LIMIT)
}

fn installed() -> Result<PathBuf, String> {
    let folder = riverrun_testkit::install::cache().join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("building cargo-deny {VERSION} into {} ...", folder.display());
        let mut command = cargo(&["install", "cargo-deny", "--version", VERSION, "--locked", "--quiet", "--root"]);
        // in a temporary folder: the shared one keeps what is built for us
        command.arg(&folder);
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(name);
        }
        run_command(command, BUILD_LIMIT)?;
    }
    Ok(program)
}
