//! Flink's types as Arrow's, and back.
//!
//! Arrow keeps neither the length of a string nor every precision of a time. Where a Flink type is not told by its Arrow type, the
//! field carries it under [`TYPE_KEY`], so that nothing is lost on the way through a plan. Units: `TIMESTAMP(p)` is in milliseconds up to
//! p = 3, microseconds up to 6, nanoseconds above; `TIMESTAMP_LTZ` is the same with zone `UTC`; `INTERVAL DAY TO SECOND` is a duration in milliseconds.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::{DataType, LogicalType, MAX_LENGTH, RowField};

/// The key of a field's metadata that holds what Arrow's type does not tell.
const TYPE_KEY: &str = "riverrun.type";

/// The Arrow type that holds the values of a Flink type.
pub fn arrow_type(logical: &LogicalType) -> ArrowType {
    match logical {
        LogicalType::Boolean => ArrowType::Boolean,
        LogicalType::TinyInt => ArrowType::Int8,
        LogicalType::SmallInt => ArrowType::Int16,
        LogicalType::Int => ArrowType::Int32,
        LogicalType::BigInt => ArrowType::Int64,
        LogicalType::Float => ArrowType::Float32,
        LogicalType::Double => ArrowType::Float64,
        LogicalType::Decimal(precision, scale) => {
            ArrowType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
        }
        LogicalType::Char(_) | LogicalType::VarChar(_) => ArrowType::Utf8,
        LogicalType::Binary(_) | LogicalType::VarBinary(_) => ArrowType::Binary,
        LogicalType::Date => ArrowType::Date32,
        LogicalType::Time(precision) => match time_unit(*precision) {
            TimeUnit::Millisecond => ArrowType::Time32(TimeUnit::Millisecond),
            unit => ArrowType::Time64(unit),
        },
        LogicalType::Timestamp(precision) => ArrowType::Timestamp(time_unit(*precision), None),
        LogicalType::TimestampLtz(precision) => ArrowType::Timestamp(time_unit(*precision), Some("UTC".into())),
        LogicalType::IntervalYearMonth => ArrowType::Interval(IntervalUnit::YearMonth),
        LogicalType::IntervalDayTime => ArrowType::Duration(TimeUnit::Millisecond),
        LogicalType::Array(element) => ArrowType::List(Arc::new(field("element", element))),
        LogicalType::Map(key, value) => map_type(key, value),
        LogicalType::Multiset(element) => map_type(element, &DataType::not_null(LogicalType::Int)),
        LogicalType::Row(fields) => ArrowType::Struct(fields.iter().map(|f| field(&f.name, &f.data_type)).collect()),
        LogicalType::Null => ArrowType::Null,
    }
}

fn map_type(key: &DataType, value: &DataType) -> ArrowType {
    // Arrow's map keys are never null.
    let key = DataType { nullable: false, ..key.clone() };
    let entries = Fields::from(vec![field("key", &key), field("value", value)]);
    ArrowType::Map(Arc::new(Field::new("entries", ArrowType::Struct(entries), false)), false)
}

fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// The Arrow field of a column of a Flink type.
///
/// ```
/// use riverrun_data::{DataType, LogicalType, field, type_of_field};
///
/// let varchar = DataType::not_null(LogicalType::VarChar(20));
/// assert_eq!(type_of_field(&field("name", &varchar)), Some(varchar));
/// ```
pub fn field(name: &str, data_type: &DataType) -> Field {
    let field = Field::new(name, arrow_type(&data_type.logical), data_type.nullable);
    match lost(&data_type.logical) {
        Some(text) => field.with_metadata([(TYPE_KEY.to_owned(), text)].into()),
        None => field,
    }
}

/// What the Arrow type of `logical` does not tell.
fn lost(logical: &LogicalType) -> Option<String> {
    match logical {
        LogicalType::Char(n) => Some(format!("char {n}")),
        LogicalType::VarChar(n) if *n != MAX_LENGTH => Some(format!("varchar {n}")),
        LogicalType::Binary(n) => Some(format!("binary {n}")),
        LogicalType::VarBinary(n) if *n != MAX_LENGTH => Some(format!("varbinary {n}")),
        LogicalType::Time(p) | LogicalType::Timestamp(p) | LogicalType::TimestampLtz(p) if !matches!(p, 3 | 6 | 9) => {
            Some(format!("precision {p}"))
        }
        LogicalType::Multiset(_) => Some("multiset 0".into()),
        _ => None,
    }
}

/// The Flink type of an Arrow field; `None` for Arrow types that no Flink type maps to.
pub fn type_of_field(field: &Field) -> Option<DataType> {
    let mut logical = type_of_arrow(field.data_type())?;
    if let Some((kind, number)) = field.metadata().get(TYPE_KEY).and_then(|text| text.split_once(' ')) {
        let number: u32 = number.parse().ok()?;
        let precision = u8::try_from(number).unwrap_or(u8::MAX);
        logical = match (kind, logical) {
            ("char", LogicalType::VarChar(_)) => LogicalType::Char(number),
            ("varchar", LogicalType::VarChar(_)) => LogicalType::VarChar(number),
            ("binary", LogicalType::VarBinary(_)) => LogicalType::Binary(number),
            ("varbinary", LogicalType::VarBinary(_)) => LogicalType::VarBinary(number),
            ("precision", LogicalType::Time(_)) => LogicalType::Time(precision),
            ("precision", LogicalType::Timestamp(_)) => LogicalType::Timestamp(precision),
            ("precision", LogicalType::TimestampLtz(_)) => LogicalType::TimestampLtz(precision),
            ("multiset", LogicalType::Map(key, _)) => LogicalType::Multiset(key),
            (_, other) => other,
        };
    }
    Some(DataType { logical, nullable: field.is_nullable() })
}

fn type_of_arrow(arrow: &ArrowType) -> Option<LogicalType> {
    Some(match arrow {
        ArrowType::Boolean => LogicalType::Boolean,
        ArrowType::Int8 => LogicalType::TinyInt,
        ArrowType::Int16 => LogicalType::SmallInt,
        ArrowType::Int32 => LogicalType::Int,
        ArrowType::Int64 => LogicalType::BigInt,
        ArrowType::Float32 => LogicalType::Float,
        ArrowType::Float64 => LogicalType::Double,
        ArrowType::Decimal128(precision, scale) => LogicalType::Decimal(*precision, u8::try_from(*scale).ok()?),
        ArrowType::Utf8 => LogicalType::STRING,
        ArrowType::Binary => LogicalType::BYTES,
        ArrowType::Date32 => LogicalType::Date,
        ArrowType::Time32(TimeUnit::Millisecond) => LogicalType::Time(3),
        ArrowType::Time64(unit) => LogicalType::Time(precision_of(*unit)),
        ArrowType::Timestamp(unit, None) => LogicalType::Timestamp(precision_of(*unit)),
        ArrowType::Timestamp(unit, Some(_)) => LogicalType::TimestampLtz(precision_of(*unit)),
        ArrowType::Interval(IntervalUnit::YearMonth) => LogicalType::IntervalYearMonth,
        ArrowType::Duration(TimeUnit::Millisecond) => LogicalType::IntervalDayTime,
        ArrowType::List(element) => LogicalType::Array(Box::new(type_of_field(element)?)),
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(fields) => {
                LogicalType::Map(Box::new(type_of_field(fields.first()?)?), Box::new(type_of_field(fields.get(1)?)?))
            }
            _ => return None,
        },
        ArrowType::Struct(fields) => LogicalType::Row(fields.iter().map(row_field).collect::<Option<_>>()?),
        ArrowType::Null => LogicalType::Null,
        _ => return None,
    })
}

fn row_field(field: &FieldRef) -> Option<RowField> {
    Some(RowField { name: field.name().clone(), data_type: type_of_field(field)? })
}

fn precision_of(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// The Arrow schema of columns.
pub fn arrow_schema(columns: &[RowField]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|column| field(&column.name, &column.data_type)).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_way_through_arrow() {
        let int = || Box::new(DataType::nullable(LogicalType::Int));
        let mut types = vec![
            LogicalType::Boolean,
            LogicalType::TinyInt,
            LogicalType::Double,
            LogicalType::Decimal(38, 18),
            LogicalType::Char(3),
            LogicalType::VarChar(7),
            LogicalType::STRING,
            LogicalType::Binary(2),
            LogicalType::BYTES,
            LogicalType::Date,
            LogicalType::IntervalDayTime,
            LogicalType::IntervalYearMonth,
            LogicalType::Array(int()),
            LogicalType::Map(Box::new(DataType::not_null(LogicalType::Char(2))), int()),
            LogicalType::Multiset(Box::new(DataType::not_null(LogicalType::STRING))),
            LogicalType::Row(vec![RowField {
                name: "a".into(),
                data_type: DataType::not_null(LogicalType::Timestamp(0)),
            }]),
            LogicalType::Null,
        ];
        for p in 0..=9 {
            types.extend([LogicalType::Time(p), LogicalType::Timestamp(p), LogicalType::TimestampLtz(p)]);
        }
        for logical in types {
            for nullable in [true, false] {
                let data_type = DataType { logical: logical.clone(), nullable };
                assert_eq!(type_of_field(&field("x", &data_type)), Some(data_type));
            }
        }
    }
}
