//! Golden changelogs: files in `golden/` that say what goes into an operator, and what comes out.
//!
//! A file begins with comments and `key: value` lines: `input` (columns), `query` (an aggregation, an unnesting or an order), and where they matter `changes: append-only`, `updates: without
//! -U`, `zone`. Then come steps between empty lines: the rows of a batch, `watermark N`, `time N` or `end`, and below `----` what is emitted.
//! `UPDATE_GOLDEN=1 cargo test -p riverrun-sql golden` writes what is emitted now into the files.

use std::fmt::Write;
use std::path::Path;

use super::pipeline::Pipeline;
use super::query::Query;

const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn operators_emit_the_golden_changelogs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/operators/golden");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "golden files are missing in {}", folder.display());
    let mut differing = Vec::new();
    for file in files {
        let golden = std::fs::read_to_string(&file).unwrap();
        let emitted = replay(&golden);
        if emitted == golden {
            continue;
        }
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&file, emitted).unwrap();
        } else {
            differing.push(format!("{}\n{}", file.display(), difference(&golden, &emitted)));
        }
    }
    assert!(differing.is_empty(), "{UPDATE}=1 accepts these changes:\n{}", differing.join("\n"));
}

/// The file with what is emitted now.
fn replay(golden: &str) -> String {
    let (head, steps) = golden.split_once("\n\n").unwrap();
    let mut pipeline = pipeline(head);
    let mut late = 0;
    let mut text = format!("{head}\n");
    for step in steps.split("\n\n").map(str::trim).filter(|step| !step.is_empty()) {
        let input: Vec<&str> = step.lines().take_while(|line| *line != "----").collect();
        let emitted = match *input {
            ["end"] => pipeline.end(),
            [line] if line.starts_with("watermark ") => pipeline.watermark(number(line)),
            [line] if line.starts_with("time ") => pipeline.time(number(line)),
            _ => pipeline.rows(&input),
        };
        let _ = write!(text, "\n{}\n----\n", input.join("\n"));
        emitted.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        if pipeline.late() > late {
            let _ = writeln!(text, "late: {}", pipeline.late() - late);
            late = pipeline.late();
        }
    }
    text
}

fn pipeline(head: &str) -> Pipeline {
    let value = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let text = value("query").unwrap();
    if text.contains("UNNEST") {
        return Pipeline::unnest(value("input").unwrap(), text);
    }
    let mut query = Query::new(value("input").unwrap(), text);
    if let Some(changes) = value("changes") {
        assert_eq!(changes, "append-only");
        query = query.append_only();
    }
    if let Some(updates) = value("updates") {
        assert_eq!(updates, "without -U");
        query = query.without_update_before();
    }
    if let Some(zone) = value("zone") {
        query.zone = zone.parse().unwrap();
    }
    Pipeline::of(&query)
}

fn number(line: &str) -> i64 {
    line.split_once(' ').unwrap().1.parse().unwrap()
}

/// The first line that differs.
fn difference(golden: &str, emitted: &str) -> String {
    let (mut golden, mut emitted) = (golden.lines(), emitted.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (golden.next(), emitted.next()) {
            (None, None) => return "  only line ends differ".to_owned(),
            (old, new) if old == new => {}
            (old, new) => {
                return format!("  line {number}: {} became {}", old.unwrap_or("nothing"), new.unwrap_or("nothing"));
            }
        }
    }
}
