//! Types: what is written is read back, and each system's own types are read as their Flink types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, Time32MillisecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType as ArrowType, Int32Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use riverrun_base::Kind;
use riverrun_connect::Flush;
use riverrun_data::RowKind::Delete;
use riverrun_data::{Batch, DataType, LogicalType, arrow_type};

use crate::database::{Database, on_every_database, table_name};

on_every_database!(every_type_is_read_back_as_it_was_written, a_timestamp_is_a_wall_clock_and_an_instant_is_utc);

fn every_type_is_read_back_as_it_was_written(database: &Database) {
    let decimal = |precision, scale, values: Vec<Option<i128>>| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    // name, Flink's type, MariaDB's, PostgreSQL's, SQLite's, values
    let columns: Vec<(&str, LogicalType, [&str; 3], ArrayRef)> = vec![
        ("id", LogicalType::Int, ["INT", "INT", "INT"], Arc::new(Int32Array::from(vec![1, 2, 3]))),
        (
            "b",
            LogicalType::Boolean,
            ["BOOLEAN", "BOOLEAN", "BOOLEAN"],
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ),
        (
            "i8",
            LogicalType::TinyInt,
            ["TINYINT", "SMALLINT", "TINYINT"],
            Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)])),
        ),
        (
            "i16",
            LogicalType::SmallInt,
            ["SMALLINT", "SMALLINT", "SMALLINT"],
            Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
        ),
        (
            "i32",
            LogicalType::Int,
            ["INT", "INT", "INTEGER"],
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        ),
        (
            "i64",
            LogicalType::BigInt,
            ["BIGINT", "BIGINT", "BIGINT"],
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        ),
        (
            "f32",
            LogicalType::Float,
            ["FLOAT", "REAL", "REAL"],
            Arc::new(Float32Array::from(vec![Some(0.1), None, Some(-1.5e-30)])),
        ),
        (
            "f64",
            LogicalType::Double,
            ["DOUBLE", "DOUBLE PRECISION", "DOUBLE"],
            Arc::new(Float64Array::from(vec![Some(0.1), None, Some(-1.797e308)])),
        ),
        (
            "d",
            LogicalType::Decimal(10, 2),
            ["DECIMAL(10, 2)", "DECIMAL(10, 2)", "DECIMAL(10, 2)"],
            decimal(10, 2, vec![Some(-1_234_567_890), None, Some(5)]),
        ),
        (
            "d38",
            LogicalType::Decimal(38, 18),
            ["DECIMAL(38, 18)", "NUMERIC", "TEXT"],
            decimal(38, 18, vec![Some(10i128.pow(38) - 1), None, Some(1 - 10i128.pow(38))]),
        ),
        (
            "c",
            LogicalType::Char(5),
            ["CHAR(5)", "VARCHAR(5)", "CHAR(5)"],
            Arc::new(StringArray::from(vec![Some("ab"), None, Some("xyz12")])),
        ),
        (
            "s",
            LogicalType::STRING,
            ["LONGTEXT", "TEXT", "TEXT"],
            Arc::new(StringArray::from(vec![Some(""), None, Some("öä \u{1F980} '\\")])),
        ),
        (
            "bytes",
            LogicalType::BYTES,
            ["LONGBLOB", "BYTEA", "BLOB"],
            Arc::new(BinaryArray::from(vec![Some(&b""[..]), None, Some(&b"\0\xff'\\"[..])])),
        ),
        (
            "date",
            LogicalType::Date,
            ["DATE", "DATE", "DATE"],
            Arc::new(Date32Array::from(vec![Some(-354_285), None, Some(2_932_896)])),
        ),
        (
            "t",
            LogicalType::Time(3),
            ["TIME(3)", "TIME(3)", "TIME"],
            Arc::new(Time32MillisecondArray::from(vec![Some(0), None, Some(86_399_999)])),
        ),
        (
            "ts",
            LogicalType::Timestamp(3),
            ["DATETIME(3)", "TIMESTAMP(3)", "TIMESTAMP"],
            Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(253_402_300_799_999)])),
        ),
        (
            "ts6",
            LogicalType::Timestamp(6),
            ["DATETIME(6)", "TIMESTAMP", "TIMESTAMP"],
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(1_709_164_800_123_456)])),
        ),
        (
            "ltz",
            LogicalType::TimestampLtz(3),
            ["TIMESTAMP(3) NULL", "TIMESTAMPTZ", "TIMESTAMP"],
            Arc::new(
                TimestampMillisecondArray::from(vec![Some(1_000), None, Some(1_711_846_800_001)]).with_timezone("UTC"),
            ),
        ),
    ];
    let system = match database {
        Database::MariaDb(_) => 0,
        Database::Postgres(_) => 1,
        Database::Sqlite(_) => 2,
    };
    let name = table_name();
    let ddl: Vec<String> = columns.iter().map(|(name, _, types, _)| format!("{name} {}", types[system])).collect();
    database.execute(&format!("CREATE TABLE {name} ({}, PRIMARY KEY (id))", ddl.join(", ")));
    let types: Vec<(&str, LogicalType)> = columns.iter().map(|(name, logical, ..)| (*name, logical.clone())).collect();
    let table = database.table(&name, &types, &[0]);
    let arrays = columns.into_iter().map(|(.., array)| array).collect();
    let batch = RecordBatch::try_new(table.schema(), arrays).unwrap();
    let mut writer = table.writer().unwrap();
    // twice: an insertion, then an update
    for _ in 0..2 {
        writer.write(Batch::insertions(batch.clone())).unwrap();
        writer.flush(Flush::Barrier).unwrap();
    }
    let read = table.read().unwrap();
    for (index, field) in batch.schema().fields().iter().enumerate() {
        assert_eq!(read.column(index), batch.column(index), "column {}", field.name());
    }
    // all but the numbers as strings too
    let strings: Vec<(&str, LogicalType)> =
        types.iter().filter(|(name, _)| *name != "bytes").map(|(name, _)| (*name, LogicalType::STRING)).collect();
    let text = database.table(&name, &strings, &[]).read().unwrap();
    assert_eq!(text.column(12).as_string::<i32>().value(2), "9999-12-31");
    assert!(text.column(14).as_string::<i32>().value(0).starts_with("1969-12-31 23:59:59.999"));
}

fn a_timestamp_is_a_wall_clock_and_an_instant_is_utc(database: &Database) {
    let name = table_name();
    let (wall, instant) = match database {
        Database::MariaDb(_) => ("DATETIME(3)", "DATETIME(3)"),
        Database::Postgres(_) => ("TIMESTAMP", "TIMESTAMP"),
        Database::Sqlite(_) => ("TIMESTAMP", "TEXT"),
    };
    database.execute(&format!("CREATE TABLE {name} (wall {wall}, instant {instant})"));
    let table =
        database.table(&name, &[("wall", LogicalType::Timestamp(3)), ("instant", LogicalType::TimestampLtz(3))], &[]);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![1_500])),
        Arc::new(TimestampMillisecondArray::from(vec![1_500]).with_timezone("UTC")),
    ];
    let batch = RecordBatch::try_new(table.schema(), arrays).unwrap();
    let mut writer = table.writer().unwrap();
    writer.write(Batch::insertions(batch.clone())).unwrap();
    writer.flush(Flush::End).unwrap();
    let rows = database.query(&format!("SELECT wall, instant FROM {name}"));
    assert!(
        rows[0].iter().all(|value| value.as_ref().is_some_and(|text| text.starts_with("1970-01-01 00:00:01.5"))),
        "{rows:?}"
    );
    assert_eq!(table.read().unwrap(), batch);
}

/// The values of each row as text.
fn shown(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    // Arrow knows no zone by name here; an instant shows as UTC's wall clock
    let plain = |column: &ArrayRef| match column.data_type() {
        ArrowType::Timestamp(unit, Some(_)) => arrow::array::make_array(
            column.to_data().into_builder().data_type(ArrowType::Timestamp(*unit, None)).build().unwrap(),
        ),
        _ => arrow::array::make_array(column.to_data()),
    };
    let arrays: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
    let columns: Vec<_> =
        arrays.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn mysqls_types_are_read_as_flinks() {
    let database = Database::mariadb();
    let name = table_name();
    database.execute(&format!(
        "CREATE TABLE {name} (tiny1 TINYINT(1), bit1 BIT(1), bit16 BIT(16), tinyu TINYINT UNSIGNED, smallu SMALLINT UNSIGNED, medium MEDIUMINT, \
         intu INT UNSIGNED, bigu BIGINT UNSIGNED, y YEAR, num NUMERIC(20), e ENUM('red', 'green'), st SET('a', 'b'), js JSON, u UUID, \
         dt DATETIME, ts TIMESTAMP(6) NULL, t TIME, bin BINARY(3))"
    ));
    database.execute(&format!(
        "INSERT INTO {name} VALUES (1, b'1', b'0000000100110001', 255, 65535, -8388608, 4294967295, 18446744073709551615, 2024, 12345678901234567890, \
         'green', 'a,b', '{{\"a\": 1}}', '123e4567-e89b-12d3-a456-426655440000', '2024-02-29 12:34:56', '2024-02-29 12:34:56.123456', \
         '12:34:56', 'abc')"
    ));
    let columns = [
        ("tiny1", LogicalType::Boolean),
        ("bit1", LogicalType::Boolean),
        ("bit16", LogicalType::Int),
        ("tinyu", LogicalType::SmallInt),
        ("smallu", LogicalType::Int),
        ("medium", LogicalType::Int),
        ("intu", LogicalType::BigInt),
        ("bigu", LogicalType::Decimal(20, 0)),
        ("y", LogicalType::Int),
        ("num", LogicalType::Decimal(20, 0)),
        ("e", LogicalType::STRING),
        ("st", LogicalType::STRING),
        ("js", LogicalType::STRING),
        ("u", LogicalType::STRING),
        ("dt", LogicalType::Timestamp(0)),
        ("ts", LogicalType::Timestamp(6)),
        ("t", LogicalType::Time(0)),
        ("bin", LogicalType::BYTES),
    ];
    let table = database.table(&name, &columns, &[]);
    let expected = "true true 305 255 65535 -8388608 4294967295 18446744073709551615 2024 12345678901234567890 green a,b {\"a\": 1} \
         123e4567-e89b-12d3-a456-426655440000 2024-02-29T12:34:56 2024-02-29T12:34:56.123456 12:34:56 616263";
    assert_eq!(shown(&table.read().unwrap()), [expected]);
    // and written again as they are
    database.execute(&format!("CREATE TABLE {name}_2 LIKE {name}"));
    let copy = database.table(&format!("{name}_2"), &columns, &[]);
    let mut writer = copy.writer().unwrap();
    writer.write(Batch::insertions(table.read().unwrap())).unwrap();
    writer.flush(Flush::End).unwrap();
    assert_eq!(shown(&copy.read().unwrap()), [expected]);
}

#[test]
fn a_timestamp_column_shows_the_servers_wall_clock_or_an_instant() {
    let database = Database::mariadb();
    let name = table_name();
    database.execute(&format!("CREATE TABLE {name} (at TIMESTAMP(3) NULL)"));
    // one connection has another zone, as a server's default may be
    let write = |logical: LogicalType| {
        let table = database.table(&name, &[("at", logical.clone())], &[]);
        let array: ArrayRef =
            Arc::new(TimestampMillisecondArray::from(vec![1_709_164_800_000]).with_data_type(arrow_type(&logical)));
        let mut writer = table.writer().unwrap();
        writer.write(Batch::insertions(RecordBatch::try_new(table.schema(), vec![array]).unwrap())).unwrap();
        writer.flush(Flush::End).unwrap();
    };
    write(LogicalType::TimestampLtz(3));
    let unix = database.query(&format!("SELECT UNIX_TIMESTAMP(at) FROM {name}"));
    assert_eq!(unix, [[Some("1709164800.000".to_owned())]]);
    database.execute(&format!("DELETE FROM {name}"));
    write(LogicalType::Timestamp(3));
    assert_eq!(database.query(&format!("SELECT at FROM {name}")), [[Some("2024-02-29 00:00:00.000".to_owned())]]);
}

#[test]
fn zero_dates_are_refused_or_null() {
    let database = Database::mariadb();
    let name = table_name();
    database
        .execute(&format!("SET sql_mode = ''; CREATE TABLE {name} (d DATE); INSERT INTO {name} VALUES ('0000-00-00')"));
    let table = database.table(&name, &[("d", LogicalType::Date)], &[]);
    let error = table.read().unwrap_err();
    assert_eq!(error.kind(), Kind::Data);
    assert!(
        error.to_string().contains("0000-00-00 is no date") && error.to_string().contains("CONVERT_TO_NULL"),
        "{error}"
    );
    let table = table.with("url", &format!("{}?zeroDateTimeBehavior=convertToNull", database.url()));
    assert_eq!(shown(&table.read().unwrap()), ["NULL"]);
}

#[test]
fn postgres_types_are_read_and_written_as_flinks() {
    let database = Database::postgres();
    let name = table_name();
    database.execute(&format!(
        "CREATE TYPE mood_{name} AS ENUM ('sad', 'happy'); CREATE DOMAIN age_{name} AS INT CHECK (VALUE > 0)"
    ));
    let ddl = format!(
        "u UUID, js JSON, jb JSONB, e mood_{name}, age age_{name}, ip INET, iv INTERVAL, money NUMERIC(20, 4), small INT2, r REAL, \
         ch CHAR(5), d DATE, tz TIMESTAMPTZ, big NUMERIC, PRIMARY KEY (u, ch)"
    );
    database.execute(&format!("CREATE TABLE {name} ({ddl}); CREATE TABLE {name}_2 ({ddl})"));
    database.execute(&format!(
        "INSERT INTO {name} VALUES ('123e4567-e89b-12d3-a456-426655440000', '{{\"a\": 1}}', '[1, 2]', 'happy', 7, '10.0.0.1', '1 day', 12345.6789, -1, \
         0.1, 'ab', '2024-02-29', '2024-02-29 12:00:00+02', 1e20)"
    ));
    let columns = [
        ("u", LogicalType::STRING),
        ("js", LogicalType::STRING),
        ("jb", LogicalType::STRING),
        ("e", LogicalType::STRING),
        ("age", LogicalType::Int),
        ("ip", LogicalType::STRING),
        ("iv", LogicalType::STRING),
        ("money", LogicalType::Decimal(20, 4)),
        ("small", LogicalType::BigInt),
        ("r", LogicalType::Float),
        ("ch", LogicalType::STRING),
        ("d", LogicalType::Date),
        ("tz", LogicalType::TimestampLtz(3)),
        ("big", LogicalType::Decimal(38, 0)),
    ];
    let table = database.table(&name, &columns, &[0, 10]);
    let expected = "123e4567-e89b-12d3-a456-426655440000 {\"a\": 1} [1, 2] happy 7 10.0.0.1/32 1 day 12345.6789 -1 0.1 ab 2024-02-29 \
         2024-02-29T10:00:00 100000000000000000000";
    let read = table.read().unwrap();
    assert_eq!(shown(&read), [expected]);
    let copy = database.table(&format!("{name}_2"), &columns, &[0, 10]);
    let mut writer = copy.writer().unwrap();
    writer.write(Batch::insertions(read.clone())).unwrap();
    writer.write(Batch::insertions(read.clone())).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    assert_eq!(shown(&copy.read().unwrap()), [expected]);
    writer.write(Batch::with_kinds(read, vec![Delete]).unwrap()).unwrap();
    writer.flush(Flush::End).unwrap();
    assert_eq!(copy.read().unwrap().num_rows(), 0, "deleted by a key of uuid and char");
}

#[test]
fn postgres_arrays_are_read_and_written() {
    let database = Database::postgres();
    let name = table_name();
    database.execute(&format!(
        "CREATE TABLE {name} (id INT PRIMARY KEY, i INT[], s TEXT[], d NUMERIC(10, 2)[], at TIMESTAMP[], raw BYTEA[])"
    ));
    let array = |logical: LogicalType| LogicalType::Array(Box::new(DataType::nullable(logical)));
    let columns = [
        ("id", LogicalType::Int),
        ("i", array(LogicalType::Int)),
        ("s", array(LogicalType::STRING)),
        ("d", array(LogicalType::Decimal(10, 2))),
        ("at", array(LogicalType::Timestamp(3))),
        ("raw", array(LogicalType::BYTES)),
    ];
    let table = database.table(&name, &columns, &[0]);
    let schema = table.schema();
    let list = |column: usize, elements: ArrayRef| -> ArrayRef {
        let arrow::datatypes::DataType::List(field) = schema.field(column).data_type() else { unreachable!() };
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([elements.len(), 0, 0]);
        Arc::new(ListArray::new(Arc::clone(field), offsets, elements, Some(vec![true, true, false].into())))
    };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        list(1, Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]))),
        list(2, Arc::new(StringArray::from(vec![Some("a \"b\" \\ {c}, NULL"), None, Some(""), Some("NULL")]))),
        list(3, Arc::new(Decimal128Array::from(vec![Some(123), None]).with_precision_and_scale(10, 2).unwrap())),
        list(4, Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None]))),
        list(5, Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None]))),
    ];
    let batch = RecordBatch::try_new(table.schema(), arrays).unwrap();
    let mut writer = table.writer().unwrap();
    writer.write(Batch::insertions(batch.clone())).unwrap();
    writer.flush(Flush::End).unwrap();
    assert_eq!(table.read().unwrap(), batch);
    database.execute(&format!("INSERT INTO {name} (id, i) VALUES (9, '{{{{1,2}},{{3,4}}}}')"));
    let error = table.read().unwrap_err().to_string();
    assert!(error.contains("several dimensions") && error.contains("column"), "{error}");
}

#[test]
fn a_value_that_a_system_has_not_is_an_error_of_its_row() {
    for (database, value, words) in [
        (Database::mariadb(), f64::NAN, "no NaN"),
        (Database::mariadb(), f64::INFINITY, "no infinity"),
        (Database::sqlite(), f64::NAN, "no NaN"),
    ] {
        let name = table_name();
        database.execute(&format!("CREATE TABLE {name} (v DOUBLE)"));
        let table = database.table(&name, &[("v", LogicalType::Double)], &[]);
        let mut writer = table.writer().unwrap();
        writer
            .write(Batch::insertions(
                RecordBatch::try_new(table.schema(), vec![Arc::new(Float64Array::from(vec![value]))]).unwrap(),
            ))
            .unwrap();
        let error = writer.flush(Flush::End).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().contains(words) && error.to_string().contains("column: "), "{error}");
    }
}

#[test]
fn what_does_not_fit_the_scripts_type_names_column_and_value() {
    for database in [Database::mariadb(), Database::postgres(), Database::sqlite()] {
        let name = table_name();
        database.execute(&format!("CREATE TABLE {name} (v BIGINT)"));
        database.execute(&format!("INSERT INTO {name} VALUES (300)"));
        let error = database.table(&name, &[("v", LogicalType::TinyInt)], &[]).read().unwrap_err();
        assert!(error.to_string().contains("300 does not fit column v of type TINYINT"), "{error}");
        database.execute(&format!("INSERT INTO {name} VALUES (NULL)"));
        let mut table = database.table(&name, &[("v", LogicalType::BigInt)], &[]);
        table.context.columns[0].data_type.nullable = false;
        assert!(table.read().unwrap_err().to_string().contains("NULL in column v, which is NOT NULL"));
    }
}

#[test]
fn sqlite_reads_what_other_programs_wrote() {
    let database = Database::sqlite();
    database.execute(
        "CREATE TABLE mixed (id INTEGER PRIMARY KEY, price NUMERIC, at DATETIME, note, n INTEGER);
         INSERT INTO mixed VALUES (5, 19.99, '2024-02-29T12:00:00Z', 7, 1), (9, 20, '2024-02-29', 'x', 2), (-1, '0.5', NULL, x'6869', NULL);",
    );
    let columns = [
        ("id", LogicalType::BigInt),
        ("price", LogicalType::Decimal(10, 2)),
        ("at", LogicalType::Timestamp(3)),
        ("note", LogicalType::STRING),
        ("n", LogicalType::Boolean),
    ];
    let read = database.table("mixed", &columns, &[]).read().unwrap();
    assert_eq!(
        shown(&read),
        ["-1 0.50 NULL hi NULL", "5 19.99 2024-02-29T12:00:00 7 true", "9 20.00 2024-02-29T00:00:00 x true"],
        "in the order of the row id"
    );
    assert_eq!(read.column(0).as_primitive::<Int64Type>().values(), &[-1, 5, 9]);
    database.execute("CREATE TABLE bad (at TIMESTAMP); INSERT INTO bad VALUES ('yesterday')");
    let error = database.table("bad", &[("at", LogicalType::Timestamp(3))], &[]).read().unwrap_err().to_string();
    assert!(error.contains("'yesterday' is no TIMESTAMP(3)"), "{error}");
    database.execute("CREATE TABLE keyed (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO keyed VALUES ('b', 1), ('a', 2), ('a', 1);
         CREATE VIEW seen AS SELECT b FROM keyed WHERE a = 'a'");
    let keyed = [("a", LogicalType::STRING), ("b", LogicalType::Int)];
    assert_eq!(
        shown(&database.table("keyed", &keyed, &[]).with("scan.fetch-size", "1").read().unwrap()),
        ["a 1", "a 2", "b 1"]
    );
    assert_eq!(
        database
            .table("seen", &[("b", LogicalType::Int)], &[])
            .read()
            .unwrap()
            .column(0)
            .as_primitive::<Int32Type>()
            .len(),
        2
    );
}
