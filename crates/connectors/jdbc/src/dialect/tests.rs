use super::*;
use crate::remote::Class;
use crate::test_table::{table, target};
use crate::values::Scalar;

fn report(system: System, key: &[usize]) -> Target {
    let columns = [
        ("account", LogicalType::BigInt, Class::Integer, "bigint"),
        ("at", LogicalType::Timestamp(3), Class::Timestamp(3), "timestamp(3) without time zone"),
        ("no`te\"", LogicalType::STRING, Class::Text, "text"),
        ("id", LogicalType::STRING, Class::Opaque, "uuid"),
    ];
    target(system, &columns, key)
}

fn plan(system: System) -> ScanPlan {
    ScanPlan {
        target: report(system, &[]),
        range: None,
        order: Vec::new(),
        offset: 0,
        by_row_id: false,
        after_row_id: None,
    }
}

#[test]
fn mysql_upserts_by_duplicate_key() {
    let sql = write_sql(&report(System::MySql, &[0, 1]));
    assert_eq!(sql.insert, "INSERT INTO `report` (`account`, `at`, `no``te\"`, `id`) VALUES ");
    assert_eq!(
        sql.insert_tail,
        " ON DUPLICATE KEY UPDATE `account` = VALUES(`account`), `at` = VALUES(`at`), `no``te\"` = VALUES(`no``te\"`), `id` = VALUES(`id`)"
    );
    assert_eq!(sql.delete, "DELETE FROM `report` WHERE ");
    let append = write_sql(&report(System::MariaDb, &[]));
    assert_eq!((append.insert_tail.as_str(), append.delete.as_str()), ("", ""));
}

#[test]
fn postgres_writes_arrays_and_upserts_on_conflict() {
    let sql = write_sql(&report(System::Postgres, &[3, 0]));
    assert_eq!(
        sql.insert,
        "INSERT INTO \"report\" (\"account\", \"at\", \"no`te\"\"\", \"id\") SELECT c1, c2, c3, c4::uuid \
         FROM UNNEST($1::int8[], $2::timestamp[], $3::text[], $4::text[]) AS r (c1, c2, c3, c4) \
         ON CONFLICT (\"id\", \"account\") DO UPDATE SET \"at\" = EXCLUDED.\"at\", \"no`te\"\"\" = EXCLUDED.\"no`te\"\"\""
    );
    assert_eq!(
        sql.delete,
        "DELETE FROM \"report\" AS t USING UNNEST($1::text[], $2::int8[]) AS r (c1, c2) WHERE t.\"id\" = c1::uuid AND t.\"account\" = c2"
    );
    let append = write_sql(&report(System::Postgres, &[]));
    assert!(append.insert.ends_with("AS r (c1, c2, c3, c4)") && append.delete.is_empty(), "{append:?}");
}

#[test]
fn a_table_that_is_all_key_is_upserted_by_doing_nothing() {
    let columns = [("a", LogicalType::Int, Class::Integer, "int")];
    assert!(write_sql(&target(System::Postgres, &columns, &[0])).insert.ends_with(" ON CONFLICT (\"a\") DO NOTHING"));
    assert!(write_sql(&target(System::Sqlite, &columns, &[0])).insert.ends_with(" ON CONFLICT (\"a\") DO NOTHING"));
    assert_eq!(
        write_sql(&target(System::MySql, &columns, &[0])).insert_tail,
        " ON DUPLICATE KEY UPDATE `a` = VALUES(`a`)"
    );
}

#[test]
fn sqlite_upserts_on_conflict_row_by_row() {
    let sql = write_sql(&report(System::Sqlite, &[0]));
    assert_eq!(
        sql.insert,
        "INSERT INTO \"report\" (\"account\", \"at\", \"no`te\"\"\", \"id\") VALUES (?1, ?2, ?3, ?4) ON CONFLICT (\"account\") DO UPDATE SET \
         \"at\" = excluded.\"at\", \"no`te\"\"\" = excluded.\"no`te\"\"\", \"id\" = excluded.\"id\""
    );
    assert_eq!(sql.delete, "DELETE FROM \"report\" WHERE \"account\" = ?1");
}

#[test]
fn scans_select_by_range_in_the_order_of_the_key() {
    let ranged = |system: System| ScanPlan {
        range: Some((quote(system, "account"), -5, 10)),
        order: vec![quote(system, "id"), quote(system, "account")],
        offset: 7,
        ..plan(system)
    };
    assert_eq!(
        mysql::select(&ranged(System::MySql)),
        "SELECT `account`, `at`, `no``te\"`, `id` FROM `report` WHERE `account` BETWEEN -5 AND 10 ORDER BY `id`, `account` \
         LIMIT 18446744073709551615 OFFSET 7"
    );
    assert_eq!(
        postgres::select(&ranged(System::Postgres)),
        "SELECT \"account\"::int8, \"at\"::timestamp, \"no`te\"\"\"::text, \"id\"::text FROM \"report\" \
         WHERE \"account\" BETWEEN -5 AND 10 ORDER BY \"id\", \"account\" OFFSET 7"
    );
    assert_eq!(
        sqlite::select(&ranged(System::Sqlite), None, 100),
        "SELECT \"account\", \"at\", \"no`te\"\"\", CAST(\"id\" AS TEXT) FROM \"report\" WHERE \"account\" BETWEEN -5 AND 10 \
         ORDER BY \"id\", \"account\" LIMIT 100 OFFSET 7"
    );
    let by_row_id = ScanPlan { by_row_id: true, ..plan(System::Sqlite) };
    assert_eq!(
        sqlite::select(&by_row_id, Some(41), 100),
        "SELECT \"account\", \"at\", \"no`te\"\"\", CAST(\"id\" AS TEXT), _rowid_ FROM \"report\" WHERE _rowid_ > 41 ORDER BY _rowid_ LIMIT 100"
    );
    assert_eq!(postgres::select(&plan(System::Postgres)).matches(" FROM \"report\"").count(), 1);
}

#[test]
fn mysql_literals_keep_their_value_and_their_quotes() {
    let literal = |value: Scalar<'_>, logical: &LogicalType| {
        let mut out = Vec::new();
        mysql::write_literal(&mut out, value, logical).map(|()| String::from_utf8(out).unwrap())
    };
    let any = &LogicalType::STRING;
    assert_eq!(literal(Scalar::Null, any).unwrap(), "NULL");
    assert_eq!(literal(Scalar::Boolean(true), any).unwrap(), "1");
    assert_eq!(literal(Scalar::Int(i64::MIN), any).unwrap(), "-9223372036854775808");
    assert_eq!(literal(Scalar::Double(1e300), any).unwrap(), "1e300");
    assert_eq!(literal(Scalar::Double(-0.1), any).unwrap(), "-1e-1");
    assert_eq!(literal(Scalar::Float(0.1), any).unwrap(), "1e-1");
    assert_eq!(literal(Scalar::Decimal(-5, 3), any).unwrap(), "-0.005");
    assert_eq!(literal(Scalar::Text("it's \\ a 'test'\0;--"), any).unwrap(), r"'it''s \\ a ''test''\0;--'");
    assert_eq!(literal(Scalar::Bytes(&[0, 0xff, b'\'']), any).unwrap(), "X'00ff27'");
    assert_eq!(literal(Scalar::Date(0), any).unwrap(), "'1970-01-01'");
    assert_eq!(literal(Scalar::Time(1_500_000), &LogicalType::Time(3)).unwrap(), "'00:00:00.001'");
    assert_eq!(
        literal(Scalar::Timestamp(-1, 250_000_000), &LogicalType::Timestamp(3)).unwrap(),
        "'1969-12-31 23:59:59.250'"
    );
    assert_eq!(literal(Scalar::Timestamp(0, 0), &LogicalType::Timestamp(0)).unwrap(), "'1970-01-01 00:00:00'");
    for value in [Scalar::Double(f64::NAN), Scalar::Float(f32::INFINITY), Scalar::Timestamp(i64::MAX / 2, 0)] {
        assert!(literal(value, any).is_err(), "{value:?}");
    }
}

#[test]
fn types_of_the_catalogs_are_understood() {
    let mysql_types = [
        ("tinyint(1)", Class::Integer),
        ("int(10) unsigned", Class::Integer),
        ("bigint unsigned zerofill", Class::Integer),
        ("bit(8)", Class::Bits),
        ("decimal(10,2)", Class::Decimal(Some(2))),
        ("decimal(20)", Class::Decimal(Some(0))),
        ("double", Class::Approximate),
        ("enum('a','b,c')", Class::Opaque),
        ("datetime(6)", Class::Timestamp(6)),
        ("timestamp", Class::Timestamp(0)),
        ("time(3)", Class::Time(3)),
        ("longtext", Class::Text),
        ("varbinary(10)", Class::Bytes),
        ("json", Class::Opaque),
        ("geometry", Class::Other),
    ];
    for (name, class) in mysql_types {
        assert_eq!(mysql::class_of(name), class, "{name}");
    }
    assert_eq!(postgres::class_of("numeric", "b", ((10 << 16) | 2) + 4), Class::Decimal(Some(2)));
    assert_eq!(postgres::class_of("numeric", "b", -1), Class::Decimal(None));
    assert_eq!(postgres::class_of("timestamptz", "b", 3), Class::Timestamp(3));
    assert_eq!(postgres::class_of("mood", "e", -1), Class::Opaque);
    assert_eq!(postgres::class_of("address", "c", -1), Class::Other);
    let sqlite_types = [
        ("INTEGER", Class::Integer),
        ("BOOLEAN", Class::Integer),
        ("VARCHAR(20)", Class::Text),
        ("", Class::Any),
        ("DATETIME", Class::Timestamp(9)),
        ("TIMESTAMP(3)", Class::Timestamp(3)),
        ("DATE", Class::Date),
        ("NUMERIC(10, 2)", Class::Decimal(None)),
        ("DOUBLE", Class::Approximate),
        ("BLOB", Class::Bytes),
        ("STRING", Class::Decimal(None)),
        ("JSON", Class::Opaque),
    ];
    for (name, class) in sqlite_types {
        assert_eq!(sqlite::class_of(name), class, "{name}");
    }
}

#[test]
fn a_missing_table_is_shown_as_the_statement_that_makes_it() {
    let columns = [
        ("account", LogicalType::BigInt),
        ("name", LogicalType::STRING),
        ("at", LogicalType::TimestampLtz(3)),
        ("sum", LogicalType::Decimal(10, 2)),
    ];
    let create = |url: &str| create_table(&table(url, &columns, &[0, 1], &[]).unwrap());
    assert_eq!(
        create("jdbc:mysql://h/db"),
        "CREATE TABLE `report` (`account` BIGINT NOT NULL, `name` VARCHAR(255) NOT NULL, `at` TIMESTAMP(3), `sum` DECIMAL(10, 2), \
         PRIMARY KEY (`account`, `name`))"
    );
    assert_eq!(
        create("jdbc:postgresql://h/db"),
        "CREATE TABLE \"report\" (\"account\" BIGINT NOT NULL, \"name\" TEXT NOT NULL, \"at\" TIMESTAMPTZ(3), \"sum\" DECIMAL(10, 2), \
         PRIMARY KEY (\"account\", \"name\"))"
    );
    assert_eq!(
        create("jdbc:sqlite:a.db"),
        "CREATE TABLE \"report\" (\"account\" BIGINT NOT NULL, \"name\" TEXT NOT NULL, \"at\" TIMESTAMP(3), \"sum\" TEXT, \
         PRIMARY KEY (\"account\", \"name\"))"
    );
}
