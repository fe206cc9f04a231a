//! Where a value lies.

/// What was found at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: a field that is not there.
    Missing,
    /// A NULL that is written as such.
    Null,
    /// A field of a row that is NULL itself.
    Masked,
    /// Text that means itself.
    Text,
    /// Text with escapes.
    Escaped,
    /// Text of a quoted csv field with doubled quotes, and escapes perhaps.
    Quoted,
    /// A json number without point and exponent.
    Integer,
    /// A json number with point or exponent.
    Float,
    /// `true` of json.
    True,
    /// `false` of json.
    False,
    /// A json object, with its braces.
    Object,
    /// A json array, with its brackets.
    Array,
}

/// A value that was located but not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'a> {
    /// Its text.
    pub(crate) text: &'a [u8],
    /// The row it belongs to, counted from the start of the batch.
    pub(crate) row: u32,
    /// What it is.
    pub(crate) kind: Kind,
}

impl<'a> Slot<'a> {
    /// A place where nothing is.
    #[inline]
    pub(crate) fn missing(row: u32) -> Self {
        Self { text: &[], row, kind: Kind::Missing }
    }

    /// The same place with another text.
    #[inline]
    pub(crate) fn with<'b>(self, text: &'b [u8], kind: Kind) -> Slot<'b> {
        Slot { text, row: self.row, kind }
    }
}

/// The slots of one column in a table of rows.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'s, 'a> {
    table: &'s [Slot<'a>],
    column: usize,
    width: usize,
}

impl<'s, 'a> Slots<'s, 'a> {
    /// Column `column` of a table with `width` columns, row after row.
    pub(crate) fn new(table: &'s [Slot<'a>], column: usize, width: usize) -> Self {
        Self { table, column, width: width.max(1) }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len() / self.width
    }

    /// The slots in order.
    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = &'s Slot<'a>> {
        self.table.get(self.column..).unwrap_or_default().iter().step_by(self.width)
    }
}
