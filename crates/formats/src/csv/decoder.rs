//! Reads csv records.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use memchr::{memchr, memchr3};
use riverrun_base::{Error, Result};

use super::dialect::Dialect;
use super::scan::{Flaw, Next};
use crate::rows::{Kind, Problems, Rows, Slot, Slots, shorten};
use crate::{DecodeError, Decoded, Decoder};

/// Finds the fields of all records of a block, then reads them column by column.
pub(super) struct CsvDecoder {
    dialect: Arc<Dialect>,
    marks: Option<Marks>,
    rows: Rows,
}

impl CsvDecoder {
    pub(super) fn new(dialect: Arc<Dialect>, schema: SchemaRef) -> Result<Self> {
        let hint = Some("to read empty fields as NULL, set 'csv.null-literal' to ''");
        let rows = Rows::new(schema, Problems::new(dialect.ignore_parse_errors, hint))?;
        Ok(Self { marks: Marks::of(&dialect), dialect, rows })
    }
}

impl Decoder for CsvDecoder {
    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize> {
        Ok(self.dialect.split(bytes, end, messages))
    }

    fn decode(&mut self, messages: &[&[u8]]) -> Result<Decoded, DecodeError> {
        let width = self.rows.columns.len();
        let block = self.rows.block();
        let mut table = vec![Slot::missing(0); block.min(messages.len()) * width];
        let mut first = 0;
        for messages in messages.chunks(block) {
            let mut used = 0;
            let mut ended = false;
            for (n, message) in messages.iter().enumerate() {
                let row = self.rows.next_row();
                let Some(slots) = table.get_mut(used..used + width) else { break };
                match self.locate(message, row, slots) {
                    Ok(()) => {
                        self.rows.located(first + n);
                        used += width;
                    }
                    Err(flaw) => {
                        ended = self.rows.refused(first + n, || describe(&flaw, width, message));
                        if ended {
                            break;
                        }
                    }
                }
            }
            for (n, column) in self.rows.columns.iter_mut().enumerate() {
                self.dialect.read(column, Slots::new(&table[..used], n, width), &mut self.rows.problems);
            }
            if ended || self.rows.problems.first.is_some() {
                break;
            }
            first += messages.len();
        }
        self.rows.finish(messages.len())
    }
}

/// Why a record is no row.
enum Unfit {
    Flaw(Flaw),
    /// How many fields there are instead.
    TooFew(usize),
    /// Fields follow the last column's.
    TooMany,
    /// The message holds no record.
    Nothing,
}

impl From<Flaw> for Unfit {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

fn describe(unfit: &Unfit, width: usize, message: &[u8]) -> Error {
    let (what, hint) = match unfit {
        Unfit::Flaw(Flaw::OpenQuote) => ("a quoted field has no closing quote".to_owned(), None),
        Unfit::Flaw(Flaw::OpenEscape) => ("the row ends in an escape character".to_owned(), None),
        Unfit::Flaw(Flaw::AfterQuote(position)) => {
            (format!("no delimiter follows the closing quote, at byte {position}"), None)
        }
        Unfit::TooFew(count) => (
            format!("the row has {count} of {width} fields"),
            Some("with 'csv.ignore-parse-errors' the fields that are missing are NULL"),
        ),
        Unfit::TooMany => (
            format!("the row has more than {width} fields"),
            Some("with 'csv.ignore-trailing-unmappable' the fields behind the last column are ignored"),
        ),
        Unfit::Nothing => ("the message holds no row".to_owned(), None),
    };
    let error = Error::data(what).with("row", format!("'{}'", shorten(message)));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl CsvDecoder {
    /// Fills a row's slots with the fields of the record in `message`.
    #[inline]
    fn locate<'a>(&self, message: &'a [u8], row: u32, slots: &mut [Slot<'a>]) -> Result<(), Unfit> {
        match &self.marks {
            Some(marks) if marks.locate(message, row, slots) || marks.locate_quoted(message, row, slots) => Ok(()),
            _ => self.locate_carefully(message, row, slots),
        }
    }

    #[inline(never)]
    fn locate_carefully<'a>(&self, message: &'a [u8], row: u32, slots: &mut [Slot<'a>]) -> Result<(), Unfit> {
        let dialect = &self.dialect;
        let width = slots.len();
        let mut position = dialect.record_start(message, 0);
        if position >= message.len() && (width != 1 || dialect.allow_comments) {
            return Err(Unfit::Nothing);
        }
        let mut count = 0;
        loop {
            let field = dialect.field(message, position)?;
            let text = message.get(field.start..field.end).unwrap_or_default();
            if let Some(slot) = slots.get_mut(count) {
                *slot = Slot { text, row, kind: field.kind };
            } else if !(dialect.ignore_trailing || self.is_trailing_delimiter(text, count, width, field.next)) {
                return Err(Unfit::TooMany);
            }
            count += 1;
            match field.next {
                Next::Field(next) => position = next,
                Next::Record(_) | Next::End => break,
            }
        }
        if count < width {
            if !dialect.ignore_parse_errors || dialect.fail_on_missing {
                return Err(Unfit::TooFew(count));
            }
            slots[count..].fill(Slot::missing(row));
        }
        Ok(())
    }

    /// Whether the field behind the last column is an empty one that ends the record.
    fn is_trailing_delimiter(&self, text: &[u8], count: usize, width: usize, next: Next) -> bool {
        self.dialect.allow_trailing_delimiter
            && count == width
            && crate::text::trim(text).is_empty()
            && !matches!(next, Next::Field(_))
    }
}

/// The bytes to look for in records that are plain: eight at a time, as numbers.
struct Marks {
    delimiter: u64,
    quote: u64,
    escape: u64,
    /// Delimiter and quote, in a dialect where these two alone tell where a quoted field ends.
    simple: Option<(u8, u8)>,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte of `word` that is zero, and no other bit.
#[inline]
const fn zeros(word: u64) -> u64 {
    !(((word & LOW) + LOW) | word | LOW)
}

/// Some bit, if any byte of `word` is zero.
#[inline]
const fn any_zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

impl Marks {
    /// `None` for a dialect whose every record needs care.
    fn of(dialect: &Dialect) -> Option<Self> {
        // A mark of zero would be found behind the end.
        let is_zero = [Some(&dialect.delimiter), dialect.quote.as_ref(), dialect.escape.as_ref()]
            .iter()
            .flatten()
            .any(|mark| mark.first() == 0);
        if dialect.delimiter.len() > 1 || dialect.allow_comments || dialect.trim_spaces || is_zero {
            return None;
        }
        let repeat = |byte: u8| ONES * u64::from(byte);
        // Without quote or escape, a line end is looked for once more.
        let first =
            |mark: &Option<super::dialect::Mark>| repeat(mark.as_ref().map_or(b'\n', super::dialect::Mark::first));
        Some(Self {
            delimiter: repeat(dialect.delimiter.first()),
            quote: first(&dialect.quote),
            escape: first(&dialect.escape),
            simple: match (&dialect.quote, &dialect.escape) {
                (Some(quote), None) if quote.len() == 1 => Some((dialect.delimiter.first(), quote.first())),
                _ => None,
            },
        })
    }

    /// Fills a row's slots with the fields of a plain record. `false` if there are more or fewer fields, quotes, escapes or line ends, a
    /// byte order mark, or nothing.
    #[inline]
    fn locate<'a>(&self, message: &'a [u8], row: u32, slots: &mut [Slot<'a>]) -> bool {
        if matches!(message.first(), None | Some(0xEF)) {
            return false;
        }
        let mut cut = Cut { message, row, start: 0, slots: slots.iter_mut() };
        let mut base = 0;
        let (words, tail) = message.as_chunks::<8>();
        for word in words {
            if !self.find(u64::from_le_bytes(*word), base, &mut cut) {
                return false;
            }
            base += 8;
        }
        if !tail.is_empty() {
            // The tail with zeros behind, by way of the eight bytes it ends; a copy of its own would be slower than the search.
            let word = match message.last_chunk::<8>() {
                Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - tail.len())),
                None => tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            };
            if !self.find(word, base, &mut cut) {
                return false;
            }
        }
        cut.at(message.len()) && cut.slots.next().is_none()
    }

    /// As [`Self::locate`], for a record in which fields may be quoted. `false` also if something follows a closing quote.
    #[inline(never)]
    fn locate_quoted<'a>(&self, message: &'a [u8], row: u32, slots: &mut [Slot<'a>]) -> bool {
        let Some((delimiter, quote)) = self.simple.filter(|_| !matches!(message.first(), None | Some(0xEF))) else {
            return false;
        };
        let mut rest = Some(message);
        for slot in slots {
            let Some(field) = rest else { return false };
            let (range, kind, behind) = if field.first() == Some(&quote) {
                let (mut end, mut kind) = (1, Kind::Text);
                loop {
                    let Some(found) = field.get(end..).and_then(|field| memchr(quote, field)) else { return false };
                    end += found;
                    if field.get(end + 1) != Some(&quote) {
                        break;
                    }
                    kind = Kind::Quoted;
                    end += 2;
                }
                (1..end, kind, end + 1)
            } else {
                let end = memchr3(delimiter, b'\n', b'\r', field).unwrap_or(field.len());
                (0..end, Kind::Text, end)
            };
            let Some(text) = field.get(range) else { return false };
            *slot = Slot { text, row, kind };
            rest = match field.get(behind) {
                None => None,
                Some(next) if *next == delimiter => field.get(behind + 1..),
                Some(_) => return false,
            };
        }
        rest.is_none()
    }

    /// Cuts at the delimiters of the eight bytes at `base`.
    #[inline(always)]
    fn find(&self, word: u64, base: usize, cut: &mut Cut<'_, '_>) -> bool {
        let lines = any_zero(word ^ (ONES * 0x0A)) | any_zero(word ^ (ONES * 0x0D));
        if lines | any_zero(word ^ self.quote) | any_zero(word ^ self.escape) != 0 {
            return false;
        }
        let mut delimiters = zeros(word ^ self.delimiter);
        while delimiters != 0 {
            if !cut.at(base + (delimiters.trailing_zeros() / 8) as usize) {
                return false;
            }
            delimiters &= delimiters - 1;
        }
        true
    }
}

/// A record that is being cut into fields.
struct Cut<'s, 'a> {
    message: &'a [u8],
    row: u32,
    start: usize,
    slots: std::slice::IterMut<'s, Slot<'a>>,
}

impl Cut<'_, '_> {
    /// Ends a field at `end`; `false` if there is no slot for it.
    #[inline(always)]
    fn at(&mut self, end: usize) -> bool {
        let (Some(slot), Some(text)) = (self.slots.next(), self.message.get(self.start..end)) else { return false };
        *slot = Slot { text, row: self.row, kind: Kind::Text };
        self.start = end + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use riverrun_base::options::OptionReader;
    use riverrun_data::{DataType, LogicalType, RowField, arrow_schema};

    use super::*;

    proptest! {
        #[test]
        fn quoted_fields_are_cut_at_once_as_with_care(
            pieces in prop::collection::vec(prop::sample::select(vec!["a", ",", "\"", "\"\"", "\"a,", ",\"", "\",", "\n", " "]), 1..16),
            width in 1usize..5,
        ) {
            let text = pieces.concat();
            let field = |n| RowField { name: format!("f{n}"), data_type: DataType::nullable(LogicalType::STRING) };
            let options = OptionReader::new("t", BTreeMap::new()).read_under("csv.").unwrap();
            let dialect = Arc::new(Dialect::new(&options, "csv.").unwrap());
            let decoder = CsvDecoder::new(dialect, arrow_schema(&(0..width).map(field).collect::<Vec<_>>())).unwrap();
            let (mut at_once, mut with_care) = (vec![Slot::missing(0); width], vec![Slot::missing(0); width]);
            if decoder.marks.as_ref().unwrap().locate_quoted(text.as_bytes(), 0, &mut at_once) {
                prop_assert!(decoder.locate_carefully(text.as_bytes(), 0, &mut with_care).is_ok());
                let shown = |slots: &[Slot<'_>]| slots.iter().map(|slot| (slot.text.to_vec(), slot.kind)).collect::<Vec<_>>();
                prop_assert_eq!(shown(&at_once), shown(&with_care));
            }
        }
    }
}
