//! The table as the database has it, and how the script's table fits it.
//!
//! A table is looked up when a sink or scan opens, so that a wrong name or type is an error before any row moves.
//! Names are matched as written, else without regard to case where that is unambiguous.

use riverrun_base::{Error, Result, nearest};
use riverrun_data::LogicalType;

use crate::dialect;
use crate::options::Table;
use crate::url::System;

/// A table, as the database's catalog describes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteTable {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) columns: Vec<RemoteColumn>,
    pub(crate) unique_keys: Vec<UniqueKey>,
    /// SQLite: the table has a row id by which it can be read in parts.
    pub(crate) has_row_id: bool,
}

/// A column of it.
#[derive(Clone, Debug)]
pub(crate) struct RemoteColumn {
    pub(crate) name: String,
    /// The type as the database writes it.
    pub(crate) type_name: String,
    pub(crate) class: Class,
    /// It is NOT NULL and the database gives it no value.
    pub(crate) required: bool,
    /// Only the database gives it a value.
    pub(crate) generated: bool,
}

/// Columns that no two rows share.
#[derive(Clone, Debug)]
pub(crate) struct UniqueKey {
    pub(crate) columns: Vec<String>,
    pub(crate) primary: bool,
}

/// What the values of a column are, over all systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Boolean,
    Integer,
    Bits,
    /// With the digits behind the point, where they are fixed.
    Decimal(Option<u8>),
    Approximate,
    Text,
    Bytes,
    Date,
    Time(u8),
    /// With the digits of a second's fraction.
    Timestamp(u8),
    /// Written and read as text: uuid, json, enumerations.
    Opaque,
    Array(Box<Class>),
    /// Takes whatever it is given (SQLite).
    Any,
    /// Nothing that a Flink type stands for.
    Other,
}

/// The script's table, resolved against the database's: what statements are made of.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) system: System,
    /// The table's name, quoted.
    pub(crate) table: String,
    /// The database (MySQL) or schema (PostgreSQL) that it is in.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) columns: Vec<TargetColumn>,
    /// The script's primary key, as indices into `columns`.
    pub(crate) key: Vec<usize>,
}

/// A column that is written or read.
#[derive(Clone, Debug)]
pub(crate) struct TargetColumn {
    /// The database's name, quoted.
    pub(crate) quoted: String,
    pub(crate) logical: LogicalType,
    pub(crate) class: Class,
    /// The type as the database writes it.
    pub(crate) type_name: String,
}

/// How well a value goes from one type to another.
enum Fit {
    Whole,
    /// It fits, with a loss that the user should know of.
    Rounded(&'static str),
    Not,
}

/// The error for a table that does not exist.
pub(crate) fn missing(table: &Table, names: &[String]) -> Error {
    let near = nearest(&table.name.table, names.iter().map(String::as_str))
        .map(|near| format!("did you mean '{near}'? Otherwise "));
    Error::user(format!("{} has no table {}", table.location, table.name)).hint(format!(
        "{}create it: {}",
        near.unwrap_or_default(),
        dialect::create_table(table)
    ))
}

/// Resolves the table for writing.
///
/// # Errors
/// A column is missing, cannot hold the script's type or cannot be written; a column that needs a value gets none; or
/// the primary key of the script is no unique key of the database.
pub(crate) fn for_writing(table: &Table, remote: &RemoteTable) -> Result<Target> {
    let target = resolve(table, remote, |logical, column| {
        if column.generated { Fit::Not } else { holds(table.location.system(), logical, &column.class) }
    })?;
    let written = |name: &str| target.columns.iter().any(|column| column.quoted == dialect::quote(target.system, name));
    if let Some(column) = remote.columns.iter().find(|column| column.required && !written(&column.name)) {
        return Err(Error::user(format!(
            "column {} of {} is NOT NULL without a default, and gets no value",
            column.name, table.name
        ))
        .with("table", &table.context.name)
        .hint("declare it in the script, or give it a default in the database"));
    }
    if !target.key.is_empty() {
        check_key(table, remote, &target)?;
    }
    Ok(target)
}

/// Resolves the table for reading.
///
/// # Errors
/// A column is missing or cannot be read as the script's type.
pub(crate) fn for_reading(table: &Table, remote: &RemoteTable) -> Result<Target> {
    resolve(table, remote, |logical, column| reads(table.location.system(), logical, &column.class))
}

fn resolve(table: &Table, remote: &RemoteTable, fit: impl Fn(&LogicalType, &RemoteColumn) -> Fit) -> Result<Target> {
    let system = table.location.system();
    let mut columns = Vec::with_capacity(table.context.columns.len());
    for field in &table.context.columns {
        let column = find(remote, &field.name).ok_or_else(|| no_column(table, remote, &field.name))?;
        let logical = &field.data_type.logical;
        match fit(logical, column) {
            Fit::Whole => {}
            Fit::Rounded(how) => tracing::warn!(
                table = %table.context.name,
                column = %field.name,
                "column {} of {} is {}, the script's is {logical}: {how}", column.name, table.name, column.type_name
            ),
            Fit::Not => return Err(bad_type(table, column, &field.name, logical)),
        }
        columns.push(TargetColumn {
            quoted: dialect::quote(system, &column.name),
            logical: logical.clone(),
            class: column.class.clone(),
            type_name: column.type_name.clone(),
        });
    }
    let quoted: Vec<String> =
        remote.schema.iter().chain([&remote.name]).map(|part| dialect::quote(system, part)).collect();
    Ok(Target {
        system,
        table: quoted.join("."),
        schema: remote.schema.clone(),
        name: remote.name.clone(),
        columns,
        key: table.context.primary_key.clone(),
    })
}

/// A column by its name, else by its name without regard to case where only one has it.
fn find<'a>(remote: &'a RemoteTable, name: &str) -> Option<&'a RemoteColumn> {
    remote.columns.iter().find(|column| column.name == name).or_else(|| {
        let mut alike = remote.columns.iter().filter(|column| column.name.to_lowercase() == name.to_lowercase());
        alike.next().filter(|_| alike.next().is_none())
    })
}

fn no_column(table: &Table, remote: &RemoteTable, name: &str) -> Error {
    let names = || remote.columns.iter().map(|column| column.name.as_str());
    let near = nearest(name, names()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    Error::user(format!("table {} of {} has no column {name}", table.name, table.location))
        .with("table", &table.context.name)
        .hint(format!("{near}Its columns: {}", names().collect::<Vec<_>>().join(", ")))
}

fn bad_type(table: &Table, column: &RemoteColumn, name: &str, logical: &LogicalType) -> Error {
    let what = if column.generated { "is generated by the database" } else { "does not fit" };
    let error = Error::user(format!(
        "column {} of {} {what}: it is {}, column {name} of the script is {logical}",
        column.name, table.name, column.type_name
    ))
    .with("table", &table.context.name);
    if column.generated {
        error.hint("leave it out of the sink's columns")
    } else {
        let wanted = dialect::column_type(table.location.system(), logical, false);
        error.hint(format!("declare the column with a type that fits, or make it {wanted} in the database"))
    }
}

fn check_key(table: &Table, remote: &RemoteTable, target: &Target) -> Result<()> {
    let key: Vec<&str> = target.key.iter().map(|index| target.columns[*index].quoted.as_str()).collect();
    let fits = |unique: &UniqueKey| {
        let quoted: Vec<String> = unique.columns.iter().map(|name| dialect::quote(target.system, name)).collect();
        let has_key = key.iter().all(|name| quoted.iter().any(|quoted| quoted == name));
        // MySQL takes whichever unique key is hit; a wider one holds a row of each key of the script at least
        has_key && (quoted.len() == key.len() || matches!(target.system, System::MySql | System::MariaDb))
    };
    if remote.unique_keys.iter().any(fits) {
        return Ok(());
    }
    let columns = key.join(", ");
    Err(Error::user(format!(
        "the primary key ({columns}) of the script is no unique key of table {} of {}",
        table.name, table.location
    ))
    .with("table", &table.context.name)
    .hint(format!(
        "an upsert needs one: ALTER TABLE / CREATE UNIQUE INDEX on ({columns}) in the database, \
             or other key columns in the script"
    )))
}

/// Whether a column takes the values of the script's type.
fn holds(system: System, logical: &LogicalType, class: &Class) -> Fit {
    use LogicalType as L;
    let as_text = system == System::Sqlite && *class == Class::Text;
    match (logical, class) {
        (_, Class::Any) => Fit::Whole,
        (_, Class::Other) => Fit::Not,
        (L::Boolean, Class::Boolean) => Fit::Whole,
        (L::Boolean, Class::Integer | Class::Bits | Class::Decimal(_)) if system != System::Postgres => Fit::Whole,
        (L::TinyInt | L::SmallInt | L::Int | L::BigInt, Class::Integer | Class::Bits | Class::Decimal(_)) => Fit::Whole,
        (L::TinyInt | L::SmallInt | L::Int | L::BigInt, Class::Approximate) => Fit::Whole,
        (L::Decimal(..), Class::Decimal(None)) => Fit::Whole,
        (L::Decimal(_, scale), Class::Decimal(Some(digits))) if digits >= scale => Fit::Whole,
        (L::Decimal(_, 0), Class::Integer) => Fit::Whole,
        (L::Decimal(..), Class::Approximate) => Fit::Rounded("digits beyond its precision are lost"),
        (L::Float | L::Double, Class::Approximate | Class::Decimal(None)) => Fit::Whole,
        (L::Float | L::Double, Class::Decimal(_)) => Fit::Rounded("values are rounded to its digits"),
        (L::Char(_) | L::VarChar(_), Class::Text | Class::Opaque) => Fit::Whole,
        (L::Binary(_) | L::VarBinary(_), Class::Bytes) => Fit::Whole,
        (L::Date, Class::Date | Class::Timestamp(_)) => Fit::Whole,
        (L::Time(precision), Class::Time(digits))
        | (L::Timestamp(precision) | L::TimestampLtz(precision), Class::Timestamp(digits)) => {
            if digits >= precision {
                Fit::Whole
            } else {
                Fit::Rounded("fractions of a second are rounded to its digits")
            }
        }
        (L::Decimal(..) | L::Date | L::Time(_) | L::Timestamp(_) | L::TimestampLtz(_), _) if as_text => Fit::Whole,
        (L::Array(element), Class::Array(class)) => holds(system, &element.logical, class),
        _ => Fit::Not,
    }
}

/// Whether a column's values can be read as the script's type. What is out of range then is an error of its row.
fn reads(system: System, logical: &LogicalType, class: &Class) -> Fit {
    use LogicalType as L;
    match (logical, class) {
        (_, Class::Any) => Fit::Whole,
        (_, Class::Other) => Fit::Not,
        (L::Char(_) | L::VarChar(_), class) => {
            if *class == Class::Bytes {
                Fit::Not
            } else {
                Fit::Whole
            }
        }
        (L::Boolean, Class::Boolean | Class::Integer | Class::Bits) => Fit::Whole,
        (
            L::TinyInt | L::SmallInt | L::Int | L::BigInt,
            Class::Integer | Class::Bits | Class::Decimal(Some(0) | None),
        ) => Fit::Whole,
        (L::Decimal(..), Class::Integer | Class::Decimal(_)) => Fit::Whole,
        (L::Float | L::Double, Class::Integer | Class::Decimal(_) | Class::Approximate) => Fit::Whole,
        (L::Binary(_) | L::VarBinary(_), Class::Bytes) => Fit::Whole,
        (L::Date, Class::Date) | (L::Time(_), Class::Time(_)) => Fit::Whole,
        (L::Timestamp(_) | L::TimestampLtz(_), Class::Timestamp(_) | Class::Date) => Fit::Whole,
        (L::Decimal(..) | L::Date | L::Time(_) | L::Timestamp(_) | L::TimestampLtz(_), Class::Text)
            if system == System::Sqlite =>
        {
            Fit::Whole
        }
        (L::Array(element), Class::Array(class)) => reads(system, &element.logical, class),
        _ => Fit::Not,
    }
}
