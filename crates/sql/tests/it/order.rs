//! ORDER BY, OFFSET, LIMIT and FETCH: what they can name, their plans, and what is refused.

use std::time::Duration;

use riverrun_connect::Connectors;
use riverrun_sql::{Outcome, Session};

use super::numbers::{NUMBERS, release, written};

/// Rows of which the names repeat, one of them NULL.
const INPUT: &str =
    "(VALUES (3, 'b', 1.5), (1, 'a', 2.5), (2, CAST(NULL AS STRING), 3.5), (4, 'a', 0.5)) AS t(id, name, price)";

fn execute(statements: &str) -> riverrun_base::Result<Outcome> {
    let mut session = Session::new(Connectors::new(vec![&NUMBERS]));
    // Sources and what is below a sort run in several subtasks.
    session.set("parallelism.default", "3")?;
    let mut last = Outcome::Done { warning: None };
    for step in &session.parse(&statements.replace("$t", INPUT))?.steps {
        last = session.execute(step)?;
    }
    Ok(last)
}

/// The rows of a query with their kinds, but for `+I`.
fn rows(query: &str) -> Vec<String> {
    let outcome = execute(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let Outcome::Query(job) = outcome else { panic!("{query} is no query") };
    assert!(!job.updating, "{query}");
    let (job, mut rows) = job.start().unwrap();
    let mut lines = Vec::new();
    while let Some(some) = rows.next(Duration::from_secs(10)).unwrap() {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        lines.extend(some.iter().map(|row| row.values.iter().map(cell).collect::<Vec<_>>().join(" ")));
    }
    job.wait().unwrap();
    lines
}

fn plan(query: &str) -> String {
    let Outcome::Table(table) = execute(&format!("EXPLAIN {query}")).unwrap() else { panic!("no plan") };
    table.rows[0][0].clone().unwrap().trim_start_matches("== Optimized Physical Plan ==\n").to_owned()
}

#[test]
fn rows_come_sorted_by_whatever_order_by_can_name() {
    for (query, expected) in [
        ("SELECT id, name FROM $t ORDER BY id", &["1 a", "2 NULL", "3 b", "4 a"][..]),
        ("SELECT id, name FROM $t ORDER BY name DESC, id DESC", &["3 b", "4 a", "1 a", "2 NULL"]),
        ("SELECT id, name FROM $t ORDER BY name, id", &["2 NULL", "1 a", "4 a", "3 b"]),
        ("SELECT id, name FROM $t ORDER BY name ASC NULLS LAST, 1", &["1 a", "4 a", "3 b", "2 NULL"]),
        ("SELECT id, name FROM $t ORDER BY 2 DESC NULLS FIRST, 1", &["2 NULL", "3 b", "1 a", "4 a"]),
        // A column that is not selected, an expression over one, an alias, an expression over an alias.
        ("SELECT id FROM $t ORDER BY price", &["4", "3", "1", "2"]),
        ("SELECT id FROM $t ORDER BY -t.price * 2", &["2", "1", "3", "4"]),
        ("SELECT -id AS x FROM $t ORDER BY x", &["-4", "-3", "-2", "-1"]),
        ("SELECT 10 - id AS x FROM $t ORDER BY 5 - x", &["9", "8", "7", "6"]),
        // An alias is found before a column of the same name.
        ("SELECT -id AS id FROM $t ORDER BY id", &["-4", "-3", "-2", "-1"]),
        ("SELECT -id AS id FROM $t ORDER BY t.id", &["-1", "-2", "-3", "-4"]),
        ("SELECT * FROM $t ORDER BY MOD(id, 2), id LIMIT 2", &["2 NULL 3.5", "4 a 0.5"]),
        ("SELECT name, COUNT(*) AS n FROM $t GROUP BY name ORDER BY n DESC, name", &["a 2", "NULL 1", "b 1"]),
        ("SELECT name FROM $t GROUP BY name ORDER BY SUM(id) DESC", &["a", "b", "NULL"]),
        ("SELECT SUM(id) AS id FROM $t GROUP BY name ORDER BY SUM(id)", &["2", "3", "5"]),
        ("SELECT DISTINCT name FROM $t ORDER BY name", &["NULL", "a", "b"]),
        ("SELECT id FROM $t UNION ALL SELECT id + 10 FROM $t ORDER BY 1 DESC LIMIT 3", &["14", "13", "12"]),
        ("SELECT name FROM $t UNION SELECT 'c' FROM $t ORDER BY name DESC", &["c", "b", "a", "NULL"]),
        ("VALUES (2), (1), (3) ORDER BY 1", &["1", "2", "3"]),
        (
            "WITH w AS (SELECT id FROM $t ORDER BY id LIMIT 3) SELECT id * 10 FROM w ORDER BY 1 DESC",
            &["30", "20", "10"],
        ),
        ("SELECT name, id FROM (SELECT * FROM $t ORDER BY price DESC LIMIT 3) WHERE id < 3", &["NULL 2", "a 1"]),
        ("SELECT SUM(id) FROM (SELECT id FROM $t ORDER BY price LIMIT 2) HAVING COUNT(*) = 2 ORDER BY 1", &["7"]),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
}

#[test]
fn as_many_rows_come_as_are_asked_for() {
    for (query, expected) in [
        ("SELECT id FROM $t ORDER BY id LIMIT 2", &["1", "2"][..]),
        ("SELECT id FROM $t ORDER BY id LIMIT 2 OFFSET 1", &["2", "3"]),
        ("SELECT id FROM $t ORDER BY id OFFSET 3", &["4"]),
        ("SELECT id FROM $t ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", &["2", "3"]),
        ("SELECT id FROM $t ORDER BY id FETCH FIRST ROW ONLY", &["1"]),
        ("SELECT id FROM $t ORDER BY id LIMIT ALL OFFSET 2", &["3", "4"]),
        ("SELECT id FROM $t ORDER BY id LIMIT 0", &[]),
        ("SELECT id FROM $t ORDER BY id LIMIT 9 OFFSET 9", &[]),
        ("SELECT id FROM $t LIMIT 2", &["3", "1"]),
        ("SELECT id FROM $t OFFSET 3", &["4"]),
        ("SELECT id FROM (SELECT id FROM $t ORDER BY id OFFSET 1) LIMIT 2", &["2", "3"]),
        ("SELECT id FROM (SELECT id FROM $t ORDER BY id LIMIT 2) OFFSET 1", &["2"]),
        ("SELECT id FROM (SELECT id FROM $t ORDER BY id LIMIT 2) LIMIT 5", &["1", "2"]),
        ("SELECT COUNT(*) FROM $t LIMIT 1", &["4"]),
        (
            "(SELECT id FROM $t ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM $t ORDER BY id DESC LIMIT 1) ORDER BY 1",
            &["1", "4"],
        ),
    ] {
        assert_eq!(rows(query), expected, "{query}");
    }
}

#[test]
fn plans_have_flinks_names_and_sort_no_more_than_is_wanted() {
    assert_eq!(
        plan("SELECT name FROM $t ORDER BY price DESC, name NULLS LAST"),
        "Calc(select=[name], changelogMode=[I])
+- Sort(orderBy=[$sort0 DESC, name ASC NULLS LAST], changelogMode=[I])
   +- Exchange(distribution=[single], changelogMode=[I])
      +- Calc(select=[name, price AS $sort0], changelogMode=[I])
         +- Values(tuples=[4 rows], changelogMode=[I])
"
    );
    assert_eq!(
        plan("SELECT id AS x FROM (SELECT id, price FROM $t ORDER BY price OFFSET 1) LIMIT 2"),
        "Calc(select=[id AS x], changelogMode=[I])
+- SortLimit(orderBy=[price ASC], offset=[1], fetch=[2], changelogMode=[I])
   +- Exchange(distribution=[single], changelogMode=[I])
      +- Calc(select=[id, price], changelogMode=[I])
         +- Values(tuples=[4 rows], changelogMode=[I])
"
    );
    // What is counted changes, so rows must be taken back before they are sorted.
    assert_eq!(
        plan("SELECT name, COUNT(*) AS n FROM $t GROUP BY name OFFSET 1"),
        "Limit(offset=[1], fetch=[unlimited], changelogMode=[I])
+- Exchange(distribution=[single], changelogMode=[I,UB,UA])
   +- Calc(select=[name, $a0 AS n], changelogMode=[I,UB,UA])
      +- GroupAggregate(groupBy=[name], select=[name, COUNT(*) AS $a0], changelogMode=[I,UB,UA])
         +- Exchange(distribution=[hash[name]], changelogMode=[I])
            +- Calc(select=[name], changelogMode=[I])
               +- Values(tuples=[4 rows], changelogMode=[I])
"
    );
}

/// An endless table, and one that takes what it has written.
const NUMBERS_TABLES: &str = "CREATE TABLE endless (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'numbers', 'name' = 'order');
    CREATE TABLE sorted (k BIGINT, n BIGINT NOT NULL) WITH ('connector' = 'numbers', 'name' = 'order sorted');";

#[test]
fn what_never_ends_is_not_sorted_and_limited_only_as_it_comes() {
    release("order", 100);
    for query in [
        "SELECT k FROM endless ORDER BY k",
        "SELECT k FROM endless ORDER BY k LIMIT 3",
        "SELECT k FROM endless ORDER BY ts",
        "SELECT COUNT(*) FROM endless LIMIT 3",
        "INSERT INTO sorted SELECT k, v FROM (SELECT * FROM endless UNION ALL SELECT * FROM endless) ORDER BY v",
    ] {
        let Err(error) = execute(&format!("{NUMBERS_TABLES} {query}")) else { panic!("{query} is accepted") };
        let text = error.to_string();
        assert!(text.contains("answers when all rows have come, and 'endless' never ends"), "{query}: {text}");
    }
    let Ok(Outcome::Query(job)) = execute(&format!("{NUMBERS_TABLES} SELECT k FROM endless LIMIT 3")) else { panic!() };
    let (job, mut rows) = job.start().unwrap();
    let mut count = 0;
    while count < 3 {
        count += rows.next(Duration::from_secs(10)).unwrap().unwrap().len();
    }
    job.cancel();
    let _ = job.wait();
    assert_eq!(count, 3);
}

#[test]
fn an_insert_writes_in_order() {
    let insert = "INSERT INTO sorted SELECT id, id + 1 FROM $t ORDER BY price DESC LIMIT 3";
    let Ok(Outcome::Insert(job)) = execute(&format!("{NUMBERS_TABLES} {insert}")) else { panic!() };
    job.start().unwrap().wait().unwrap();
    assert_eq!(written("order sorted"), ["+I 2 3", "+I 1 2", "+I 3 4"]);
}

#[test]
fn what_has_no_order_or_is_no_number_is_refused() {
    for (query, expected) in [
        ("SELECT id FROM $t ORDER BY idd", "Column 'idd' not found in any table"),
        ("SELECT id FROM $t ORDER BY 2", "Ordinal out of range"),
        ("SELECT id FROM $t ORDER BY 0", "Ordinal out of range"),
        ("SELECT DISTINCT name FROM $t ORDER BY id", "Expression 'id' is not in the select clause"),
        ("SELECT name FROM $t GROUP BY name ORDER BY id", "the expression is not being grouped"),
        ("SELECT id FROM $t UNION ALL SELECT id FROM $t ORDER BY price", "Column 'price' not found"),
        ("SELECT MAP[id, name] AS m FROM $t ORDER BY m", "ORDER BY needs values that have an order, but this is MAP<"),
        ("SELECT id FROM $t LIMIT 'two'", "LIMIT needs a number of rows, such as 10"),
        ("SELECT id FROM $t LIMIT -1", "LIMIT needs a number of rows"),
        ("SELECT id FROM $t LIMIT 1, 2", "SQL parse failed"),
        ("SELECT id FROM $t LIMIT 1 OFFSET id", "OFFSET needs a number of rows"),
        ("SELECT id FROM $t FETCH FIRST 2 ROWS WITH TIES", "FETCH ... WITH TIES is not part of Flink SQL"),
        ("SELECT id FROM $t LIMIT 1 FETCH FIRST 2 ROWS ONLY", "LIMIT or FETCH, not both"),
    ] {
        let Err(error) = execute(query) else { panic!("{query} is accepted") };
        assert!(error.to_string().contains(expected), "{query}: {error}");
    }
}
