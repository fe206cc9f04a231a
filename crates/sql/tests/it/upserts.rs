//! Tables whose changes come by key: how they are planned, and what is read of them.

use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use riverrun_base::{Kind, Result};
use riverrun_connect::{
    Boundedness, Connector, Connectors, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId,
    TaskContext,
};
use riverrun_data::{Batch, ChangelogMode, RowKind};
use riverrun_sql::{Outcome, Session};

use super::numbers::{NUMBERS, written};

/// `'connector' = 'upserts'`: the changes in its option `changes`, `+U 1 a; -D 1 NULL`, each a batch of its own.
static UPSERTS: Connector = Connector {
    name: "upserts",
    description: "Changes by key.",
    options: Vec::new,
    metadata: Vec::new,
    source: Some(|context| {
        let changes = context.options["changes"].split(';').map(|change| change.trim().to_owned()).collect();
        Ok(Box::new(Upserts { changes, schema: context.physical_schema() }))
    }),
    sink: None,
};

struct Upserts {
    changes: Vec<String>,
    schema: SchemaRef,
}

impl Source for Upserts {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::UPSERT.without(RowKind::Insert)
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(OneSplit(false)))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader>> {
        let changes = self.changes.iter().rev().cloned().collect();
        Ok(Box::new(Reader { changes, schema: self.schema.clone(), split: None }))
    }
}

struct OneSplit(bool);

impl SplitEnumerator for OneSplit {
    fn discover(&mut self) -> Result<Discovery> {
        let split = Split { id: "changes".into(), position: Vec::new() };
        let splits = if std::mem::replace(&mut self.0, true) { Vec::new() } else { vec![split] };
        Ok(Discovery { splits, again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.0 = !known.is_empty();
    }
}

struct Reader {
    /// The next one is the last.
    changes: Vec<String>,
    schema: SchemaRef,
    split: Option<SplitId>,
}

impl SourceReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.split = splits.into_iter().map(|split| split.id).next();
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled> {
        let Some(split) = self.split.clone() else {
            std::thread::park_timeout(wait);
            return Ok(Polled::Nothing);
        };
        let Some(change) = self.changes.pop() else {
            self.split = None;
            return Ok(Polled::Finished(split));
        };
        let cells: Vec<&str> = change.split(' ').collect();
        let column = |(n, field): (usize, &arrow::datatypes::FieldRef)| -> ArrayRef {
            let cell = StringArray::from(vec![Some(cells[n + 1]).filter(|cell| *cell != "NULL")]);
            arrow::compute::cast(&cell, field.data_type()).unwrap()
        };
        let columns: Vec<ArrayRef> = self.schema.fields().iter().enumerate().map(column).collect();
        assert!(columns[0].is_valid(0));
        let kind = if cells[0] == "-D" { RowKind::Delete } else { RowKind::UpdateAfter };
        let rows = RecordBatch::try_new(self.schema.clone(), columns).unwrap();
        Ok(Polled::Rows { split, batch: Batch::with_kinds(rows, [kind]).unwrap() })
    }

    fn splits(&self) -> Vec<Split> {
        self.split.iter().map(|id| Split { id: id.clone(), position: Vec::new() }).collect()
    }
}

/// Declares `t` with these columns and changes, and executes the rest.
fn execute(columns: &str, changes: &str, rest: &str) -> Result<Vec<Outcome>> {
    let script = format!(
        "SET 'parallelism.default' = '2';
         CREATE TABLE t ({columns}) WITH ('connector' = 'upserts', 'changes' = '{changes}');
         {rest}"
    );
    let mut session = Session::new(Connectors::new(vec![&NUMBERS, &UPSERTS]));
    session.parse(&script)?.steps.iter().map(|step| session.execute(step)).collect()
}

/// What an INSERT of this query writes.
fn read(name: &str, columns: &str, changes: &str, sink: &str, query: &str) -> Vec<String> {
    let rest =
        format!("CREATE TABLE s ({sink}) WITH ('connector' = 'numbers', 'name' = '{name}'); INSERT INTO s {query};");
    for outcome in execute(columns, changes, &rest).unwrap() {
        if let Outcome::Insert(job) = outcome {
            job.start().unwrap().wait().unwrap();
        }
    }
    written(name)
}

fn explained(columns: &str, rest: &str) -> Vec<String> {
    let outcomes = execute(columns, "+U 1 a 1", rest).unwrap();
    let Some(Outcome::Table(table)) = outcomes.into_iter().last() else { panic!("no table") };
    let text = table.rows[0][0].clone().unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

const COLUMNS: &str = "id BIGINT, name STRING, amount BIGINT, PRIMARY KEY (id) NOT ENFORCED";

#[test]
fn the_plan_normalizes_by_the_primary_key_and_reads_no_more_than_is_needed() {
    assert_eq!(
        explained(COLUMNS, "EXPLAIN SELECT * FROM t"),
        [
            "Calc(select=[id, name, amount], changelogMode=[I,UA,D])",
            "+- ChangelogNormalize(key=[id], changelogMode=[I,UA,D])",
            "   +- Exchange(distribution=[hash[id]], changelogMode=[UA,D])",
            "      +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[id, name, amount], changelogMode=[UA,D])",
        ]
    );
    assert_eq!(
        explained(
            COLUMNS,
            "EXPLAIN SELECT name, SUM(amount) AS s FROM (SELECT name, amount + 1 AS amount FROM t) GROUP BY name"
        )[2..],
        [
            "   +- Exchange(distribution=[hash[name]], changelogMode=[I,UB,UA,D])",
            "      +- Calc(select=[name, (amount + 1) AS $f1], changelogMode=[I,UB,UA,D])",
            "         +- ChangelogNormalize(key=[id], changelogMode=[I,UB,UA,D])",
            "            +- Exchange(distribution=[hash[id]], changelogMode=[UA,D])",
            "               +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[id, name, amount], changelogMode=[UA,D])",
        ]
    );
    assert_eq!(
        explained(COLUMNS, "EXPLAIN SELECT name FROM t WHERE id > 1"),
        [
            "Calc(select=[name], where=[(id > 1)], changelogMode=[I,UB,UA,D])",
            "+- ChangelogNormalize(key=[id], changelogMode=[I,UB,UA,D])",
            "   +- Exchange(distribution=[hash[id]], changelogMode=[UA,D])",
            "      +- Calc(select=[id, name], changelogMode=[UA,D])",
            "         +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[id, name, amount], changelogMode=[UA,D])",
        ]
    );
}

const CHANGES: &str = "+U 1 a 10; +U 2 b 20; +U 1 a 10; +U 1 a 11; -D 3 NULL NULL; -D 2 NULL NULL; +U 1 c 11";

#[test]
fn rows_are_completed_and_aggregates_take_back_what_was() {
    let rows =
        read("last rows", COLUMNS, CHANGES, "name STRING, id BIGINT, amount BIGINT", "SELECT name, id, amount FROM t");
    let of = |id: &str| rows.iter().filter(|row| row.contains(id)).cloned().collect::<Vec<_>>();
    assert_eq!(of(" 1 "), ["+I a 1 10", "+U a 1 11", "+U c 1 11"]);
    assert_eq!(of(" 2 "), ["+I b 2 20", "-D b 2 20"]);
    assert_eq!(rows.len(), 5);
    let sums = read("sums", COLUMNS, CHANGES, "name STRING, s BIGINT", "SELECT name, SUM(amount) FROM t GROUP BY name");
    let of = |name: &str| sums.iter().filter(|row| row.contains(name)).cloned().collect::<Vec<_>>();
    assert_eq!(of(" a "), ["+I a 10", "+U a 11", "-D a 11"]);
    assert_eq!((of(" b "), of(" c ")), (vec!["+I b 20".to_owned(), "-D b 20".to_owned()], vec!["+I c 11".to_owned()]));
}

#[test]
fn a_change_of_columns_that_nobody_reads_is_none() {
    let rows = read("names", COLUMNS, CHANGES, "name STRING, id BIGINT", "SELECT name, id FROM t WHERE name <> 'b'");
    assert_eq!(rows, ["+I a 1", "-U a 1", "+U c 1"]);
}

#[test]
fn deletions_have_no_time_and_close_no_window() {
    let columns = "id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (id) NOT ENFORCED";
    let changes = "+U 1 1970-01-01T00:00:01; +U 2 1970-01-01T00:00:02; -D 1 NULL; +U 3 1970-01-01T00:00:03; +U 4 1970-01-01T00:01:00";
    let query = "SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end";
    let rows = read("windows of upserts", columns, changes, "e TIMESTAMP(3), n BIGINT NOT NULL", query);
    assert_eq!(rows, ["+I 1970-01-01T00:00:10 2", "+I 1970-01-01T00:01:10 1"]);
}

#[test]
fn nothing_is_computed_of_deletions() {
    let columns = "id BIGINT, v STRING NOT NULL, n AS CAST(v AS BIGINT), moment AS TO_TIMESTAMP_LTZ(CAST(v AS BIGINT), 3), \
        WATERMARK FOR moment AS moment, PRIMARY KEY (id) NOT ENFORCED";
    let rows =
        read("computed", columns, "+U 1 7; -D 1 ?; +U 1 8; -D 2 ?", "n BIGINT, id BIGINT", "SELECT n, id FROM t");
    assert_eq!(rows, ["+I 7 1", "-D 7 1", "+I 8 1"]);
}

#[test]
fn a_table_without_a_key_is_refused() {
    let error = execute("id BIGINT, name STRING, amount BIGINT", "+U 1 a 1", "EXPLAIN SELECT * FROM t").err().unwrap();
    assert_eq!(error.kind(), Kind::User);
    assert!(error.to_string().contains("PRIMARY KEY"), "{error}");
}
