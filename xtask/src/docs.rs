//! `cargo xtask docs`: the API's pages.

use std::time::Duration;

use crate::Outcome;
use crate::lint::clippy_wrapper;
use crate::running::{cargo, run as run_command};
use crate::workspace::target_folder;

const LIMIT: Duration = Duration::from_secs(60 * 60);

pub(crate) fn run() -> Outcome {
    build()?;
    println!("{}", target_folder()?.join("doc/riverrun_base/index.html").display());
    Ok(())
}

/// Builds the pages; a warning, such as a link to nowhere, is an error.
pub(crate) fn build() -> Outcome {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    if let Some(wrapper) = clippy_wrapper() {
        // what clippy has checked need not be checked again
        command.env("RUSTC_WORKSPACE_WRAPPER", wrapper);
    }
    run_command(command, LIMIT)
}
