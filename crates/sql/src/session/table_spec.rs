//! Tables as a program declares them: columns, event time, key and options. A program's streams take the same form.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result, nearest};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{Expr as Ast, Ident, ObjectName};

use super::relation::{StreamColumn, StreamInput};
use crate::catalog::Catalog;
use crate::expr::{Binder, CastMode, Expr, ExprKind, cast};
use crate::parser::{
    ColumnDefinition, ColumnKind, CreateTable, WatermarkDefinition, parse_data_type_text, parse_expression,
};
use crate::plan::{External, Field, Rel, RelKind, TimeAttribute};
use crate::types;

/// The call that leaves event time to the source.
const SOURCE_WATERMARK: &str = "SOURCE_WATERMARK";

/// A table: what CREATE TABLE says of it. Types and expressions are text of Flink SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSpec {
    /// The columns, in order.
    pub columns: Vec<(String, TableColumnSpec)>,
    /// The column of event time, and the watermark of a row.
    pub watermark: Option<(String, String)>,
    /// The columns of the primary key, which nobody enforces.
    pub primary_key: Vec<String>,
    /// What it is.
    pub comment: Option<String>,
    /// The options of WITH, with `connector`.
    pub options: BTreeMap<String, String>,
}

/// Where a column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableColumnSpec {
    /// The record; with its type.
    Physical(String),
    /// The connector's metadata: type, key (the column's name without), and whether it is only read.
    Metadata {
        /// The type.
        data_type: String,
        /// The key; the column's name without.
        key: Option<String>,
        /// Whether it is only read.
        is_virtual: bool,
    },
    /// An expression over the other columns.
    Computed(String),
}

impl TableSpec {
    /// The statement that would make the table.
    ///
    /// # Errors
    /// A type or an expression cannot be read.
    pub(super) fn statement(&self, name: ObjectName) -> Result<CreateTable> {
        let column = |(name, spec): &(String, TableColumnSpec)| {
            let kind = match spec {
                TableColumnSpec::Physical(data_type) => ColumnKind::Physical(data_type_of(name, data_type)?),
                TableColumnSpec::Metadata { data_type, key, is_virtual } => ColumnKind::Metadata {
                    data_type: data_type_of(name, data_type)?,
                    key: key.clone(),
                    is_virtual: *is_virtual,
                },
                TableColumnSpec::Computed(text) => ColumnKind::Computed(expression_of(name, text)?),
            };
            Ok(ColumnDefinition { name: ident(name), kind, comment: None })
        };
        let watermark = self
            .watermark
            .as_ref()
            .map(|(column, text)| {
                Ok::<_, Error>(WatermarkDefinition { column: ident(column), strategy: expression_of(column, text)? })
            })
            .transpose()?;
        Ok(CreateTable {
            name,
            if_not_exists: false,
            temporary: true,
            columns: self.columns.iter().map(column).collect::<Result<_>>()?,
            watermark,
            primary_key: self.primary_key.iter().map(|name| ident(name)).collect(),
            key_enforced: Some(false),
            comment: self.comment.clone(),
            options: self.options.clone(),
            like: None,
        })
    }
}

/// A program's stream with the columns of a schema. Without physical columns in the schema, those of the stream come first.
pub(super) fn stream_relation(catalog: &Catalog, input: StreamInput, schema: &TableSpec) -> Result<Rel> {
    let at_stream = |error: Error, name: &str| error.with("stream", name);
    let StreamInput { id, name, columns: delivered, mode } = input;
    if !schema.options.is_empty() {
        return Err(at_stream(Error::user("the schema of a stream has no options"), &name));
    }
    let declares = schema.columns.iter().any(|(_, column)| matches!(column, TableColumnSpec::Physical(_)));
    let plain = |column: &&StreamColumn| !column.is_metadata;
    let mut columns: Vec<(String, TableColumnSpec)> = Vec::new();
    if !declares {
        let derived = delivered.iter().filter(plain);
        columns.extend(
            derived.map(|column| (column.name.clone(), TableColumnSpec::Physical(column.data_type.to_string()))),
        );
    }
    columns.extend(schema.columns.iter().cloned());
    let source: Vec<Field> =
        delivered.iter().map(|column| Field::new(column.name.clone(), column.data_type.clone())).collect();
    // What computed columns see: the others, under their declared names and types.
    let mut seen: Vec<Field> = Vec::new();
    let mut values: Vec<Expr> = Vec::new();
    for (column, spec) in &columns {
        let (from, data_type) = match spec {
            TableColumnSpec::Physical(data_type) => {
                (find(&delivered, column, false)?, data_type_of(column, data_type)?)
            }
            TableColumnSpec::Metadata { data_type, key, .. } => {
                (find(&delivered, key.as_ref().unwrap_or(column), true)?, data_type_of(column, data_type)?)
            }
            TableColumnSpec::Computed(_) => continue,
        };
        let given = &source[from].data_type;
        if given.logical != data_type.logical && !types::explicit_cast_allowed(&given.logical, &data_type.logical) {
            return Err(Error::user(format!("column '{column}' of {given} cannot be declared as {data_type}")));
        }
        let value = cast(Expr::column(from, given.clone()), &data_type, CastMode::Strict);
        values.push(Expr { data_type: DataType { nullable: given.nullable, ..data_type.clone() }, ..value });
        seen.push(Field::new(column.clone(), DataType { nullable: given.nullable, ..data_type }));
    }
    let mut exprs = Vec::with_capacity(columns.len());
    let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
    let mut place = 0;
    for (column, spec) in &columns {
        if fields.iter().any(|field| field.name == *column) {
            return Err(Error::user(format!("column '{column}' is declared twice")));
        }
        let (expr, time) = match spec {
            TableColumnSpec::Computed(text) => {
                let bound = Binder::new(&seen).knowing(&catalog.functions).bind(&expression_of(column, text)?)?;
                let proctime = matches!(&bound.kind, ExprKind::Call(call) if call.name == "PROCTIME");
                (bound, proctime.then_some(TimeAttribute::Proctime))
            }
            _ => {
                place += 1;
                (Expr::column(place - 1, seen[place - 1].data_type.clone()), None)
            }
        };
        fields.push(Field { time, ..Field::new(column.clone(), expr.data_type.clone()) });
        exprs.push(expr);
    }
    let key: Vec<usize> = schema
        .primary_key
        .iter()
        .map(|column| {
            let found = fields.iter().position(|field| field.name == *column);
            found.ok_or_else(|| unknown(column, "the PRIMARY KEY", fields.iter().map(|field| field.name.as_str())))
        })
        .collect::<Result<_>>()?;
    for column in &key {
        fields[*column].data_type.nullable = false;
    }
    let external = External { id, name, mode, key: Vec::new() };
    let mut rel = Rel { kind: RelKind::External(external), fields: source };
    rel = Rel { kind: RelKind::Project { input: Box::new(rel), exprs: values }, fields: seen };
    rel = Rel { kind: RelKind::Project { input: Box::new(rel), exprs }, fields };
    if !key.is_empty() {
        rel = keyed(rel, key)?;
    }
    let Some((column, text)) = &schema.watermark else { return Ok(rel) };
    with_event_time(catalog, rel, column, text)
}

/// A relation whose rows are known by a key: the external stream below must bring them by it.
fn keyed(mut rel: Rel, key: Vec<usize>) -> Result<Rel> {
    fn place(rel: &mut Rel, key: Vec<usize>) -> Result<()> {
        match &mut rel.kind {
            RelKind::External(external) => {
                external.key = key;
                Ok(())
            }
            RelKind::Project { input, exprs } => {
                let below = key
                    .iter()
                    .map(|column| match &exprs[*column].kind {
                        ExprKind::Column(below) => Ok(*below),
                        ExprKind::Cast(inner, _) => match inner.kind {
                            ExprKind::Column(below) => Ok(below),
                            _ => Err(Error::user("the PRIMARY KEY of a stream is of its own columns")),
                        },
                        _ => Err(Error::user("the PRIMARY KEY of a stream is of its own columns")),
                    })
                    .collect::<Result<_>>()?;
                place(input, below)
            }
            _ => Err(Error::internal("a key of no stream")),
        }
    }
    place(&mut rel, key)?;
    Ok(rel)
}

/// Marks the column of event time, and makes watermarks of it unless the stream brings them.
fn with_event_time(catalog: &Catalog, mut rel: Rel, column: &str, text: &str) -> Result<Rel> {
    let names = || rel.fields.iter().map(|field| field.name.as_str());
    let index = names().position(|name| name == column).ok_or_else(|| unknown(column, "the WATERMARK", names()))?;
    let data_type = rel.fields[index].data_type.clone();
    if !matches!(data_type.logical, LogicalType::Timestamp(0..=3) | LogicalType::TimestampLtz(0..=3)) {
        return Err(Error::user(format!(
            "Invalid data type of time field for watermark definition. The field must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported precision 'p' is from 0 to 3, but the time field type is {data_type}"
        ))
        .hint(format!("declare the column in the schema: column(\"{column}\", \"TIMESTAMP(3)\")")));
    }
    let strategy = expression_of(column, text)?;
    if is_source_watermark(&strategy) {
        rel.fields[index].time = Some(TimeAttribute::Rowtime);
        return Ok(rel);
    }
    let bound = Binder::new(&rel.fields).knowing(&catalog.functions).bind(&strategy)?;
    if !bound.data_type.logical.is_timestamp() {
        return Err(Error::user(format!(
            "Invalid data type of expression for watermark definition: it must be TIMESTAMP(p) or TIMESTAMP_LTZ(p), but is {}",
            bound.data_type
        )));
    }
    let strategy = cast(bound, &data_type, CastMode::Implicit);
    let mut fields = rel.fields.clone();
    fields[index].time = Some(TimeAttribute::Rowtime);
    Ok(Rel { kind: RelKind::Watermark { input: Box::new(rel), column: index, strategy }, fields })
}

fn is_source_watermark(expr: &Ast) -> bool {
    matches!(expr, Ast::Function(function) if function.name.to_string().eq_ignore_ascii_case(SOURCE_WATERMARK))
}

fn find(delivered: &[StreamColumn], name: &str, is_metadata: bool) -> Result<usize> {
    let what = if is_metadata { "metadata" } else { "column" };
    let alike = || delivered.iter().filter(|column| column.is_metadata == is_metadata);
    delivered.iter().position(|column| column.is_metadata == is_metadata && column.name == name).ok_or_else(|| {
        let error = Error::user(format!("the stream has no {what} '{name}'"));
        let names: Vec<&str> = alike().map(|column| column.name.as_str()).collect();
        error.hint(match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("there are: {}", names.join(", ")),
        })
    })
}

fn unknown<'n>(column: &str, clause: &str, names: impl Iterator<Item = &'n str>) -> Error {
    let error = Error::user(format!("Column '{column}' of {clause} is not a column of the schema"));
    match nearest(column, names) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error,
    }
}

fn ident(name: &str) -> Ident {
    Ident::with_quote('`', name)
}

/// A type that is written as in SQL.
///
/// # Errors
/// The text is no type.
pub fn data_type(text: &str) -> Result<DataType> {
    parse_data_type_text(text).map_err(|error| Error::user(error.message()).with("type", text))
}

fn data_type_of(column: &str, text: &str) -> Result<DataType> {
    parse_data_type_text(text).map_err(|error| without_place(&error, "type", column, text))
}

fn expression_of(column: &str, text: &str) -> Result<Ast> {
    parse_expression(text).map_err(|error| without_place(&error, "expression", column, text))
}

/// The error of a text that is no script, so that a line and a column say nothing.
fn without_place(error: &Error, what: &'static str, column: &str, text: &str) -> Error {
    Error::user(error.message()).with(what, text).with("column", column)
}
