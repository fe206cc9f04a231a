//! Arrow's columns from scalars.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, NullBufferBuilder, PrimitiveBuilder, RecordBatch,
    RecordBatchOptions, StringBuilder, Time32MillisecondBuilder, Time64MicrosecondBuilder, Time64NanosecondBuilder,
    TimestampMicrosecondBuilder, TimestampMillisecondBuilder, TimestampNanosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType, FieldRef, SchemaRef, TimeUnit};
use riverrun_base::{Error, Result};

use super::{Scalar, rescale};

/// Builds batches of one schema, row by row.
pub(crate) struct RowsBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
}

/// What a value is when it does not fit its column.
struct Misfit;

impl RowsBuilder {
    /// A builder without rows.
    ///
    /// # Errors
    /// A column has a type that no database column gives; the types of a table are checked before.
    pub(crate) fn new(schema: SchemaRef) -> Result<Self> {
        let columns =
            schema.fields().iter().map(|field| ColumnBuilder::new(field.data_type())).collect::<Result<_>>()?;
        Ok(Self { schema, columns, rows: 0, bytes: 0 })
    }

    /// How many rows it holds.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes its strings and byte strings have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a value to a column of the row that is being built.
    ///
    /// # Errors
    /// The value does not fit the column's type, or is NULL in a NOT NULL column.
    pub(crate) fn push(&mut self, column: usize, value: Scalar<'_>) -> Result<()> {
        if let Scalar::Text(text) = value {
            self.bytes += text.len();
        } else if let Scalar::Bytes(bytes) = value {
            self.bytes += bytes.len();
        }
        let field = self.schema.field(column);
        if matches!(value, Scalar::Null) && !field.is_nullable() {
            return Err(Error::data(format!("NULL in column {}, which is NOT NULL", field.name()))
                .with("row of the batch", self.rows)
                .hint("declare the column without NOT NULL"));
        }
        self.columns[column].push(value).map_err(|Misfit| {
            let flink =
                riverrun_data::type_of_field(field).map(|data_type| data_type.logical.to_string()).unwrap_or_default();
            Error::data(format!("{} does not fit column {} of type {flink}", shown(value), field.name()))
        })
    }

    /// Starts the elements of an array value in a column; each is given by [`Self::push_element`], the end by
    /// [`Self::end_list`].
    ///
    /// # Errors
    /// An element does not fit.
    pub(crate) fn push_element(&mut self, column: usize, value: Scalar<'_>) -> Result<()> {
        if let ColumnBuilder::List { elements, .. } = &mut self.columns[column]
            && elements.push(value).is_ok()
        {
            return Ok(());
        }
        let name = self.schema.field(column).name();
        Err(Error::data(format!("an element of array column {name} does not fit: {}", shown(value))))
    }

    /// Ends the array value of a column.
    pub(crate) fn end_list(&mut self, column: usize) {
        if let ColumnBuilder::List { elements, ends, valid, .. } = &mut self.columns[column] {
            ends.push(elements.len());
            valid.append_non_null();
        }
    }

    /// Ends a row: every column has had a value.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The rows, and begins anew.
    ///
    /// # Errors
    /// A bug: columns of different lengths.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let arrays = self
            .columns
            .iter_mut()
            .zip(self.schema.fields())
            .map(|(column, field)| column.finish(field))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| Error::internal("rows of a database do not make a batch").caused_by(error))
    }
}

/// A value as an error shows it, short.
fn shown(value: Scalar<'_>) -> String {
    match value {
        Scalar::Null => "NULL".to_owned(),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Unsigned(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::Double(value) => value.to_string(),
        Scalar::Decimal(value, scale) => {
            let mut text = Vec::new();
            super::write_decimal(&mut text, value, scale);
            String::from_utf8_lossy(&text).into_owned()
        }
        Scalar::Text(text) => format!("'{}'", text.chars().take(60).collect::<String>()),
        Scalar::Bytes(bytes) => format!("a value of {} bytes", bytes.len()),
        Scalar::Date(_) => "a date".to_owned(),
        Scalar::Time(_) => "a time".to_owned(),
        Scalar::Timestamp(..) => "a timestamp".to_owned(),
        Scalar::List(..) => "an array".to_owned(),
    }
}

enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal { builder: Decimal128Builder, precision: u8, scale: u8 },
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    TimeMillis(Time32MillisecondBuilder),
    TimeMicros(Time64MicrosecondBuilder),
    TimeNanos(Time64NanosecondBuilder),
    TimestampMillis(TimestampMillisecondBuilder),
    TimestampMicros(TimestampMicrosecondBuilder),
    TimestampNanos(TimestampNanosecondBuilder),
    List { elements: Box<ColumnBuilder>, ends: Vec<usize>, valid: NullBufferBuilder, element: FieldRef },
}

impl ColumnBuilder {
    fn new(arrow_type: &ArrowType) -> Result<Self> {
        Ok(match arrow_type {
            ArrowType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ArrowType::Int8 => Self::Int8(Int8Builder::new()),
            ArrowType::Int16 => Self::Int16(Int16Builder::new()),
            ArrowType::Int32 => Self::Int32(Int32Builder::new()),
            ArrowType::Int64 => Self::Int64(Int64Builder::new()),
            ArrowType::Float32 => Self::Float(Float32Builder::new()),
            ArrowType::Float64 => Self::Double(Float64Builder::new()),
            ArrowType::Decimal128(precision, scale) => Self::Decimal {
                builder: Decimal128Builder::new().with_data_type(arrow_type.clone()),
                precision: *precision,
                scale: u8::try_from(*scale).unwrap_or_default(),
            },
            ArrowType::Utf8 => Self::Text(StringBuilder::new()),
            ArrowType::Binary => Self::Bytes(BinaryBuilder::new()),
            ArrowType::Date32 => Self::Date(Date32Builder::new()),
            ArrowType::Time32(TimeUnit::Millisecond) => Self::TimeMillis(Time32MillisecondBuilder::new()),
            ArrowType::Time64(TimeUnit::Microsecond) => Self::TimeMicros(Time64MicrosecondBuilder::new()),
            ArrowType::Time64(_) => Self::TimeNanos(Time64NanosecondBuilder::new()),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => Self::TimestampMillis(typed(arrow_type)),
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => Self::TimestampMicros(typed(arrow_type)),
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => Self::TimestampNanos(typed(arrow_type)),
            ArrowType::List(element) => Self::List {
                elements: Box::new(Self::new(element.data_type())?),
                ends: Vec::new(),
                valid: NullBufferBuilder::new(0),
                element: Arc::clone(element),
            },
            other => return Err(Error::internal(format!("a column of type {other} is asked of a database"))),
        })
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Self::Boolean(builder) => builder.len(),
            Self::Int8(builder) => builder.len(),
            Self::Int16(builder) => builder.len(),
            Self::Int32(builder) => builder.len(),
            Self::Int64(builder) => builder.len(),
            Self::Float(builder) => builder.len(),
            Self::Double(builder) => builder.len(),
            Self::Decimal { builder, .. } => builder.len(),
            Self::Text(builder) => builder.len(),
            Self::Bytes(builder) => builder.len(),
            Self::Date(builder) => builder.len(),
            Self::TimeMillis(builder) => builder.len(),
            Self::TimeMicros(builder) => builder.len(),
            Self::TimeNanos(builder) => builder.len(),
            Self::TimestampMillis(builder) => builder.len(),
            Self::TimestampMicros(builder) => builder.len(),
            Self::TimestampNanos(builder) => builder.len(),
            Self::List { ends, .. } => ends.len(),
        }
    }

    fn push(&mut self, value: Scalar<'_>) -> Result<(), Misfit> {
        match self {
            Self::Boolean(builder) => builder.append_option(boolean(value)?),
            Self::Int8(builder) => builder.append_option(integer(value)?),
            Self::Int16(builder) => builder.append_option(integer(value)?),
            Self::Int32(builder) => builder.append_option(integer(value)?),
            Self::Int64(builder) => builder.append_option(integer(value)?),
            Self::Float(builder) => builder.append_option(float(value)?),
            Self::Double(builder) => builder.append_option(double(value)?),
            Self::Decimal { builder, precision, scale } => builder.append_option(decimal(value, *precision, *scale)?),
            Self::Text(builder) => match value {
                Scalar::Null => builder.append_null(),
                Scalar::Text(text) => builder.append_value(text),
                _ => return Err(Misfit),
            },
            Self::Bytes(builder) => match value {
                Scalar::Null => builder.append_null(),
                Scalar::Bytes(bytes) => builder.append_value(bytes),
                _ => return Err(Misfit),
            },
            Self::Date(builder) => match value {
                Scalar::Null => builder.append_null(),
                Scalar::Date(days) => builder.append_value(i32::try_from(days).map_err(|_| Misfit)?),
                _ => return Err(Misfit),
            },
            Self::TimeMillis(builder) => {
                let millis =
                    time(value)?.map(|nanos| i32::try_from(nanos / 1_000_000).map_err(|_| Misfit)).transpose()?;
                builder.append_option(millis);
            }
            Self::TimeMicros(builder) => builder.append_option(time(value)?.map(|nanos| nanos / 1_000)),
            Self::TimeNanos(builder) => builder.append_option(time(value)?),
            Self::TimestampMillis(builder) => builder.append_option(timestamp(value, 1_000)?),
            Self::TimestampMicros(builder) => builder.append_option(timestamp(value, 1_000_000)?),
            Self::TimestampNanos(builder) => builder.append_option(timestamp(value, 1_000_000_000)?),
            Self::List { elements, ends, valid, .. } => match value {
                Scalar::Null => {
                    ends.push(elements.len());
                    valid.append_null();
                }
                _ => return Err(Misfit),
            },
        }
        Ok(())
    }

    fn finish(&mut self, field: &FieldRef) -> Result<ArrayRef> {
        Ok(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int8(builder) => Arc::new(builder.finish()),
            Self::Int16(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Decimal { builder, .. } => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::TimeMillis(builder) => Arc::new(builder.finish()),
            Self::TimeMicros(builder) => Arc::new(builder.finish()),
            Self::TimeNanos(builder) => Arc::new(builder.finish()),
            Self::TimestampMillis(builder) => Arc::new(builder.finish()),
            Self::TimestampMicros(builder) => Arc::new(builder.finish()),
            Self::TimestampNanos(builder) => Arc::new(builder.finish()),
            Self::List { elements, ends, valid, element } => {
                let mut start = 0;
                let lengths: Vec<usize> =
                    std::mem::take(ends).into_iter().map(|end| end - std::mem::replace(&mut start, end)).collect();
                let values = elements.finish(element)?;
                let list = ListArray::try_new(
                    Arc::clone(element),
                    OffsetBuffer::from_lengths(lengths),
                    values,
                    valid.finish(),
                );
                Arc::new(list.map_err(|error| {
                    Error::data(format!("array column {} has a NULL that its type does not allow", field.name()))
                        .caused_by(error)
                })?)
            }
        })
    }
}

fn typed<T: ArrowPrimitiveType>(arrow_type: &ArrowType) -> PrimitiveBuilder<T> {
    PrimitiveBuilder::new().with_data_type(arrow_type.clone())
}

fn boolean(value: Scalar<'_>) -> Result<Option<bool>, Misfit> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Boolean(value) => Ok(Some(value)),
        Scalar::Int(value) => Ok(Some(value != 0)),
        Scalar::Unsigned(value) => Ok(Some(value != 0)),
        _ => Err(Misfit),
    }
}

fn integer<T: TryFrom<i64> + TryFrom<u64> + TryFrom<i128>>(value: Scalar<'_>) -> Result<Option<T>, Misfit> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Int(value) => T::try_from(value).map(Some).map_err(|_| Misfit),
        Scalar::Unsigned(value) => T::try_from(value).map(Some).map_err(|_| Misfit),
        Scalar::Decimal(value, scale) => {
            let divisor = super::decimal::power_of_ten(scale).ok_or(Misfit)?;
            if value % divisor != 0 {
                return Err(Misfit);
            }
            T::try_from(value / divisor).map(Some).map_err(|_| Misfit)
        }
        _ => Err(Misfit),
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a FLOAT is asked for")]
fn float(value: Scalar<'_>) -> Result<Option<f32>, Misfit> {
    match value {
        Scalar::Float(value) => Ok(Some(value)),
        other => Ok(double(other)?.map(|value| value as f32)),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a DOUBLE is asked for")]
fn double(value: Scalar<'_>) -> Result<Option<f64>, Misfit> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Float(value) => Ok(Some(f64::from(value))),
        Scalar::Double(value) => Ok(Some(value)),
        Scalar::Int(value) => Ok(Some(value as f64)),
        Scalar::Unsigned(value) => Ok(Some(value as f64)),
        Scalar::Decimal(value, scale) => Ok(Some(value as f64 / 10f64.powi(i32::from(scale)))),
        _ => Err(Misfit),
    }
}

fn decimal(value: Scalar<'_>, precision: u8, scale: u8) -> Result<Option<i128>, Misfit> {
    let (unscaled, from) = match value {
        Scalar::Null => return Ok(None),
        Scalar::Int(value) => (i128::from(value), 0),
        Scalar::Unsigned(value) => (i128::from(value), 0),
        Scalar::Decimal(value, from) => (value, from),
        _ => return Err(Misfit),
    };
    rescale(unscaled, from, scale, precision).map(Some).ok_or(Misfit)
}

fn time(value: Scalar<'_>) -> Result<Option<i64>, Misfit> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Time(nanos) => Ok(Some(nanos)),
        _ => Err(Misfit),
    }
}

fn timestamp(value: Scalar<'_>, per_second: i64) -> Result<Option<i64>, Misfit> {
    let (seconds, nanos) = match value {
        Scalar::Null => return Ok(None),
        Scalar::Timestamp(seconds, nanos) => (seconds, nanos),
        Scalar::Date(days) => (days * crate::calendar::SECONDS_PER_DAY, 0),
        _ => return Err(Misfit),
    };
    let fraction = i64::from(nanos) / (1_000_000_000 / per_second);
    seconds.checked_mul(per_second).and_then(|value| value.checked_add(fraction)).map(Some).ok_or(Misfit)
}
