//! The kind of change a row stands for.

use std::fmt;

/// The kind of a row in a changelog, as in Flink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RowKind {
    /// `+I`: a new row.
    #[default]
    Insert = 0,
    /// `-U`: the former content of a row that changes; its `+U` follows.
    UpdateBefore = 1,
    /// `+U`: the new content of a row.
    UpdateAfter = 2,
    /// `-D`: a row is gone.
    Delete = 3,
}

impl RowKind {
    /// `+I`, `-U`, `+U` or `-D`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }

    /// Whether the row is added (`+I`, `+U`) rather than taken back.
    pub fn is_addition(self) -> bool {
        matches!(self, Self::Insert | Self::UpdateAfter)
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}
