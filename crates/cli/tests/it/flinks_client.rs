//! What Flink's own client and `print` connector wrote, in `conformance/client`, is what this program writes.

use std::fmt::Write as _;

use crate::kit::{LIMIT, riverrun, root, without_times};

/// The statements of a recording, and the lines printed behind each.
fn recorded(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("conformance/client").join(file)).unwrap();
    let mut parts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("> "), parts.last_mut()) {
            (Some(statement), Some((statements, printed))) if printed.is_empty() => *statements += statement,
            (Some(statement), _) => parts.push((statement.to_owned(), String::new())),
            (None, Some((_, printed))) if !line.is_empty() => writeln!(printed, "{line}").unwrap(),
            _ => {}
        }
    }
    parts
}

fn printed(statements: &str) -> String {
    let data = root().join("conformance/data").canonicalize().unwrap();
    let tables = format!(
        "CREATE TABLE changes (id INT, k STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '{}/changes.csv', 'format' = 'csv', 'csv.null-literal' = 'NULL'); \
         SET 'table.local-time-zone' = 'UTC'; SET 'table.exec.mini-batch.enabled' = 'false';",
        data.display()
    );
    let finished = riverrun(["run", "-e", &tables, "-e", statements]).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{statements}\n{}", finished.stderr);
    finished.stdout
}

#[test]
fn results_are_drawn_as_flinks_client_draws_them() {
    let recorded = recorded("tableau.txt");
    assert!(recorded.len() >= 10);
    for (statement, expected) in recorded.iter().filter(|(_, expected)| !expected.starts_with("[ERROR]")) {
        assert_eq!(without_times(&printed(statement)), without_times(expected), "{statement}");
    }
}

#[test]
fn the_print_connector_writes_what_flinks_does() {
    for (statements, expected) in recorded("print.txt") {
        assert_eq!(printed(&statements), expected, "{statements}");
    }
}
