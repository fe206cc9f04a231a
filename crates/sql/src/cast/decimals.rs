//! Decimals as unscaled 128-bit integers: scaling, rounding and bounds.

/// Ten to the power of its index.
pub(crate) const POWERS: [i128; 39] = {
    let mut powers = [1_i128; 39];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// Ten to the power of `exponent`, up to 38.
pub(crate) fn power(exponent: u8) -> i128 {
    POWERS.get(usize::from(exponent)).copied().unwrap_or(i128::MAX)
}

/// Whether an unscaled value has at most `precision` digits.
#[inline]
pub(crate) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < power(precision).unsigned_abs()
}

/// The unscaled value in another scale, rounded half up (away from zero); `None` beyond `precision`.
#[inline]
pub(crate) fn rescale(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let scaled =
        if to >= from { value.checked_mul(power(to - from))? } else { divide_half_up(value, power(from - to)) };
    fits(scaled, precision).then_some(scaled)
}

/// `value / divisor` rounded half up (away from zero). The divisor is positive.
#[inline]
pub(crate) fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    let up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    if !up || rest == 0 { quotient } else { quotient + value.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(
            [125, 135, -125, -124, 124].map(|value| rescale(value, 2, 1, 38)),
            [Some(13), Some(14), Some(-13), Some(-12), Some(12)]
        );
        assert_eq!(rescale(1, 0, 38, 38), None);
        assert_eq!(rescale(99_995, 2, 1, 4), None);
        assert_eq!(rescale(i128::MAX, 38, 0, 38), Some(2));
    }
}
