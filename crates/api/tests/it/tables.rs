//! The Table API: queries, functions, and data streams around them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use riverrun::prelude::*;
use riverrun::table::arrow::compute::kernels::numeric::add;
use riverrun::table::{
    AggregateFunction as TableAggregate, ChangelogMode, Decimal, Expression, Row, RowKind, Schema, Session, Slide,
    StreamTableEnvironment, Table, TableEnvironment, TimeIntervalUnit, Timestamp, Tumble, Value, aggregate, all, call,
    col, count_all, lit, row, scalar, table_function, try_scalar, vectorized,
};
use serde::{Deserialize, Serialize};

#[allow(dead_code, reason = "its main is for the command line")]
#[path = "../../examples/spend_report_table.rs"]
mod spend_report_table;

fn shown(table: &Table) -> Vec<String> {
    table.execute().unwrap().collect().unwrap().iter().map(ToString::to_string).collect()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// What a changelog comes to: the rows that are there at its end.
fn result(rows: &[Row]) -> BTreeMap<String, i64> {
    let mut result = BTreeMap::new();
    for row in rows {
        let values: Vec<String> = row.values().iter().map(ToString::to_string).collect();
        let sign = if row.kind().is_addition() { 1 } else { -1 };
        *result.entry(values.join(", ")).or_default() += sign;
    }
    result.retain(|_, count| *count != 0);
    result
}

fn message(table: &Table) -> String {
    table.execute().err().expect("it is refused").to_string()
}

fn file(path: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

/// The bids of the conformance cases.
fn bids() -> TableEnvironment {
    let env = TableEnvironment::create();
    env.execute_sql(&format!(
        "CREATE TABLE bids (bid_time TIMESTAMP(3), item STRING, price INT,
           WATERMARK FOR bid_time AS bid_time - INTERVAL '5' SECOND)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'csv.null-literal' = 'NULL')",
        file("conformance/data/bids.csv")
    ))
    .unwrap()
    .wait()
    .unwrap();
    env
}

#[test]
fn the_spend_report_is_the_same_three_ways() {
    let transactions = file("examples/spend-report/transactions.csv");
    let mut expected: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for line in std::fs::read_to_string(&transactions).unwrap().lines() {
        let [account, amount, time] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let hour = format!("{}:00:00", &time[..13]);
        *expected.entry((account.parse().unwrap(), hour)).or_default() += amount.parse::<i64>().unwrap();
    }
    let expected: BTreeMap<String, i64> =
        expected.into_iter().map(|((account, hour), sum)| (format!("{account}, {hour}, {sum}"), 1)).collect();
    assert_eq!(expected.len(), 20);
    for way in spend_report_table::WAYS {
        let env = TableEnvironment::create();
        let report = spend_report_table::report(&env, way, &transactions).unwrap();
        let rows = report.execute().unwrap().collect().unwrap();
        assert_eq!(result(&rows), expected, "{way}");
        let changes = rows.iter().filter(|row| row.kind() != RowKind::Insert).count();
        assert_eq!(changes == 0, way == "tumble" || rows.len() == 20, "{way}");
    }
}

#[test]
fn windows_give_what_flink_gave_in_sql() {
    let env = bids();
    let by = |window, keys: &[Expression], columns: &[Expression]| {
        let bids = env.from("bids").unwrap();
        sorted(shown(&bids.window(window).group_by(keys.to_vec()).select(columns.to_vec())))
    };
    let window = || [col("w").start().as_("s"), col("w").end().as_("e")];
    let [start, end] = window();
    assert_eq!(
        by(
            Tumble::over(lit(10).seconds()).on(col("bid_time")).as_("w"),
            &[col("w"), col("item")],
            &[start, end, col("item"), col("price").sum(), count_all()]
        ),
        [
            "+I[2026-01-01 00:00:00, 2026-01-01 00:00:10, a, 25, 4]",
            "+I[2026-01-01 00:00:00, 2026-01-01 00:00:10, b, 20, 1]",
            "+I[2026-01-01 00:00:10, 2026-01-01 00:00:20, a, 10, 2]",
            "+I[2026-01-01 00:00:10, 2026-01-01 00:00:20, b, 1, 2]",
            "+I[2026-01-01 00:00:20, 2026-01-01 00:00:30, b, 8, 1]",
            "+I[2026-01-01 00:00:40, 2026-01-01 00:00:50, a, 11, 2]",
            "+I[2026-01-01 00:01:00, 2026-01-01 00:01:10, a, 1, 1]",
        ]
    );
    let [start, end] = window();
    assert_eq!(
        by(
            Tumble::over(lit(10).seconds()).on(col("bid_time")).as_("w"),
            &[col("w")],
            &[start, end, col("price").sum(), col("price").min(), col("price").max(), col("price").avg()]
        ),
        [
            "+I[2026-01-01 00:00:00, 2026-01-01 00:00:10, 45, 3, 20, 9]",
            "+I[2026-01-01 00:00:10, 2026-01-01 00:00:20, 11, 1, 6, 3]",
            "+I[2026-01-01 00:00:20, 2026-01-01 00:00:30, 8, 8, 8, 8]",
            "+I[2026-01-01 00:00:40, 2026-01-01 00:00:50, 11, 2, 9, 5]",
            "+I[2026-01-01 00:01:00, 2026-01-01 00:01:10, 1, 1, 1, 1]",
        ]
    );
    let same = |ours: Vec<String>, sql: &str| {
        assert_eq!(ours, sorted(shown(&env.sql_query(sql).unwrap())), "{sql}");
    };
    let [start, end] = window();
    same(
        by(
            Slide::over(lit(20).seconds()).every(lit(10).seconds()).on(col("bid_time")).as_("w"),
            &[col("item"), col("w")],
            &[start, end, col("item"), col("price").sum()],
        ),
        "SELECT HOP_START(bid_time, INTERVAL '10' SECOND, INTERVAL '20' SECOND),
           HOP_END(bid_time, INTERVAL '10' SECOND, INTERVAL '20' SECOND), item, SUM(price)
         FROM bids GROUP BY HOP(bid_time, INTERVAL '10' SECOND, INTERVAL '20' SECOND), item",
    );
    let [start, end] = window();
    same(
        by(
            Session::with_gap(lit(5).seconds()).on(col("bid_time")).as_("w"),
            &[col("item"), col("w")],
            &[start, end, col("item"), col("price").sum()],
        ),
        "SELECT SESSION_START(bid_time, INTERVAL '5' SECOND), SESSION_END(bid_time, INTERVAL '5' SECOND), item, SUM(price)
         FROM bids GROUP BY SESSION(bid_time, INTERVAL '5' SECOND), item",
    );
}

#[test]
fn a_table_has_the_plan_of_the_same_query_in_sql() {
    let env = bids();
    let bids = || env.from("bids").unwrap();
    for (table, sql) in [
        (
            bids().filter((col("price") * lit(2)).gt(6).and(col("item").is_not_null())).select([col("item")]),
            "SELECT item FROM bids WHERE price * 2 > 6 AND item IS NOT NULL",
        ),
        (
            bids().group_by([col("item")]).select([col("item"), col("price").count().distinct().as_("n")]),
            "SELECT item, COUNT(DISTINCT price) AS n FROM bids GROUP BY item",
        ),
        (
            bids().select([
                col("bid_time").floor(TimeIntervalUnit::Minute).as_("m"),
                col("price").cast("BIGINT").as_("p"),
            ]),
            "SELECT FLOOR(bid_time TO MINUTE) AS m, CAST(price AS BIGINT) AS p FROM bids",
        ),
        (bids().select([col("item")]).distinct(), "SELECT DISTINCT item FROM bids"),
        (bids().order_by([-col("price"), col("item").desc()]), "SELECT * FROM bids ORDER BY -price, item DESC"),
        (
            bids().select([all()]).order_by([col("price").asc()]).offset(1).fetch(3),
            "SELECT * FROM bids ORDER BY price OFFSET 1 ROWS FETCH NEXT 3 ROWS ONLY",
        ),
        (bids().select([all()]).limit(3), "SELECT * FROM bids LIMIT 3"),
        (bids().select([all()]).union_all(&bids().select([all()])), "SELECT * FROM bids UNION ALL SELECT * FROM bids"),
        (
            bids().select([col("item").in_(["a", "b"]).then(1, 2).as_("x"), col("price").between(3, 7).as_("y")]),
            "SELECT CASE WHEN item IN ('a', 'b') THEN 1 ELSE 2 END AS x, price BETWEEN 3 AND 7 AS y FROM bids",
        ),
    ] {
        assert_eq!(table.explain().unwrap(), env.sql_query(sql).unwrap().explain().unwrap(), "{sql}");
    }
}

#[test]
fn rows_are_sorted_where_they_end() {
    let table = bids().from("bids").unwrap().select([col("item"), col("price")]);
    assert_eq!(shown(&table.clone().order_by([col("price")]).fetch(3)), ["+I[b, null]", "+I[b, 1]", "+I[a, 1]"]);
    assert_eq!(shown(&table.clone().order_by([col("price").desc(), col("item")]).limit(1)), ["+I[b, 20]"]);
    assert_eq!(shown(&table.clone().order_by([col("item").desc(), -col("price")]).offset(4).limit(2)).len(), 2);
    // A constant, not the place of a column.
    assert_eq!(shown(&table.clone().order_by([lit(2)]).fetch(1)), ["+I[a, 10]"]);
    let sums = table.group_by([col("item")]).select([col("item"), col("price").sum().as_("s")]);
    assert_eq!(shown(&sums.order_by([col("s").desc()])), ["+I[a, 47]", "+I[b, 29]"]);
}

#[test]
fn a_stream_is_sorted_if_its_source_ends() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(3);
    let tables = StreamTableEnvironment::create(&env);
    let numbers = env.from_sequence(1, 1000).map(|n| n * 7919 % 1000);
    let table = tables.from_data_stream(numbers).unwrap().order_by([col("f0").desc()]).fetch(500);
    let sorted: DataStream<i64> = tables.to_data_stream(&table).unwrap();
    assert_eq!(sorted.execute_and_collect("sorted").unwrap(), (500..1000).rev().collect::<Vec<i64>>());
    let endless = riverrun::sources::GeneratorSource::new(|n: u64| n.cast_signed());
    let endless = env.from_source(endless, WatermarkStrategy::no_watermarks(), "numbers");
    let table = tables.from_data_stream(endless).unwrap().order_by([col("f0")]);
    let error = message(&table);
    assert!(error.contains("'numbers' never ends"), "{error}");
}

#[test]
fn columns_are_added_renamed_and_left_out() {
    let env = TableEnvironment::create();
    let table = || env.from_values(["a", "b"], [row([lit(1), lit("x")]), row([lit(2), lit("y")])]).unwrap();
    let names = |table: Table| table.columns().unwrap().into_iter().map(|column| column.name).collect::<Vec<_>>();
    assert_eq!(names(table().add_columns([(col("a") + 1).as_("c")])), ["a", "b", "c"]);
    assert_eq!(shown(&table().add_or_replace_columns([(-col("a")).as_("a")])), ["+I[-1, x]", "+I[-2, y]"]);
    assert_eq!(names(table().rename_columns([("b", "text")])), ["a", "text"]);
    assert_eq!(names(table().drop_columns(["a"])), ["b"]);
    assert_eq!(names(table().as_(["p", "q"])), ["p", "q"]);
    assert_eq!(shown(&table().select([all(), lit(true).as_("t")])), ["+I[1, x, true]", "+I[2, y, true]"]);
    assert_eq!(shown(&table().select([col("a").sum()])), ["+I[3]"]);
}

#[test]
fn a_mistake_is_the_error_of_what_runs_the_table() {
    let env = bids();
    let bids = || env.from("bids").unwrap();
    let unknown = message(&bids().select([col("pric")]).filter(col("x").gt(1)));
    assert!(
        unknown.starts_with("Column 'pric' not found in any table (in: select(pric)); did you mean 'price'?"),
        "{unknown}"
    );
    let types = message(&bids().filter(col("price").gt(col("item").like("a%"))));
    assert!(types.contains("filter(price > (item LIKE 'a%'))"), "{types}");
    let grouped = message(&bids().group_by([col("item")]).select([col("price")]));
    assert!(grouped.contains("not being grouped") && grouped.contains("group_by(item).select(price)"), "{grouped}");
    let window = message(&bids().group_by([col("item")]).select([col("w").start()]));
    assert!(window.contains("'w' is no window"), "{window}");
    let window = Tumble::over(lit(1).minutes()).on(col("price")).as_("w");
    let time = message(&bids().window(window).group_by([col("w")]).select([col("w").start()]));
    assert!(time.contains("time attribute"), "{time}");
    let join = message(&bids().join(&bids(), col("item").eq("a")));
    assert!(join.contains("join() of two tables is not supported yet"), "{join}");
    let direction = message(&bids().select([col("price").desc()]));
    assert!(direction.contains("'price DESC' is a direction") && direction.contains("order_by()"), "{direction}");
    let order = message(&bids().order_by([col("prize")]));
    assert!(order.contains("(in: order_by(prize)); did you mean 'price'?"), "{order}");
    assert!(message(&bids().order_by([])).contains("order_by() needs something to sort by"));
    let name = env.from("bid").err().unwrap().to_string();
    assert!(name.contains("did you mean 'bids'?"), "{name}");
    let second = bids().select([col("nothing")]);
    let _ = second.execute().err();
    assert!(message(&second).contains("told before"));
}

#[test]
fn statements_are_carried_out_one_by_one() {
    let env = bids();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    env.execute_sql(&format!(
        "CREATE TABLE sums (item STRING, price INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
        path.display()
    ))
    .unwrap()
    .wait()
    .unwrap();
    let cheap = env.from("bids").unwrap().filter(col("price").lt(3)).select([col("item"), col("price")]);
    env.create_temporary_view("cheap", &cheap).unwrap();
    assert_eq!(env.list_tables(), ["bids", "cheap", "sums"]);
    let mut printed = Vec::new();
    env.execute_sql("SELECT item, price FROM cheap").unwrap().print_to(&mut printed).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains("| +I |                              b |           1 |\n"), "{printed}");
    assert!(printed.contains("Received a total of 3 rows"), "{printed}");
    env.create_statement_set()
        .add_insert("sums", &cheap)
        .unwrap()
        .add_insert_sql("INSERT INTO sums SELECT item, price FROM cheap")
        .unwrap()
        .execute()
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(shown(&env.from("sums").unwrap()).len(), 6);
    cheap.execute_insert("sums").unwrap().wait().unwrap();
    assert_eq!(shown(&env.from("sums").unwrap()).len(), 9);
    let error = env.execute_sql("SELECT 1; SELECT 2").err().unwrap().to_string();
    assert!(error.contains("one statement"), "{error}");
    let error = cheap.insert_into("missing").err().unwrap().to_string();
    assert!(error.contains("'missing' not found"), "{error}");
    assert!(cheap.execute_insert("cheap").err().unwrap().to_string().contains("a view takes no rows"));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Payment {
    account: i64,
    amount: Option<Decimal>,
    at: Timestamp,
    tags: Vec<String>,
}

fn payment(account: i64, amount: Option<&str>, at: i64) -> Payment {
    let amount = amount.map(|amount| amount.parse().unwrap());
    Payment { account, amount, at: Timestamp::from_millis(at), tags: vec![format!("t{account}")] }
}

#[test]
fn records_go_through_tables_and_back() {
    let env = StreamExecutionEnvironment::new();
    let tables = StreamTableEnvironment::create(&env);
    let payments = vec![payment(1, Some("12.5"), 1000), payment(2, None, 2000), payment(3, Some("-0.05"), 3000)];
    let table = tables.from_data_stream(env.from_collection(payments.clone())).unwrap();
    let types: Vec<String> = table.columns().unwrap().iter().map(|column| column.data_type.to_string()).collect();
    assert_eq!(
        types,
        ["BIGINT NOT NULL", "DECIMAL(38, 18)", "TIMESTAMP(9) NOT NULL", "ARRAY<STRING NOT NULL> NOT NULL"]
    );
    let back: DataStream<Payment> = tables.to_data_stream(&table.filter(col("account").ne(2))).unwrap();
    let back = back.execute_and_collect("round trip").unwrap();
    let plain = |payment: &Payment| {
        (payment.account, payment.amount.map(|d| d.rescaled_text()), payment.at, payment.tags.clone())
    };
    let wanted: Vec<_> = payments.iter().filter(|payment| payment.account != 2).map(plain).collect();
    assert_eq!(back.iter().map(plain).collect::<Vec<_>>(), wanted);
}

/// A decimal without the zeros at its end.
trait Rescaled {
    fn rescaled_text(self) -> String;
}

impl Rescaled for Decimal {
    fn rescaled_text(self) -> String {
        self.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[test]
fn null_goes_only_where_a_field_is_an_option() {
    let env = StreamExecutionEnvironment::new();
    let tables = StreamTableEnvironment::create(&env);
    let values =
        tables.sql_query("SELECT a FROM (VALUES (CAST(1 AS BIGINT)), (CAST(NULL AS BIGINT))) AS t(a)").unwrap();
    let options: DataStream<Option<i64>> = tables.to_data_stream(&values).unwrap();
    assert_eq!(options.execute_and_collect("options").unwrap(), [Some(1), None]);
    let plain: DataStream<i64> = tables.to_data_stream(&values).unwrap();
    let error = plain.execute_and_collect("plain").unwrap_err().to_string();
    assert!(error.contains("column 'a' is NULL"), "{error}");
    let texts = tables.to_data_stream::<String>(&values).err().unwrap().to_string();
    assert!(texts.contains("column 'a' is BIGINT"), "{texts}");
}

#[test]
fn event_time_goes_from_streams_into_windows_and_out_again() {
    let env = StreamExecutionEnvironment::new();
    let tables = StreamTableEnvironment::create(&env);
    let clicks: Vec<(String, i64)> = (0..40).map(|n| (format!("p{}", n % 2), n * 500)).collect();
    let stream = env.from_collection(clicks).assign_timestamps_and_watermarks(
        WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|(_, at): &(String, i64), _| *at),
    );
    let schema =
        Schema::new().column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)").watermark("rowtime", "SOURCE_WATERMARK()");
    let table = tables.from_data_stream_with(stream, schema).unwrap();
    let counts = table
        .window(Tumble::over(lit(5).seconds()).on(col("rowtime")).as_("w"))
        .group_by([col("w"), col("f0")])
        .select([col("f0"), count_all().as_("n"), col("w").rowtime().as_("t")]);
    let counts: DataStream<(String, i64, riverrun::table::TimestampLtz)> = tables.to_data_stream(&counts).unwrap();
    // The end of a window is the event time of its row, so that windows of the stream find it.
    let counts = counts.map(|(page, n, time)| (page, n, time.millis()));
    let mut counts = counts.execute_and_collect("clicks").unwrap();
    counts.sort();
    let expected: Vec<(String, i64, i64)> = ["p0", "p1"]
        .into_iter()
        .flat_map(|page| (1..=4).map(move |end| (page.to_owned(), 5, end * 5000 - 1)))
        .collect();
    assert_eq!(counts, expected);
}

#[test]
fn a_watermark_of_the_schema_makes_event_time() {
    let env = StreamExecutionEnvironment::new();
    let tables = StreamTableEnvironment::create(&env);
    let payments: Vec<Payment> = (0..6).map(|n| payment(n % 2, Some("1"), n * 1000)).collect();
    let schema = Schema::new()
        .column("account", "BIGINT")
        .column("amount", "DECIMAL(10, 2)")
        .column("at", "TIMESTAMP(3)")
        .watermark("at", "at - INTERVAL '1' SECOND");
    let table = tables.from_data_stream_with(env.from_collection(payments), schema).unwrap();
    let sums = table
        .window(Tumble::over(lit(2).seconds()).on(col("at")).as_("w"))
        .group_by([col("w")])
        .select([col("w").start().as_("s"), col("amount").sum().as_("sum")]);
    assert_eq!(
        shown(&sums),
        ["+I[1970-01-01 00:00:00, 2.00]", "+I[1970-01-01 00:00:02, 2.00]", "+I[1970-01-01 00:00:04, 2.00]"]
    );
}

#[test]
fn changelogs_go_in_and_out() {
    let env = StreamExecutionEnvironment::new();
    let tables = StreamTableEnvironment::create(&env);
    let row = |kind, name: &str, n: i64| Row::of_kind(kind, [Value::from(name), Value::from(n)]);
    let changes = vec![
        row(RowKind::Insert, "a", 1),
        row(RowKind::Insert, "b", 2),
        row(RowKind::UpdateBefore, "a", 1),
        row(RowKind::UpdateAfter, "a", 5),
        row(RowKind::Delete, "b", 2),
    ];
    let schema = Schema::new().column("name", "STRING").column("n", "BIGINT");
    let stream = env.from_collection(changes.clone());
    let table = tables.from_changelog_stream(stream, schema.clone(), ChangelogMode::ALL).unwrap();
    let error = tables.to_data_stream::<(String, i64)>(&table).err().unwrap().to_string();
    assert!(error.contains("doesn't support consuming update changes"), "{error}");
    let sum = table.select([col("n").sum().as_("sum")]);
    let out = tables.to_changelog_stream(&sum).unwrap().execute_and_collect("sum").unwrap();
    assert_eq!(result(&out), BTreeMap::from([("5".to_owned(), 1)]));

    let upserts =
        vec![row(RowKind::UpdateAfter, "a", 1), row(RowKind::UpdateAfter, "b", 3), row(RowKind::UpdateAfter, "a", 4)];
    let keyed = schema.primary_key(["name"]);
    let table = tables.from_changelog_stream(env.from_collection(upserts), keyed, ChangelogMode::UPSERT).unwrap();
    let out = tables.to_changelog_stream(&table).unwrap().execute_and_collect("upserts").unwrap();
    assert_eq!(result(&out), BTreeMap::from([("a, 4".to_owned(), 1), ("b, 3".to_owned(), 1)]));
}

#[test]
fn a_table_of_a_stream_that_has_run_is_refused() {
    let env = StreamExecutionEnvironment::new();
    let tables = StreamTableEnvironment::create(&env);
    let table = tables.from_data_stream(env.from_collection(vec![1i64, 2])).unwrap();
    assert_eq!(shown(&table.clone().select([col("f0").sum()])).last().unwrap(), "+I[3]");
    assert!(message(&table).contains("a program that has run"));
}

struct Total;

impl TableAggregate for Total {
    type Arguments = i64;
    type Accumulator = (i64, u64);
    type Result = Option<i64>;
    const RETRACTS: bool = true;
    const MERGES: bool = true;

    fn create_accumulator(&self) -> (i64, u64) {
        (0, 0)
    }

    fn accumulate(&self, total: &mut (i64, u64), value: i64) {
        *total = (total.0 + value, total.1 + 1);
    }

    fn retract(&self, total: &mut (i64, u64), value: i64) {
        *total = (total.0 - value, total.1 - 1);
    }

    fn merge(&self, total: &mut (i64, u64), other: (i64, u64)) {
        *total = (total.0 + other.0, total.1 + other.1);
    }

    fn get_value(&self, total: &(i64, u64)) -> Option<i64> {
        (total.1 > 0).then_some(total.0)
    }
}

struct Most;

impl TableAggregate for Most {
    type Arguments = i64;
    type Accumulator = Option<i64>;
    type Result = Option<i64>;

    fn create_accumulator(&self) -> Option<i64> {
        None
    }

    fn accumulate(&self, most: &mut Option<i64>, value: i64) {
        *most = (*most).max(Some(value));
    }

    fn get_value(&self, most: &Option<i64>) -> Option<i64> {
        *most
    }
}

#[test]
fn an_aggregate_of_the_program_is_as_good_as_one_of_sql() {
    let env = bids();
    env.create_temporary_function("total", aggregate(Total));
    env.create_temporary_function("most", aggregate(Most));
    for (ours, sql) in [
        (
            "SELECT item, total(price) FROM bids GROUP BY item",
            "SELECT item, CAST(SUM(price) AS BIGINT) FROM bids GROUP BY item",
        ),
        (
            "SELECT n, total(s) FROM (SELECT item, COUNT(*) AS n, SUM(price) AS s FROM bids GROUP BY item) GROUP BY n",
            "SELECT n, CAST(SUM(s) AS BIGINT) FROM (SELECT item, COUNT(*) AS n, SUM(price) AS s FROM bids GROUP BY item) GROUP BY n",
        ),
        (
            "SELECT item, total(price) FILTER (WHERE price > 3) FROM bids GROUP BY item, SESSION(bid_time, INTERVAL '5' SECOND)",
            "SELECT item, CAST(SUM(price) FILTER (WHERE price > 3) AS BIGINT) FROM bids GROUP BY item, SESSION(bid_time, INTERVAL '5' SECOND)",
        ),
    ] {
        let rows = |sql: &str| result(&env.sql_query(sql).unwrap().execute().unwrap().collect().unwrap());
        assert_eq!(rows(ours), rows(sql), "{ours}");
    }
    let most = env.from("bids").unwrap().select([call("most", [col("price")]).as_("m")]);
    assert_eq!(shown(&most).last().unwrap(), "+I[20]");
    let sums = env.from("bids").unwrap().group_by([col("item")]).select([col("price").sum().as_("s")]);
    let error = message(&sums.select([call("most", [col("s")])]));
    assert!(error.contains("'most' cannot retract rows"), "{error}");
    let sessions = "SELECT most(price) FROM bids GROUP BY item, SESSION(bid_time, INTERVAL '5' SECOND)";
    let error = message(&env.sql_query(sessions).unwrap());
    assert!(error.contains("'most' cannot merge"), "{error}");
}

#[test]
fn functions_of_the_program_are_called_from_sql_and_from_tables() {
    let env = TableEnvironment::create();
    env.create_temporary_function(
        "tagged",
        scalar(|text: String, n: Option<i64>| format!("{text}{}", n.unwrap_or(-1))),
    );
    env.create_temporary_function("strict", try_scalar(|text: String| text.parse::<i64>()));
    env.create_temporary_function(
        "words",
        table_function(|line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()),
    );
    let rows = |sql: &str| shown(&env.sql_query(sql).unwrap());
    assert_eq!(
        rows(
            "SELECT TAGGED(a, b) FROM (VALUES ('x', 1), ('y', CAST(NULL AS INT)), (CAST(NULL AS STRING), 2)) AS t(a, b)"
        ),
        ["+I[x1]", "+I[y-1]", "+I[null]"]
    );
    assert_eq!(
        rows("SELECT a, w FROM (VALUES ('to be'), ('')) AS t(a) CROSS JOIN LATERAL TABLE(words(a)) AS u(w)"),
        ["+I[to be, to]", "+I[to be, be]"]
    );
    assert_eq!(
        rows("SELECT a, w FROM (VALUES ('to'), ('')) AS t(a) LEFT JOIN LATERAL TABLE(words(a)) AS u(w) ON TRUE"),
        ["+I[to, to]", "+I[, null]"]
    );
    // Whole columns; the second one answers fewer values than it is given.
    env.register_function("twice", vectorized(["BIGINT"], "BIGINT", |columns| Ok(add(&columns[0], &columns[0])?)));
    env.register_function("short", vectorized(["BIGINT"], "BIGINT", |columns| Ok(columns[0].slice(0, 1))));
    assert_eq!(rows("SELECT twice(n) FROM (VALUES (1), (CAST(NULL AS INT))) AS t(n)"), ["+I[2]", "+I[null]"]);
    let short = env.sql_query("SELECT short(n) FROM (VALUES (1), (2)) AS t(n)").unwrap();
    let error = short.execute().and_then(|result| result.collect()).unwrap_err().to_string();
    assert!(error.contains("1 values for 2 rows (function: short"), "{error}");
    let lines = env.from_values(["a"], [lit("x y")]).unwrap();
    assert_eq!(
        shown(&lines.clone().left_outer_join_lateral(call("words", [col("a")]), ["w"])),
        ["+I[x y, x]", "+I[x y, y]"]
    );
    let failing = lines.clone().select([call("strict", [col("a")])]);
    let error = failing.execute().and_then(|result| result.collect()).unwrap_err().to_string();
    assert!(error.contains("the function failed") && error.contains("function: strict"), "{error}");
    let error = message(&lines.clone().select([call("tagged", [col("a")])]));
    assert!(error.contains("Invalid number of arguments to function 'tagged': 1"), "{error}");
    let error = message(&lines.clone().select([call("words", [col("a")])]));
    assert!(error.contains("'words' is a table function"), "{error}");
    let error = message(&lines.clone().select([call("tagedd", [col("a")])]));
    assert!(error.contains("did you mean tagged?"), "{error}");
    assert!(env.drop_temporary_function("words"));
    assert!(message(&lines.join_lateral(call("words", [col("a")]), ["w"])).contains("No match found"));
}

#[test]
fn one_job_runs_sql_tables_and_streams() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    let tables = StreamTableEnvironment::create(&env);
    let numbers = env.from_sequence(1, 1000).map(|n| (n % 3, n));
    tables.create_temporary_view_of("numbers", numbers).unwrap();
    let even = tables.sql_query("SELECT f0 AS k, f1 AS v FROM numbers WHERE MOD(f1, 2) = 0").unwrap();
    let doubled = tables.to_data_stream::<(i64, i64)>(&even).unwrap().map(|(k, v)| (k, v * 2));
    let table = tables.from_data_stream(doubled).unwrap();
    let sums = table.group_by([col("f0")]).select([col("f0"), col("f1").sum().as_("sum")]);
    let rows = tables.to_changelog_stream(&sums).unwrap().execute_and_collect("both").unwrap();
    let mut expected = BTreeMap::new();
    for n in (2..=1000).step_by(2) {
        *expected.entry(n % 3).or_insert(0) += n * 2;
    }
    let expected = expected.into_iter().map(|(k, sum)| (format!("{k}, {sum}"), 1)).collect();
    assert_eq!(result(&rows), expected);
}
