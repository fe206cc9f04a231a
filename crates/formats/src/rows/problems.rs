//! What could not be read.

use riverrun_base::Error;

use super::Spec;

/// How much of an offending text an error shows.
const SHOWN: usize = 80;

/// The problems of a batch: the first one ends it, or each makes a NULL or costs a row.
pub(crate) struct Problems {
    /// Whether reading goes on (`ignore-parse-errors`).
    pub(crate) ignore: bool,
    /// The problem of the earliest row.
    pub(crate) first: Option<(u32, Error)>,
    /// Rows to leave out, in no order.
    pub(crate) bad_rows: Vec<u32>,
    /// What to do about an empty text that is no value.
    empty_hint: Option<&'static str>,
}

impl Problems {
    pub(crate) fn new(ignore: bool, empty_hint: Option<&'static str>) -> Self {
        Self { ignore, first: None, bad_rows: Vec::new(), empty_hint }
    }

    /// What was noted, leaving nothing.
    pub(crate) fn take(&mut self) -> Self {
        let bad_rows = std::mem::take(&mut self.bad_rows);
        Self { ignore: self.ignore, first: self.first.take(), bad_rows, empty_hint: self.empty_hint }
    }

    /// Notes that a row cannot be had. Columns are read one after the other, so an earlier row's problem may come later.
    #[cold]
    pub(crate) fn report(&mut self, row: u32, error: impl FnOnce() -> Error) {
        if self.ignore {
            self.bad_rows.push(row);
        } else if self.first.as_ref().is_none_or(|(first, _)| row < *first) {
            self.first = Some((row, error()));
        }
    }

    /// Notes a text that is no value of its column.
    #[cold]
    pub(crate) fn unreadable(&mut self, row: u32, spec: &Spec, text: &[u8]) {
        let hint = self.empty_hint.filter(|_| text.is_empty());
        self.report(row, || {
            let error = Error::data(format!("cannot read '{}' as {}", shorten(text), spec.data_type.logical))
                .with("column", &spec.path);
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        });
    }

    /// Notes a NULL in a column that has none.
    #[cold]
    pub(crate) fn unexpected_null(&mut self, row: u32, spec: &Spec) {
        self.report(row, || {
            Error::data("NULL in a column that is NOT NULL").with("column", &spec.path).with("type", &spec.data_type)
        });
    }
}

/// The text as an error shows it: what is no UTF-8 replaced, and a long one cut.
pub(crate) fn shorten(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(text.get(..4 * SHOWN).unwrap_or(text));
    match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &shown[..end]),
        None => shown.into_owned(),
    }
}
