//! Rows whose columns are known only when the program runs.

use std::fmt;

use riverrun_base::{Error, Result};
use riverrun_data::RowKind;

use super::{Date, Decimal, Time, Timestamp, TimestampLtz};

/// A row: its values, and what it does to the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    kind: RowKind,
    values: Vec<Value>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// TINYINT.
    TinyInt(i8),
    /// SMALLINT.
    SmallInt(i16),
    /// INT.
    Int(i32),
    /// BIGINT.
    BigInt(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL.
    Decimal(Decimal),
    /// CHAR, VARCHAR, STRING.
    String(String),
    /// BINARY, VARBINARY, BYTES.
    Bytes(Vec<u8>),
    /// DATE.
    Date(Date),
    /// TIME.
    Time(Time),
    /// TIMESTAMP.
    Timestamp(Timestamp),
    /// TIMESTAMP_LTZ.
    TimestampLtz(TimestampLtz),
    /// INTERVAL YEAR TO MONTH, in months.
    IntervalYearMonth(i32),
    /// INTERVAL DAY TO SECOND, in milliseconds.
    IntervalDayTime(i64),
    /// ARRAY.
    Array(Vec<Value>),
    /// MAP and MULTISET.
    Map(Vec<(Value, Value)>),
    /// ROW.
    Row(Vec<Value>),
}

impl Row {
    /// A row that is inserted.
    pub fn of(values: impl IntoIterator<Item = Value>) -> Self {
        Self::of_kind(RowKind::Insert, values)
    }

    /// A row that does something.
    pub fn of_kind(kind: RowKind, values: impl IntoIterator<Item = Value>) -> Self {
        Self { kind, values: values.into_iter().collect() }
    }

    /// What it does.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// Its values, in the order of the columns.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of a column, counted from 0, as a type of Rust: `row.get::<i64>(0)?`.
    ///
    /// # Errors
    /// There is no such column, or its value is of another type, or NULL where the type is no `Option`.
    pub fn get<T: TryFrom<Value, Error = Error>>(&self, column: usize) -> Result<T> {
        let value = self.values.get(column).cloned().ok_or_else(|| {
            Error::user(format!("the row has {} columns, and column {column} is asked for", self.values.len()))
        })?;
        T::try_from(value).map_err(|error| error.with("column", column))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.kind.short())?;
        for (n, value) in self.values.iter().enumerate() {
            write!(f, "{}{value}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, values: &[Value]| {
            values.iter().enumerate().try_for_each(|(n, value)| write!(f, "{}{value}", if n == 0 { "" } else { ", " }))
        };
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::TinyInt(value) => value.fmt(f),
            Self::SmallInt(value) => value.fmt(f),
            Self::Int(value) | Self::IntervalYearMonth(value) => value.fmt(f),
            Self::BigInt(value) | Self::IntervalDayTime(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
            Self::Decimal(value) => value.fmt(f),
            Self::String(value) => f.write_str(value),
            Self::Bytes(value) => write!(f, "{value:?}"),
            Self::Date(value) => value.fmt(f),
            Self::Time(value) => value.fmt(f),
            Self::Timestamp(value) => value.fmt(f),
            Self::TimestampLtz(value) => value.fmt(f),
            Self::Array(values) => {
                f.write_str("[")?;
                list(f, values)?;
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}={value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Self::Row(values) => {
                f.write_str("(")?;
                list(f, values)?;
                f.write_str(")")
            }
        }
    }
}

macro_rules! values {
    ($($variant:ident($rust:ty)),* $(,)?) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant(value)
            }
        }

        impl TryFrom<Value> for $rust {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self> {
                match value {
                    Value::$variant(value) => Ok(value),
                    other => Err(other_type(&other, stringify!($rust))),
                }
            }
        }

        impl TryFrom<Value> for Option<$rust> {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self> {
                match value {
                    Value::Null => Ok(None),
                    Value::$variant(value) => Ok(Some(value)),
                    other => Err(other_type(&other, stringify!($rust))),
                }
            }
        }
    )*};
}

values! {
    Boolean(bool), TinyInt(i8), SmallInt(i16), Int(i32), BigInt(i64), Float(f32), Double(f64), Decimal(Decimal),
    String(String), Bytes(Vec<u8>), Date(Date), Time(Time), Timestamp(Timestamp), TimestampLtz(TimestampLtz),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

fn other_type(value: &Value, wanted: &str) -> Error {
    match value {
        Value::Null => Error::user(format!("the value is NULL, and {wanted} is asked for"))
            .hint(format!("ask for Option<{wanted}>")),
        other => Error::user(format!("the value {other:?} is asked for as {wanted}")),
    }
}
