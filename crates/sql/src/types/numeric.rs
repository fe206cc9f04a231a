//! The types of arithmetic, rounding and aggregates.

use riverrun_data::{DataType, LogicalType as L};

use super::allowed::rank;

/// The largest precision of a decimal.
const MAX_PRECISION: i32 = 38;
/// The scale that a result which is too wide keeps at least.
const KEPT_SCALE: i32 = 6;

/// An operator between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArithmeticOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`, `MOD`
    Modulo,
}

/// The type of `a op b`; `None` where an operand is no number, or `%` meets an approximate one.
pub(crate) fn arithmetic_type(op: ArithmeticOperator, a: &L, b: &L) -> Option<L> {
    if !a.is_numeric() || !b.is_numeric() {
        return None;
    }
    Some(match (a.is_approximate(), b.is_approximate()) {
        _ if op == ArithmeticOperator::Modulo && (a.is_approximate() || b.is_approximate()) => return None,
        // Of FLOAT and DOUBLE the first wins.
        (true, true) => a.clone(),
        (true, false) => {
            if matches!(b, L::Decimal(..)) {
                L::Double
            } else {
                a.clone()
            }
        }
        (false, true) => {
            if matches!(a, L::Decimal(..)) {
                L::Double
            } else {
                b.clone()
            }
        }
        (false, false) => match (a, b) {
            (L::Decimal(..), _) | (_, L::Decimal(..)) => decimal_type(op, a.as_decimal()?, b.as_decimal()?),
            // The remainder is smaller than the divisor.
            _ if op == ArithmeticOperator::Modulo => b.clone(),
            _ => {
                if rank(a) >= rank(b) {
                    a.clone()
                } else {
                    b.clone()
                }
            }
        },
    })
}

fn decimal_type(op: ArithmeticOperator, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> L {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    match op {
        ArithmeticOperator::Add | ArithmeticOperator::Subtract => {
            let scale = s1.max(s2);
            adjusted((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        ArithmeticOperator::Multiply => adjusted(p1 + p2 + 1, s1 + s2),
        ArithmeticOperator::Divide => {
            let scale = (s1 + p2 + 1).max(KEPT_SCALE);
            adjusted(p1 - s1 + s2 + scale, scale)
        }
        ArithmeticOperator::Modulo => {
            let scale = s1.max(s2);
            adjusted((p1 - s1).min(p2 - s2) + scale, scale)
        }
    }
}

/// A decimal type; where the precision passes 38, digits behind the point give way, down to six.
fn adjusted(precision: i32, scale: i32) -> L {
    let (precision, scale) = if precision <= MAX_PRECISION {
        (precision, scale)
    } else {
        let integers = precision - scale;
        (MAX_PRECISION, (MAX_PRECISION - integers).max(scale.min(KEPT_SCALE)))
    };
    decimal(precision, scale)
}

fn decimal(precision: i32, scale: i32) -> L {
    let bounded = |n: i32| u8::try_from(n.clamp(0, MAX_PRECISION)).unwrap_or(38);
    L::Decimal(bounded(precision.max(1)), bounded(scale))
}

/// The type of `SUM` over values of `data_type`; `None` where they cannot be summed. It keeps the nullability: a group's sum of `NOT NULL`
/// values is not NULL, that of all rows is (there may be none).
pub(crate) fn sum_type(data_type: &DataType) -> Option<DataType> {
    let logical = match &data_type.logical {
        L::Decimal(_, scale) => L::Decimal(38, *scale),
        other if other.is_numeric() || other.is_interval() => other.clone(),
        _ => return None,
    };
    Some(DataType { logical, nullable: data_type.nullable })
}

/// The type of `AVG` over values of `data_type`; `None` where they have no average. Nullability as in [`sum_type`].
pub(crate) fn avg_type(data_type: &DataType) -> Option<DataType> {
    let logical = match &data_type.logical {
        // The sum divided by a count of twenty digits.
        L::Decimal(_, scale) => decimal_type(ArithmeticOperator::Divide, (38, *scale), (20, 0)),
        other if other.is_numeric() => other.clone(),
        _ => return None,
    };
    Some(DataType { logical, nullable: data_type.nullable })
}

/// The type of `ROUND` and `TRUNCATE` of a decimal to `digits` behind the point.
pub(crate) fn round_type(precision: u8, scale: u8, digits: i64) -> L {
    let (p, s) = (i32::from(precision), i32::from(scale));
    match i32::try_from(digits) {
        Ok(digits) if digits < s => decimal((1 + p - s + digits.max(0)).min(MAX_PRECISION), digits.max(0)),
        _ => L::Decimal(precision, scale),
    }
}
