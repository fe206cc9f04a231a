//! From located values to columns: what the decoders share.
//!
//! A decoder first *locates* the values of a block of messages, without reading them: one [`Slot`] for each row and column. Then it
//! *reads* column by column, in a loop that is typed once a block, into growing [`Column`]s. Nested types work the same way: the slots
//! of a row's fields or an array's elements are located, and their columns read them.

mod column;
mod problems;
mod slot;
mod view;

use arrow::array::{Array, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};

pub(crate) use column::{Column, Read, Spec, Values, append, append_nothing, append_text};
pub(crate) use problems::{Problems, shorten};
pub(crate) use slot::{Kind, Slot, Slots};
pub(crate) use view::{Cell, View};

use crate::{DecodeError, Decoded};

/// How many values are located before they are read: with the messages they lie in, they stay in the processor's second cache.
const SLOTS_PER_BLOCK: usize = 2_048;

/// The rows of one call of a decoder, as they grow.
pub(crate) struct Rows {
    schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
    pub(crate) problems: Problems,
    /// The message of each row.
    origin: Vec<u32>,
    skipped: u64,
}

impl Rows {
    /// Columns for `schema`, and what to do about problems.
    ///
    /// # Errors
    /// The schema has a type that is none of Flink's.
    pub(crate) fn new(schema: SchemaRef, problems: Problems) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| Column::new(field.name(), field)).collect::<Result<_>>()?;
        Ok(Self { schema, columns, problems, origin: Vec::new(), skipped: 0 })
    }

    /// How many messages to locate at a time.
    pub(crate) fn block(&self) -> usize {
        (SLOTS_PER_BLOCK / self.columns.len().max(1)).clamp(32, 1_024)
    }

    /// The index that the next row gets.
    pub(crate) fn next_row(&self) -> u32 {
        u32::try_from(self.origin.len()).unwrap_or(u32::MAX)
    }

    /// Counts a row that was located in `message`.
    #[inline]
    pub(crate) fn located(&mut self, message: usize) {
        self.origin.push(u32::try_from(message).unwrap_or(u32::MAX));
    }

    /// Notes that nothing can be located in `message`: it is skipped, or it ends the decoding. Returns whether it ends.
    #[cold]
    pub(crate) fn refused(&mut self, message: usize, error: impl FnOnce() -> Error) -> bool {
        if self.problems.ignore {
            self.skipped += 1;
            return false;
        }
        self.problems.report(self.next_row(), error);
        self.located(message);
        true
    }

    /// Hands out the rows of `messages` messages and starts again.
    pub(crate) fn finish(&mut self, messages: usize) -> Result<Decoded, DecodeError> {
        let origin = std::mem::take(&mut self.origin);
        let skipped = std::mem::take(&mut self.skipped);
        let problems = self.problems.take();
        // Taken before a problem is told, so that the next call starts with empty columns.
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>();
        if let Some((row, error)) = problems.first {
            let message = origin.get(row as usize).copied().unwrap_or_default();
            return Err(DecodeError { message: message as usize, error });
        }
        let internal = |error: Error| DecodeError { message: 0, error };
        let arrays = arrays.map_err(internal)?;
        let options = RecordBatchOptions::new().with_row_count(Some(origin.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| internal(arrow_error(e)))?;
        let decoded = if problems.bad_rows.is_empty() {
            let one_each = origin.len() == messages && origin.iter().zip(0_u32..).all(|(message, n)| *message == n);
            Decoded { rows, kinds: None, messages: (!one_each).then_some(origin), skipped }
        } else {
            without(rows, origin, &problems.bad_rows, skipped).map_err(|e| internal(arrow_error(e)))?
        };
        Ok(decoded)
    }
}

/// Leaves out the rows that cannot be read.
fn without(rows: RecordBatch, origin: Vec<u32>, bad: &[u32], skipped: u64) -> Result<Decoded, ArrowError> {
    let mut keep = vec![true; rows.num_rows()];
    for row in bad {
        if let Some(keep) = keep.get_mut(*row as usize) {
            *keep = false;
        }
    }
    let left_out = keep.iter().filter(|keep| !**keep).count();
    let mask = BooleanArray::from(keep);
    let origin = filter(&UInt32Array::from(origin), &mask)?;
    let origin =
        origin.as_any().downcast_ref::<UInt32Array>().map(|origin| origin.values().to_vec()).unwrap_or_default();
    let rows = filter_record_batch(&rows, &mask)?;
    Ok(Decoded { rows, kinds: None, messages: Some(origin), skipped: skipped + left_out as u64 })
}

pub(crate) fn arrow_error(error: ArrowError) -> Error {
    Error::internal("columns of decoded rows do not fit together").caused_by(error)
}
