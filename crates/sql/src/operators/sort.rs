//! ORDER BY and LIMIT over input that ends: rows are gathered, and come out in their order when the input has ended.
//!
//! Rows that are taken back are gone by then, so what comes out is append-only. Of append-only input, a sort that is cut keeps no more rows
//! than it can need.

mod added;
mod order;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use riverrun_base::Result;
use riverrun_data::Batch;
use riverrun_runtime::{MAX_WATERMARK, Operator, Output, Restored, Snapshot, SnapshotRequest, Timestamp};
use riverrun_state::STATE_ROWS;

use self::added::Added;
use self::order::{Order, Place, failed, picked};
use super::GroupAggregate;
use super::groups::Groups;
use super::stored::{StateOf, snapshot};
use crate::plan;

/// How many rows a batch has that comes out.
const SORTED_ROWS: usize = 8192;

/// Gathers rows, and emits them sorted. All rows come to one subtask.
pub(crate) struct Sort {
    gathered: Gathered,
    offset: usize,
    fetch: usize,
    schema: SchemaRef,
    /// Whether the rows have come out.
    ended: bool,
}

/// The rows until the input ends.
enum Gathered {
    /// Rows are only added.
    Added(Box<Added>),
    /// Rows are also taken back: each different row is a group, with how often it is there.
    Counted(Box<GroupAggregate>, Order),
}

impl Sort {
    /// Sorts rows of this schema. `retracts` says whether rows are ever taken back.
    ///
    /// # Errors
    /// A column has a type that cannot be sorted, or, where rows are taken back, one whose rows cannot be found again.
    pub(crate) fn new(sort: &plan::Sort, schema: SchemaRef, retracts: bool, state: StateOf) -> Result<Self> {
        let order = Order::new(&sort.keys, &schema)?;
        let gathered = if retracts {
            let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
            let groups = Groups::new(&types, &[], true)?;
            let rows = GroupAggregate::new((0..types.len()).collect(), groups, false, schema.clone(), state);
            Gathered::Counted(Box::new(rows), order)
        } else {
            Gathered::Added(Box::new(Added::new(order, sort.most().map(rows), schema.clone(), state)))
        };
        let (offset, fetch) = (rows(sort.offset), sort.fetch.map_or(usize::MAX, rows));
        Ok(Self { gathered, offset, fetch, schema, ended: false })
    }

    fn end(&mut self, out: &mut dyn Output<Batch>) -> Result<()> {
        self.ended = true;
        let most = self.offset.saturating_add(self.fetch);
        match &mut self.gathered {
            Gathered::Added(added) => {
                let (batches, order) = added.take()?;
                let places = order.places(&batches, most)?;
                emit(&self.schema, &batches, places.into_iter().skip(self.offset), out)
            }
            Gathered::Counted(rows, order) => {
                let groups = rows.groups();
                let slots = groups.table.used();
                let batch = |slots: &[u32]| {
                    RecordBatch::try_new(self.schema.clone(), groups.table.keys(slots)?).map_err(failed)
                };
                let batches = slots.chunks(STATE_ROWS).map(batch).collect::<Result<Vec<_>>>()?;
                let count = |(batch, row): Place| groups.aggregates.rows_in(slots[batch * STATE_ROWS + row]);
                let places = order.places(&batches, most)?;
                let places = places.into_iter().flat_map(|place| std::iter::repeat_n(place, count(place)));
                emit(&self.schema, &batches, places.skip(self.offset).take(self.fetch), out)
            }
        }
    }
}

impl Operator<Batch> for Sort {
    fn process(&mut self, batch: Batch, _: &mut dyn Output<Batch>) -> Result<()> {
        match &mut self.gathered {
            Gathered::Added(added) => added.add(batch.rows().clone()),
            Gathered::Counted(rows, _) => rows.gather(&batch),
        }
    }

    fn watermark(&mut self, watermark: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        if watermark == MAX_WATERMARK && !self.ended { self.end(out) } else { Ok(()) }
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        match &mut self.gathered {
            Gathered::Added(added) if self.ended => Ok(Some(nothing(added.layout()))),
            Gathered::Counted(rows, _) if self.ended => Ok(Some(nothing(rows.layout()))),
            Gathered::Added(added) => added.snapshot(request.full).map(Some),
            Gathered::Counted(rows, _) => rows.snapshot(request),
        }
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        match &mut self.gathered {
            Gathered::Added(added) => added.restore(state),
            Gathered::Counted(rows, _) => rows.restore(state),
        }
    }
}

/// The state of what has come out.
fn nothing(layout: riverrun_state::StateLayout) -> Snapshot {
    snapshot(layout, Some(Vec::new()), Some(1), None)
}

/// Emits the rows at these places.
fn emit(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    mut places: impl Iterator<Item = Place>,
    out: &mut dyn Output<Batch>,
) -> Result<()> {
    loop {
        let part: Vec<Place> = places.by_ref().take(SORTED_ROWS).collect();
        if part.is_empty() {
            return Ok(());
        }
        out.emit(Batch::insertions(picked(schema, batches, &part)?))?;
    }
}

/// A number of rows that fits into memory, or all.
fn rows(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
