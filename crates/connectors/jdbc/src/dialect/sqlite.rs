//! SQLite.
//!
//! A column of SQLite takes values of any type; what its declared type decides is how they are converted on the way in
//! (its *affinity*). Numbers and strings go into columns of their kind. Decimals, dates and times are text, as
//! SQLite's own date functions read it.

use super::{ScanPlan, WriteSql, list};
use crate::remote::{Class, Target};

pub(crate) fn write_sql(target: &Target) -> WriteSql {
    let names = list(target.columns.iter().map(|column| column.quoted.as_str()));
    let parameters = list((1..=target.columns.len()).map(|place| format!("?{place}")));
    let mut sql = WriteSql {
        insert: format!("INSERT INTO {} ({names}) VALUES ({parameters})", target.table),
        ..WriteSql::default()
    };
    if target.key.is_empty() {
        return sql;
    }
    let key = list(target.key.iter().map(|index| target.columns[*index].quoted.as_str()));
    let others = list((0..target.columns.len()).filter(|index| !target.key.contains(index)).map(|index| {
        let name = &target.columns[index].quoted;
        format!("{name} = excluded.{name}")
    }));
    sql.insert.push_str(&format!(" ON CONFLICT ({key}) DO "));
    sql.insert.push_str(&if others.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {others}") });
    let matches: Vec<String> = target
        .key
        .iter()
        .enumerate()
        .map(|(place, index)| format!("{} = ?{}", target.columns[*index].quoted, place + 1))
        .collect();
    sql.delete = format!("DELETE FROM {} WHERE {}", target.table, matches.join(" AND "));
    sql
}

/// A part of a scan: at most `limit` rows, behind the row of id `after` where the table is read by row ids, else
/// behind `plan.offset` rows.
pub(crate) fn select(plan: &ScanPlan, after: Option<i64>, limit: usize) -> String {
    let mut columns: Vec<String> = plan
        .target
        .columns
        .iter()
        .map(|column| {
            let as_text = column.logical.is_character() && column.class != Class::Text;
            if as_text { format!("CAST({} AS TEXT)", column.quoted) } else { column.quoted.clone() }
        })
        .collect();
    let mut conditions = Vec::new();
    if let Some((column, lower, upper)) = &plan.range {
        conditions.push(format!("{column} BETWEEN {lower} AND {upper}"));
    }
    let mut order = list(plan.order.iter());
    if plan.by_row_id {
        columns.push("_rowid_".to_owned());
        conditions.extend(after.map(|after| format!("_rowid_ > {after}")));
        order = "_rowid_".to_owned();
    }
    let mut sql = format!("SELECT {} FROM {}", columns.join(", "), plan.target.table);
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    if !order.is_empty() {
        sql.push_str(&format!(" ORDER BY {order}"));
    }
    sql.push_str(&format!(" LIMIT {limit}"));
    if !plan.by_row_id && plan.offset > 0 {
        sql.push_str(&format!(" OFFSET {}", plan.offset));
    }
    sql
}

/// What a column of a declared type holds.
pub(crate) fn class_of(declared: &str) -> Class {
    let name = declared.to_uppercase();
    let digits = name.split_once('(').and_then(|(_, rest)| rest.trim_end_matches(')').trim().parse().ok()).unwrap_or(9);
    let has = |part: &str| name.contains(part);
    if name.is_empty() || name == "ANY" {
        Class::Any
    } else if has("BOOL") || has("INT") {
        // booleans are 0 and 1
        Class::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Class::Text
    } else if has("BLOB") || has("BINARY") {
        Class::Bytes
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Class::Approximate
    } else if has("DATETIME") || has("TIMESTAMP") {
        Class::Timestamp(digits)
    } else if has("DATE") {
        Class::Date
    } else if has("TIME") {
        Class::Time(digits)
    } else if has("DEC") || has("NUM") {
        Class::Decimal(None)
    } else if name == "STRING" {
        // of numeric affinity: '007' would become 7
        Class::Decimal(None)
    } else {
        Class::Opaque
    }
}
