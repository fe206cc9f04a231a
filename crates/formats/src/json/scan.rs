//! Where the values of JSON begin and end (RFC 8259), without reading them.
//!
//! Like Flink's parser it lets control characters stand in strings. Nesting is followed 1000 deep, as Jackson does.

use crate::rows::{Kind, Slot};

/// What is wrong with a text that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// What was expected.
    pub(super) expected: &'static str,
    /// Where, in bytes.
    pub(super) position: usize,
}

pub(super) type Result<T> = std::result::Result<T, Flaw>;

pub(super) const fn flaw<T>(expected: &'static str, position: usize) -> Result<T> {
    Err(Flaw { expected, position })
}

/// The position of the next byte that is no blank.
#[inline]
pub(super) fn skip_blanks(text: &[u8], mut position: usize) -> usize {
    while matches!(text.get(position), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        position += 1;
    }
    position
}

/// The value at `position`, which is no blank, and the position behind it.
// Inlined, because a result that goes through memory costs more than finding a short value.
#[inline(always)]
pub(super) fn value(text: &[u8], position: usize, row: u32) -> Result<(Slot<'_>, usize)> {
    let slot = |range: std::ops::Range<usize>, kind| Slot { text: text.get(range).unwrap_or_default(), row, kind };
    match text.get(position) {
        Some(b'"') => {
            let (end, escaped) = string_end(text, position + 1)?;
            Ok((slot(position + 1..end, if escaped { Kind::Escaped } else { Kind::Text }), end + 1))
        }
        Some(b'-' | b'0'..=b'9') => {
            let (end, kind) = number_end(text, position)?;
            Ok((slot(position..end, kind), end))
        }
        Some(first @ (b'{' | b'[')) => {
            let end = container_end(text, position)?;
            Ok((slot(position..end, if *first == b'{' { Kind::Object } else { Kind::Array }), end))
        }
        _ => {
            let (word, kind): (&[u8], _) = match text.get(position) {
                Some(b't') => (b"true", Kind::True),
                Some(b'f') => (b"false", Kind::False),
                _ => (b"null", Kind::Null),
            };
            let end = position + word.len();
            if text.get(position..end) != Some(word) {
                return flaw("a value", position);
            }
            Ok((slot(position..end, kind), end))
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of the first zero byte of `word`; bits above it mean nothing.
#[inline]
const fn first_zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & 0x8080_8080_8080_8080
}

/// Where the string that begins at `start`, behind its quote, ends, before its closing quote; and whether it has escapes.
#[inline(always)]
pub(super) fn string_end(text: &[u8], start: usize) -> Result<(usize, bool)> {
    let mut position = start;
    let mut escaped = false;
    loop {
        // Eight bytes at a time.
        while let Some(word) = text.get(position..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*word);
            let found = first_zero(word ^ (ONES * 0x22)) | first_zero(word ^ (ONES * 0x5C));
            if found != 0 {
                position += (found.trailing_zeros() / 8) as usize;
                break;
            }
            position += 8;
        }
        match text.get(position) {
            Some(b'"') => return Ok((position, escaped)),
            Some(b'\\') => {
                escaped = true;
                position = behind_escape(text, position)?;
            }
            Some(_) => position += 1,
            None => return flaw("the string to end", start),
        }
    }
}

/// Behind the escape that begins at `start`.
#[inline(never)]
fn behind_escape(text: &[u8], start: usize) -> Result<usize> {
    let rest = text.get(start + 1..).unwrap_or_default();
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(start + 2),
        [b'u', digits @ ..] if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => Ok(start + 6),
        _ => flaw("an escape", start),
    }
}

/// Where the number at `start` ends, and whether it is an integer.
#[inline(always)]
fn number_end(text: &[u8], start: usize) -> Result<(usize, Kind)> {
    let digits = |mut position: usize| {
        while text.get(position).is_some_and(u8::is_ascii_digit) {
            position += 1;
        }
        position
    };
    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let mut end = digits(first);
    match end - first {
        0 => return flaw("a digit", end),
        1 => {}
        _ if text.get(first) == Some(&b'0') => return flaw("a number without leading zeros", start),
        _ => {}
    }
    if !matches!(text.get(end), Some(b'.' | b'e' | b'E')) {
        return Ok((end, Kind::Integer));
    }
    if text.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = digits(fraction);
        if end == fraction {
            return flaw("a digit", end);
        }
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let exponent = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(exponent);
        if end == exponent {
            return flaw("a digit", end);
        }
    }
    Ok((end, Kind::Float))
}

/// How deep values may be nested.
const DEPTH: usize = 1_000;

/// Where the object or array at `start` ends, behind its brace.
#[inline(never)]
fn container_end(text: &[u8], start: usize) -> Result<usize> {
    let mut is_object = [false; DEPTH];
    let mut depth = 0;
    let mut position = start;
    loop {
        // At a value.
        if let Some(first @ (b'{' | b'[')) = text.get(position) {
            let object = *first == b'{';
            let Some(level) = is_object.get_mut(depth) else {
                return flaw("less than 1000 levels of nesting", position);
            };
            *level = object;
            depth += 1;
            position = skip_blanks(text, position + 1);
            let empty = text.get(position) == Some(if object { &b'}' } else { &b']' });
            if !empty {
                if object {
                    position = behind_name(text, position)?;
                }
                continue;
            }
            depth -= 1;
            position += 1;
        } else {
            position = value(text, position, 0)?.1;
        }
        // Behind a value.
        while depth > 0 {
            position = skip_blanks(text, position);
            let object = is_object[depth - 1];
            match text.get(position) {
                Some(b',') => {
                    position = skip_blanks(text, position + 1);
                    if object {
                        position = behind_name(text, position)?;
                    }
                    break;
                }
                Some(b'}') if object => depth -= 1,
                Some(b']') if !object => depth -= 1,
                _ => return flaw(if object { "',' or '}'" } else { "',' or ']'" }, position),
            }
            position += 1;
        }
        if depth == 0 {
            return Ok(position);
        }
    }
}

/// Behind the name and the colon at `position`.
fn behind_name(text: &[u8], position: usize) -> Result<usize> {
    if text.get(position) != Some(&b'"') {
        return flaw("a name in quotes", position);
    }
    let (end, _) = string_end(text, position + 1)?;
    behind_colon(text, end + 1)
}

/// Behind the colon that follows a name, at the value.
#[inline]
pub(super) fn behind_colon(text: &[u8], position: usize) -> Result<usize> {
    let position = skip_blanks(text, position);
    if text.get(position) != Some(&b':') {
        return flaw("':'", position);
    }
    Ok(skip_blanks(text, position + 1))
}

/// Calls `each` for every element of the array at `position`, with the position behind; returns the position behind the array.
pub(super) fn elements<'a>(text: &'a [u8], position: usize, row: u32, mut each: impl FnMut(Slot<'a>)) -> Result<usize> {
    let mut position = skip_blanks(text, position + 1);
    if text.get(position) == Some(&b']') {
        return Ok(position + 1);
    }
    loop {
        let (slot, end) = value(text, position, row)?;
        each(slot);
        position = skip_blanks(text, end);
        match text.get(position) {
            Some(b',') => position = skip_blanks(text, position + 1),
            Some(b']') => return Ok(position + 1),
            _ => return flaw("',' or ']'", position),
        }
    }
}

/// Calls `each` for every name (without quotes, and whether it has escapes) and value of the object at `position`.
pub(super) fn entries<'a>(
    text: &'a [u8],
    position: usize,
    row: u32,
    mut each: impl FnMut(Slot<'a>, Slot<'a>),
) -> Result<usize> {
    let mut position = skip_blanks(text, position + 1);
    if text.get(position) == Some(&b'}') {
        return Ok(position + 1);
    }
    loop {
        if text.get(position) != Some(&b'"') {
            return flaw("a name in quotes", position);
        }
        let (name, end) = value(text, position, row)?;
        let (slot, end) = value(text, behind_colon(text, end)?, row)?;
        each(name, slot);
        position = skip_blanks(text, end);
        match text.get(position) {
            Some(b',') => position = skip_blanks(text, position + 1),
            Some(b'}') => return Ok(position + 1),
            _ => return flaw("',' or '}'", position),
        }
    }
}
