//! Arithmetic of decimals, as Flink computes it: exact, then rounded half up to the scale of the result; NULL where that does not fit.

use arrow::array::Decimal128Array;
use arrow::datatypes::{Decimal128Type, i256};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::Bound;
use super::arithmetic::by_zero;
use super::signature::arrow;
use crate::cast::decimals::{fits, power, rescale};
use crate::eval::{EvalContext, Rows, Value};
use crate::types::ArithmeticOperator as Operator;

/// The operator between decimals of two types.
pub(super) fn arithmetic(
    op: Operator,
    (left, right): (DataType, DataType),
    returns: DataType,
    result: (u8, u8),
) -> Bound {
    let scales = (scale_of(&left), scale_of(&right));
    let arrow_type = arrow(&returns);
    let bound = Bound::new(vec![left, right], returns, move |args, context| {
        compute(op, args, context, scales, result, &arrow_type)
    });
    if matches!(op, Operator::Divide | Operator::Modulo) { bound.failing() } else { bound }
}

fn scale_of(data_type: &DataType) -> u8 {
    match data_type.logical {
        L::Decimal(_, scale) => scale,
        _ => 0,
    }
}

fn compute(
    op: Operator,
    args: &[Value],
    context: &EvalContext,
    (s1, s2): (u8, u8),
    (precision, scale): (u8, u8),
    arrow_type: &arrow::datatypes::DataType,
) -> Result<Value> {
    let [left, right] = args else { return Err(Error::internal("an operator without its two sides")) };
    let (a, b) = (left.cells::<Decimal128Array>()?, right.cells::<Decimal128Array>()?);
    let rows = Rows::strict(args, context);
    let result = Result128 { precision, scale };
    match op {
        Operator::Add => {
            rows.try_numbers::<Decimal128Type>(arrow_type, |row| Ok(result.sum(a.at(row), s1, b.at(row), s2)))
        }
        Operator::Subtract => {
            rows.try_numbers::<Decimal128Type>(arrow_type, |row| Ok(result.sum(a.at(row), s1, -b.at(row), s2)))
        }
        Operator::Multiply => {
            rows.try_numbers::<Decimal128Type>(arrow_type, |row| Ok(result.product(a.at(row), b.at(row), s1 + s2)))
        }
        Operator::Divide => rows.try_numbers::<Decimal128Type>(arrow_type, |row| match b.at(row) {
            0 => Err(by_zero()),
            divisor => Ok(result.quotient(a.at(row), s1, divisor, s2)),
        }),
        Operator::Modulo => rows.try_numbers::<Decimal128Type>(arrow_type, |row| match b.at(row) {
            0 => Err(by_zero()),
            divisor => Ok(result.remainder(a.at(row), s1, divisor, s2)),
        }),
    }
}

/// What a result must fit.
#[derive(Clone, Copy)]
struct Result128 {
    precision: u8,
    scale: u8,
}

impl Result128 {
    fn sum(self, a: i128, s1: u8, b: i128, s2: u8) -> Option<i128> {
        let scale = s1.max(s2);
        let narrow = || a.checked_mul(power(scale - s1))?.checked_add(b.checked_mul(power(scale - s2))?);
        match narrow() {
            Some(sum) => rescale(sum, scale, self.scale, self.precision),
            None => self.rounded(scaled(a, scale - s1).checked_add(scaled(b, scale - s2))?, scale),
        }
    }

    fn product(self, a: i128, b: i128, scale: u8) -> Option<i128> {
        match a.checked_mul(b) {
            Some(product) if scale <= 38 => rescale(product, scale, self.scale, self.precision),
            _ => self.rounded(i256::from_i128(a).checked_mul(i256::from_i128(b))?, scale),
        }
    }

    /// The quotient of 38 digits, rounded half up, and then rounded to the scale.
    fn quotient(self, a: i128, s1: u8, b: i128, s2: u8) -> Option<i128> {
        // a / 10^s1 / (b / 10^s2) in the result's scale is a * 10^(scale - s1 + s2) / b.
        let shift = i32::from(self.scale) - i32::from(s1) + i32::from(s2);
        // With a divisor this small, digits beyond the 38th cannot change the rounding.
        if b.unsigned_abs() < 1_000_000_000_000_000 && (0..=38).contains(&shift) {
            let shift = u8::try_from(shift).ok()?;
            if let Some(numerator) = a.checked_mul(power(shift)) {
                let (quotient, rest) = (numerator / b, numerator % b);
                if quotient.unsigned_abs() < 100_000_000_000_000_000_000 {
                    let up = rest.unsigned_abs() >= b.unsigned_abs() - rest.unsigned_abs() && rest != 0;
                    let sign = a.signum() * b.signum();
                    let rounded = if up { quotient + sign } else { quotient };
                    return Some(rounded).filter(|value| fits(*value, self.precision));
                }
            }
        }
        self.wide_quotient(a, s1, b, s2)
    }

    fn wide_quotient(self, a: i128, s1: u8, b: i128, s2: u8) -> Option<i128> {
        if a == 0 {
            return Some(0);
        }
        let sign = a.signum() * b.signum();
        let (a, b) = (i256::from_i128(a).wrapping_abs(), i256::from_i128(b).wrapping_abs());
        // As many digits as fit in front: the quotient then has 38 digits or more.
        let digits = |value: i256| value.to_string().len();
        let extra = 38 + digits(b) - digits(a).min(38 + digits(b));
        let extra = extra.min(76 - digits(a));
        let numerator = a.checked_mul(ten_to(extra))?;
        let quotient = numerator.checked_div(b)?;
        let exact_digits = digits(quotient);
        let scale = i32::from(s1) - i32::from(s2) + i32::try_from(extra).ok()?;
        // To 38 significant digits; what the division dropped lies far behind the digit that rounds.
        let dropped = exact_digits.saturating_sub(38);
        let quotient = divide_half_up(quotient, ten_to(dropped))?;
        let scale = scale - i32::try_from(dropped).ok()?;
        let rounded = match u8::try_from((scale - i32::from(self.scale)).unsigned_abs()).ok()? {
            by if scale >= i32::from(self.scale) => divide_half_up(quotient, ten_to(by.into()))?,
            by => quotient.checked_mul(ten_to(by.into()))?,
        };
        let value = rounded.to_i128()?;
        let value = if sign < 0 { -value } else { value };
        Some(value).filter(|value| fits(*value, self.precision))
    }

    fn remainder(self, a: i128, s1: u8, b: i128, s2: u8) -> Option<i128> {
        let scale = s1.max(s2);
        let remainder = scaled(a, scale - s1).checked_rem(scaled(b, scale - s2))?;
        self.rounded(remainder, scale)
    }

    /// A value of `scale` digits behind the point, in the result's type.
    fn rounded(self, value: i256, scale: u8) -> Option<i128> {
        let negative = value.is_negative();
        let value = value.wrapping_abs();
        let value = match scale.checked_sub(self.scale) {
            Some(drop) => divide_half_up(value, ten_to(drop.into()))?,
            None => value.checked_mul(ten_to((self.scale - scale).into()))?,
        };
        let value = value.to_i128()?;
        Some(if negative { -value } else { value }).filter(|value| fits(*value, self.precision))
    }
}

fn scaled(value: i128, by: u8) -> i256 {
    i256::from_i128(value).wrapping_mul(i256::from_i128(power(by)))
}

fn ten_to(exponent: usize) -> i256 {
    (0..exponent.min(76)).fold(i256::ONE, |power, _| power.wrapping_mul(i256::from_i128(10)))
}

/// `value / divisor` of two positive numbers, rounded half up.
fn divide_half_up(value: i256, divisor: i256) -> Option<i256> {
    let (quotient, rest) = (value.checked_div(divisor)?, value.checked_rem(divisor)?);
    let twice = rest.checked_mul(i256::from_i128(2))?;
    if twice >= divisor { quotient.checked_add(i256::ONE) } else { Some(quotient) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDE: Result128 = Result128 { precision: 38, scale: 6 };

    #[test]
    fn quotients_round_half_up() {
        let result = Result128 { precision: 8, scale: 6 };
        assert_eq!(result.quotient(2, 0, 3, 0), Some(666_667));
        assert_eq!(result.quotient(-2, 0, 3, 0), Some(-666_667));
        assert_eq!(result.quotient(1, 0, 8, 0), Some(125_000));
        assert_eq!(result.quotient(1000, 0, 1, 0), None);
        assert_eq!(WIDE.quotient(power(18), 18, 3 * power(18), 18), Some(333_333));
    }

    #[test]
    fn what_does_not_fit_is_null() {
        let nines = power(38) - 1;
        let whole = Result128 { precision: 38, scale: 0 };
        assert_eq!(whole.sum(nines, 0, 1, 0), None);
        assert_eq!(whole.sum(nines, 0, -1, 0), Some(nines - 1));
        assert_eq!(whole.product(nines, nines, 0), None);
        assert_eq!(WIDE.product(2 * power(18), 3 * power(18), 36), Some(6_000_000));
        assert_eq!(WIDE.remainder(-725, 2, 25, 1), Some(-2_250_000));
    }

    proptest! {
        #[test]
        fn the_fast_quotient_is_the_exact_one(a in -1_000_000_000_000_i128..1_000_000_000_000, b in 1_i128..1_000_000, s1 in 0_u8..4, s2 in 0_u8..4) {
            prop_assert_eq!(WIDE.quotient(a, s1, b, s2), WIDE.wide_quotient(a, s1, b, s2));
            prop_assert_eq!(WIDE.quotient(a, s1, -b, s2), WIDE.wide_quotient(a, s1, -b, s2));
        }

        #[test]
        fn quotients_are_within_half_a_unit(a in any::<i64>(), b in any::<i64>()) {
            prop_assume!(b != 0);
            if let Some(quotient) = WIDE.quotient(a.into(), 0, b.into(), 0) {
                // |a * 10^6 - q * b| <= |b| / 2
                let rest = (i128::from(a) * 1_000_000 - quotient * i128::from(b)).abs();
                prop_assert!(2 * rest <= i128::from(b).abs());
            }
        }
    }
}
