//! `cargo xtask test`: every test, or those of one crate, and how many passed.

use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::phases::Phases;
use crate::running::{cargo, run_hearing};
use crate::workspace::{members, target_folder};

/// On two cores, every dependency included.
const BUILD_LIMIT: Duration = Duration::from_secs(65 * 60);
const TEST_LIMIT: Duration = Duration::from_secs(30 * 60);

pub(crate) fn run(words: &[&str]) -> Outcome {
    let mut counts = Counts::default();
    let outcome = match words {
        [] => {
            let mut phases = Phases::default();
            run_phases(&mut phases, &mut counts);
            phases.finish()
        }
        [name, rest @ ..] => {
            let package = package(name)?;
            let mut command = cargo(&["test", "--no-fail-fast", "-p", &package]);
            if !rest.is_empty() {
                command.arg("--").args(rest);
            }
            run_hearing(command, BUILD_LIMIT, |line| counts.hear(line))
        }
    };
    counts.print(outcome.is_ok());
    outcome
}

/// Set-up, then all crates at once, so that cargo builds every dependency with one set of features. True when all passed.
pub(crate) fn run_phases(phases: &mut Phases, counts: &mut Counts) -> bool {
    let servers = || riverrun_testkit::install::everything().map_err(|error| error.to_string());
    let build = || run_hearing(cargo(&["test", "--workspace", "--tests", "--no-run"]), BUILD_LIMIT, |_| ());
    let mut good = phases.run("fetch servers for tests", servers);
    if !phases.run("build tests", build) {
        return false;
    }
    for (name, arguments) in [
        ("tests", ["test", "--workspace", "--no-fail-fast", "--tests"]),
        ("tests in documentation", ["test", "--workspace", "--no-fail-fast", "--doc"]),
    ] {
        let test = || run_hearing(with_program(cargo(&arguments))?, TEST_LIMIT, |line| counts.hear(line));
        good &= phases.run(name, test);
    }
    good
}

/// Tells tests where the program is that this build made; they would look beside themselves, where another
/// checkout may have left its own.
fn with_program(mut command: Command) -> Result<Command, String> {
    let program = target_folder()?.join("debug/riverrun");
    if program.is_file() {
        command.env("RIVERRUN_BIN", program);
    }
    Ok(command)
}

/// How many tests passed and failed, as the test programs say.
#[derive(Default)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
    names: Vec<String>,
}

impl Counts {
    fn hear(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            // ok. 27 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 27.94s
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
            self.ignored += number_before(result, " ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            self.names.push(name.to_owned());
        }
    }

    /// The last line of all: the counts. What failed without counting, such as a build or a crashed test program,
    /// counts as one failure.
    pub(crate) fn print(&self, good: bool) {
        for name in &self.names {
            println!("FAILED: {name}");
        }
        println!("{}", self.line(good));
    }

    fn line(&self, good: bool) -> String {
        let failed = if good { self.failed } else { self.failed.max(1) };
        let ignored = if self.ignored > 0 { format!(", {} ignored", self.ignored) } else { String::new() };
        format!("{} passed, {failed} failed{ignored}", self.passed)
    }
}

fn number_before(text: &str, what: &str) -> u64 {
    let before = text.split_once(what).map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The package that a person means: its name, or its name without `riverrun-`.
pub(crate) fn package(name: &str) -> Result<String, String> {
    let names: Vec<String> = members()?.into_iter().map(|package| package.name).collect();
    let long = format!("riverrun-{name}");
    match names.iter().find(|known| *known == name || **known == long) {
        Some(known) => Ok(known.clone()),
        None => Err(format!("there is no crate `{name}`; there are {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_test_programs_are_summed() {
        let mut counts = Counts::default();
        for line in [
            "running 28 tests",
            "test result: ok. 27 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 27.94s",
            "test a::b ... FAILED",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            counts.hear(line);
        }
        assert_eq!(counts.line(false), "30 passed, 1 failed, 1 ignored");
        assert_eq!(counts.names, ["a::b"]);
    }

    #[test]
    fn a_crash_counts_as_a_failure() {
        assert_eq!(Counts::default().line(false), "0 passed, 1 failed");
    }
}
