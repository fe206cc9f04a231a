//! The order of rows, told by Arrow's row format: bytes compare as the rows do.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{SortOptions, interleave};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use riverrun_base::{Error, Result};

use crate::operators::groups::columns;
use crate::plan::SortKey;

/// A row: which batch, and which row of it.
pub(super) type Place = (usize, usize);

/// How rows are sorted.
pub(super) struct Order {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// A row with the first bytes of its key, by which most rows are told apart without a look elsewhere.
struct Entry {
    prefix: u128,
    place: Place,
}

impl Order {
    /// By these columns of a schema; without any, rows stay as they come.
    ///
    /// # Errors
    /// A type has no order.
    pub(super) fn new(keys: &[SortKey], schema: &SchemaRef) -> Result<Self> {
        let field = |key: &SortKey| {
            let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            SortField::new_with_options(schema.field(key.column).data_type().clone(), options)
        };
        let converter = RowConverter::new(keys.iter().map(field).collect()).map_err(failed)?;
        Ok(Self { columns: keys.iter().map(|key| key.column).collect(), converter })
    }

    /// Whether rows stay as they come.
    pub(super) fn is_none(&self) -> bool {
        self.columns.is_empty()
    }

    /// The keys of a batch's rows.
    ///
    /// # Errors
    /// The columns have other types.
    pub(super) fn keys(&self, rows: &RecordBatch) -> Result<Rows> {
        self.converter.convert_columns(&columns(rows, &self.columns)).map_err(failed)
    }

    /// The first `most` rows in their order. Rows that are alike stay in the order in which they are.
    ///
    /// # Errors
    /// The columns have other types.
    pub(super) fn places(&self, batches: &[RecordBatch], most: usize) -> Result<Vec<Place>> {
        let all = batches.iter().enumerate().flat_map(|(n, batch)| (0..batch.num_rows()).map(move |row| (n, row)));
        if self.is_none() {
            return Ok(all.take(most).collect());
        }
        let keys = batches.iter().map(|batch| self.keys(batch)).collect::<Result<Vec<_>>>()?;
        let mut entries: Vec<Entry> =
            all.map(|place| Entry { prefix: prefix(keys[place.0].row(place.1).data()), place }).collect();
        let compare = |a: &Entry, b: &Entry| -> Ordering {
            let whole = || keys[a.place.0].row(a.place.1).cmp(&keys[b.place.0].row(b.place.1));
            a.prefix.cmp(&b.prefix).then_with(whole).then(a.place.cmp(&b.place))
        };
        if most < entries.len() {
            if most > 0 {
                entries.select_nth_unstable_by(most - 1, compare);
            }
            entries.truncate(most);
        }
        entries.sort_unstable_by(compare);
        Ok(entries.into_iter().map(|entry| entry.place).collect())
    }
}

/// The first bytes as a number that compares as they do; what is missing counts as the least.
fn prefix(bytes: &[u8]) -> u128 {
    let mut first = [0; size_of::<u128>()];
    let length = bytes.len().min(first.len());
    first[..length].copy_from_slice(&bytes[..length]);
    u128::from_be_bytes(first)
}

/// The rows at these places as one batch.
///
/// # Errors
/// The batches have other columns than the schema.
pub(super) fn picked(schema: &SchemaRef, batches: &[RecordBatch], places: &[Place]) -> Result<RecordBatch> {
    let column = |index: usize| -> Result<ArrayRef> {
        let parts: Vec<_> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
        interleave(&parts, places).map_err(failed)
    };
    let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(schema.clone(), columns).map_err(failed)
}

pub(super) fn failed(error: ArrowError) -> Error {
    Error::internal("rows cannot be sorted").caused_by(error)
}
