//! What the program says to a user's mistakes: `tests/mistakes.txt`, a file to read.
//!
//! A case is its name, a script, `----`, and what `riverrun check` says to it behind the statements on top of the file. With
//! `RIVERRUN_BLESS=1` the answers are written anew; read them before you commit them.

use std::fmt::Write as _;
use std::path::Path;

use riverrun_testkit::temp_folder;

use crate::kit::{LIMIT, riverrun};

const SEPARATOR: &str = "----\n";

/// A script and the answer to it.
struct Case<'t> {
    name: &'t str,
    script: &'t str,
    answer: &'t str,
}

fn cases(text: &str) -> (&str, Vec<Case<'_>>) {
    let mut parts = text.split("\ncase ");
    let head = parts.next().unwrap();
    let case = |part| {
        let (name, rest): (&str, &str) = str::split_once(part, '\n').unwrap();
        let (script, answer) = rest.split_once(SEPARATOR).unwrap_or_else(|| panic!("case {name} has no ----"));
        Case { name, script, answer }
    };
    (head, parts.map(case).collect())
}

#[test]
fn every_mistake_is_answered_with_its_place_and_remedy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, cases) = cases(&text);
    let folder = temp_folder();
    let (_, tables) = head.split_once(SEPARATOR).unwrap();
    std::fs::write(folder.path().join("tables.sql"), tables).unwrap();
    let mut now = head.to_owned();
    let mut wrong = Vec::new();
    for case in &cases {
        std::fs::write(folder.path().join("script.sql"), case.script).unwrap();
        let finished = riverrun(["check", "tables.sql", "script.sql"]).current_dir(folder.path()).run(LIMIT);
        let answer = finished.stdout + &finished.stderr;
        let _ = write!(now, "\ncase {}\n{}{SEPARATOR}{answer}", case.name, case.script);
        if finished.status.code() != Some(2) {
            wrong.push(format!("{}: exit code {:?}, {answer}", case.name, finished.status.code()));
        } else if answer.trim_end() != case.answer.trim_end() {
            wrong.push(format!("{}:\n{answer}-- expected\n{}", case.name, case.answer));
        }
    }
    if std::env::var_os("RIVERRUN_BLESS").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 40);
}

#[test]
fn no_answer_shows_what_is_inside_the_program() {
    let text = include_str!("../mistakes.txt");
    for inside in [
        "Some(",
        "Ident",
        "Span",
        "LogicalType",
        "internal error",
        "panicked",
        "::",
        "DataFusion",
        "sqlparser",
        "RUST_BACKTRACE",
    ] {
        let answers = cases(text)
            .1
            .into_iter()
            .filter(|case| case.answer.contains(inside))
            .map(|case| case.name)
            .collect::<Vec<_>>();
        assert!(answers.is_empty(), "{inside} in {answers:?}");
    }
}
