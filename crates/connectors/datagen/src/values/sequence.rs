//! Sequences: a start, plus the row's number in the table.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, StringBuilder};
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, Float32Type, Float64Type};
use riverrun_base::Result;

use super::number::{integers, primitive};
use super::{Rows, Values};

/// A sequence of integers.
pub(crate) struct IntegerSequence {
    /// The type.
    pub arrow: ArrowType,
    /// The first value.
    pub start: i64,
}

impl Values for IntegerSequence {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let start = self.start;
        integers(rows, &self.arrow, rows.numbers(), move |number| start.wrapping_add(number.cast_signed()))
    }

    fn width(&self) -> usize {
        8
    }
}

/// A sequence of integers in a type of another kind.
pub(crate) struct Sequence {
    /// The type: `FLOAT`, `DOUBLE`, `DECIMAL`, a string (in decimal) or bytes (eight, big-endian).
    pub arrow: ArrowType,
    /// The first value.
    pub start: i64,
}

impl Values for Sequence {
    #[allow(clippy::cast_possible_truncation, reason = "rounds to the nearest FLOAT")]
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let (start, arrow) = (self.start, &self.arrow);
        let value = move |number: u64| start.wrapping_add(number.cast_signed());
        Ok(match arrow {
            ArrowType::Float32 => primitive::<Float32Type>(rows, arrow, rows.numbers(), |n| value(n) as f32),
            ArrowType::Float64 => primitive::<Float64Type>(rows, arrow, rows.numbers(), |n| value(n) as f64),
            ArrowType::Decimal128(_, scale) => {
                let unit = 10i128.pow(u32::from(scale.unsigned_abs()));
                primitive::<Decimal128Type>(rows, arrow, rows.numbers(), |n| i128::from(value(n)) * unit)
            }
            ArrowType::Binary => {
                let mut values = BinaryBuilder::with_capacity(rows.count, rows.count * 8);
                rows.numbers().for_each(|number| values.append_value(value(number).to_be_bytes()));
                Arc::new(values.finish())
            }
            _ => {
                let mut values = StringBuilder::with_capacity(rows.count, rows.count * 12);
                let mut digits = String::new();
                for number in rows.numbers() {
                    digits.clear();
                    // Writing to a String cannot fail.
                    let _ = std::fmt::Write::write_fmt(&mut digits, format_args!("{}", value(number)));
                    values.append_value(&digits);
                }
                Arc::new(values.finish())
            }
        })
    }

    fn width(&self) -> usize {
        20
    }
}
