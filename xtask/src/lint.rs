//! `cargo xtask lint`: everything that can be said about the code without running it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::phases::Phases;
use crate::running::{self, cargo};
use crate::{audit, tidy};

/// A first build of every dependency is in it.
const LIMIT: Duration = Duration::from_secs(60 * 60);

pub(crate) fn run_phases(phases: &mut Phases) {
    phases.run("tidy", tidy::run);
    phases.run("format", || running::run(cargo(&["fmt", "--all", "--check"]), LIMIT));
    phases.run("audit", audit::run);
    phases.run("clippy", || running::run(clippy(), LIMIT));
    phases.run("rustdoc", crate::docs::build);
}

/// Clippy over all our code.
fn clippy() -> Command {
    match clippy_wrapper() {
        Some(wrapper) => {
            let mut command = cargo(&["check", "--workspace", "--all-targets"]);
            command.env("RUSTC_WORKSPACE_WRAPPER", wrapper);
            command
        }
        None => cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    }
}

/// `cargo clippy` puts a wrapper of its own around rustc. Where `.ci/run` has set one, to keep what it builds apart, this is
/// clippy's, which lies beside it.
pub(crate) fn clippy_wrapper() -> Option<PathBuf> {
    let wrapper = PathBuf::from(std::env::var_os("RUSTC_WORKSPACE_WRAPPER")?).with_file_name("clippy");
    wrapper.is_file().then_some(wrapper)
}

pub(crate) fn run() -> Outcome {
    let mut phases = Phases::default();
    run_phases(&mut phases);
    phases.finish()
}
