//! Cells as they lie beside a message, in the form of HBase's `KeyValueCodec`, one behind the other:
//!
//! ```text
//! u32 length of what follows
//! u32 length of the key, u32 length of the value
//! key: u16 length, row · u8 length, family · qualifier (the rest) · i64 time · u8 type
//! value
//! ```
//!
//! Numbers are big-endian.

use bytes::{Buf, Bytes};

use crate::row::Cell;

/// The longest row, qualifier and value together that are sent, so that every length fits.
pub(crate) const CELL_BYTES_MAX: usize = 128 << 20;

/// The time that stands for the server's clock.
pub(crate) const NOW: i64 = i64::MAX;

/// The type of a cell that is put.
const PUT: u8 = 4;

/// In a key beside row, family and qualifier: two lengths, the time, the type.
const KEY_FRAME: usize = 2 + 1 + 8 + 1;

/// What is no row of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Appends a cell that is put. Lengths are as [`Change::check`](crate::mutation::Change::check) allows.
pub(crate) fn encode_put(
    out: &mut Vec<u8>,
    row: &[u8],
    (family, qualifier): (&[u8], &[u8]),
    timestamp: i64,
    value: &[u8],
) {
    let key = KEY_FRAME + row.len() + family.len() + qualifier.len();
    out.reserve(12 + key + value.len());
    for length in [8 + key + value.len(), key, value.len()] {
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    out.extend_from_slice(&u16::try_from(row.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(row);
    out.push(u8::try_from(family.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(family);
    out.extend_from_slice(qualifier);
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.push(PUT);
    out.extend_from_slice(value);
}

/// Takes the next cell, with the key of its row; its parts are slices of the block.
pub(crate) fn decode(block: &mut Bytes) -> Result<(Bytes, Cell), Malformed> {
    let length = read_length(block)?;
    let mut cell = take(block, length)?;
    let (key_length, value_length) = (read_length(&mut cell)?, read_length(&mut cell)?);
    let mut key = take(&mut cell, key_length)?;
    // tags may follow, from a server that has been told to send them
    let value = take(&mut cell, value_length)?;

    let row_length = key.try_get_u16().map_err(|_| Malformed)?;
    let row = take(&mut key, row_length.into())?;
    let family_length = key.try_get_u8().map_err(|_| Malformed)?;
    let family = take(&mut key, family_length.into())?;
    let qualifier_length = key.len().checked_sub(8 + 1).ok_or(Malformed)?;
    let qualifier = take(&mut key, qualifier_length)?;
    let timestamp_ms = key.try_get_i64().map_err(|_| Malformed)?;
    Ok((row, Cell { family, qualifier, timestamp_ms, value }))
}

fn read_length(bytes: &mut Bytes) -> Result<usize, Malformed> {
    let length = bytes.try_get_u32().map_err(|_| Malformed)?;
    usize::try_from(length).map_err(|_| Malformed)
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, Malformed> {
    if length > bytes.len() { Err(Malformed) } else { Ok(bytes.split_to(length)) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cell_is_written_as_hbase_has_it() {
        let mut out = Vec::new();
        encode_put(&mut out, b"row", (b"f", b"qu"), 7, b"value");
        let expected = [
            &[0, 0, 0, 31, 0, 0, 0, 18, 0, 0, 0, 5][..],
            &[0, 3, b'r', b'o', b'w', 1, b'f', b'q', b'u', 0, 0, 0, 0, 0, 0, 0, 7, 4],
            b"value",
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn tags_behind_a_value_are_passed_over() {
        let mut out = Vec::new();
        encode_put(&mut out, b"r", (b"f", b"q"), 1, b"v");
        out.extend_from_slice(&[0, 1, 9]);
        out[3] += 3;
        let once = out.clone();
        out.extend_from_slice(&once);
        let mut block = Bytes::from(out);
        for _ in 0..2 {
            assert_eq!(decode(&mut block).unwrap().1.value, "v");
        }
        assert!(block.is_empty());
    }

    proptest! {
        #[test]
        fn cells_that_are_written_are_read(
            cells in vec((vec(any::<u8>(), 1..40), vec(any::<u8>(), 1..128), vec(any::<u8>(), 0..40), any::<i64>(), vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let mut out = Vec::new();
            for (row, family, qualifier, timestamp, value) in &cells {
                encode_put(&mut out, row, (family, qualifier), *timestamp, value);
            }
            let mut block = Bytes::from(out);
            for (row, family, qualifier, timestamp_ms, value) in cells {
                let (read_row, cell) = decode(&mut block).unwrap();
                prop_assert_eq!(read_row, row);
                let expected = Cell { family: family.into(), qualifier: qualifier.into(), timestamp_ms, value: value.into() };
                prop_assert_eq!(cell, expected);
            }
            prop_assert!(block.is_empty());
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes in vec(prop_oneof![Just(0u8), any::<u8>()], 0..80)) {
            let mut block = Bytes::from(bytes);
            while decode(&mut block).is_ok() {}
        }

        #[test]
        fn a_cell_that_is_cut_short_is_refused(value in vec(any::<u8>(), 0..30), keep in 0.0..1.0f64) {
            let mut out = Vec::new();
            encode_put(&mut out, b"row", (b"f", b"q"), 1, &value);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of a length")]
            let keep = (out.len() as f64 * keep) as usize;
            prop_assert_eq!(decode(&mut Bytes::from(out[..keep].to_vec())), Err(Malformed));
        }
    }
}
