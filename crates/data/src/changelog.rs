//! Which row kinds a stream can hold.

use std::fmt;

use crate::RowKind;

/// The set of row kinds that a stream holds or that a sink accepts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangelogMode(u8);

impl ChangelogMode {
    /// Only `+I`: an append-only stream.
    pub const INSERT_ONLY: Self = Self(1);
    /// `+I`, `+U`, `-D`: changes by key, without the former content.
    pub const UPSERT: Self = Self(0b1101);
    /// All four kinds.
    pub const ALL: Self = Self(0b1111);

    /// The set of the given kinds.
    pub fn of(kinds: &[RowKind]) -> Self {
        Self(kinds.iter().fold(0, |set, kind| set | 1 << *kind as u8))
    }

    /// Whether the set has this kind.
    pub fn contains(self, kind: RowKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether every kind of `other` is in this set.
    pub fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set with one kind more.
    #[must_use]
    pub fn with(self, kind: RowKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// This set without one kind.
    #[must_use]
    pub fn without(self, kind: RowKind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    /// Whether the stream holds additions only.
    pub fn is_insert_only(self) -> bool {
        self == Self::INSERT_ONLY
    }
}

impl fmt::Display for ChangelogMode {
    /// As Flink's EXPLAIN writes it: `I,UB,UA,D`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (RowKind::Insert, "I"),
            (RowKind::UpdateBefore, "UB"),
            (RowKind::UpdateAfter, "UA"),
            (RowKind::Delete, "D"),
        ];
        let mut first = true;
        for (kind, name) in names {
            if self.contains(kind) {
                f.write_str(if first { "" } else { "," })?;
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ChangelogMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangelogMode({self})")
    }
}
