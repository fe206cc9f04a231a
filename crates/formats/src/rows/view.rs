//! A column that is there, seen by its type: what the encoders share.

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, GenericByteArray, ListArray, MapArray, PrimitiveArray, StringArray,
    StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, ByteArrayType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use riverrun_base::{Error, Result};
use riverrun_data::LogicalType;

/// A column of a batch by its type, for one pass over its rows.
pub(crate) struct View<'a> {
    nulls: Option<&'a NullBuffer>,
    pub(crate) cells: Cell<'a>,
}

/// The values behind a [`View`].
pub(crate) enum Cell<'a> {
    Boolean(&'a BooleanArray),
    TinyInt(&'a [i8]),
    SmallInt(&'a [i16]),
    Int(&'a [i32]),
    BigInt(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Decimal(&'a [i128], u8),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a [i32]),
    /// The factor makes nanoseconds of a value.
    Time32(&'a [i32], i64),
    /// As [`Cell::Time32`].
    Time64(&'a [i64], i64),
    /// With the precision.
    Timestamp(&'a [i64], u8),
    /// With the precision.
    TimestampLtz(&'a [i64], u8),
    Array(&'a ListArray, Box<View<'a>>),
    Map(&'a MapArray, Box<View<'a>>, Box<View<'a>>),
    Row(Vec<View<'a>>),
}

impl<'a> View<'a> {
    /// The view on a column of Flink type `logical`.
    ///
    /// # Errors
    /// The column is of another type: a bug of the caller.
    pub(crate) fn new(array: &'a dyn Array, logical: &LogicalType, path: &str) -> Result<Self> {
        let cells = Self::cells(array, logical, path)?.ok_or_else(|| {
            Error::internal(format!("a column of {logical} arrives as {}", array.data_type())).with("column", path)
        })?;
        Ok(Self { nulls: array.nulls(), cells })
    }

    /// Whether the value of a row is NULL.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    fn cells(array: &'a dyn Array, logical: &LogicalType, path: &str) -> Result<Option<Cell<'a>>> {
        Ok(match logical {
            LogicalType::Boolean => array.as_boolean_opt().map(Cell::Boolean),
            LogicalType::TinyInt => values::<Int8Type>(array).map(Cell::TinyInt),
            LogicalType::SmallInt => values::<Int16Type>(array).map(Cell::SmallInt),
            LogicalType::Int => values::<Int32Type>(array).map(Cell::Int),
            LogicalType::BigInt => values::<Int64Type>(array).map(Cell::BigInt),
            LogicalType::Float => values::<Float32Type>(array).map(Cell::Float),
            LogicalType::Double => values::<Float64Type>(array).map(Cell::Double),
            LogicalType::Decimal(_, scale) => {
                values::<Decimal128Type>(array).map(|values| Cell::Decimal(values, *scale))
            }
            LogicalType::Char(_) | LogicalType::VarChar(_) => texts(array).map(Cell::Text),
            LogicalType::Binary(_) | LogicalType::VarBinary(_) => texts(array).map(Cell::Bytes),
            LogicalType::Date => values::<Date32Type>(array).map(Cell::Date),
            LogicalType::Time(precision) => match precision {
                0..=3 => values::<Time32MillisecondType>(array).map(|values| Cell::Time32(values, 1_000_000)),
                4..=6 => values::<Time64MicrosecondType>(array).map(|values| Cell::Time64(values, 1_000)),
                _ => values::<Time64NanosecondType>(array).map(|values| Cell::Time64(values, 1)),
            },
            LogicalType::Timestamp(precision) => {
                timestamps(array, *precision).map(|values| Cell::Timestamp(values, *precision))
            }
            LogicalType::TimestampLtz(precision) => {
                timestamps(array, *precision).map(|values| Cell::TimestampLtz(values, *precision))
            }
            LogicalType::IntervalYearMonth => values::<IntervalYearMonthType>(array).map(Cell::Int),
            LogicalType::IntervalDayTime => values::<DurationMillisecondType>(array).map(Cell::BigInt),
            LogicalType::Array(element) => match array.as_list_opt::<i32>() {
                Some(list) => Some(Cell::Array(list, Self::boxed(list.values(), &element.logical, path)?)),
                None => None,
            },
            LogicalType::Map(key, value) => Self::map(array, &key.logical, &value.logical, path)?,
            LogicalType::Multiset(element) => Self::map(array, &element.logical, &LogicalType::Int, path)?,
            LogicalType::Row(fields) => match array.as_any().downcast_ref::<StructArray>() {
                Some(row) if row.num_columns() == fields.len() => {
                    let views = row.columns().iter().zip(fields);
                    let views = views.map(|(column, field)| {
                        Self::new(column, &field.data_type.logical, &format!("{path}.{}", field.name))
                    });
                    Some(Cell::Row(views.collect::<Result<_>>()?))
                }
                _ => None,
            },
            LogicalType::Null => None,
        })
    }

    fn map(array: &'a dyn Array, key: &LogicalType, value: &LogicalType, path: &str) -> Result<Option<Cell<'a>>> {
        let Some(map) = array.as_map_opt() else { return Ok(None) };
        Ok(Some(Cell::Map(map, Self::boxed(map.keys(), key, path)?, Self::boxed(map.values(), value, path)?)))
    }

    fn boxed(array: &'a dyn Array, logical: &LogicalType, path: &str) -> Result<Box<Self>> {
        Self::new(array, logical, path).map(Box::new)
    }
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&[T::Native]> {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| array.values().as_ref())
}

fn texts<T: ByteArrayType>(array: &dyn Array) -> Option<&GenericByteArray<T>> {
    array.as_any().downcast_ref()
}

fn timestamps(array: &dyn Array, precision: u8) -> Option<&[i64]> {
    match precision {
        0..=3 => values::<TimestampMillisecondType>(array),
        4..=6 => values::<TimestampMicrosecondType>(array),
        _ => values::<TimestampNanosecondType>(array),
    }
}
