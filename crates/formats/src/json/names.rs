//! The fields of a row, found by name.

use std::collections::HashMap;

use super::scan::{Result, behind_colon, flaw, skip_blanks, string_end, value};
use super::string::unescape;
use crate::rows::Slot;

/// The fields of a row by name. It remembers in which order the last object had them, because the next mostly has the same.
pub(super) struct Names {
    fields: HashMap<Vec<u8>, usize>,
    order: Vec<Remembered>,
}

/// A name of the last object.
#[derive(Default)]
struct Remembered {
    /// The name with its closing quote.
    name: Vec<u8>,
    /// Its first eight bytes, or all with zeros behind.
    head: u64,
    /// Which bytes of `head` are of the name.
    mask: u64,
    /// The field it is, if it is one.
    field: Option<usize>,
}

impl Remembered {
    fn set(&mut self, name: &[u8], field: Option<usize>) {
        self.name.clear();
        self.name.extend_from_slice(name);
        let bytes = |byte: fn(u8) -> u64| name.iter().take(8).rev().fold(0, |word, next| word << 8 | byte(*next));
        self.head = bytes(u64::from);
        self.mask = bytes(|_| 0xFF);
        self.field = field;
    }

    /// Whether `text` begins with the name and its closing quote.
    #[inline]
    fn starts(&self, text: &[u8]) -> bool {
        match text.first_chunk::<8>() {
            Some(head) if u64::from_le_bytes(*head) & self.mask != self.head => false,
            Some(_) if self.name.len() <= 8 => true,
            _ => text.starts_with(&self.name),
        }
    }
}

/// More names in one object are not remembered.
const REMEMBERED: usize = 256;

impl Names {
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self { fields: names.enumerate().map(|(n, name)| (name.as_bytes().to_vec(), n)).collect(), order: Vec::new() }
    }

    /// Puts the values of the object at `position` into the slots of their fields; returns the position behind the object.
    #[inline]
    pub(super) fn locate<'a>(
        &mut self,
        text: &'a [u8],
        position: usize,
        row: u32,
        slots: &mut [Slot<'a>],
    ) -> Result<usize> {
        let mut position = skip_blanks(text, position + 1);
        if text.get(position) == Some(&b'}') {
            return Ok(position + 1);
        }
        let mut nth = 0;
        loop {
            if text.get(position) != Some(&b'"') {
                return flaw("a name in quotes", position);
            }
            let start = position + 1;
            let (field, end) = match self.order.get(nth) {
                Some(last) if text.get(start..).is_some_and(|rest| last.starts(rest)) => {
                    (last.field, start + last.name.len())
                }
                _ => self.look_up(text, start, nth)?,
            };
            nth += 1;
            let (slot, end) = value(text, behind_colon(text, end)?, row)?;
            if let Some(place) = field.and_then(|field| slots.get_mut(field)) {
                *place = slot;
            }
            position = skip_blanks(text, end);
            match text.get(position) {
                Some(b',') => position = skip_blanks(text, position + 1),
                Some(b'}') => return Ok(position + 1),
                _ => return flaw("',' or '}'", position),
            }
        }
    }

    /// The field of the name that begins at `start`, behind its quote, and the position behind the closing quote.
    #[inline(never)]
    fn look_up(&mut self, text: &[u8], start: usize, nth: usize) -> Result<(Option<usize>, usize)> {
        let (end, escaped) = string_end(text, start)?;
        let written = text.get(start..end).unwrap_or_default();
        if escaped {
            let mut name = Vec::new();
            let field = unescape(written, &mut name).and_then(|()| self.fields.get(&name).copied());
            return Ok((field, end + 1));
        }
        let field = self.fields.get(written).copied();
        if nth == self.order.len() && nth < REMEMBERED {
            self.order.push(Remembered::default());
        }
        if let Some(last) = self.order.get_mut(nth) {
            last.set(text.get(start..=end).unwrap_or_default(), field);
        }
        Ok((field, end + 1))
    }
}
