//! Integers, floating point numbers and booleans, as Java reads and writes them.

use lexical_core::WriteFloatOptions;
use lexical_core::format::STANDARD;

/// The text without blanks and control characters around it, as Java's `String.trim`.
///
/// ```
/// assert_eq!(riverrun_formats::text::trim(b" 1\t"), b"1");
/// ```
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => trim_slowly(text),
    }
}

fn trim_slowly(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && *first <= b' '
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && *last <= b' '
    {
        text = rest;
    }
    text
}

/// A whole number as Java's `Long.parseLong` reads it: an optional sign and ASCII digits; `None` for anything else and on overflow.
///
/// ```
/// use riverrun_formats::text::parse_i64;
///
/// assert_eq!((parse_i64(b"-12"), parse_i64(b"+7"), parse_i64(b"1.0")), (Some(-12), Some(7), None));
/// ```
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    // Nothing of 18 digits overflows.
    if digits.is_empty() || digits.len() > 18 {
        return parse_long(negative, digits);
    }
    let mut value = 0_i64;
    let mut rest = digits;
    if let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        value = eight_digits(*chunk)?;
        rest = tail;
        if let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            value = value * 100_000_000 + eight_digits(*chunk)?;
            rest = tail;
        }
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Eight digits in three multiplications: D. Lemire, "Quickly parsing eight digits" (2018).
#[inline]
fn eight_digits(chunk: [u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(chunk);
    let digits = word.wrapping_sub(0x3030_3030_3030_3030);
    if (word.wrapping_add(0x4646_4646_4646_4646) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    i64::try_from(low.wrapping_add(high) >> 32).ok()
}

/// Many digits: leading zeros, the extremes, or an overflow.
#[cold]
fn parse_long(negative: bool, digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted downwards, because there is one negative number more.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// As [`parse_i64`], for `TINYINT`.
pub fn parse_i8(text: &[u8]) -> Option<i8> {
    i8::try_from(parse_i64(text)?).ok()
}

/// As [`parse_i64`], for `SMALLINT`.
pub fn parse_i16(text: &[u8]) -> Option<i16> {
    i16::try_from(parse_i64(text)?).ok()
}

/// As [`parse_i64`], for `INT`.
#[inline]
pub fn parse_i32(text: &[u8]) -> Option<i32> {
    i32::try_from(parse_i64(text)?).ok()
}

/// A boolean as Java's `Boolean.parseBoolean` after trimming: `true` in any case, everything else is false.
///
/// ```
/// use riverrun_formats::text::parse_boolean;
///
/// assert_eq!((parse_boolean(b" True"), parse_boolean(b"1")), (true, false));
/// ```
#[inline]
pub fn parse_boolean(text: &[u8]) -> bool {
    trim(text).eq_ignore_ascii_case(b"true")
}

/// A number as Java's `Double.parseDouble` reads it: blanks around it, `NaN`, `Infinity`, an exponent, a final `d` or `f`. What is too
/// large is infinite. Hexadecimal forms are not read.
///
/// ```
/// use riverrun_formats::text::parse_f64;
///
/// assert_eq!(parse_f64(b" 1.5e3 "), Some(1500.0));
/// assert_eq!(parse_f64(b"-Infinity"), Some(f64::NEG_INFINITY));
/// assert_eq!(parse_f64(b"inf"), None);
/// ```
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    match float_parts(text)? {
        FloatText::Number(number) => lexical_core::parse::<f64>(number).ok(),
        FloatText::Infinite { negative } => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        FloatText::NotANumber => Some(f64::NAN),
    }
}

/// As [`parse_f64`], rounded once to 32 bits as Java's `Float.parseFloat`.
pub fn parse_f32(text: &[u8]) -> Option<f32> {
    match float_parts(text)? {
        FloatText::Number(number) => lexical_core::parse::<f32>(number).ok(),
        FloatText::Infinite { negative } => Some(if negative { f32::NEG_INFINITY } else { f32::INFINITY }),
        FloatText::NotANumber => Some(f32::NAN),
    }
}

enum FloatText<'a> {
    Number(&'a [u8]),
    Infinite { negative: bool },
    NotANumber,
}

#[inline]
fn float_parts(text: &[u8]) -> Option<FloatText<'_>> {
    let text = trim(text);
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    match rest {
        // Only digits decide that this is a number; lexical knows more names for infinity than Java.
        [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => {
            let number = match text {
                [number @ .., b'd' | b'D' | b'f' | b'F'] => number,
                number => number,
            };
            Some(FloatText::Number(number))
        }
        b"NaN" => Some(FloatText::NotANumber),
        b"Infinity" => Some(FloatText::Infinite { negative }),
        _ => None,
    }
}

/// Appends a whole number.
#[inline]
pub fn write_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Java's layout: an exponent below 10^-3 and from 10^7 on, always a digit behind the point.
const JAVA: WriteFloatOptions = WriteFloatOptions::builder()
    .positive_exponent_break(std::num::NonZeroI32::new(6))
    .negative_exponent_break(std::num::NonZeroI32::new(-3))
    .exponent(b'E')
    .nan_string(Some(b"NaN"))
    .inf_string(Some(b"Infinity"))
    .build_unchecked();

/// Appends a number as the `Double.toString` of Java 19 and later: the fewest digits that read back as the same number, `1.0E10` from
/// 10^7 on. Older ones write a digit more now and then.
///
/// ```
/// let mut out = Vec::new();
/// riverrun_formats::text::write_f64(&mut out, 1e10);
/// assert_eq!(out, b"1.0E10");
/// ```
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if value.abs() < 1e-321 && value != 0.0 {
        return write_tiny(out, &format!("{value:.1e}"), &format!("{value:e}"), |text| text.parse() == Ok(value));
    }
    let mut buffer = [0_u8; 64];
    out.extend_from_slice(lexical_core::write_with_options::<f64, STANDARD>(value, &mut buffer, &JAVA));
}

/// Appends a number as Java's `Float.toString`.
pub fn write_f32(out: &mut Vec<u8>, value: f32) {
    if value.abs() < 1e-43 && value != 0.0 {
        return write_tiny(out, &format!("{value:.1e}"), &format!("{value:e}"), |text| text.parse() == Ok(value));
    }
    let mut buffer = [0_u8; 64];
    out.extend_from_slice(lexical_core::write_with_options::<f32, STANDARD>(value, &mut buffer, &JAVA));
}

/// Java writes two digits at least and takes the nearest of those: the smallest number is `4.9E-324`, although `5E-324` reads back too.
#[cold]
fn write_tiny(out: &mut Vec<u8>, two_digits: &str, shortest: &str, reads_back: impl Fn(&str) -> bool) {
    let text = if reads_back(two_digits) { two_digits } else { shortest };
    out.extend(text.bytes().map(|byte| byte.to_ascii_uppercase()));
}
