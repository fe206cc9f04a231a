//! The hash of keys that decides which subtask owns them.
//!
//! It is part of the format of savepoints: it never changes. Integers, times and booleans are mixed by the finalizer of
//! SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), bytes by XXH3; columns, fields and elements are
//! folded from left to right.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use riverrun_base::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// What NULL hashes to.
const NULL: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of each row's key.
///
/// # Errors
/// A column has a type that cannot be a key.
pub fn hash_keys(keys: &[ArrayRef], rows: usize, hashes: &mut Vec<u64>) -> Result<()> {
    hashes.clear();
    hashes.resize(rows, 0);
    for key in keys {
        hash_column(key, hashes)?;
    }
    Ok(())
}

/// The key group of each row's key, of `max_parallelism` groups.
///
/// # Errors
/// As [`hash_keys`].
pub fn key_groups(keys: &[ArrayRef], rows: usize, max_parallelism: u32, groups: &mut Vec<u32>) -> Result<()> {
    let mut hashes = Vec::new();
    hash_keys(keys, rows, &mut hashes)?;
    groups.clear();
    #[allow(clippy::cast_possible_truncation, reason = "the remainder is below a u32")]
    groups.extend(hashes.iter().map(|hash| (hash % u64::from(max_parallelism.max(1))) as u32));
    Ok(())
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn fold(hash: &mut u64, value: u64) {
    *hash = mix(hash.rotate_left(5) ^ value.wrapping_add(NULL));
}

fn hash_column(column: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    macro_rules! integers {
        ($type:ty) => {
            hash_values::<$type>(column, hashes, |value| i64::from(value).cast_unsigned())
        };
    }
    match column.data_type() {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::Date32 => integers!(Date32Type),
        DataType::Time32(TimeUnit::Millisecond) => integers!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => integers!(Time64MicrosecondType),
        DataType::Time64(TimeUnit::Nanosecond) => integers!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => integers!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => integers!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => integers!(TimestampNanosecondType),
        DataType::Duration(TimeUnit::Millisecond) => integers!(DurationMillisecondType),
        DataType::Interval(_) => integers!(IntervalYearMonthType),
        DataType::Float32 => hash_values::<Float32Type>(column, hashes, |value| u64::from(value.to_bits())),
        DataType::Float64 => hash_values::<Float64Type>(column, hashes, f64::to_bits),
        DataType::Decimal128(..) => {
            hash_values::<Decimal128Type>(column, hashes, |value| xxh3_64(&value.to_le_bytes()))
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            for (row, hash) in hashes.iter_mut().enumerate() {
                fold(hash, if values.is_null(row) { NULL } else { u64::from(values.value(row)) });
            }
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            for (row, hash) in hashes.iter_mut().enumerate() {
                fold(hash, if values.is_null(row) { NULL } else { xxh3_64(values.value(row).as_bytes()) });
            }
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            for (row, hash) in hashes.iter_mut().enumerate() {
                fold(hash, if values.is_null(row) { NULL } else { xxh3_64(values.value(row)) });
            }
        }
        DataType::Struct(_) => {
            let rows = column.as_struct();
            let mut inner = Vec::new();
            hash_keys(rows.columns(), rows.len(), &mut inner)?;
            for (row, hash) in hashes.iter_mut().enumerate() {
                fold(hash, if rows.is_null(row) { NULL } else { inner[row] });
            }
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            let mut elements = Vec::new();
            hash_keys(std::slice::from_ref(lists.values()), lists.values().len(), &mut elements)?;
            for ((row, hash), bounds) in hashes.iter_mut().enumerate().zip(lists.offsets().windows(2)) {
                let elements = &elements[bounds[0].as_usize()..bounds[1].as_usize()];
                let mut inner = elements.len() as u64;
                elements.iter().for_each(|element| fold(&mut inner, *element));
                fold(hash, if lists.is_null(row) { NULL } else { inner });
            }
        }
        DataType::Null => hashes.iter_mut().for_each(|hash| fold(hash, NULL)),
        other => return Err(Error::not_supported(format!("a key of type {other}"))),
    }
    Ok(())
}

fn hash_values<T: ArrowPrimitiveType>(column: &ArrayRef, hashes: &mut [u64], bits: impl Fn(T::Native) -> u64) {
    let values = column.as_primitive::<T>();
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (value, hash) in values.values().iter().zip(hashes) {
                fold(hash, bits(*value));
            }
        }
        Some(nulls) => {
            for ((value, valid), hash) in values.values().iter().zip(nulls).zip(hashes) {
                fold(hash, if valid { bits(*value) } else { NULL });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, ListArray, StringArray, StructArray};
    use arrow::datatypes::Field;

    use super::*;

    fn hashes(keys: &[ArrayRef]) -> Vec<u64> {
        let mut hashes = Vec::new();
        hash_keys(keys, keys[0].len(), &mut hashes).unwrap();
        hashes
    }

    #[test]
    fn the_hash_is_the_one_that_savepoints_rely_on() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(42), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(""), Some("a"), None]));
        assert_eq!(hashes(&[numbers]), [16294208416658607535, 13679457532755275413, 7960286522194355700]);
        assert_eq!(hashes(&[texts]).len(), 3);
    }

    #[test]
    fn a_number_hashes_alike_in_every_width() {
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![-7]));
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![-7]));
        assert_eq!(hashes(&[narrow]), hashes(&[wide]));
    }

    #[test]
    fn nested_keys_hash_by_their_elements_and_not_by_where_they_lie() {
        let list = |rows: Vec<Option<Vec<Option<i64>>>>| -> ArrayRef {
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows))
        };
        let lists = hashes(&[list(vec![
            Some(vec![Some(1), Some(2)]),
            Some(vec![]),
            None,
            Some(vec![None]),
            Some(vec![Some(2), Some(1)]),
        ])]);
        let slice = list(vec![None, Some(vec![Some(1), Some(2)])]).slice(1, 1);
        assert_eq!(hashes(&[slice]), [lists[0]]);
        let different: std::collections::BTreeSet<u64> = lists.iter().copied().collect();
        assert_eq!(different.len(), lists.len());

        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let of = |nulls: Vec<bool>| -> ArrayRef {
            Arc::new(StructArray::new(
                vec![Field::new("a", DataType::Int64, true)].into(),
                vec![numbers.clone()],
                Some(nulls.into()),
            ))
        };
        assert_eq!(hashes(&[of(vec![true, true])])[1], hashes(&[of(vec![false, true])])[1]);
        assert_ne!(hashes(&[of(vec![true, true])])[0], hashes(&[of(vec![false, true])])[0]);
    }

    #[test]
    fn every_key_group_is_below_the_maximum() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let mut groups = Vec::new();
        key_groups(&[numbers], 10_000, 128, &mut groups).unwrap();
        let mut seen = vec![0; 128];
        for group in groups {
            seen[group as usize] += 1;
        }
        assert!(seen.iter().all(|count| (30..150).contains(count)), "{seen:?}");
    }
}
