//! The buffer of `upsert-kafka`: holds changes back, so that of several changes of one key only the last is written.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow::array::UInt32Array;
use riverrun_base::Result;
use riverrun_data::Batch;

/// Changes by key. At most some four times `max_rows` rows are held.
pub(crate) struct Buffer {
    max_rows: usize,
    interval: Duration,
    batches: Vec<Batch>,
    /// The place of the last change of each key: batch and row.
    latest: HashMap<Box<[u8]>, (usize, u32)>,
    /// The rows in `batches`, the superseded ones too.
    rows: usize,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Buffer {
    /// An empty buffer.
    pub(crate) fn new(max_rows: usize, interval: Duration) -> Self {
        Self { max_rows, interval, batches: Vec::new(), latest: HashMap::new(), rows: 0, since: None }
    }

    /// Adds rows with the bytes of their keys.
    ///
    /// # Errors
    /// A bug: rows cannot be taken from a batch.
    pub(crate) fn add<'a>(&mut self, batch: Batch, keys: impl Iterator<Item = &'a [u8]>, now: Instant) -> Result<()> {
        self.since.get_or_insert(now);
        let at = self.batches.len();
        for (row, key) in (0..).zip(keys) {
            match self.latest.get_mut(key) {
                Some(place) => *place = (at, row),
                None => drop(self.latest.insert(key.into(), (at, row))),
            }
        }
        self.rows += batch.num_rows();
        self.batches.push(batch);
        if self.rows > 4 * self.max_rows.max(1024) { self.compact() } else { Ok(()) }
    }

    /// When everything is written at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + self.interval)
    }

    /// Whether it is time to write.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.latest.len() >= self.max_rows || self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Empties the buffer: the last change of each key, in the order they came.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn drain(&mut self) -> Result<Vec<Batch>> {
        self.compact()?;
        self.latest.clear();
        self.rows = 0;
        self.since = None;
        Ok(std::mem::take(&mut self.batches))
    }

    /// Drops the rows that later ones supersede.
    fn compact(&mut self) -> Result<()> {
        let mut places: Vec<(&mut (usize, u32), usize, u32)> = Vec::with_capacity(self.latest.len());
        for place in self.latest.values_mut() {
            let (batch, row) = *place;
            places.push((place, batch, row));
        }
        places.sort_unstable_by_key(|(_, batch, row)| (*batch, *row));
        let mut kept = Vec::new();
        for group in places.chunk_by_mut(|left, right| left.1 == right.1) {
            let Some(batch) = group.first().and_then(|(_, batch, _)| self.batches.get(*batch)) else { continue };
            let rows: UInt32Array = group.iter().map(|(_, _, row)| *row).collect();
            for (row, (place, _, _)) in (0..).zip(group) {
                **place = (kept.len(), row);
            }
            kept.push(batch.take(&rows)?);
        }
        self.rows = self.latest.len();
        self.batches = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use proptest::prelude::*;
    use riverrun_data::RowKind;

    use super::*;

    /// Rows of key and value; a value of `None` is a deletion.
    fn batch(rows: &[(u8, Option<i64>)]) -> Batch {
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let keys = column(rows.iter().map(|(key, _)| i64::from(*key)).collect());
        let values = column(rows.iter().map(|(_, value)| value.unwrap_or(0)).collect());
        let kinds: Vec<RowKind> = rows
            .iter()
            .map(|(_, value)| if value.is_some() { RowKind::UpdateAfter } else { RowKind::Delete })
            .collect();
        Batch::with_kinds(RecordBatch::try_from_iter([("k", keys), ("v", values)]).unwrap(), kinds).unwrap()
    }

    fn rows(batches: &[Batch]) -> Vec<(u8, Option<i64>)> {
        let mut rows = Vec::new();
        for batch in batches {
            let column = |n: usize| batch.rows().column(n).as_any().downcast_ref::<Int64Array>().unwrap().clone();
            let (keys, values) = (column(0), column(1));
            rows.extend((0..batch.num_rows()).map(|row| {
                (
                    u8::try_from(keys.value(row)).unwrap(),
                    (batch.kind(row) == RowKind::UpdateAfter).then(|| values.value(row)),
                )
            }));
        }
        rows
    }

    fn add(buffer: &mut Buffer, rows: &[(u8, Option<i64>)], now: Instant) {
        let keys: Vec<[u8; 1]> = rows.iter().map(|(key, _)| [*key]).collect();
        buffer.add(batch(rows), keys.iter().map(<[u8; 1]>::as_slice), now).unwrap();
    }

    #[test]
    fn the_last_change_of_each_key_remains() {
        let mut buffer = Buffer::new(100, Duration::from_secs(1));
        let now = Instant::now();
        add(&mut buffer, &[(1, Some(10)), (2, Some(20)), (1, Some(11))], now);
        add(&mut buffer, &[(2, None), (3, Some(30))], now);
        assert_eq!(rows(&buffer.drain().unwrap()), [(1, Some(11)), (2, None), (3, Some(30))]);
        assert_eq!(rows(&buffer.drain().unwrap()), []);
        assert_eq!(buffer.deadline(), None);
    }

    #[test]
    fn it_is_due_by_keys_or_by_time() {
        let mut buffer = Buffer::new(2, Duration::from_secs(1));
        let now = Instant::now();
        assert!(!buffer.is_due(now));
        add(&mut buffer, &[(1, Some(1)), (1, Some(2))], now);
        assert!(!buffer.is_due(now));
        assert!(buffer.is_due(now + Duration::from_secs(1)));
        add(&mut buffer, &[(2, Some(1))], now);
        assert!(buffer.is_due(now));
    }

    #[test]
    fn superseded_rows_do_not_pile_up() {
        let mut buffer = Buffer::new(1, Duration::from_secs(1));
        let now = Instant::now();
        for value in 0..20_000 {
            add(&mut buffer, &[(1, Some(value))], now);
            assert!(buffer.rows <= 4 * 1024 && buffer.batches.len() <= 4 * 1024);
        }
        assert_eq!(rows(&buffer.drain().unwrap()), [(1, Some(19_999))]);
    }

    proptest! {
        #[test]
        fn what_remains_is_the_last_change_of_every_key_in_any_split(
            changes in proptest::collection::vec((0u8..8, proptest::option::of(0i64..100)), 0..200),
            size in 1usize..20,
        ) {
            let mut buffer = Buffer::new(1000, Duration::from_secs(1));
            for chunk in changes.chunks(size) {
                add(&mut buffer, chunk, Instant::now());
                if chunk.len() % 3 == 0 {
                    buffer.compact().unwrap();
                }
            }
            let mut expected = std::collections::BTreeMap::new();
            expected.extend(changes.iter().copied());
            let mut remaining = rows(&buffer.drain().unwrap());
            remaining.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(remaining, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
