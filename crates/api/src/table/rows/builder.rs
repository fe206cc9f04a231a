//! Columns of values of a program, as they grow.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, ListArray, MapArray, NullBufferBuilder, PrimitiveArray,
    PrimitiveBuilder, StringBuilder, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64NanosecondType, TimestampNanosecondType,
};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType, RowField, arrow_type};

use super::{Decimal, Value};

/// A column that grows.
pub(crate) enum Builder {
    Boolean(BooleanBuilder),
    TinyInt(PrimitiveBuilder<Int8Type>),
    SmallInt(PrimitiveBuilder<Int16Type>),
    Int(PrimitiveBuilder<Int32Type>),
    BigInt(PrimitiveBuilder<Int64Type>),
    Float(PrimitiveBuilder<Float32Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>, u8, u8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    /// Nanoseconds, which become the unit of the type at the end.
    Nanos(PrimitiveBuilder<Int64Type>, ArrowType),
    List {
        element: Box<Builder>,
        lengths: Vec<usize>,
        nulls: NullBufferBuilder,
        data_type: ArrowType,
    },
    Map {
        key: Box<Builder>,
        value: Box<Builder>,
        lengths: Vec<usize>,
        nulls: NullBufferBuilder,
        data_type: ArrowType,
    },
    Row {
        fields: Vec<(String, Builder)>,
        nulls: NullBufferBuilder,
        data_type: ArrowType,
    },
}

impl Builder {
    /// An empty column.
    ///
    /// # Errors
    /// Types of the program never have this type.
    pub(crate) fn of(data_type: &DataType) -> Result<Self> {
        let arrow = arrow_type(&data_type.logical);
        Ok(match &data_type.logical {
            LogicalType::Boolean => Self::Boolean(BooleanBuilder::new()),
            LogicalType::TinyInt => Self::TinyInt(PrimitiveBuilder::new()),
            LogicalType::SmallInt => Self::SmallInt(PrimitiveBuilder::new()),
            LogicalType::Int => Self::Int(PrimitiveBuilder::new()),
            LogicalType::BigInt => Self::BigInt(PrimitiveBuilder::new()),
            LogicalType::Float => Self::Float(PrimitiveBuilder::new()),
            LogicalType::Double => Self::Double(PrimitiveBuilder::new()),
            LogicalType::Decimal(precision, scale) => {
                Self::Decimal(PrimitiveBuilder::new().with_data_type(arrow), *precision, *scale)
            }
            LogicalType::Char(_) | LogicalType::VarChar(_) => Self::Text(StringBuilder::new()),
            LogicalType::Binary(_) | LogicalType::VarBinary(_) => Self::Bytes(BinaryBuilder::new()),
            LogicalType::Date => Self::Date(PrimitiveBuilder::new()),
            LogicalType::Time(_) | LogicalType::Timestamp(_) | LogicalType::TimestampLtz(_) => {
                Self::Nanos(PrimitiveBuilder::new(), arrow)
            }
            LogicalType::Array(element) => Self::List {
                element: Box::new(Self::of(element)?),
                lengths: Vec::new(),
                nulls: NullBufferBuilder::new(0),
                data_type: arrow,
            },
            LogicalType::Map(key, value) => Self::Map {
                key: Box::new(Self::of(key)?),
                value: Box::new(Self::of(value)?),
                lengths: Vec::new(),
                nulls: NullBufferBuilder::new(0),
                data_type: arrow,
            },
            LogicalType::Row(fields) => {
                Self::Row { fields: builders(fields)?, nulls: NullBufferBuilder::new(0), data_type: arrow }
            }
            other => return Err(Error::not_supported(format!("a column of {other} made by a program"))),
        })
    }

    /// Adds a value.
    ///
    /// # Errors
    /// It is of another type.
    pub(crate) fn push_value(&mut self, value: &Value) -> Result<()> {
        match (self, value) {
            (builder, Value::Null) => builder.null(),
            (Self::Boolean(builder), Value::Boolean(value)) => builder.append_value(*value),
            (Self::TinyInt(builder), Value::TinyInt(value)) => builder.append_value(*value),
            (Self::SmallInt(builder), Value::SmallInt(value)) => builder.append_value(*value),
            (Self::Int(builder), Value::Int(value)) => builder.append_value(*value),
            (Self::BigInt(builder), Value::BigInt(value)) => builder.append_value(*value),
            (Self::Float(builder), Value::Float(value)) => builder.append_value(*value),
            (Self::Double(builder), Value::Double(value)) => builder.append_value(*value),
            (Self::Decimal(builder, precision, scale), Value::Decimal(value)) => {
                builder.append_value(fitting(*value, *precision, *scale)?);
            }
            (Self::Text(builder), Value::String(value)) => builder.append_value(value),
            (Self::Bytes(builder), Value::Bytes(value)) => builder.append_value(value),
            (Self::Date(builder), Value::Date(value)) => builder.append_value(value.epoch_day()),
            (Self::Nanos(builder, ArrowType::Time32(_) | ArrowType::Time64(_)), Value::Time(value)) => {
                builder.append_value(value.nanos_of_day());
            }
            (Self::Nanos(builder, ArrowType::Timestamp(_, None)), Value::Timestamp(value)) => {
                builder.append_value(value.nanos());
            }
            (Self::Nanos(builder, ArrowType::Timestamp(_, Some(_))), Value::TimestampLtz(value)) => {
                builder.append_value(value.nanos());
            }
            (Self::List { element, lengths, nulls, .. }, Value::Array(values)) => {
                values.iter().try_for_each(|value| element.push_value(value))?;
                lengths.push(values.len());
                nulls.append_non_null();
            }
            (Self::Map { key, value, lengths, nulls, .. }, Value::Map(entries)) => {
                for (k, v) in entries {
                    key.push_value(k)?;
                    value.push_value(v)?;
                }
                lengths.push(entries.len());
                nulls.append_non_null();
            }
            (Self::Row { fields, nulls, .. }, Value::Row(values)) if fields.len() == values.len() => {
                fields.iter_mut().zip(values).try_for_each(|((_, field), value)| field.push_value(value))?;
                nulls.append_non_null();
            }
            (builder, other) => {
                return Err(Error::data(format!(
                    "the value {other:?} does not fit its column, which is {}",
                    builder.name()
                )));
            }
        }
        Ok(())
    }

    /// Adds NULL.
    pub(crate) fn null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::TinyInt(builder) => builder.append_null(),
            Self::SmallInt(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::BigInt(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Nanos(builder, _) => builder.append_null(),
            Self::List { lengths, nulls, .. } | Self::Map { lengths, nulls, .. } => {
                lengths.push(0);
                nulls.append_null();
            }
            Self::Row { fields, nulls, .. } => {
                fields.iter_mut().for_each(|(_, field)| field.null());
                nulls.append_null();
            }
        }
    }

    /// Its type, for errors.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "BOOLEAN",
            Self::TinyInt(_) => "TINYINT",
            Self::SmallInt(_) => "SMALLINT",
            Self::Int(_) => "INT",
            Self::BigInt(_) => "BIGINT",
            Self::Float(_) => "FLOAT",
            Self::Double(_) => "DOUBLE",
            Self::Decimal(..) => "DECIMAL",
            Self::Text(_) => "STRING",
            Self::Bytes(_) => "BYTES",
            Self::Date(_) => "DATE",
            Self::Nanos(_, ArrowType::Timestamp(_, None)) => "TIMESTAMP",
            Self::Nanos(_, ArrowType::Timestamp(..)) => "TIMESTAMP_LTZ",
            Self::Nanos(..) => "TIME",
            Self::List { .. } => "ARRAY",
            Self::Map { .. } => "MAP",
            Self::Row { .. } => "ROW",
        }
    }

    /// The column; empty again.
    ///
    /// # Errors
    /// A bug of Riverrun.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        let wrong = |error| Error::internal("values of a program do not fit their column").caused_by(error);
        Ok(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::TinyInt(builder) => Arc::new(builder.finish()),
            Self::SmallInt(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::BigInt(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Nanos(builder, data_type) => of_nanos(&builder.finish(), data_type).map_err(wrong)?,
            Self::List { element, lengths, nulls, data_type } => {
                let values = element.finish()?;
                let offsets = OffsetBuffer::from_lengths(std::mem::take(lengths));
                let ArrowType::List(field) = data_type else {
                    return Err(Error::internal("an array of no array type"));
                };
                Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls.finish()).map_err(wrong)?)
            }
            Self::Map { key, value, lengths, nulls, data_type } => {
                let ArrowType::Map(field, sorted) = data_type else {
                    return Err(Error::internal("a map of no map type"));
                };
                let ArrowType::Struct(entries) = field.data_type() else {
                    return Err(Error::internal("a map without entries"));
                };
                let entries = StructArray::try_new(entries.clone(), vec![key.finish()?, value.finish()?], None);
                let offsets = OffsetBuffer::from_lengths(std::mem::take(lengths));
                let entries = entries.map_err(wrong)?;
                Arc::new(
                    MapArray::try_new(Arc::clone(field), offsets, entries, nulls.finish(), *sorted).map_err(wrong)?,
                )
            }
            Self::Row { fields, nulls, data_type } => {
                let ArrowType::Struct(types) = data_type else { return Err(Error::internal("a row of no row type")) };
                let length = nulls.len();
                let columns = fields.iter_mut().map(|(_, field)| field.finish()).collect::<Result<Vec<_>>>()?;
                let row = StructArray::try_new_with_length(types.clone(), columns, nulls.finish(), length);
                Arc::new(row.map_err(wrong)?)
            }
        })
    }
}

/// A builder for each column.
pub(crate) fn builders(columns: &[RowField]) -> Result<Vec<(String, Builder)>> {
    columns.iter().map(|column| Ok((column.name.clone(), Builder::of(&column.data_type)?))).collect()
}

fn of_nanos(nanos: &PrimitiveArray<Int64Type>, data_type: &ArrowType) -> Result<ArrayRef, arrow::error::ArrowError> {
    let nanoseconds: ArrayRef = match data_type {
        ArrowType::Time32(_) | ArrowType::Time64(_) => Arc::new(nanos.reinterpret_cast::<Time64NanosecondType>()),
        ArrowType::Timestamp(_, zone) => {
            Arc::new(nanos.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone.clone()))
        }
        _ => Arc::new(nanos.clone()),
    };
    if nanoseconds.data_type() == data_type { Ok(nanoseconds) } else { arrow::compute::cast(&nanoseconds, data_type) }
}

/// The decimal with so many digits behind its point.
///
/// # Errors
/// It has too many before.
pub(super) fn fitting(value: Decimal, precision: u8, scale: u8) -> Result<i128> {
    let rescaled = value.rescaled(scale).filter(|value| value.unsigned_abs() < 10u128.pow(u32::from(precision)));
    rescaled.ok_or_else(|| Error::data(format!("{value} does not fit DECIMAL({precision}, {scale})")))
}
