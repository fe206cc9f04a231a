//! Where fields and records end.
//!
//! The rules are those of Jackson's csv decoder, which Flink uses: a quote counts at the start of a field only, a doubled quote stands
//! for one, blanks may follow a closing quote, and a line ends with `\n`, `\r` or `\r\n`.

use memchr::{memchr, memchr2, memchr3};

use super::dialect::Dialect;
use crate::rows::Kind;

/// A field that was found.
pub(super) struct Field {
    /// Where its text begins, behind an opening quote.
    pub(super) start: usize,
    /// Where its text ends, before a closing quote.
    pub(super) end: usize,
    /// How the text is to be read.
    pub(super) kind: Kind,
    /// What follows.
    pub(super) next: Next,
}

/// What follows a field.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// Another field, at this position.
    Field(usize),
    /// A line end; the next record is at this position.
    Record(usize),
    /// Nothing.
    End,
}

/// Why there is no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A quoted field has no closing quote.
    OpenQuote,
    /// Something other than a delimiter follows a closing quote, at this position.
    AfterQuote(usize),
    /// The last character is an escape.
    OpenEscape,
}

impl Dialect {
    /// The field that begins at `start`.
    pub(super) fn field(&self, text: &[u8], start: usize) -> Result<Field, Flaw> {
        let mut position = start;
        if self.trim_spaces {
            position = self.skip_blanks(text, position);
        }
        match &self.quote {
            Some(quote) if quote.is_at(text, position) => self.quoted_field(text, position + quote.len()),
            _ => self.plain_field(text, position),
        }
    }

    fn quoted_field(&self, text: &[u8], start: usize) -> Result<Field, Flaw> {
        let Some(quote) = &self.quote else { return Err(Flaw::OpenQuote) };
        let mut kind = Kind::Text;
        let mut position = start;
        let end = loop {
            let rest = text.get(position..).unwrap_or_default();
            let found = match &self.escape {
                Some(escape) => memchr2(quote.first(), escape.first(), rest),
                None => memchr(quote.first(), rest),
            };
            position += found.ok_or(Flaw::OpenQuote)?;
            if quote.is_at(text, position) {
                let behind = position + quote.len();
                if !quote.is_at(text, behind) {
                    break position;
                }
                kind = Kind::Quoted;
                position = behind + quote.len();
            } else if let Some(escape) = &self.escape
                && escape.is_at(text, position)
            {
                kind = Kind::Quoted;
                position += escape.len() + 1;
                if position > text.len() {
                    return Err(Flaw::OpenEscape);
                }
            } else {
                // Another character that begins with the same byte.
                position += 1;
            }
        };
        let behind = self.skip_blanks(text, end + quote.len());
        let next = self.next(text, behind).ok_or(Flaw::AfterQuote(behind))?;
        Ok(Field { start, end, kind, next })
    }

    fn plain_field(&self, text: &[u8], start: usize) -> Result<Field, Flaw> {
        let mut kind = Kind::Text;
        let mut position = start;
        let next = loop {
            let rest = text.get(position..).unwrap_or_default();
            let found = match &self.escape {
                None => memchr3(self.delimiter.first(), b'\n', b'\r', rest),
                Some(escape) => {
                    let line = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    memchr2(self.delimiter.first(), escape.first(), &rest[..line])
                        .or((line < rest.len()).then_some(line))
                }
            };
            position += found.unwrap_or(rest.len());
            if let Some(next) = self.next(text, position) {
                break next;
            }
            if let Some(escape) = &self.escape
                && escape.is_at(text, position)
            {
                kind = Kind::Escaped;
                position += escape.len() + 1;
                if position > text.len() {
                    return Err(Flaw::OpenEscape);
                }
            } else {
                position += 1;
            }
        };
        let mut end = position;
        if self.trim_spaces {
            while end > start && text.get(end - 1).is_some_and(|byte| *byte <= b' ') {
                end -= 1;
            }
        }
        Ok(Field { start, end, kind, next })
    }

    /// What stands at `position`, if it ends a field.
    #[inline]
    fn next(&self, text: &[u8], position: usize) -> Option<Next> {
        match text.get(position) {
            None => Some(Next::End),
            Some(b'\n') => Some(Next::Record(position + 1)),
            Some(b'\r') => Some(Next::Record(position + 1 + usize::from(text.get(position + 1) == Some(&b'\n')))),
            Some(_) if self.delimiter.is_at(text, position) => Some(Next::Field(position + self.delimiter.len())),
            Some(_) => None,
        }
    }

    /// Behind blanks and control characters, but not behind a delimiter or line end.
    fn skip_blanks(&self, text: &[u8], mut position: usize) -> usize {
        while text
            .get(position)
            .is_some_and(|byte| *byte <= b' ' && !matches!(byte, b'\n' | b'\r') && *byte != self.delimiter.first())
        {
            position += 1;
        }
        position
    }

    /// Behind what stands before a record: a byte order mark; comments, blank lines and blanks, if the dialect has comments.
    pub(super) fn record_start(&self, text: &[u8], mut position: usize) -> usize {
        if text.get(position..).is_some_and(|rest| rest.starts_with(b"\xEF\xBB\xBF")) {
            position += 3;
        }
        if !self.allow_comments {
            return position;
        }
        loop {
            while matches!(text.get(position), Some(b' ' | b'\n' | b'\r'))
                && text.get(position) != Some(&self.delimiter.first())
            {
                position += 1;
            }
            if text.get(position) != Some(&b'#') {
                return position;
            }
            let rest = text.get(position..).unwrap_or_default();
            position += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        }
    }

    /// Appends the text that an escaped or quoted field stands for.
    pub(super) fn unescape(&self, text: &[u8], kind: Kind, out: &mut Vec<u8>) {
        let doubled = self.quote.as_ref().filter(|_| kind == Kind::Quoted);
        let mut position = 0;
        while let Some(byte) = text.get(position) {
            if let Some(quote) = doubled
                && quote.is_at(text, position)
                && quote.is_at(text, position + quote.len())
            {
                out.extend_from_slice(quote.bytes());
                position += 2 * quote.len();
            } else if let Some(escape) = &self.escape
                && escape.is_at(text, position)
                && let Some(escaped) = text.get(position + escape.len())
            {
                // Jackson's escapes; every other character stands for itself.
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'0' => 0,
                    other => *other,
                });
                position += escape.len() + 1;
            } else {
                out.push(*byte);
                position += 1;
            }
        }
    }
}
