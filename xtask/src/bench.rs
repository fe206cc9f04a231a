//! `cargo xtask bench [crate] [args]`: the micro-benchmarks; `bench flink [args]`: the same scripts here and on Flink.

use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::running::{cargo, run as run_command};
use crate::test::package;
use crate::workspace::root;

const LIMIT: Duration = Duration::from_secs(4 * 60 * 60);

pub(crate) fn run(words: &[&str]) -> Outcome {
    let mut command = cargo(&["bench", "--benches"]);
    match words {
        [] => drop(command.arg("--workspace")),
        ["flink", rest @ ..] => {
            command = Command::new("python3");
            command.arg("benchmarks/run.py").args(rest).current_dir(root());
        }
        [name, rest @ ..] => {
            command.args(["-p", &package(name)?]);
            if !rest.is_empty() {
                command.arg("--").args(rest);
            }
        }
    }
    run_command(command, LIMIT)
}
