//! What the runtime must know of a batch.

use arrow::array::UInt32Array;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, Records};

/// A batch: rows that travel together. Cloning is cheap, or is only asked for where a stream is broadcast or has
/// several consumers.
pub trait Data: Send + Clone + 'static {
    /// How many rows it has.
    fn num_rows(&self) -> usize;

    /// About how many bytes its rows take.
    fn num_bytes(&self) -> usize;

    /// `length` rows from `offset`, both within the batch.
    #[must_use]
    fn slice(&self, offset: usize, length: usize) -> Self;

    /// The rows for each of `count` targets, in their order; `None` where a target gets none. `targets` holds for each
    /// row the index of its target.
    ///
    /// # Errors
    /// `targets` has not one index below `count` for each row.
    fn partition(self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>>;
}

impl Data for Batch {
    fn num_rows(&self) -> usize {
        self.num_rows()
    }

    fn num_bytes(&self) -> usize {
        self.num_bytes()
    }

    fn slice(&self, offset: usize, length: usize) -> Self {
        self.slice(offset, length)
    }

    fn partition(self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>> {
        let counts = match spread(targets, self.num_rows(), count)? {
            Spread::Nothing => return Ok(vec![None; count]),
            Spread::To(target) => return Ok(whole(self, target, count)),
            Spread::Among(counts) => counts,
        };
        let mut parts = vec![None; count];
        let mut rows: Vec<Vec<u32>> = counts.into_iter().map(Vec::with_capacity).collect();
        for (row, target) in (0u32..).zip(targets) {
            rows[*target as usize].push(row);
        }
        for (part, rows) in parts.iter_mut().zip(rows) {
            if !rows.is_empty() {
                *part = Some(self.take(&UInt32Array::from(rows))?);
            }
        }
        Ok(parts)
    }
}

impl<T: Clone + Send + 'static> Data for Records<T> {
    fn num_rows(&self) -> usize {
        self.len()
    }

    /// What lies in the batch itself, without what its values point to.
    fn num_bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    fn slice(&self, offset: usize, length: usize) -> Self {
        let range = offset..offset + length;
        let timestamps = self.timestamps().get(range.clone()).map(<[i64]>::to_vec).unwrap_or_default();
        Self::with_timestamps(self.values().get(range).map(<[T]>::to_vec).unwrap_or_default(), timestamps)
    }

    fn partition(self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>> {
        let counts = match spread(targets, self.len(), count)? {
            Spread::Nothing => return Ok(vec![None; count]),
            Spread::To(target) => return Ok(whole(self, target, count)),
            Spread::Among(counts) => counts,
        };
        let (values, timestamps) = self.into_parts();
        let with_times = !timestamps.is_empty();
        let mut parts: Vec<(Vec<T>, Vec<i64>)> = (counts.into_iter())
            .map(|rows| (Vec::with_capacity(rows), Vec::with_capacity(if with_times { rows } else { 0 })))
            .collect();
        for (value, target) in values.into_iter().zip(targets) {
            parts[*target as usize].0.push(value);
        }
        for (timestamp, target) in timestamps.into_iter().zip(targets) {
            parts[*target as usize].1.push(timestamp);
        }
        let part = |(values, timestamps): (Vec<T>, Vec<i64>)| {
            (!values.is_empty()).then(|| Self::with_timestamps(values, timestamps))
        };
        Ok(parts.into_iter().map(part).collect())
    }
}

/// Where a batch's rows go.
enum Spread {
    Nothing,
    /// All to one target.
    To(u32),
    /// So many to each.
    Among(Vec<usize>),
}

fn spread(targets: &[u32], rows: usize, count: usize) -> Result<Spread> {
    if targets.len() != rows {
        return Err(Error::internal(format!("{} targets for {rows} rows", targets.len())));
    }
    let Some(first) = targets.first() else { return Ok(Spread::Nothing) };
    let mut counts = vec![0; count];
    for target in targets {
        *counts
            .get_mut(*target as usize)
            .ok_or_else(|| Error::internal(format!("a row is for target {target} of {count}")))? += 1;
    }
    Ok(if counts[*first as usize] == rows { Spread::To(*first) } else { Spread::Among(counts) })
}

fn whole<B>(batch: B, target: u32, count: usize) -> Vec<Option<B>> {
    let mut batch = Some(batch);
    (0..count).map(|part| if part == target as usize { batch.take() } else { None }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;

    fn batch(values: Vec<i64>) -> Batch {
        let column: ArrayRef = Arc::new(Int64Array::from(values));
        Batch::insertions(RecordBatch::try_from_iter([("a", column)]).unwrap())
    }

    #[test]
    fn every_row_goes_to_its_target_in_order() {
        let parts = batch(vec![5, 6, 7, 8]).partition(&[2, 0, 2, 2], 3).unwrap();
        assert_eq!(parts, [Some(batch(vec![6])), None, Some(batch(vec![5, 7, 8]))]);
        let whole = batch(vec![1, 2]);
        assert_eq!(whole.clone().partition(&[1, 1], 2).unwrap(), [None, Some(whole)]);
        assert_eq!(batch(vec![]).partition(&[], 2).unwrap(), [None, None]);
    }

    #[test]
    fn records_keep_their_event_time_on_the_way() {
        let records = Records::with_timestamps(vec!["a", "b", "c"], vec![1, 2, 3]);
        assert_eq!(records.slice(1, 2), Records::with_timestamps(vec!["b", "c"], vec![2, 3]));
        let parts = records.clone().partition(&[1, 0, 1], 3).unwrap();
        let part = |values, timestamps| Some(Records::with_timestamps(values, timestamps));
        assert_eq!(parts, [part(vec!["b"], vec![2]), part(vec!["a", "c"], vec![1, 3]), None]);
        assert_eq!(records.clone().partition(&[1, 1, 1], 2).unwrap(), [None, Some(records.clone())]);
        assert!(records.partition(&[0, 2, 0], 2).is_err());
    }

    #[test]
    fn a_target_for_each_row_and_none_beyond_the_last_is_demanded() {
        assert!(batch(vec![1]).partition(&[], 1).is_err());
        assert!(batch(vec![1]).partition(&[1], 1).is_err());
        assert!(batch(vec![1, 2]).partition(&[0, 2], 2).is_err());
    }
}
