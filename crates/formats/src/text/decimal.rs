//! Decimals as Java's `BigDecimal` reads and writes them.

use super::write_integer;

/// What a text is as a `DECIMAL(precision, scale)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParsedDecimal {
    /// The value times 10^scale.
    Value(i128),
    /// A number that has more digits before the point than the type holds. Flink makes it NULL.
    OutOfRange,
}

/// A decimal as Java's `new BigDecimal(text)` reads it (sign, digits with a point, an exponent; no blanks), rounded half up to `scale`.
/// `None` where the text is no number.
///
/// ```
/// use riverrun_formats::text::{ParsedDecimal, parse_decimal};
///
/// assert_eq!(parse_decimal(b"-1.235", 5, 2), Some(ParsedDecimal::Value(-124)));
/// assert_eq!(parse_decimal(b"1e3", 5, 2), Some(ParsedDecimal::OutOfRange));
/// assert_eq!(parse_decimal(b" 1", 5, 2), None);
/// ```
#[inline]
pub fn parse_decimal(text: &[u8], precision: u8, scale: u8) -> Option<ParsedDecimal> {
    match parse_short(text, precision, scale) {
        Some(value) => Some(ParsedDecimal::Value(value)),
        None => parse_any(text, precision, scale),
    }
}

/// Up to 18 digits without exponent that need no rounding and fit.
#[inline]
fn parse_short(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value = 0_u64;
    let mut point = None;
    for (n, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            if *byte != b'.' || point.is_some() {
                return None;
            }
            point = Some(n);
        } else {
            // 19 digits of 9 fit.
            value = value * 10 + u64::from(digit);
        }
    }
    let behind = match point {
        Some(_) if digits.len() == 1 => return None,
        Some(point) => digits.len() - point - 1,
        None => 0,
    };
    let missing = usize::from(scale).checked_sub(behind)?;
    let value = i128::from(value).checked_mul(power_of_ten(missing)?)?;
    (value < power_of_ten(usize::from(precision))?).then_some(if negative { -value } else { value })
}

/// 10^exponent, up to 38.
#[inline]
fn power_of_ten(exponent: usize) -> Option<i128> {
    const POWERS: [i128; 39] = {
        let mut powers = [1_i128; 39];
        let mut n = 1;
        while n < 39 {
            powers[n] = powers[n - 1] * 10;
            n += 1;
        }
        powers
    };
    POWERS.get(exponent).copied()
}

#[cold]
fn parse_any(text: &[u8], precision: u8, scale: u8) -> Option<ParsedDecimal> {
    let (negative, text) = match text {
        [b'-', text @ ..] => (true, text),
        [b'+', text @ ..] => (false, text),
        text => (false, text),
    };
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let (before, behind) = (&mantissa[..point], mantissa.get(point + 1..).unwrap_or_default());
    let digits = || before.iter().chain(behind);
    if digits().next().is_none() || !digits().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits().take_while(|byte| **byte == b'0').count();
    let significant = || digits().skip(zeros).map(|byte| i128::from(byte - b'0'));
    if significant().next().is_none() {
        return Some(ParsedDecimal::Value(0));
    }
    // The result's digits: those before the point and `scale` behind it.
    let length = |count: usize| i64::try_from(count).ok();
    let kept = length(before.len())? + exponent - length(zeros)? + i64::from(scale);
    if kept > i64::from(precision) {
        return Some(ParsedDecimal::OutOfRange);
    }
    let Ok(kept) = usize::try_from(kept) else { return Some(ParsedDecimal::Value(0)) };
    // At most 38 digits, so this cannot overflow.
    let mut value =
        significant().chain(std::iter::repeat(0)).take(kept).fold(0_i128, |value, digit| value * 10 + digit);
    if significant().nth(kept).is_some_and(|digit| digit >= 5) {
        value += 1;
    }
    if value >= power_of_ten(usize::from(precision))? {
        return Some(ParsedDecimal::OutOfRange);
    }
    Some(ParsedDecimal::Value(if negative { -value } else { value }))
}

/// `BigDecimal` takes ten digits that fit 32 bits.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let exponent = super::parse_i64(text)?;
    i32::try_from(exponent).ok().map(i64::from)
}

/// Appends a decimal with all digits of its scale, as `BigDecimal.toPlainString`.
///
/// ```
/// let mut out = Vec::new();
/// riverrun_formats::text::write_decimal(&mut out, -150, 2);
/// assert_eq!(out, b"-1.50");
/// ```
pub fn write_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    write_point(out, digits, usize::from(scale));
}

/// Digits with a point before the last `scale` ones.
fn write_point(out: &mut Vec<u8>, digits: &[u8], scale: usize) {
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => {
            out.extend_from_slice(&digits[..whole]);
            if scale > 0 {
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
            out.extend_from_slice(digits);
        }
    }
}

/// Appends a decimal as `BigDecimal.stripTrailingZeros().toString()`: without trailing zeros, and with an exponent where zeros were
/// stripped before the point (`1E+5`) or more than six follow it (`1E-7`). How Flink's json writes decimals.
///
/// ```
/// let mut out = Vec::new();
/// riverrun_formats::text::write_decimal_stripped(&mut out, -120_000, 2);
/// assert_eq!(out, b"-1.2E+3");
/// ```
pub fn write_decimal_stripped(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    if unscaled == 0 {
        out.push(b'0');
        return;
    }
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &digits[..digits.len() - zeros];
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let scale = i64::from(scale) - length(zeros);
    let exponent = length(digits.len()) - 1 - scale;
    if let Ok(scale) = usize::try_from(scale)
        && exponent >= -6
    {
        write_point(out, digits, scale);
        return;
    }
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.push(b'E');
    if exponent > 0 {
        out.push(b'+');
    }
    write_integer(out, exponent);
}
