//! Random strings of hexadecimal digits, and random bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::buffer::OffsetBuffer;
use riverrun_base::Result;

use super::{Rows, Values, refused};
use crate::random::{below, draw, mix};

/// How long the values are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    /// The longest.
    pub most: usize,
    /// Whether the lengths are random, from 1 to one less than the longest, as in Flink.
    pub varies: bool,
}

impl Length {
    fn offsets(self, rows: &Rows) -> OffsetBuffer<i32> {
        if self.varies && self.most > 2 {
            let lengths = Rows { seed: mix(rows.seed), nulls: None, ..*rows }.draws();
            let span = self.most as u64 - 1;
            let length = |random| usize::try_from(below(random, span)).unwrap_or(0) + 1;
            OffsetBuffer::from_lengths(lengths.map(length))
        } else {
            let length = if self.varies { self.most.min(1) } else { self.most };
            OffsetBuffer::from_repeated_length(length, rows.count)
        }
    }
}

/// The values one behind the other, each made from its row's random number in pieces of up to `N` bytes.
fn bytes<const N: usize>(rows: &Rows, offsets: &OffsetBuffer<i32>, piece: impl Fn(u64) -> [u8; N]) -> Vec<u8> {
    let total = offsets.last().and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
    let mut bytes = vec![0; total];
    let mut rest = bytes.as_mut_slice();
    for (random, length) in rows.draws().zip(offsets.lengths()) {
        let (value, behind) = rest.split_at_mut(length);
        rest = behind;
        for (n, part) in value.chunks_mut(N).enumerate() {
            part.copy_from_slice(&piece(draw(random, n as u64))[..part.len()]);
        }
    }
    bytes
}

/// `CHAR`, `VARCHAR` and `STRING`: hexadecimal digits in lower case.
pub(crate) struct Text(pub Length);

impl Values for Text {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let offsets = self.0.offsets(rows);
        let text = bytes(rows, &offsets, hex);
        Ok(Arc::new(StringArray::try_new(offsets, text.into(), rows.nulls.clone()).map_err(refused)?))
    }

    fn width(&self) -> usize {
        self.0.most
    }
}

/// `BINARY`, `VARBINARY` and `BYTES`.
pub(crate) struct Binary(pub Length);

impl Values for Binary {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let offsets = self.0.offsets(rows);
        let values = bytes(rows, &offsets, u64::to_le_bytes);
        Ok(Arc::new(BinaryArray::try_new(offsets, values.into(), rows.nulls.clone()).map_err(refused)?))
    }

    fn width(&self) -> usize {
        self.0.most
    }
}

/// The sixteen hexadecimal digits of a number, in an order of their own: all are random.
fn hex(random: u64) -> [u8; 16] {
    let low = digits(random & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes();
    let high = digits(random >> 4 & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes();
    let mut hex = [0; 16];
    hex[..8].copy_from_slice(&low);
    hex[8..].copy_from_slice(&high);
    hex
}

/// Eight digits at once, from eight bytes of 0 to 15: `'0' + digit`, and 39 more from `a` on.
fn digits(values: u64) -> u64 {
    let letters = (values + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    values + 0x3030_3030_3030_3030 + letters * 39
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_written() {
        let mut seen = std::collections::BTreeSet::new();
        for random in [0x0123_4567_89ab_cdef_u64, 0, u64::MAX] {
            let mut written: Vec<u8> = hex(random).to_vec();
            let mut expected = format!("{random:016x}").into_bytes();
            written.sort_unstable();
            expected.sort_unstable();
            assert_eq!(written, expected);
            seen.extend(written);
        }
        assert_eq!(seen.len(), 16);
    }
}
