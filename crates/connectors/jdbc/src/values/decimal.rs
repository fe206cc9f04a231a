//! Decimal numbers as 128-bit integers with a scale.

/// Reads `-12.340` as (-12340, 3); exponents (`1.5e3`) are understood. `None` for what is no number or has more than
/// 38 digits.
pub(crate) fn parse_decimal(text: &str) -> Option<(i128, u8)> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text.get(at + 1..)?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut unscaled = 0i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    let mut scale = i32::try_from(fraction.len()).ok()? - exponent;
    while scale < 0 {
        unscaled = unscaled.checked_mul(10)?;
        scale += 1;
    }
    // what an exponent has moved far behind the point is cut there
    while scale > 76 {
        unscaled /= 10;
        scale -= 1;
    }
    Some((if negative { -unscaled } else { unscaled }, u8::try_from(scale).ok()?))
}

/// The number at another scale, rounded half away from zero where digits are lost, as Flink does; `None` where it has
/// more than `precision` digits then.
pub(crate) fn rescale(unscaled: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let rescaled = if to >= from {
        unscaled.checked_mul(power_of_ten(to - from)?)?
    } else {
        match power_of_ten(from - to) {
            None => 0,
            Some(divisor) => {
                let (quotient, rest) = (unscaled / divisor, unscaled % divisor);
                quotient + if rest.abs() >= divisor - divisor / 2 { unscaled.signum() } else { 0 }
            }
        }
    };
    (rescaled.unsigned_abs() < power_of_ten(precision)?.unsigned_abs()).then_some(rescaled)
}

/// 10 to the power of `exponent`, up to 38.
pub(crate) fn power_of_ten(exponent: u8) -> Option<i128> {
    10i128.checked_pow(u32::from(exponent))
}

/// Appends `-12.340` for (-12340, 3).
pub(crate) fn write_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    let scale = usize::from(scale);
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits);
    }
}
