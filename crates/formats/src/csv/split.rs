//! Finding records in a piece of a file.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};

use super::dialect::Dialect;
use super::scan::{Flaw, Next};
use crate::lines::split_lines;

impl Dialect {
    /// Appends the ranges of the records of `bytes`; returns how many bytes they are, line ends included.
    ///
    /// Comments and blank lines are left out if the dialect has comments. A quoted field that never ends makes the rest of the stream one
    /// record, which cannot be read.
    pub(super) fn split(&self, bytes: &[u8], end: bool, records: &mut Vec<Range<usize>>) -> usize {
        let by_lines = !self.allow_comments && !has_lone_return(bytes);
        if by_lines && !self.has_marks(bytes) {
            return split_lines(bytes, end, records);
        }
        let simple = if by_lines { self.simple_quote(bytes) } else { None };
        let mut start = 0;
        while start < bytes.len() {
            if let Some(quote) = simple {
                start = self.split_quoted(bytes, start, quote, records);
                if start >= bytes.len() {
                    break;
                }
            } else if by_lines
                && let Some(length) = memchr(b'\n', &bytes[start..])
                && !self.has_marks(&bytes[start..start + length])
            {
                records.push(start..line_end(bytes, start, start + length + 1));
                start += length + 1;
                continue;
            }
            let begin = self.record_start(bytes, start);
            if begin >= bytes.len() {
                // A comment may go on in the next piece.
                return if end { bytes.len() } else { start };
            }
            match self.record_end(bytes, begin, end) {
                Some(Next::Record(next)) => {
                    records.push(begin..line_end(bytes, begin, next));
                    start = next;
                }
                Some(_) => {
                    records.push(begin..bytes.len());
                    return bytes.len();
                }
                None => return start,
            }
        }
        start
    }

    /// The quote, if it and the delimiter are the only bytes that tell where a field ends within a line.
    fn simple_quote(&self, bytes: &[u8]) -> Option<u8> {
        let quote = self.quote.as_ref().filter(|quote| quote.len() == 1)?;
        let escapes = self.escape.as_ref().is_some_and(|escape| memchr(escape.first(), bytes).is_some());
        (self.delimiter.len() == 1 && !self.trim_spaces && !escapes).then_some(quote.first())
    }

    /// Appends the records from `start` on in which each quote stands at the edge of a field or beside another; returns where the first
    /// other or unfinished one begins.
    fn split_quoted(&self, bytes: &[u8], start: usize, quote: u8, records: &mut Vec<Range<usize>>) -> usize {
        let delimiter = self.delimiter.first();
        let (mut record, mut quoted) = (start, false);
        for at in memchr2_iter(quote, b'\n', &bytes[start..]).map(|at| start + at) {
            if bytes[at] != quote {
                if !quoted {
                    records.push(record..line_end(bytes, record, at + 1));
                    record = at + 1;
                }
                continue;
            }
            // The second of two quotes opens again what the first has closed.
            let at_edge = if quoted {
                bytes.get(at + 1).is_none_or(|next| [quote, delimiter, b'\r', b'\n'].contains(next))
            } else {
                at == record || [quote, delimiter].contains(&bytes[at - 1])
            };
            if !at_edge {
                break;
            }
            quoted = !quoted;
        }
        record
    }

    /// Whether a quote or escape stands anywhere, so that a line may not be a record.
    fn has_marks(&self, bytes: &[u8]) -> bool {
        match (&self.quote, &self.escape) {
            (Some(quote), Some(escape)) => memchr2(quote.first(), escape.first(), bytes).is_some(),
            (Some(mark), None) | (None, Some(mark)) => memchr(mark.first(), bytes).is_some(),
            (None, None) => false,
        }
    }

    /// What follows the record at `start`; `None` while that depends on bytes to come.
    fn record_end(&self, bytes: &[u8], start: usize, end: bool) -> Option<Next> {
        let mut position = start;
        loop {
            match self.field(bytes, position) {
                Ok(field) => match field.next {
                    Next::Field(next) => position = next,
                    // A return at the end may be the first half of `\r\n`.
                    Next::Record(next) => {
                        return (end || next < bytes.len() || bytes.ends_with(b"\n")).then_some(Next::Record(next));
                    }
                    Next::End => return end.then_some(Next::End),
                },
                // The record is broken but has an end: the decoder tells.
                Err(Flaw::AfterQuote(at)) => {
                    return match memchr2(b'\n', b'\r', &bytes[at..]) {
                        Some(line) => {
                            Some(Next::Record(at + line + 1 + usize::from(bytes[at + line..].starts_with(b"\r\n"))))
                        }
                        None => end.then_some(Next::End),
                    };
                }
                Err(Flaw::OpenQuote | Flaw::OpenEscape) => return end.then_some(Next::End),
            }
        }
    }
}

/// Where the record that is followed by the one at `next` ends.
fn line_end(bytes: &[u8], start: usize, next: usize) -> usize {
    let line = &bytes[start..next];
    next - if line.ends_with(b"\r\n") { 2 } else { 1 }
}

/// Whether a `\r` stands without `\n`, which ends a record too.
fn has_lone_return(bytes: &[u8]) -> bool {
    memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1).is_some_and(|next| *next != b'\n'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use riverrun_base::options::OptionReader;

    use super::*;

    /// The records found field by field.
    fn split_carefully(dialect: &Dialect, bytes: &[u8], end: bool) -> (Vec<Range<usize>>, usize) {
        let (mut records, mut start) = (Vec::new(), 0);
        while start < bytes.len() {
            match dialect.record_end(bytes, dialect.record_start(bytes, start), end) {
                Some(Next::Record(next)) => {
                    records.push(start..line_end(bytes, start, next));
                    start = next;
                }
                Some(_) => {
                    records.push(start..bytes.len());
                    return (records, bytes.len());
                }
                None => break,
            }
        }
        (records, start)
    }

    proptest! {
        #[test]
        fn quotes_at_the_edges_of_fields_split_as_any_others(
            pieces in prop::collection::vec(prop::sample::select(vec!["a", ",", "\"", "\"\"", "\"a,", ",\"", "\",", "\n", "\"\n", "\r\n"]), 0..24),
            end: bool,
        ) {
            let text = pieces.concat();
            let options = OptionReader::new("t", BTreeMap::new()).read_under("csv.").unwrap();
            let dialect = Dialect::new(&options, "csv.").unwrap();
            let mut records = Vec::new();
            let consumed = dialect.split(text.as_bytes(), end, &mut records);
            prop_assert_eq!((records, consumed), split_carefully(&dialect, text.as_bytes(), end));
        }
    }
}
