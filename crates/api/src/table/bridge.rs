//! Between records and rows: the operators at the ends of a query that a program is around.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, DataType, LogicalType, NO_TIMESTAMP, Records, RowField, RowKind, arrow_schema};
use riverrun_runtime::{Operator, Output};
use riverrun_sql::{Relation, RelationColumn, Session, TimeAttribute, converts_implicitly};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rows::{Builder, Column, Row, Rows, builders, columns_of, data_type_of, push_record};
use crate::Record;

/// The metadata of a stream's records: their event time.
pub(super) const ROWTIME: &str = "rowtime";

/// The columns of event time behind those of records.
fn with_event_time(columns: &[RowField]) -> SchemaRef {
    let mut all = columns.to_vec();
    all.push(RowField { name: ROWTIME.to_owned(), data_type: DataType::nullable(LogicalType::TimestampLtz(3)) });
    arrow_schema(&all)
}

fn event_times(timestamps: &[i64], rows: usize) -> ArrayRef {
    let times: TimestampMillisecondArray = if timestamps.is_empty() {
        TimestampMillisecondArray::new_null(rows)
    } else {
        timestamps.iter().map(|time| (*time != NO_TIMESTAMP).then_some(*time)).collect()
    };
    Arc::new(times.with_timezone("UTC"))
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::data("the records do not fit the columns of their type").caused_by(error))
}

/// Makes rows of records.
pub(super) struct RecordsToRows<T> {
    columns: Vec<(String, Builder)>,
    is_single: bool,
    schema: SchemaRef,
    record: PhantomData<fn(T)>,
}

impl<T: Record + Serialize + DeserializeOwned> RecordsToRows<T> {
    pub(super) fn new() -> Result<Self> {
        let columns = columns_of::<T>()?;
        Ok(Self {
            columns: builders(&columns)?,
            is_single: is_single::<T>()?,
            schema: with_event_time(&columns),
            record: PhantomData,
        })
    }
}

/// Whether a record is one column, and no struct or tuple of columns.
pub(super) fn is_single<T: DeserializeOwned>() -> Result<bool> {
    let data_type = data_type_of::<T>()?;
    Ok(!matches!(data_type, DataType { logical: LogicalType::Row(_), nullable: false }))
}

impl<T: Record + Serialize> Operator<Records<T>, Batch> for RecordsToRows<T> {
    fn process(&mut self, batch: Records<T>, out: &mut dyn Output<Batch>) -> Result<()> {
        let rows = batch.len();
        for record in batch.values() {
            push_record(&mut self.columns, self.is_single, record)?;
        }
        let mut columns = self.columns.iter_mut().map(|(_, column)| column.finish()).collect::<Result<Vec<_>>>()?;
        columns.push(event_times(batch.timestamps(), rows));
        out.emit(Batch::insertions(batch_of(&self.schema, columns, rows)?))
    }
}

/// Makes a changelog of [`Row`]s.
pub(super) struct RowsToChangelog {
    columns: Vec<(String, Builder)>,
    schema: SchemaRef,
}

impl RowsToChangelog {
    pub(super) fn new(columns: &[RowField]) -> Result<Self> {
        Ok(Self { columns: builders(columns)?, schema: with_event_time(columns) })
    }
}

impl Operator<Records<Row>, Batch> for RowsToChangelog {
    fn process(&mut self, batch: Records<Row>, out: &mut dyn Output<Batch>) -> Result<()> {
        let rows = batch.len();
        let mut kinds = Vec::with_capacity(rows);
        for row in batch.values() {
            if row.values().len() != self.columns.len() {
                return Err(Error::data(format!(
                    "a row has {} values, and the schema {} columns",
                    row.values().len(),
                    self.columns.len()
                )));
            }
            for (value, (name, column)) in row.values().iter().zip(&mut self.columns) {
                column.push_value(value).map_err(|error| error.with("column", name))?;
            }
            kinds.push(row.kind());
        }
        let mut columns = self.columns.iter_mut().map(|(_, column)| column.finish()).collect::<Result<Vec<_>>>()?;
        columns.push(event_times(batch.timestamps(), rows));
        let batch = batch_of(&self.schema, columns, rows)?;
        out.emit(if kinds.iter().all(|kind| *kind == RowKind::Insert) {
            Batch::insertions(batch)
        } else {
            Batch::with_kinds(batch, kinds)?
        })
    }
}

/// Makes records of rows.
pub(super) struct RowsToRecords<T> {
    /// Whether the last column is the event time of the rows.
    has_time: bool,
    is_single: bool,
    record: PhantomData<fn() -> T>,
}

impl<T: Record + DeserializeOwned> RowsToRecords<T> {
    pub(super) fn new(has_time: bool) -> Result<Self> {
        Ok(Self { has_time, is_single: is_single::<T>()?, record: PhantomData })
    }
}

/// The event time of rows, which is their last column, as records have it.
fn timestamps(batch: &Batch) -> Vec<i64> {
    let Some(times) = batch.rows().columns().last() else { return Vec::new() };
    match arrow::compute::cast(times, &arrow::datatypes::DataType::Int64) {
        Ok(times) => {
            let times = arrow::array::AsArray::as_primitive_opt::<arrow::datatypes::Int64Type>(&times);
            times.map(|times| times.iter().map(|time| time.unwrap_or(NO_TIMESTAMP)).collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn columns_of_batch(batch: &Batch, count: usize) -> Result<Vec<(&str, Column<'_>)>> {
    let fields = batch.rows().schema_ref().fields();
    let columns = fields.iter().zip(batch.rows().columns()).take(count);
    columns.map(|(field, column)| Ok((field.name().as_str(), Column::of(column)?))).collect()
}

impl<T: Record + DeserializeOwned> Operator<Batch, Records<T>> for RowsToRecords<T> {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Records<T>>) -> Result<()> {
        let width = batch.rows().num_columns() - usize::from(self.has_time);
        let rows = Rows::new(columns_of_batch(&batch, width)?, self.is_single);
        let values = (0..batch.num_rows()).map(|row| rows.read(row)).collect::<Result<Vec<T>>>()?;
        let times = if self.has_time { timestamps(&batch) } else { Vec::new() };
        out.emit(Records::with_timestamps(values, times))
    }
}

/// Makes [`Row`]s of a changelog.
pub(super) struct ChangelogToRows {
    /// Whether the last column is the event time of the rows, once more.
    pub(super) has_time: bool,
}

impl Operator<Batch, Records<Row>> for ChangelogToRows {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Records<Row>>) -> Result<()> {
        let width = batch.rows().num_columns() - usize::from(self.has_time);
        let columns = columns_of_batch(&batch, width)?;
        let row = |row| Row::of_kind(batch.kind(row), columns.iter().map(|(_, column)| column.value(row)));
        let rows = (0..batch.num_rows()).map(row).collect();
        let times = if self.has_time { timestamps(&batch) } else { Vec::new() };
        out.emit(Records::with_timestamps(rows, times))
    }
}

/// The column of event time, if there is exactly one.
pub(super) fn event_time_column(columns: &[RelationColumn]) -> Option<&RelationColumn> {
    let mut times = columns.iter().filter(|column| column.time == Some(TimeAttribute::Rowtime));
    times.next().filter(|_| times.next().is_none())
}

/// The columns that a type of the program reads, in its types, and behind them the event time if there is one.
///
/// # Errors
/// A field has no column, or one of another type.
pub(super) fn conformed<T: DeserializeOwned>(session: &Session, relation: Relation) -> Result<(Relation, bool)> {
    use super::expression::{col, lower};
    use riverrun_sql::ast::SelectItem;

    let columns = relation.columns();
    let wanted = columns_of::<T>()?;
    // A tuple's fields are called by their places.
    let by_name = !is_single::<T>()? && wanted.iter().enumerate().any(|(n, field)| field.name != format!("f{n}"));
    let mut items = Vec::with_capacity(wanted.len() + 1);
    for (n, field) in wanted.iter().enumerate() {
        let column = if by_name { columns.iter().find(|column| column.name == field.name) } else { columns.get(n) };
        let Some(column) = column else {
            if field.data_type.nullable && by_name {
                continue;
            }
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::user(format!("the table has no column for the field '{}'", field.name))
                .hint(format!("its columns are: {}", names.join(", "))));
        };
        let taken = taken(&column.data_type, &field.data_type);
        let mut item = col(column.name.clone());
        if taken.logical != column.data_type.logical {
            if !converts_implicitly(&column.data_type, &taken) {
                return Err(Error::user(format!(
                    "column '{}' is {}, and the field '{}' is {}",
                    column.name, column.data_type.logical, field.name, field.data_type.logical
                ))
                .hint("cast the column in the table"));
            }
            item = item.cast(taken.logical.to_string());
        }
        let name = if by_name { field.name.clone() } else { column.name.clone() };
        items.push(SelectItem::ExprWithAlias { expr: lower(&item, None)?, alias: super::expression::ident(&name) });
    }
    if !by_name && columns.len() != wanted.len() {
        return Err(Error::user(format!("the table has {} columns, and the type {}", columns.len(), wanted.len())));
    }
    let time = event_time_column(&columns);
    if let Some(time) = time {
        let expr = lower(&col(time.name.clone()), None)?;
        items.push(SelectItem::ExprWithAlias { expr, alias: super::expression::ident("$rowtime") });
    }
    let has_time = time.is_some();
    Ok((session.select(relation, items, Vec::new())?, has_time))
}

/// The type in which a value of one type is taken where a type of the program wants another: as it is, where the program's type takes all of its kind.
pub(super) fn taken(given: &DataType, wanted: &DataType) -> DataType {
    use LogicalType as L;
    let as_it_is = match (&given.logical, &wanted.logical) {
        (L::Decimal(..), L::Decimal(..))
        | (L::Time(_), L::Time(_))
        | (L::Timestamp(_), L::Timestamp(_))
        | (L::TimestampLtz(_), L::TimestampLtz(_)) => true,
        (L::Char(_) | L::VarChar(_), L::VarChar(_)) => true,
        (L::Binary(_) | L::VarBinary(_), L::VarBinary(_)) => true,
        (L::Array(given), L::Array(wanted)) => taken(given, wanted).logical == given.logical,
        (L::Map(key, value), L::Map(wanted_key, wanted_value)) => {
            taken(key, wanted_key).logical == key.logical && taken(value, wanted_value).logical == value.logical
        }
        (L::Row(given), L::Row(wanted)) => {
            given.len() == wanted.len()
                && given.iter().zip(wanted).all(|(given, wanted)| {
                    taken(&given.data_type, &wanted.data_type).logical == given.data_type.logical
                })
        }
        (given, wanted) => given == wanted,
    };
    if as_it_is { given.clone() } else { wanted.clone() }
}
