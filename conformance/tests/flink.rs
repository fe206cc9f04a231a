//! Every recorded answer of Flink, topic by topic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use riverrun_conformance::{Waivers, answer, differs, read_cases};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Asks every case of a topic. `ONLY` names a part of the cases' names, for work on one of them.
fn hold(topic: &str) {
    let text = std::fs::read_to_string(folder().join("cases").join(format!("{topic}.test"))).unwrap();
    let waivers = Waivers::read(&std::fs::read_to_string(folder().join("waivers.txt")).unwrap()).unwrap();
    let only = std::env::var("ONLY").unwrap_or_default();
    let cases = read_cases(topic, &text).unwrap();
    for waived in waivers.of_topic(topic) {
        assert!(cases.iter().any(|case| case.name == waived), "waivers.txt names {waived}, which is no case");
    }
    let mut wrong = Vec::new();
    let mut held = 0;
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let out = tempfile::tempdir().unwrap();
        let ours = answer(case, &folder().join("data"), out.path()).unwrap();
        match (differs(case, &ours), waivers.reason(&case.name)) {
            (None, None) => held += 1,
            (None, Some(_)) if waivers.is_topic(&case.name) => held += 1,
            (Some(_), Some(_)) => {}
            (Some(difference), None) => wrong.push(format!("{}: {difference}", case.name)),
            (None, Some(_)) => wrong.push(format!("{}: answers as Flink does; remove its waiver", case.name)),
        }
    }
    println!("{topic}: {held} of {} cases as Flink answers them", cases.len());
    assert!(wrong.is_empty(), "{} of {} cases of {topic} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

macro_rules! topics {
    ($($topic:ident),*) => {$(
        #[test]
        fn $topic() {
            hold(stringify!($topic));
        }
    )*};
}

topics!(
    aggregates, arithmetic, casts, comparison, errors, explain, formats, literals, math, nested, operators, queries,
    statements, strings, temporal, windows
);

#[test]
fn every_file_of_cases_is_a_topic() {
    let source = include_str!("flink.rs");
    for file in std::fs::read_dir(folder().join("cases")).unwrap() {
        let name = file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(source.contains(&name), "cases/{name}.test is not tested");
    }
}
