//! Flink SQL's types.

use std::fmt;

/// The length of `STRING` and `BYTES`.
pub const MAX_LENGTH: u32 = 2_147_483_647;

/// A type with its nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataType {
    /// The type itself.
    pub logical: LogicalType,
    /// Whether NULL is a value of it.
    pub nullable: bool,
}

/// A type of Flink SQL without its nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogicalType {
    /// `BOOLEAN`.
    Boolean,
    /// `TINYINT`, 8 bits.
    TinyInt,
    /// `SMALLINT`, 16 bits.
    SmallInt,
    /// `INT`, 32 bits.
    Int,
    /// `BIGINT`, 64 bits.
    BigInt,
    /// `FLOAT`, 32 bits.
    Float,
    /// `DOUBLE`, 64 bits.
    Double,
    /// `DECIMAL(precision, scale)`, precision 1 to 38.
    Decimal(u8, u8),
    /// `CHAR(n)`, padded with blanks.
    Char(u32),
    /// `VARCHAR(n)`; `STRING` with [`MAX_LENGTH`].
    VarChar(u32),
    /// `BINARY(n)`.
    Binary(u32),
    /// `VARBINARY(n)`; `BYTES` with [`MAX_LENGTH`].
    VarBinary(u32),
    /// `DATE`.
    Date,
    /// `TIME(p)`, p digits of a second's fraction.
    Time(u8),
    /// `TIMESTAMP(p)`: a wall clock time without a zone.
    Timestamp(u8),
    /// `TIMESTAMP_LTZ(p)`: an instant, shown in the session's zone.
    TimestampLtz(u8),
    /// `INTERVAL YEAR TO MONTH`, in months.
    IntervalYearMonth,
    /// `INTERVAL DAY TO SECOND`, in milliseconds.
    IntervalDayTime,
    /// `ARRAY<t>`.
    Array(Box<DataType>),
    /// `MAP<k, v>`.
    Map(Box<DataType>, Box<DataType>),
    /// `MULTISET<t>`.
    Multiset(Box<DataType>),
    /// `ROW<a t, ...>`.
    Row(Vec<RowField>),
    /// The type of a bare `NULL`.
    Null,
}

/// A field of a `ROW`, or a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowField {
    /// The name; case matters.
    pub name: String,
    /// The type.
    pub data_type: DataType,
}

impl DataType {
    /// The nullable form.
    pub fn nullable(logical: LogicalType) -> Self {
        Self { logical, nullable: true }
    }

    /// The `NOT NULL` form.
    pub fn not_null(logical: LogicalType) -> Self {
        Self { logical, nullable: false }
    }
}

impl LogicalType {
    /// `STRING`.
    pub const STRING: Self = Self::VarChar(MAX_LENGTH);
    /// `BYTES`.
    pub const BYTES: Self = Self::VarBinary(MAX_LENGTH);

    /// Whether arithmetic is defined on it.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self, Self::Decimal(..))
    }

    /// `TINYINT`, `SMALLINT`, `INT` or `BIGINT`.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt)
    }

    /// `FLOAT` or `DOUBLE`.
    pub fn is_approximate(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// `CHAR` or `VARCHAR`.
    pub fn is_character(&self) -> bool {
        matches!(self, Self::Char(_) | Self::VarChar(_))
    }

    /// `BINARY` or `VARBINARY`.
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_) | Self::VarBinary(_))
    }

    /// `TIMESTAMP` or `TIMESTAMP_LTZ`.
    pub fn is_timestamp(&self) -> bool {
        matches!(self, Self::Timestamp(_) | Self::TimestampLtz(_))
    }

    /// `DATE`, `TIME` or a timestamp.
    pub fn is_datetime(&self) -> bool {
        self.is_timestamp() || matches!(self, Self::Date | Self::Time(_))
    }

    /// An interval.
    pub fn is_interval(&self) -> bool {
        matches!(self, Self::IntervalYearMonth | Self::IntervalDayTime)
    }

    /// The precision and scale that hold every value of an exact number type.
    pub fn as_decimal(&self) -> Option<(u8, u8)> {
        match self {
            Self::TinyInt => Some((3, 0)),
            Self::SmallInt => Some((5, 0)),
            Self::Int => Some((10, 0)),
            Self::BigInt => Some((19, 0)),
            Self::Decimal(precision, scale) => Some((*precision, *scale)),
            _ => None,
        }
    }
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal(precision, scale) => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Char(n) => write!(f, "CHAR({n})"),
            Self::VarChar(MAX_LENGTH) => f.write_str("STRING"),
            Self::VarChar(n) => write!(f, "VARCHAR({n})"),
            Self::Binary(n) => write!(f, "BINARY({n})"),
            Self::VarBinary(MAX_LENGTH) => f.write_str("BYTES"),
            Self::VarBinary(n) => write!(f, "VARBINARY({n})"),
            Self::Date => f.write_str("DATE"),
            Self::Time(p) => write!(f, "TIME({p})"),
            Self::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            Self::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            Self::IntervalYearMonth => f.write_str("INTERVAL MONTH"),
            Self::IntervalDayTime => f.write_str("INTERVAL SECOND"),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Multiset(element) => write!(f, "MULTISET<{element}>"),
            Self::Row(fields) => {
                f.write_str("ROW<")?;
                for (n, field) in fields.iter().enumerate() {
                    write!(f, "{}`{}` {}", if n == 0 { "" } else { ", " }, field.name, field.data_type)?;
                }
                f.write_str(">")
            }
            Self::Null => f.write_str("NULL"),
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.logical, if self.nullable { "" } else { " NOT NULL" })
    }
}
