//! Numbers and truth values in text, as Flink's casts read them.

use super::decimals::{fits, power};

/// Why a text is no value of the type.
pub(crate) type Reason = &'static str;

const EMPTY: Reason = "it is empty";
const INVALID: Reason = "it has an invalid character";
const NOT_A_NUMBER: Reason = "it is not a number";
const OUT_OF_RANGE: Reason = "it is out of range";

/// An integer between bounds, with spaces around it; a fraction behind a point is read and dropped.
pub(crate) fn parse_integer(text: &str, least: i64, largest: i64) -> Result<i64, Reason> {
    let text = text.trim_matches(' ').as_bytes();
    let (negative, digits) = match text {
        [] => return Err(EMPTY),
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() {
        return Err(INVALID);
    }
    // Negative numbers reach one further than positive ones.
    let mut value = 0_i64;
    let mut bytes = digits.iter();
    for byte in &mut bytes {
        match byte {
            b'0'..=b'9' => {
                value = value
                    .checked_mul(10)
                    .and_then(|value| value.checked_sub(i64::from(byte - b'0')))
                    .ok_or(OUT_OF_RANGE)?;
            }
            b'.' => break,
            _ => return Err(INVALID),
        }
    }
    if !bytes.all(u8::is_ascii_digit) {
        return Err(INVALID);
    }
    let value = if negative { Some(value) } else { value.checked_neg() };
    value.filter(|value| (least..=largest).contains(value)).ok_or(OUT_OF_RANGE)
}

/// A double as Java's `Double.parseDouble` reads it: `1.5`, `1e3`, `.5`, `1d`, `NaN`, `-Infinity`, `0x1p3`.
pub(crate) fn parse_double(text: &str) -> Result<f64, Reason> {
    let text = text.trim_matches(|c: char| c <= ' ');
    if text.is_empty() {
        return Err(EMPTY);
    }
    if let Some(value) = not_finite(text) {
        return Ok(value);
    }
    if let Some(value) = hexadecimal(text) {
        return value.ok_or(NOT_A_NUMBER);
    }
    plain(text)?.parse().map_err(|_| NOT_A_NUMBER)
}

/// A float, rounded once.
pub(crate) fn parse_float(text: &str) -> Result<f32, Reason> {
    let trimmed = text.trim_matches(|c: char| c <= ' ');
    match plain(trimmed) {
        Ok(digits) => digits.parse().map_err(|_| NOT_A_NUMBER),
        // The nearest float to the double: not finite, or hexadecimal.
        #[allow(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
        Err(_) => parse_double(text).map(|value| value as f32),
    }
}

fn not_finite(text: &str) -> Option<f64> {
    let (sign, name) = match text.as_bytes() {
        [b'-', ..] => (-1.0, &text[1..]),
        [b'+', ..] => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match name {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(sign * f64::INFINITY),
        _ => None,
    }
}

/// The digits without Java's type suffix, if they are the digits of a number.
fn plain(text: &str) -> Result<&str, Reason> {
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let starts_well = digits.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let only_digits =
        digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if starts_well && only_digits { Ok(digits) } else { Err(NOT_A_NUMBER) }
}

/// `0x1.8p3`; `None` where the text is not hexadecimal at all.
fn hexadecimal(text: &str) -> Option<Option<f64>> {
    let (sign, rest) = match text.as_bytes() {
        [b'-', ..] => (-1.0, &text[1..]),
        [b'+', ..] => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let value = || {
        let rest = rest.strip_suffix(['d', 'D', 'f', 'F']).filter(|rest| rest.contains(['p', 'P'])).unwrap_or(rest);
        let (mantissa, exponent) = rest.split_once(['p', 'P'])?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut value = 0.0;
        for digit in whole.chars().chain(fraction.chars()) {
            value = value * 16.0 + f64::from(digit.to_digit(16)?);
        }
        let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
        Some(sign * value * 2.0_f64.powi(exponent.parse::<i32>().ok()?.checked_sub(shift)?))
    };
    Some(value())
}

/// The unscaled value of a decimal, rounded half up to its scale, as Java's `BigDecimal` reads it: `1.5`, `.5`, `1e3`.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<i128, Reason> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Err(EMPTY);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NOT_A_NUMBER)?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let is_digit = |(n, byte): (usize, &u8)| Some(n) == point || byte.is_ascii_digit();
    if !digits.iter().enumerate().all(is_digit) || digits.len() == usize::from(point.is_some()) {
        return Err(NOT_A_NUMBER);
    }
    let before = i64::try_from(point.unwrap_or(digits.len())).unwrap_or(i64::MAX);
    // How many digits, from the first, stand before the last digit that is kept, which is followed by the one that rounds.
    let kept = before + i64::from(exponent) + i64::from(scale);
    let mut value = 0_i128;
    let mut seen = 0_i64;
    let mut up = false;
    for digit in digits.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| i128::from(byte - b'0')) {
        if seen >= kept {
            up = seen == kept && digit >= 5;
            break;
        }
        value = value * 10 + digit;
        if !fits(value, 38) {
            return Err(OUT_OF_RANGE);
        }
        seen += 1;
    }
    if seen < kept && value != 0 {
        let missing = u8::try_from(kept - seen).ok().filter(|missing| *missing <= 38).ok_or(OUT_OF_RANGE)?;
        value = value.checked_mul(power(missing)).ok_or(OUT_OF_RANGE)?;
    }
    value += i128::from(up);
    if !fits(value, precision) {
        return Err(OUT_OF_RANGE);
    }
    Ok(if negative { -value } else { value })
}

/// A truth value: `true`, `t`, `yes`, `y`, `1` and their opposites, in any case, without spaces around them.
pub(crate) fn parse_boolean(text: &str) -> Result<bool, Reason> {
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(["true", "t", "yes", "y", "1"]) {
        Ok(true)
    } else if is_one_of(["false", "f", "no", "n", "0"]) {
        Ok(false)
    } else {
        Err("it is not one of true, t, yes, y, 1, false, f, no, n, 0")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_read_as_flink_reads_them() {
        let int = |text| parse_integer(text, i32::MIN.into(), i32::MAX.into()).ok();
        let cases = [
            ("12", Some(12)),
            (" 12 ", Some(12)),
            ("+7", Some(7)),
            ("1.9", Some(1)),
            ("-1.9", Some(-1)),
            ("1.", Some(1)),
            (".5", Some(0)),
            (".", Some(0)),
            ("-", None),
            ("", None),
            ("x", None),
            ("1 2", None),
            ("12a", None),
            ("1.5x", None),
            ("--1", None),
            ("1e3", None),
            ("-2147483648", Some(-2_147_483_648)),
            ("2147483648", None),
            ("99999999999999999999", None),
        ];
        for (text, value) in cases {
            assert_eq!(int(text), value, "{text}");
        }
    }

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        for (text, value) in [
            ("1.5", 1.5),
            (" 1e3 ", 1000.0),
            ("1d", 1.0),
            ("1f", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("0x1p3", 8.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("1e400", f64::INFINITY),
        ] {
            assert_eq!(parse_double(text), Ok(value), "{text}");
        }
        for text in ["", "x", "inf", "infinity", "nan", "1,5", "1e", "+-1", "d", "e5", "1_0"] {
            assert!(parse_double(text).is_err(), "{text}");
        }
        assert!(parse_double("+NaN").is_ok_and(f64::is_nan));
        assert_eq!(parse_float("0.1"), Ok(0.1));
        assert_eq!(parse_float("Infinity"), Ok(f32::INFINITY));
    }

    #[test]
    fn decimals_are_rounded_and_bounded() {
        let cases = [
            ("1.255", Some(126)),
            (" 7 ", Some(700)),
            ("-1.5", Some(-150)),
            ("1e3", None),
            ("99999e-2", Some(99_999)),
            ("-.5e1", Some(-500)),
            ("5.", Some(500)),
            ("1e-3", Some(0)),
            ("0.005", Some(1)),
            ("999.995", None),
            ("999.994999999999999999999999999999999999999999999", Some(99_999)),
            ("1234.5", None),
            ("0000000000000000000000000000000000000000000001", Some(100)),
            ("abc", None),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("1_0", None),
            ("0e99", Some(0)),
        ];
        for (text, value) in cases {
            assert_eq!(parse_decimal(text, 5, 2).ok(), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_that_are_printed_are_read_back(value: i64) {
            prop_assert_eq!(parse_integer(&value.to_string(), i64::MIN, i64::MAX), Ok(value));
        }

        #[test]
        fn decimals_that_are_printed_are_read_back(value in -99_999_999_999_i128..99_999_999_999, scale in 0_u8..11) {
            let mut text = String::new();
            crate::cast::text::write_decimal(&mut text, value, scale);
            prop_assert_eq!(parse_decimal(&text, 11, scale), Ok(value));
        }
    }
}
