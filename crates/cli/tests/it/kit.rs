//! What the tests of this program share.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun_testkit::process::{Builder, Finished, Riverrun};

/// No run of a test takes so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An unbounded source `g`, and a sink `b` that forgets.
pub(crate) const UNBOUNDED: &str = "\
    CREATE TABLE g (id INT, s STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '200', 'fields.s.length' = '3');\
    CREATE TABLE b (id INT, s STRING) WITH ('connector' = 'blackhole');";

/// The rows 1 to 3.
pub(crate) const THREE: &str = "\
    CREATE TABLE three (id INT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '3');";

/// The program with these arguments.
pub(crate) fn riverrun<A: AsRef<str>>(arguments: impl IntoIterator<Item = A>) -> Builder {
    let arguments: Vec<String> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    // What the machine sets must not change what is printed.
    Riverrun::builder_at(program()).args(arguments).env("TERM", "dumb").env("RIVERRUN_LOG", "").env("TZ", "UTC")
}

/// The program, for a test that must hold its pipes itself.
pub(crate) fn program() -> OsString {
    std::env::var_os("RIVERRUN_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_riverrun").into())
}

/// Runs statements to their end.
pub(crate) fn run(statements: &str) -> Finished {
    riverrun(["run", "-e", statements]).run(LIMIT)
}

/// Standard output of statements that must succeed.
#[track_caller]
pub(crate) fn stdout_of(arguments: &[&str]) -> String {
    let finished = riverrun(arguments).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    finished.stdout
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text with the times in `(0.07 seconds)` and `in 0.05 s` made equal.
pub(crate) fn without_times(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for n in 1..words.len() {
        let number = words[n - 1].trim_start_matches('(');
        if number.parse::<f64>().is_ok() && (words[n].starts_with("seconds)") || words[n].starts_with("s;")) {
            words[n - 1] = words[n - 1].replace(number, "0.00");
        }
    }
    words.join(" ")
}
