//! The shortest decimal digits that tell a double from its neighbours, for printing it as Java does and for rounding it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a double has at most 17 digits and an exponent of three"
)]

use std::fmt::{self, Write};

use crate::eval::Text;

/// `0.d1d2d3... * 10^exponent`, with no zero at either end; no digits for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    digits: [u8; 20],
    length: usize,
    exponent: i32,
    negative: bool,
}

/// Collects what a number formats itself to, on the stack.
struct Buffer {
    bytes: [u8; 32],
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Digits {
    /// The digits of a finite double.
    pub(crate) fn of(value: f64) -> Self {
        if value.abs() < 1e-300 {
            // Java prints two digits at least, which shows where doubles are coarse: 4.9E-324.
            let two = Self::parsed(format_args!("{value:.1e}"));
            let shortest = Self::parsed(format_args!("{value:e}"));
            return if shortest.length < 2 { two } else { shortest };
        }
        Self::parsed(format_args!("{value:e}"))
    }

    /// The digits of a finite float, which are fewer than those of the double it equals.
    pub(crate) fn of_float(value: f32) -> Self {
        Self::parsed(format_args!("{value:e}"))
    }

    /// From Rust's `d.ddde±n`.
    fn parsed(text: fmt::Arguments<'_>) -> Self {
        let mut buffer = Buffer { bytes: [0; 32], length: 0 };
        let mut result = Self { digits: [0; 20], length: 0, exponent: 0, negative: false };
        if buffer.write_fmt(text).is_err() {
            return result;
        }
        let bytes = &buffer.bytes[..buffer.length];
        let (mantissa, exponent) = match bytes.iter().position(|byte| *byte == b'e') {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (bytes, &bytes[..0]),
        };
        for byte in mantissa {
            match byte {
                b'-' => result.negative = true,
                b'0'..=b'9' if result.length < 20 => {
                    result.digits[result.length] = byte - b'0';
                    result.length += 1;
                }
                _ => {}
            }
        }
        let sign = if exponent.first() == Some(&b'-') { -1 } else { 1 };
        let exponent =
            exponent.iter().filter(|byte| byte.is_ascii_digit()).fold(0, |sum, byte| sum * 10 + i32::from(byte - b'0'));
        result.exponent = sign * exponent + 1;
        while result.length > 0 && result.digits[result.length - 1] == 0 {
            result.length -= 1;
        }
        result
    }

    /// Whether the number is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.length == 0
    }

    /// The unscaled value with `scale` digits behind the point, rounded half up; `None` beyond 38 digits.
    pub(crate) fn unscaled(&self, scale: u8) -> Option<i128> {
        let kept = self.exponent + i32::from(scale);
        if self.is_zero() || kept < 0 {
            return Some(0);
        }
        if kept > 38 {
            return None;
        }
        let kept = usize::try_from(kept).unwrap_or_default();
        let mut value = 0_i128;
        for n in 0..kept {
            value = value * 10 + i128::from(if n < self.length { self.digits[n] } else { 0 });
        }
        value += i128::from(kept < self.length && self.digits[kept] >= 5);
        Some(if self.negative { -value } else { value })
    }

    /// The number rounded half up to `places` behind the point (before it, where negative), as a double; `None` where it has no more.
    pub(crate) fn rounded(&self, places: i64) -> Option<f64> {
        let kept = self.kept(places)?;
        let up = kept.is_some_and(|kept| self.digits[kept] >= 5);
        self.double(kept.unwrap_or_default(), up, places)
    }

    /// The number cut off after `places` behind the point (before it, where negative), as a double; `None` where it has no more.
    pub(crate) fn cut(&self, places: i64) -> Option<f64> {
        let kept = self.kept(places)?;
        self.double(kept.unwrap_or_default(), false, places)
    }

    /// How many digits stand before the place that rounds; `Some(None)` where it lies further left than the first, `None` where all are kept.
    fn kept(&self, places: i64) -> Option<Option<usize>> {
        let kept = i64::from(self.exponent).saturating_add(places);
        if kept >= self.length as i64 { None } else { Some(usize::try_from(kept).ok()) }
    }

    /// The first `kept` digits, one more in the last place if `up`, with `places` behind the point.
    fn double(&self, kept: usize, up: bool, places: i64) -> Option<f64> {
        let value = self.digits[..kept].iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit)) + u64::from(up);
        if value == 0 {
            return Some(0.0);
        }
        let mut buffer = Buffer { bytes: [0; 32], length: 0 };
        let sign = if self.negative { "-" } else { "" };
        write!(buffer, "{sign}{value}e{}", -places).ok()?;
        std::str::from_utf8(&buffer.bytes[..buffer.length]).ok()?.parse().ok()
    }

    /// Writes it as Java's `Double.toString`: plain from 0.001 to ten million, else with an exponent.
    fn write(&self, out: &mut impl Text) {
        if self.negative && !self.is_zero() {
            out.push("-");
        }
        let digits = &self.digits[..self.length];
        match self.exponent {
            _ if digits.is_empty() => out.push("0.0"),
            exponent @ -2..=0 => {
                out.push(&"0.00"[..2 + exponent.unsigned_abs() as usize]);
                put(out, digits);
            }
            exponent @ 1..=7 => {
                let whole = usize::try_from(exponent).unwrap_or_default();
                put(out, &digits[..whole.min(digits.len())]);
                out.push(&"0000000"[..whole.saturating_sub(digits.len())]);
                out.push(".");
                put(out, digits.get(whole..).filter(|rest| !rest.is_empty()).unwrap_or(&[0]));
            }
            exponent => {
                put(out, &digits[..1]);
                out.push(".");
                put(out, digits.get(1..).filter(|rest| !rest.is_empty()).unwrap_or(&[0]));
                let _infallible = write!(out, "E{}", exponent - 1);
            }
        }
    }
}

fn put(out: &mut impl Text, digits: &[u8]) {
    for digit in digits {
        out.push_char(char::from(b'0' + digit));
    }
}

/// Writes a double as Java prints it.
pub(crate) fn write_double(out: &mut impl Text, value: f64) {
    match special(value) {
        Some(text) => out.push(text),
        None => {
            if value == 0.0 && value.is_sign_negative() {
                out.push("-");
            }
            Digits::of(value).write(out);
        }
    }
}

/// Writes a float as Java prints it.
pub(crate) fn write_float(out: &mut impl Text, value: f32) {
    match special(f64::from(value)) {
        Some(text) => out.push(text),
        None => {
            if value == 0.0 && value.is_sign_negative() {
                out.push("-");
            }
            Digits::of_float(value).write(out);
        }
    }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn printed(value: f64) -> String {
        let mut text = String::new();
        write_double(&mut text, value);
        text
    }

    #[test]
    fn doubles_print_as_in_java() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.5e10, "1.5E10"),
            (-2.25, "-2.25"),
            (1234.5, "1234.5"),
            (123_456_789.125, "1.23456789125E8"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (0.012, "0.012"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(printed(value), text);
        }
        let mut text = String::new();
        write_float(&mut text, 16_777_216.0);
        text.push(' ');
        write_float(&mut text, 0.1);
        assert_eq!(text, "1.6777216E7 0.1");
    }

    #[test]
    fn doubles_round_by_their_shortest_digits() {
        assert_eq!(Digits::of(1.005).rounded(2), Some(1.01));
        assert_eq!(Digits::of(-2.5).rounded(0), Some(-3.0));
        assert_eq!(Digits::of(123.456).rounded(-1), Some(120.0));
        assert_eq!(Digits::of(5.0).rounded(-1), Some(10.0));
        assert_eq!(Digits::of(4.0).rounded(-2), Some(0.0));
        assert_eq!(Digits::of(1.5).rounded(3), None);
        assert_eq!(Digits::of(1.255).unscaled(2), Some(126));
        assert_eq!(Digits::of(1e38).unscaled(1), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(value: f64) {
            prop_assume!(value.is_finite());
            prop_assert_eq!(printed(value).parse::<f64>().unwrap(), value);
        }
    }
}
