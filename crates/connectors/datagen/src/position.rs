//! Where a split goes on, as bytes in a checkpoint: a version, then four numbers of eight bytes, little-endian.

use riverrun_base::{Error, Result};

use crate::schedule::Share;

const VERSION: u8 = 1;

/// Where a split goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which of the table's rows it has.
    pub share: Share,
    /// The number in the split of its next row.
    pub next: u64,
    /// What its random values start from.
    pub seed: u64,
}

impl Position {
    pub(crate) fn encode(self) -> Vec<u8> {
        let numbers = [self.share.index, self.share.of, self.next, self.seed];
        std::iter::once(VERSION).chain(numbers.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let bad = || Error::internal(format!("a datagen position of {} bytes cannot be read", bytes.len()));
        let Some((&VERSION, numbers)) = bytes.split_first() else { return Err(bad()) };
        let mut numbers = numbers.chunks(8).map(|number| number.try_into().map(u64::from_le_bytes));
        let mut next = || numbers.next().and_then(Result::ok).ok_or_else(bad);
        let position = Self { share: Share { index: next()?, of: next()? }, next: next()?, seed: next()? };
        if position.share.of == 0 { Err(bad()) } else { Ok(position) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_position_is_read_back_and_garbage_is_refused() {
        let position = Position { share: Share { index: 1, of: 3 }, next: 1 << 40, seed: u64::MAX };
        assert_eq!(Position::decode(&position.encode()).unwrap(), position);
        for bytes in [&[][..], &[VERSION; 5], &[0; 33], &[VERSION]] {
            assert!(Position::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
