//! How a column's values are made: a [`Generator`] for each column and each part of a nested one.

mod nested;
mod number;
mod sequence;
mod text;
mod time;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use riverrun_base::Result;

pub(crate) use nested::{Array, Map, Row};
pub(crate) use number::{Decimals, Doubles, Floats, Integers, decimal};
pub(crate) use sequence::{IntegerSequence, Sequence};
pub(crate) use text::{Binary, Length, Text};
pub(crate) use time::{Dates, Times, Timestamps};

use crate::random::{draw, fraction, mix};
use crate::schedule::Share;

/// The rows of a split to make values for.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// What random values start from: the split's seed, and inside [`Values::fill`] the column's.
    pub seed: u64,
    /// The number in the split of the first row.
    pub first: u64,
    /// How many rows.
    pub count: usize,
    /// Which of the table's rows the split has.
    pub share: Share,
    /// The present, in milliseconds since the epoch.
    pub now: i64,
    /// Which of the values are NULL.
    pub nulls: Option<NullBuffer>,
}

impl Rows {
    /// A random number for each row.
    fn draws(&self) -> impl ExactSizeIterator<Item = u64> + use<> {
        let (seed, first) = (self.seed, self.first);
        (0..self.count).map(move |row| draw(seed, first.wrapping_add(row as u64)))
    }

    /// The number in the table of each row.
    fn numbers(&self) -> impl ExactSizeIterator<Item = u64> + use<> {
        let (share, first) = (self.share, self.first);
        (0..self.count).map(move |row| share.number(first + row as u64))
    }

    /// The elements of these rows, `length` in each.
    fn elements(&self, length: usize) -> Self {
        let length_64 = length as u64;
        Self { first: self.first.wrapping_mul(length_64), count: self.count * length, nulls: None, ..*self }
    }
}

/// Makes the values of one type.
pub(crate) trait Values: Send + Sync {
    /// A value for each row; those that `rows.nulls` marks are NULL.
    ///
    /// # Errors
    /// Arrow refuses the values: a bug.
    fn fill(&self, rows: &Rows) -> Result<ArrayRef>;

    /// About how many bytes a value takes.
    fn width(&self) -> usize;
}

/// Makes the values of one column or a part of it.
pub(crate) struct Generator {
    /// Tells the column's random values from those of others.
    pub id: u64,
    /// The share of NULLs, from 0 to 1.
    pub null_rate: f64,
    /// The values.
    pub values: Box<dyn Values>,
}

impl Generator {
    /// A value for each row. Row `n` of a split has the same value however the rows are cut into batches.
    pub(crate) fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let seed = mix(rows.seed ^ mix(self.id));
        let mut rows = Rows { seed, nulls: None, ..*rows };
        if self.null_rate > 0.0 {
            let chances = Rows { seed: mix(!seed), ..rows }.draws();
            let valid: BooleanBuffer = chances.map(|chance| fraction(chance) >= self.null_rate).collect();
            rows.nulls = Some(NullBuffer::new(valid));
        }
        self.values.fill(&rows)
    }
}

/// `BOOLEAN`: either value as often.
pub(crate) struct Booleans;

impl Values for Booleans {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let values: BooleanBuffer = rows.draws().map(|draw| draw >> 63 == 1).collect();
        Ok(std::sync::Arc::new(BooleanArray::new(values, rows.nulls.clone())))
    }

    fn width(&self) -> usize {
        1
    }
}

/// The error of values that Arrow refuses.
fn refused(error: arrow::error::ArrowError) -> riverrun_base::Error {
    riverrun_base::Error::internal("datagen made values that do not fit their type").caused_by(error)
}
