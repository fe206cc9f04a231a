//! Results in each form, as golden text. `conformance/client` has what Flink's client printed for the same kinds of statements.

use serde_json::{Value, json};

use crate::kit::{LIMIT, THREE, riverrun, run, stdout_of, without_times};

const TYPES: &str = "SELECT 1 AS n, CAST(NULL AS STRING) AS nothing, 'a,\"b\"' AS t, TRUE AS y, CAST(2.50 AS DECIMAL(10, 2)) AS d, \
    TIMESTAMP '2026-01-01 01:02:03' AS at, ARRAY[1, 2] AS list, 'text of more than thirty characters' AS long";

#[test]
fn a_query_is_a_table_with_the_kind_of_each_change() {
    let finished = run(&format!("{THREE} SELECT COUNT(*) AS n, 'three' AS name FROM three; {TYPES};"));
    let expected = "\
+----+----------------------+--------------------------------+
| op |                    n |                           name |
+----+----------------------+--------------------------------+
| +I |                    1 |                          three |
| -U |                    1 |                          three |
| +U |                    3 |                          three |
+----+----------------------+--------------------------------+
Received a total of 3 rows (0.00 seconds)
+----+-------------+--------------------------------+--------------------------------+--------+--------------+---------------------+--------------------------------+--------------------------------+
| op |           n |                        nothing |                              t |      y |            d |                  at |                           list |                           long |
+----+-------------+--------------------------------+--------------------------------+--------+--------------+---------------------+--------------------------------+--------------------------------+
| +I |           1 |                         <NULL> |                          a,\"b\" |   TRUE |         2.50 | 2026-01-01 01:02:03 |                         [1, 2] | text of more than thirty ch... |
+----+-------------+--------------------------------+--------------------------------+--------+--------------+---------------------+--------------------------------+--------------------------------+
Received a total of 1 row (0.00 seconds)
";
    assert_eq!(without_times(&finished.stdout), expected, "{}", finished.stderr);
    assert_eq!((finished.stderr.as_str(), finished.code()), ("", Some(0)), "a query says nothing else");
}

#[test]
fn the_width_of_text_is_a_setting() {
    let statements = "SELECT 'text of more than thirty characters' AS t; SET 'sql-client.display.max-column-width' = '10'; SELECT 'text of more than ten' AS t;";
    let text = run(statements).stdout;
    assert!(text.contains("| text of more than thirty ch... |") && text.contains("| text of... |"), "{text}");
}

#[test]
fn json_has_an_object_a_line_with_values_of_their_kind() {
    let text = stdout_of(&["run", "--output", "json", "-e", TYPES]);
    let row: Value = serde_json::from_str(text.trim_end()).unwrap();
    let expected = json!({
        "n": 1, "nothing": null, "t": "a,\"b\"", "y": true, "d": 2.5, "at": "2026-01-01 01:02:03", "list": [1, 2],
        "long": "text of more than thirty characters",
    });
    assert_eq!(row, expected);
}

#[test]
fn json_tells_the_kind_where_rows_are_changes() {
    let text =
        stdout_of(&["run", "-o", "json", "-e", THREE, "-e", "SELECT COUNT(*) AS n FROM three; SELECT id FROM three"]);
    let expected = "\
{\"op\":\"+I\",\"n\":1}
{\"op\":\"-U\",\"n\":1}
{\"op\":\"+U\",\"n\":3}
{\"id\":1}
{\"id\":2}
{\"id\":3}
";
    assert_eq!(text, expected);
}

#[test]
fn csv_begins_with_the_columns_and_quotes_what_must_be() {
    let text = stdout_of(&["run", "-o", "csv", "-e", TYPES]);
    let expected = "n,nothing,t,y,d,at,list,long\n1,,\"a,\"\"b\"\"\",true,2.50,\"2026-01-01 01:02:03\",1;2,\"text of more than thirty characters\"\n";
    assert_eq!(text, expected);
    let text = stdout_of(&["run", "-o", "csv", "-e", THREE, "-e", "SELECT COUNT(*) AS n FROM three"]);
    assert_eq!(text, "op,n\n+I,1\n-U,1\n+U,3\n");
}

#[test]
fn answers_of_statements_are_tables_as_wide_as_their_content() {
    let finished = run(&format!(
        "{THREE} SHOW VIEWS; SHOW TABLES; DESCRIBE three; SHOW CREATE TABLE three; EXPLAIN SELECT id FROM three;"
    ));
    let expected = "\
Empty set
+------------+
| table name |
+------------+
|      three |
+------------+
1 row in set
+------+------+------+-----+--------+-----------+
| name | type | null | key | extras | watermark |
+------+------+------+-----+--------+-----------+
|   id |  INT | TRUE |     |        |           |
+------+------+------+-----+--------+-----------+
1 row in set
CREATE TABLE `default_catalog`.`default_database`.`three` (
  `id` INT
)
WITH (
  'connector' = 'datagen',
  'fields.id.end' = '3',
  'fields.id.kind' = 'sequence',
  'fields.id.start' = '1'
)
";
    assert!(finished.stdout.starts_with(expected), "{}{}", finished.stdout, finished.stderr);
    assert!(
        finished.stdout.contains("TableSourceScan(table=[[default_catalog, default_database, three]]"),
        "{}",
        finished.stdout
    );
}

#[test]
fn answers_of_statements_have_the_other_forms_too() {
    assert_eq!(stdout_of(&["run", "-o", "json", "-e", THREE, "-e", "SHOW TABLES"]), "{\"table name\":\"three\"}\n");
    assert_eq!(
        stdout_of(&["run", "-o", "csv", "-e", THREE, "-e", "DESCRIBE three"]),
        "name,type,null,key,extras,watermark\nid,INT,true,,,\n"
    );
}

#[test]
fn a_type_that_a_form_cannot_hold_is_a_mistake() {
    let finished = riverrun(["run", "-o", "csv", "-e", "SELECT MAP['a', 1] AS m"]).run(LIMIT);
    assert_eq!(finished.code(), Some(2), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains("MAP<") && finished.stderr.contains("--> -e:1:1"), "{}", finished.stderr);
}

#[test]
fn explain_shows_every_job_of_a_script_and_runs_none() {
    let statements = format!(
        "{THREE} CREATE TABLE p (n BIGINT) WITH ('connector' = 'print'); INSERT INTO p SELECT COUNT(*) FROM three; SELECT id FROM three;"
    );
    let text = stdout_of(&["explain", "-e", &statements]);
    assert_eq!(text.matches("-- -e:1\n== Optimized Physical Plan ==\n").count(), 2, "{text}");
    assert!(
        text.contains("Sink(table=[default_catalog.default_database.p]") && text.contains("changelogMode=[I,UB,UA]"),
        "{text}"
    );
}
