//! Functions of text. Positions and lengths count characters (Unicode code points), from 1 unless a function says otherwise.

mod case;
mod concat;
mod encoding;
mod format;
mod padding;
mod parts;
mod pattern;
mod regexp;
mod replace;
mod search;
mod split;
#[cfg(test)]
mod tests;
mod trim;
mod url;

use riverrun_data::{DataType, LogicalType as L, MAX_LENGTH};

use super::Argument;

pub(super) use case::FUNCTIONS as CASE;
pub(super) use concat::FUNCTIONS as CONCATENATION;
pub(super) use encoding::FUNCTIONS as ENCODING;
pub(super) use encoding::write_hex;
pub(super) use format::FUNCTIONS as FORMATTING;
pub(super) use padding::FUNCTIONS as PADDING;
pub(super) use parts::FUNCTIONS as PARTS;
pub(super) use regexp::FUNCTIONS as REGULAR_EXPRESSIONS;
pub(super) use replace::FUNCTIONS as REPLACEMENT;
pub(super) use search::FUNCTIONS as SEARCH;
pub(super) use split::FUNCTIONS as SPLITTING;
pub(super) use trim::FUNCTIONS as TRIMMING;
pub(super) use url::FUNCTIONS as URL;

/// How long a text of a type can be.
fn length_of(data_type: &DataType) -> u32 {
    match data_type.logical {
        L::Char(length) | L::VarChar(length) => length,
        _ => MAX_LENGTH,
    }
}

/// `VARCHAR` of the length of an argument.
fn varchar_of(arg: &Argument) -> L {
    L::VarChar(length_of(&arg.data_type))
}

/// The byte at which a text's character `n` (from 0) starts; the text's end where it has no more.
fn offset_of(text: &str, n: usize) -> usize {
    if text.is_ascii() {
        return n.min(text.len());
    }
    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
}

/// How many characters a text has.
fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// A length or position as `usize`; zero where negative, the largest where beyond.
fn as_size(value: i64) -> usize {
    usize::try_from(value.max(0)).unwrap_or(usize::MAX)
}

/// A count as `INT`.
fn as_int(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
