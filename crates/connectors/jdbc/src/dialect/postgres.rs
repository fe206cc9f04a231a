//! PostgreSQL.
//!
//! Rows are written as one array per column, joined by `UNNEST`: one statement text for any number of rows, and two
//! parameters for two columns.

use riverrun_data::LogicalType;

use super::{ScanPlan, WriteSql, list, where_and_order};
use crate::remote::{Class, Target, TargetColumn};

pub(crate) fn write_sql(target: &Target) -> WriteSql {
    let all: Vec<usize> = (0..target.columns.len()).collect();
    let names = list(target.columns.iter().map(|column| column.quoted.as_str()));
    let values = list(all.iter().map(|index| format!("c{}{}", index + 1, insert_cast(&target.columns[*index]))));
    let mut sql = WriteSql {
        insert: format!("INSERT INTO {} ({names}) SELECT {values} FROM {}", target.table, unnest(target, &all)),
        ..WriteSql::default()
    };
    if target.key.is_empty() {
        return sql;
    }
    let key = list(target.key.iter().map(|index| target.columns[*index].quoted.as_str()));
    let others = list((0..target.columns.len()).filter(|index| !target.key.contains(index)).map(|index| {
        let name = &target.columns[index].quoted;
        format!("{name} = EXCLUDED.{name}")
    }));
    sql.insert.push_str(&format!(" ON CONFLICT ({key}) DO "));
    sql.insert.push_str(&if others.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {others}") });
    let mut matches = String::new();
    for (place, index) in target.key.iter().enumerate() {
        let column = &target.columns[*index];
        let and = if place == 0 { "" } else { " AND " };
        matches.push_str(&format!("{and}t.{} = c{}{}", column.quoted, place + 1, key_cast(column)));
    }
    sql.delete = format!("DELETE FROM {} AS t USING {} WHERE {matches}", target.table, unnest(target, &target.key));
    sql
}

/// `UNNEST($1::int8[], $2::text[]) AS r (c1, c2)`.
fn unnest(target: &Target, columns: &[usize]) -> String {
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(place, index)| format!("${}::{}[]", place + 1, parameter_type(&target.columns[*index].logical)));
    let names = (1..=columns.len()).map(|place| format!("c{place}"));
    format!("UNNEST({}) AS r ({})", list(arrays), list(names))
}

/// The type in which a column's values are sent. Arrays are sent as their text, since `UNNEST` takes all dimensions
/// apart.
pub(crate) fn parameter_type(logical: &LogicalType) -> &'static str {
    match logical {
        LogicalType::Array(_) => "text",
        other => value_type(other),
    }
}

/// The type in which a scalar's values are sent and read.
pub(crate) fn value_type(logical: &LogicalType) -> &'static str {
    match logical {
        LogicalType::Boolean => "bool",
        LogicalType::TinyInt | LogicalType::SmallInt => "int2",
        LogicalType::Int => "int4",
        LogicalType::BigInt => "int8",
        LogicalType::Float => "float4",
        LogicalType::Double => "float8",
        LogicalType::Decimal(..) => "numeric",
        LogicalType::Binary(_) | LogicalType::VarBinary(_) => "bytea",
        LogicalType::Date => "date",
        LogicalType::Time(_) => "time",
        LogicalType::Timestamp(_) => "timestamp",
        LogicalType::TimestampLtz(_) => "timestamptz",
        _ => "text",
    }
}

/// An insertion casts text to no other type by itself.
fn insert_cast(column: &TargetColumn) -> String {
    match column.class {
        Class::Opaque | Class::Array(_) => format!("::{}", column.type_name),
        _ => String::new(),
    }
}

/// Compared as another type, a key would not be found by its index.
fn key_cast(column: &TargetColumn) -> String {
    match column.class {
        Class::Text if column.type_name.starts_with("character(") => "::bpchar".to_owned(),
        _ => insert_cast(column),
    }
}

pub(crate) fn select(plan: &ScanPlan) -> String {
    let columns = plan.target.columns.iter().map(|column| match &column.logical {
        LogicalType::Array(element) => format!("{}::{}[]", column.quoted, value_type(&element.logical)),
        // read whole and checked here: a cast would round
        LogicalType::TinyInt | LogicalType::SmallInt | LogicalType::Int | LogicalType::BigInt
            if matches!(column.class, Class::Decimal(_)) =>
        {
            format!("{}::numeric", column.quoted)
        }
        LogicalType::TinyInt | LogicalType::SmallInt | LogicalType::Int => format!("{}::int8", column.quoted),
        other => format!("{}::{}", column.quoted, value_type(other)),
    });
    let mut sql = format!("SELECT {} FROM {}{}", list(columns), plan.target.table, where_and_order(plan));
    if plan.offset > 0 {
        sql.push_str(&format!(" OFFSET {}", plan.offset));
    }
    sql
}

/// What a column holds, by its type's name in `pg_type` (that of the elements for an array), its kind there, and its
/// type modifier.
pub(crate) fn class_of(name: &str, kind: &str, modifier: i32) -> Class {
    // numeric(p, s) has ((p << 16) | s) + 4
    let digits = |none: u8| if modifier < 0 { none } else { u8::try_from(modifier).unwrap_or(none) };
    match name {
        _ if kind == "e" => Class::Opaque,
        "bool" => Class::Boolean,
        "int2" | "int4" | "int8" | "oid" => Class::Integer,
        "numeric" => Class::Decimal((modifier >= 4).then(|| u8::try_from((modifier - 4) & 0x7ff).unwrap_or_default())),
        "float4" | "float8" => Class::Approximate,
        "text" | "varchar" | "bpchar" | "name" | "char" | "citext" => Class::Text,
        "bytea" => Class::Bytes,
        "date" => Class::Date,
        "time" => Class::Time(digits(6)),
        "timestamp" | "timestamptz" => Class::Timestamp(digits(6)),
        _ if kind == "b" || kind == "r" || kind == "m" => Class::Opaque,
        _ => Class::Other,
    }
}
