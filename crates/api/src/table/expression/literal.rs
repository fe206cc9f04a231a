//! Constants.

use super::{Expression, Kind};
use crate::table::{Date, Decimal, Timestamp};

/// A constant of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
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
    /// DECIMAL of as many digits as it has.
    Decimal(Decimal),
    /// CHAR of its length.
    Text(String),
    /// DATE.
    Date(Date),
    /// TIMESTAMP(3), or with as many digits as are needed.
    Timestamp(Timestamp),
}

macro_rules! literals {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Literal {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }

        impl From<$from> for Expression {
            fn from(value: $from) -> Self {
                Self(Kind::Literal(value.into()))
            }
        }
    )*};
}

literals! {
    bool => Boolean,
    i8 => TinyInt,
    i16 => SmallInt,
    i32 => Int,
    i64 => BigInt,
    f32 => Float,
    f64 => Double,
    Decimal => Decimal,
    &str => Text,
    String => Text,
    Date => Date,
    Timestamp => Timestamp,
}
