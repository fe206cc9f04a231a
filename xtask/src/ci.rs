//! `cargo xtask ci`: what `.ci/run` runs. Lint, then exactly what `cargo xtask test` does; every phase runs, whatever
//! the ones before said, except where nothing was built.

use std::time::Duration;

use crate::Outcome;
use crate::phases::Phases;
use crate::running::{cargo, run as run_command};
use crate::test::Counts;
use crate::{lint, test};

const FETCH_LIMIT: Duration = Duration::from_secs(20 * 60);

pub(crate) fn run() -> Outcome {
    let (mut phases, mut counts) = (Phases::default(), Counts::default());
    phases.run("fetch crates", || run_command(cargo(&["fetch"]), FETCH_LIMIT));
    lint::run_phases(&mut phases);
    let passed = test::run_phases(&mut phases, &mut counts);
    let outcome = phases.finish();
    if let Err(message) = &outcome {
        println!("{message}");
    }
    counts.print(passed);
    // said already, and the counts are the last line
    outcome.map_err(|_| String::new())
}
