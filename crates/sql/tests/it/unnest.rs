//! `UNNEST` in FROM: its forms, its plans, and what is refused.

use std::time::Duration;

use riverrun_connect::Connectors;
use riverrun_sql::{Outcome, Session};

/// Lines and arrays of rows.
const INPUT: &str =
    "(VALUES (1, 'a b', ARRAY[ROW(7, 'x'), ROW(8, 'y')]), (2, '', ARRAY[ROW(9, 'z')])) AS v(id, line, pairs)";

fn execute(query: &str) -> riverrun_base::Result<Outcome> {
    let mut session = Session::new(Connectors::new(Vec::new()));
    let script = session.parse(&query.replace("$input", INPUT))?;
    session.execute(&script.steps[0])
}

/// The rows of a query, and above them its columns.
fn rows(query: &str) -> Vec<String> {
    let Outcome::Query(job) = execute(query).unwrap() else { panic!("{query} is no query") };
    let mut lines = vec![job.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(" ")];
    let (_job, mut rows) = job.start().unwrap();
    while let Some(some) = rows.next(Duration::from_secs(10)).unwrap() {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        lines.extend(some.iter().map(|row| row.values.iter().map(cell).collect::<Vec<_>>().join(" ")));
    }
    lines
}

fn plan(query: &str) -> String {
    let Outcome::Table(table) = execute(&format!("EXPLAIN {query}")).unwrap() else { panic!("no plan") };
    table.rows[0][0].clone().unwrap()
}

#[test]
fn each_form_gives_the_rows_and_columns_it_gives_in_flink() {
    for (query, expected) in [
        ("SELECT id, w FROM $input CROSS JOIN UNNEST(SPLIT(line, ' ')) AS t(w)", &["id w", "1 a", "1 b"][..]),
        ("SELECT id, w FROM $input, UNNEST(SPLIT(line, ' ')) AS t(w)", &["id w", "1 a", "1 b"]),
        ("SELECT id, t.w FROM $input JOIN UNNEST(SPLIT(v.line, ' ')) AS t(w) ON w <> 'a'", &["id w", "1 b"]),
        (
            "SELECT id, w FROM $input LEFT JOIN UNNEST(SPLIT(line, ' ')) AS t(w) ON TRUE",
            &["id w", "1 a", "1 b", "2 NULL"],
        ),
        ("SELECT t.*, id FROM $input, UNNEST(pairs) AS t", &["EXPR$0 EXPR$1 id", "7 x 1", "8 y 1", "9 z 2"]),
        ("SELECT id, n, c FROM $input, UNNEST(pairs) AS t(n, c) WHERE n > 7", &["id n c", "1 8 y", "2 9 z"]),
        ("SELECT * FROM UNNEST(MAP['k', 1, 'l', 2])", &["KEY VALUE", "k 1", "l 2"]),
        ("SELECT * FROM UNNEST(ARRAY[5, 6]) WITH ORDINALITY AS t(x, n)", &["x n", "5 1", "6 2"]),
        ("SELECT * FROM UNNEST(ARRAY[5, 6]) AS x", &["x", "5", "6"]),
        (
            "SELECT id, w, n FROM $input, UNNEST(SPLIT(line, ' ')) AS t(w) CROSS JOIN UNNEST(pairs) AS p(n, c)",
            &["id w n", "1 a 7", "1 a 8", "1 b 7", "1 b 8"],
        ),
        ("SELECT COUNT(*) FROM $input, UNNEST(pairs)", &["EXPR$0", "3"]),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
}

#[test]
fn only_columns_that_are_read_behind_it_are_multiplied() {
    assert_eq!(
        plan("SELECT w, COUNT(*) FROM $input, UNNEST(SPLIT(line, ' ')) AS t(w) WHERE id > 1 GROUP BY w"),
        "== Optimized Physical Plan ==
Calc(select=[w, $a0 AS EXPR$1], changelogMode=[I,UA])
+- GroupAggregate(groupBy=[w], select=[w, COUNT(*) AS $a0], changelogMode=[I,UA])
   +- Exchange(distribution=[hash[w]], changelogMode=[I])
      +- Calc(select=[w], where=[(id > 1)], changelogMode=[I])
         +- Correlate(invocation=[UNNEST($f3)], select=[id, w], joinType=[INNER], changelogMode=[I])
            +- Calc(select=[id, line, pairs, SPLIT(line, ' ') AS $f3], changelogMode=[I])
               +- Values(tuples=[2 rows], changelogMode=[I])
"
    );
    let changes = plan(
        "SELECT x FROM (SELECT id, COUNT(*) AS n FROM $input GROUP BY id) LEFT JOIN UNNEST(ARRAY[n]) AS t(x) ON TRUE",
    );
    // A change takes the elements of the former row back, so it must be told.
    assert!(changes.contains("select=[x], joinType=[LEFT], changelogMode=[I,UB,UA]"), "{changes}");
}

#[test]
fn what_is_no_array_and_other_joins_are_refused() {
    for (query, expected) in [
        ("SELECT id FROM $input, UNNEST(line)", "UNNEST needs an array or a map, but this is VARCHAR(3) NOT NULL"),
        ("SELECT id FROM $input, UNNEST(pairs) AS t(x)", "1 column names are given for 2 columns"),
        ("SELECT id FROM $input, UNNEST(pairs, pairs)", "UNNEST takes one array or map"),
        ("SELECT id FROM $input LEFT JOIN UNNEST(pairs) AS t(x, y) ON x > 1", "is supported with ON TRUE only"),
        ("SELECT id FROM $input JOIN UNNEST(pairs)", "JOIN UNNEST(...) needs a condition: ON TRUE"),
        (
            "SELECT id FROM $input FULL JOIN UNNEST(pairs) ON TRUE",
            "behind a comma, CROSS JOIN, JOIN and LEFT JOIN only",
        ),
        ("SELECT id FROM $input, (VALUES (1)) AS w(x)", "joins are not supported yet, but for UNNEST"),
        ("SELECT id FROM $input JOIN (VALUES (1)) AS w(x) ON TRUE", "joins are not supported yet, but for UNNEST"),
        ("SELECT id FROM UNNEST(pairs), $input", "Column 'pairs' not found in any table"),
    ] {
        let Err(error) = execute(query) else { panic!("{query} is accepted") };
        assert!(error.to_string().contains(expected), "{query}: {error}");
    }
}
