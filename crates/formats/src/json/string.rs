//! Strings of JSON: their escapes, and values as text.

use super::scan::{skip_blanks, string_end};
use crate::rows::Kind;
use crate::text::{parse_f64, write_f64};

/// Appends what a string with escapes stands for; `None` for an escape that JSON does not have. Half a surrogate pair becomes `?`, as in
/// Java.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (escape, behind) = rest[at + 1..].split_first()?;
        rest = behind;
        match escape {
            b'"' | b'\\' | b'/' => out.push(*escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (unit, behind) = code_unit(rest)?;
                rest = behind;
                let mut units = [unit, 0];
                let mut count = 1;
                if (0xD800..0xDC00).contains(&unit)
                    && let Some(low) = rest.strip_prefix(b"\\u")
                    && let Some((low @ 0xDC00..0xE000, behind)) = code_unit(low)
                {
                    units[1] = low;
                    count = 2;
                    rest = behind;
                }
                for character in char::decode_utf16(units.into_iter().take(count)) {
                    let mut buffer = [0; 4];
                    out.extend_from_slice(character.unwrap_or('?').encode_utf8(&mut buffer).as_bytes());
                }
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest);
    Some(())
}

fn code_unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

/// Whether a byte cannot stand for itself in a string: 1 where JSON says so, 2 where it begins a character beyond U+FFFF.
const SPECIAL: [u8; 256] = {
    let mut special = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize {
            special[byte] = 1;
        } else if byte >= 0xF0 {
            special[byte] = 2;
        }
        byte += 1;
    }
    special
};

/// Appends `text` in quotes, escaped as Jackson does. With `surrogates`, characters beyond U+FFFF are written as two escapes, as
/// Jackson does when it writes bytes.
#[inline]
pub(super) fn write_string(out: &mut Vec<u8>, text: &str, surrogates: bool) {
    let bytes = text.as_bytes();
    let limit = if surrogates { 1 } else { 2 };
    out.push(b'"');
    let special = |byte: &u8| SPECIAL[usize::from(*byte)] != 0;
    if bytes.iter().any(special) {
        write_escaped(out, text, limit);
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
}

#[inline(never)]
fn write_escaped(out: &mut Vec<u8>, text: &str, limit: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let unit = |out: &mut Vec<u8>, unit: u16| {
        out.extend_from_slice(b"\\u");
        out.extend([12, 8, 4, 0].map(|shift| HEX[usize::from(unit >> shift & 15)]));
    };
    for character in text.chars() {
        let short = match character {
            '"' | '\\' => u8::try_from(character).ok(),
            '\u{8}' => Some(b'b'),
            '\u{c}' => Some(b'f'),
            '\n' => Some(b'n'),
            '\r' => Some(b'r'),
            '\t' => Some(b't'),
            _ => None,
        };
        if let Some(short) = short {
            out.extend_from_slice(&[b'\\', short]);
        } else if character < ' ' || (character > '\u{FFFF}' && limit == 1) {
            for part in character.encode_utf16(&mut [0; 2]) {
                unit(out, *part);
            }
        } else {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Appends an object or array as a `STRING` column shows it: without blanks, and with numbers as Java writes doubles.
pub(super) fn write_compact(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let mut position = skip_blanks(text, 0);
    let mut string = Vec::new();
    while let Some(byte) = text.get(position) {
        match byte {
            b'"' => {
                let (end, _) = string_end(text, position + 1).ok()?;
                string.clear();
                unescape(text.get(position + 1..end)?, &mut string)?;
                write_string(out, std::str::from_utf8(&string).ok()?, false);
                position = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let (number, end) = super::scan::value(text, position, 0).ok()?;
                match number.kind {
                    Kind::Float => write_float(out, parse_f64(number.text)?),
                    _ if number.text == b"-0" => out.push(b'0'),
                    _ => out.extend_from_slice(number.text),
                }
                position = end;
            }
            _ => {
                out.push(*byte);
                position += 1;
            }
        }
        position = skip_blanks(text, position);
    }
    Some(())
}

/// Appends a number, in quotes where JSON has none for it.
pub(super) fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        write_f64(out, value);
    } else {
        out.push(b'"');
        write_f64(out, value);
        out.push(b'"');
    }
}
