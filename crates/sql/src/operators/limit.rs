//! LIMIT and OFFSET without ORDER BY over append-only input: the first rows as they come.

use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_runtime::{Operator, Output, Restored, Snapshot, SnapshotRequest};

/// Passes on the rows behind the first `offset`, `fetch` of them at most. All rows come to one subtask.
pub(crate) struct Limit {
    offset: u64,
    /// Up to which row they are passed on.
    end: u64,
    /// How many have come, up to the end.
    seen: u64,
}

/// The form of the state: how many rows have come, 8 bytes, little endian.
const VERSION: u8 = 1;

impl Limit {
    /// No row has come.
    pub(crate) fn new(offset: u64, fetch: Option<u64>) -> Self {
        let end = fetch.map_or(u64::MAX, |fetch| offset.saturating_add(fetch));
        Self { offset, end, seen: 0 }
    }
}

impl Operator<Batch> for Limit {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        let rows = batch.num_rows() as u64;
        let first = self.offset.saturating_sub(self.seen).min(rows);
        let end = self.end.saturating_sub(self.seen).min(rows);
        self.seen = self.seen.saturating_add(rows).min(self.end);
        if first >= end {
            return Ok(());
        }
        #[allow(clippy::cast_possible_truncation, reason = "both are at most the batch's rows")]
        let (first, length) = (first as usize, (end - first) as usize);
        out.emit(batch.slice(first, length))
    }

    fn snapshot(&mut self, _: SnapshotRequest) -> Result<Option<Snapshot>> {
        let seen = self.seen;
        let own = move || Ok([&[VERSION], seen.to_le_bytes().as_slice()].concat());
        Ok(Some(Snapshot { own: Some(Box::new(own)), ..Snapshot::default() }))
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        let unreadable = || Error::data("the stored state of a LIMIT cannot be read");
        for bytes in state.own {
            let (version, count) = bytes.split_first().ok_or_else(unreadable)?;
            if *version != VERSION {
                return Err(unreadable().hint("restore it with the version of Riverrun that stored it, or a later one"));
            }
            let count: [u8; 8] = count.try_into().map_err(|_| unreadable())?;
            self.seen = self.seen.saturating_add(u64::from_le_bytes(count)).min(self.end);
        }
        Ok(())
    }
}
