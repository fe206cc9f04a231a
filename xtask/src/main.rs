//! The project's chores, one command each: `cargo xtask <command>`. One command, one file.

mod audit;
mod bench;
mod ci;
mod docs;
mod lint;
mod phases;
mod running;
mod servers;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <command>

  test                     every test, after fetching what the tests' servers need
  test <crate> [args]      the tests of one crate (`kafka` for riverrun-kafka); args go to the test programs
  lint                     rustfmt, clippy, rustdoc, tidy and audit, warnings as errors
  tidy                     the rules that no compiler knows: layers, sizes, names, refused words
  audit                    licences and sources of what we depend on
  bench [crate] [args]     the micro-benchmarks of all crates, or of one
  bench flink [args]       the same SQL on Riverrun and on Apache Flink (benchmarks/run.py)
  docs                     the API's pages, built and checked; prints where they are
  servers up [name...]     servers that stay until `down`, for the tests to use too: kafka, mariadb and postgres unless
                           named, also rocketmq, hbase, hdfs and s3
  servers status|down      which of them run and where; ends them
  servers install          fetches their programs, and starts nothing
  ci                       what .ci/run runs: lint and test, with a time limit for each phase";

/// What a command ends with: nothing to add, or what went wrong in a sentence.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["lint"] => lint::run(),
        ["tidy"] => tidy::run(),
        ["audit"] => audit::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["docs"] => docs::run(),
        ["servers", rest @ ..] => servers::run(rest),
        ["ci"] => ci::run(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        [] => Err(USAGE.to_owned()),
        [other, ..] => Err(format!("there is no command `{}`, or not with these arguments\n\n{USAGE}", other)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
