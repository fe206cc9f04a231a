#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use super::*;

fn statements(text: &str) -> Vec<StatementKind> {
    parse_script(text).unwrap().0.into_iter().map(|statement| statement.kind).collect()
}

fn one(text: &str) -> StatementKind {
    statements(text).pop().unwrap()
}

fn refusal(text: &str) -> (String, Option<(u64, u64)>) {
    let error = parse_script(text).unwrap_err();
    (error.to_string(), error.position().map(|position| (position.line, position.column)))
}

#[test]
fn a_script_is_statements_between_semicolons_and_comments() {
    let script = "-- first\nSET 'a.b' = 'c';\n/* second\n; */ SHOW TABLES;;\nSELECT ';' AS x;";
    let all = statements(script);
    assert!(matches!(&all[0], StatementKind::Set(key, value) if key == "a.b" && value == "c"));
    assert!(matches!(all[1], StatementKind::Show(ObjectKind::Table, None)));
    assert!(matches!(all[2], StatementKind::Query(_)));
    assert_eq!(all.len(), 3);
}

#[test]
fn a_table_has_all_its_parts() {
    let StatementKind::CreateTable(table) =
        one("CREATE TEMPORARY TABLE IF NOT EXISTS `default_catalog`.`default_database`.t (
        a BIGINT NOT NULL COMMENT 'the a',
        `b c` ROW<x INT, y ARRAY<MAP<STRING, INT>>>,
        m TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
        k AS UPPER(CAST(a AS STRING)),
        ts TIMESTAMP(3),
        WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
        CONSTRAINT pk PRIMARY KEY (a, ts) NOT ENFORCED
    ) COMMENT 'a table' WITH ('connector' = 'kafka', 'topic' = 'o''clock')") else {
        panic!("no table");
    };
    assert!(table.temporary && table.if_not_exists);
    let kinds: Vec<&str> = table
        .columns
        .iter()
        .map(|column| match &column.kind {
            ColumnKind::Physical(_) => "physical",
            ColumnKind::Metadata { key, is_virtual, .. } => {
                assert_eq!((key.as_deref(), *is_virtual), (Some("timestamp"), true));
                "metadata"
            }
            ColumnKind::Computed(_) => "computed",
        })
        .collect();
    assert_eq!(kinds, ["physical", "physical", "metadata", "computed", "physical"]);
    assert_eq!(table.columns[0].comment.as_deref(), Some("the a"));
    assert_eq!(table.watermark.as_ref().unwrap().column.value, "ts");
    assert_eq!(table.primary_key.iter().map(|key| key.value.as_str()).collect::<Vec<_>>(), ["a", "ts"]);
    assert_eq!(table.key_enforced, Some(false));
    assert_eq!(table.options["topic"], "o'clock");
}

#[test]
fn an_inline_key_may_lack_not_enforced() {
    let StatementKind::CreateTable(table) =
        one("CREATE TABLE t (a INT PRIMARY KEY, b INT) WITH ('connector' = 'print')")
    else {
        panic!("no table");
    };
    assert_eq!((table.primary_key.len(), table.key_enforced), (1, None));
    let StatementKind::CreateTable(table) =
        one("CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'print')")
    else {
        panic!("no table");
    };
    assert_eq!(table.key_enforced, Some(false));
}

#[test]
fn like_takes_features() {
    let StatementKind::CreateTable(table) =
        one("CREATE TABLE t (a INT) WITH ('x' = 'y') LIKE s (EXCLUDING ALL INCLUDING GENERATED OVERWRITING OPTIONS)")
    else {
        panic!("no table");
    };
    assert_eq!(
        table.like.unwrap().features,
        [("EXCLUDING", "ALL"), ("INCLUDING", "GENERATED"), ("OVERWRITING", "OPTIONS")]
    );
}

#[test]
fn both_forms_of_a_statement_set_are_read() {
    for text in [
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
    ] {
        assert!(matches!(one(text), StatementKind::StatementSet(inserts) if inserts.len() == 2), "{text}");
    }
}

#[test]
fn an_insert_has_columns_or_a_query_in_parentheses() {
    assert!(
        matches!(one("INSERT INTO t (a, b) SELECT 1, 2"), StatementKind::Insert(insert) if insert.columns.len() == 2)
    );
    assert!(matches!(one("INSERT INTO t (SELECT 1, 2)"), StatementKind::Insert(insert) if insert.columns.is_empty()));
    assert!(matches!(one("INSERT INTO t VALUES (1), (2)"), StatementKind::Insert(insert) if insert.columns.is_empty()));
}

#[test]
fn older_settings_are_bare_words() {
    for text in ["SET table.local-time-zone = UTC", "SET 'table.local-time-zone' = 'UTC'"] {
        assert!(
            matches!(one(text), StatementKind::Set(key, value) if key == "table.local-time-zone" && value == "UTC"),
            "{text}"
        );
    }
    assert!(matches!(one("RESET"), StatementKind::Reset(None)));
    assert!(matches!(one("RESET 'a.b'"), StatementKind::Reset(Some(key)) if key == "a.b"));
}

#[test]
fn flinks_forms_of_expressions_are_read() {
    for expr in [
        "CAST(a AS ROW<x INT, y MAP<STRING, ARRAY<INT>>>)",
        "TRY_CAST(a AS TIMESTAMP(3) WITH LOCAL TIME ZONE)",
        "MAP['a', 1, 'b', 2]",
        "ARRAY[1, 2][1]",
        "FLOOR(ts TO HOUR)",
        "EXTRACT(DAY FROM ts)",
        "TIMESTAMPADD(DAY, 1, ts)",
        "TRIM(BOTH 'x' FROM a)",
        "ts + INTERVAL '1 02:03:04' DAY TO SECOND",
        "DATE '2024-01-01'",
        "X'0aff'",
        "COUNT(DISTINCT a) FILTER (WHERE b > 1)",
    ] {
        one(&format!("SELECT {expr} FROM t"));
    }
    one("SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' MINUTES))");
    one("SELECT * FROM TABLE(SESSION(TABLE t PARTITION BY a, b, DESCRIPTOR(ts), INTERVAL '10' MINUTES))");
}

#[test]
fn options_hints_are_found_behind_their_table() {
    let (statements, hints) = parse_script("SELECT * FROM t /*+ OPTIONS('a' = '1', 'b'='2') */ AS x").unwrap();
    let StatementKind::Query(query) = &statements[0].kind else { panic!("no query") };
    let sqlparser::ast::SetExpr::Select(select) = &*query.body else { panic!("no select") };
    let sqlparser::ast::TableFactor::Table { name, .. } = &select.from[0].relation else { panic!("no table") };
    let options = hints.behind(name.0[0].as_ident().unwrap()).unwrap();
    assert_eq!((options["a"].as_str(), options["b"].as_str()), ("1", "2"));
    assert!(refusal("SELECT * FROM t /*+ BROADCAST(t) */").0.contains("cannot read the hint"));
}

#[test]
fn a_refusal_names_what_and_where() {
    for (text, message, at) in [
        ("SELECT 1;\nSELEC 2", "SQL parse failed. Expected: a statement", (2, 1)),
        ("SELECT a FROM t WHER b", "Expected: ';' or the end of the script, found: b", (1, 22)),
        ("SELECT (1", "Expected: ), found: EOF", (1, 10)),
        ("CREATE FUNCTION f AS 'x'", "CREATE FUNCTION is not supported yet", (1, 8)),
        ("CREATE TABLE t (a NUMBER)", "Expected: a data type, found: NUMBER", (1, 19)),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a) ENFORCED)", "NOT ENFORCED", (1, 24)),
        ("ALTER TABLE t ADD b INT", "ALTER statements is not supported yet", (1, 1)),
        ("SELECT 'abc", "Unterminated string literal", (1, 8)),
    ] {
        let (found, place) = refusal(text);
        assert!(found.contains(message), "{text}: {found}");
        assert_eq!(place, Some(at), "{text}: {found}");
    }
}
