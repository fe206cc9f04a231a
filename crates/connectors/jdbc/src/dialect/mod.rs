//! The SQL of each system: names, statements, and what its types are.

pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use riverrun_data::{LogicalType, MAX_LENGTH};

use crate::options::Table;
use crate::remote::Target;
use crate::url::System;

/// The statements by which a sink writes; made once for each writer.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteSql {
    /// MySQL: what stands before the rows; otherwise the whole statement.
    pub(crate) insert: String,
    /// MySQL: what stands after the rows.
    pub(crate) insert_tail: String,
    /// MySQL: what stands before the keys; otherwise the whole statement. Empty without a key.
    pub(crate) delete: String,
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub(crate) struct ScanPlan {
    pub(crate) target: Target,
    /// Only rows whose column (quoted) is between these, bounds included.
    pub(crate) range: Option<(String, i64, i64)>,
    /// The columns (quoted) of the primary key, by which rows are ordered; empty where there is none.
    pub(crate) order: Vec<String>,
    /// How many rows to leave out at the beginning.
    pub(crate) offset: u64,
    /// SQLite: the table is read in parts by its row id, each from behind the last one.
    pub(crate) by_row_id: bool,
    /// The row id to go on behind.
    pub(crate) after_row_id: Option<i64>,
}

/// A name between the system's quotes.
pub(crate) fn quote(system: System, name: &str) -> String {
    match system {
        System::MySql | System::MariaDb => format!("`{}`", name.replace('`', "``")),
        System::Postgres | System::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// The statements of a sink.
pub(crate) fn write_sql(target: &Target) -> WriteSql {
    match target.system {
        System::MySql | System::MariaDb => mysql::write_sql(target),
        System::Postgres => postgres::write_sql(target),
        System::Sqlite => sqlite::write_sql(target),
    }
}

/// A statement that makes the table, for a hint or for SQLite's `create=true`.
pub(crate) fn create_table(table: &Table) -> String {
    let system = table.location.system();
    let columns = &table.context.columns;
    let mut parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let in_key = table.context.primary_key.contains(&index);
            let null = if column.data_type.nullable && !in_key { "" } else { " NOT NULL" };
            format!("{} {}{null}", quote(system, &column.name), column_type(system, &column.data_type.logical, in_key))
        })
        .collect();
    if !table.context.primary_key.is_empty() {
        let key: Vec<String> =
            table.context.primary_key.iter().map(|index| quote(system, &columns[*index].name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let name: Vec<String> =
        table.name.schema.iter().chain([&table.name.table]).map(|part| quote(system, part)).collect();
    format!("CREATE TABLE {} ({})", name.join("."), parts.join(", "))
}

/// The type of a column that holds a Flink type whole.
pub(crate) fn column_type(system: System, logical: &LogicalType, in_key: bool) -> String {
    use LogicalType as L;
    let (mysql, postgres, sqlite) =
        (matches!(system, System::MySql | System::MariaDb), system == System::Postgres, system == System::Sqlite);
    match logical {
        L::TinyInt if postgres => "SMALLINT".to_owned(),
        L::Boolean | L::TinyInt | L::SmallInt | L::Int | L::BigInt | L::Date => logical.to_string(),
        L::Float if postgres => "REAL".to_owned(),
        L::Float => "FLOAT".to_owned(),
        L::Double if postgres => "DOUBLE PRECISION".to_owned(),
        L::Double => "DOUBLE".to_owned(),
        // a numeric column of SQLite would keep 15 digits
        L::Decimal(..) if sqlite => "TEXT".to_owned(),
        L::Char(length) | L::VarChar(length) if *length != MAX_LENGTH && !sqlite => {
            format!("{}({length})", if matches!(logical, L::Char(_)) { "CHAR" } else { "VARCHAR" })
        }
        L::Char(_) | L::VarChar(_) if mysql && in_key => "VARCHAR(255)".to_owned(),
        L::Char(_) | L::VarChar(_) if mysql => "LONGTEXT".to_owned(),
        L::Char(_) | L::VarChar(_) => "TEXT".to_owned(),
        L::Binary(length) | L::VarBinary(length) if mysql && *length != MAX_LENGTH => {
            format!("{}({length})", if matches!(logical, L::Binary(_)) { "BINARY" } else { "VARBINARY" })
        }
        L::Binary(_) | L::VarBinary(_) if mysql => if in_key { "VARBINARY(255)" } else { "LONGBLOB" }.to_owned(),
        L::Binary(_) | L::VarBinary(_) => if postgres { "BYTEA" } else { "BLOB" }.to_owned(),
        L::Timestamp(precision) if mysql => format!("DATETIME({precision})"),
        L::TimestampLtz(precision) if mysql => format!("TIMESTAMP({precision})"),
        L::TimestampLtz(precision) if postgres => format!("TIMESTAMPTZ({precision})"),
        L::TimestampLtz(precision) => format!("TIMESTAMP({precision})"),
        L::Array(element) => format!("{}[]", column_type(system, &element.logical, false)),
        other => other.to_string(),
    }
}

/// `a, b, c`.
pub(crate) fn list(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for item in items {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(item.as_ref());
    }
    text
}

/// `" WHERE c BETWEEN 1 AND 5 ORDER BY k"`, each part where the plan has it.
fn where_and_order(plan: &ScanPlan) -> String {
    let mut text = String::new();
    if let Some((column, lower, upper)) = &plan.range {
        text.push_str(&format!(" WHERE {column} BETWEEN {lower} AND {upper}"));
    }
    if !plan.order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", list(plan.order.iter())));
    }
    text
}

#[cfg(test)]
mod tests;
