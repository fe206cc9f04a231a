//! The functions of SQL that are common enough for a method. All others are called by their names ([`call`](super::call)).

use super::{Expression, Kind, TimeIntervalUnit, call};

impl Expression {
    /// The time rounded down to a unit.
    #[must_use]
    pub fn floor(self, unit: TimeIntervalUnit) -> Self {
        Self(Kind::Round { operand: self.boxed(), unit, up: false })
    }

    /// The time rounded up to a unit.
    #[must_use]
    pub fn ceil(self, unit: TimeIntervalUnit) -> Self {
        Self(Kind::Round { operand: self.boxed(), unit, up: true })
    }

    /// A part of a time, as a number.
    #[must_use]
    pub fn extract(self, unit: TimeIntervalUnit) -> Self {
        Self(Kind::Extract { operand: self.boxed(), unit })
    }

    /// A field of a row.
    #[must_use]
    pub fn get(self, field: impl Into<String>) -> Self {
        Self(Kind::Field { operand: self.boxed(), name: field.into() })
    }

    /// An element of an array, counted from 1, or the value of a map's key.
    #[must_use]
    pub fn at(self, key: impl Into<Expression>) -> Self {
        Self(Kind::Item { operand: self.boxed(), key: key.into().boxed() })
    }

    /// How many elements an array or map has.
    #[must_use]
    pub fn cardinality(self) -> Self {
        call("CARDINALITY", [self])
    }

    /// The text in upper case.
    #[must_use]
    pub fn upper_case(self) -> Self {
        call("UPPER", [self])
    }

    /// The text in lower case.
    #[must_use]
    pub fn lower_case(self) -> Self {
        call("LOWER", [self])
    }

    /// How many characters the text has.
    #[must_use]
    pub fn char_length(self) -> Self {
        call("CHAR_LENGTH", [self])
    }

    /// So many characters of the text from a place, counted from 1.
    #[must_use]
    pub fn substring(self, start: impl Into<Expression>, length: impl Into<Expression>) -> Self {
        call("SUBSTRING", [self, start.into(), length.into()])
    }

    /// The text without blanks at both ends.
    #[must_use]
    pub fn trim(self) -> Self {
        call("TRIM", [self])
    }

    /// The text and behind it another; NULL if one of them is.
    #[must_use]
    pub fn concat(self, other: impl Into<Expression>) -> Self {
        call("CONCAT", [self, other.into()])
    }

    /// The magnitude of a number.
    #[must_use]
    pub fn abs(self) -> Self {
        call("ABS", [self])
    }

    /// The number rounded to so many digits behind the point.
    #[must_use]
    pub fn round(self, digits: i32) -> Self {
        call("ROUND", [self, super::lit(digits)])
    }

    /// The number raised to a power.
    #[must_use]
    pub fn power(self, exponent: impl Into<Expression>) -> Self {
        call("POWER", [self, exponent.into()])
    }

    /// The square root.
    #[must_use]
    pub fn sqrt(self) -> Self {
        call("SQRT", [self])
    }
}
