//! What the runtime must know of a batch.

use arrow::array::UInt32Array;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;

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
    fn partition(&self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>>;
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

    fn partition(&self, targets: &[u32], count: usize) -> Result<Vec<Option<Self>>> {
        if targets.len() != self.num_rows() {
            return Err(Error::internal(format!("{} targets for {} rows", targets.len(), self.num_rows())));
        }
        let mut parts = vec![None; count];
        let Some(first) = targets.first() else { return Ok(parts) };
        let outside = |target: u32| Error::internal(format!("a row is for target {target} of {count}"));
        if targets.iter().all(|target| target == first) {
            *parts.get_mut(*first as usize).ok_or_else(|| outside(*first))? = Some(self.clone());
            return Ok(parts);
        }
        let mut counts = vec![0; count];
        for target in targets {
            *counts.get_mut(*target as usize).ok_or_else(|| outside(*target))? += 1;
        }
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
        assert_eq!(whole.partition(&[1, 1], 2).unwrap(), [None, Some(whole.clone())]);
        assert_eq!(batch(vec![]).partition(&[], 2).unwrap(), [None, None]);
    }

    #[test]
    fn a_target_for_each_row_and_none_beyond_the_last_is_demanded() {
        assert!(batch(vec![1]).partition(&[], 1).is_err());
        assert!(batch(vec![1]).partition(&[1], 1).is_err());
        assert!(batch(vec![1, 2]).partition(&[0, 2], 2).is_err());
    }
}
