//! Keyed state of an operator as it is stored: what it is of, and the way to and from rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use riverrun_base::Result;
use riverrun_runtime::{Delta, Freeze, OperatorContext, RestoredChain, Snapshot, Timestamp};
use riverrun_state::{FrozenRows, KeyedRows, StateLayout};

/// Whose state it is, and what it is of.
#[derive(Clone, Debug)]
pub(crate) struct StateOf {
    /// The operator's uid, for errors.
    operator: Arc<str>,
    /// The keys and aggregates in words. State with another description is not taken.
    description: Arc<str>,
    max_parallelism: u32,
}

impl StateOf {
    /// The state of an operator, which is of what the description says.
    pub(crate) fn new(context: &OperatorContext, description: &Arc<str>) -> Self {
        Self {
            operator: Arc::clone(&context.job.operator),
            description: Arc::clone(description),
            max_parallelism: u32::try_from(context.max_parallelism).unwrap_or(u32::MAX),
        }
    }

    /// The layout of rows with these keys and values.
    pub(super) fn layout(&self, keys: &[DataType], values: Vec<FieldRef>) -> StateLayout {
        let key =
            |(n, data_type): (usize, &DataType)| Arc::new(Field::new(format!("key {n}"), data_type.clone(), true));
        StateLayout {
            description: self.description.to_string(),
            keys: keys.iter().enumerate().map(key).collect(),
            values,
            max_parallelism: self.max_parallelism,
        }
    }

    /// The rows of a chain in this subtask's key groups, by delta, the oldest first.
    ///
    /// # Errors
    /// The state is of something else, or cannot be read.
    pub(super) fn decode(&self, layout: &StateLayout, chain: RestoredChain) -> Result<Vec<Vec<KeyedRows>>> {
        let range = chain.key_groups.start..=chain.key_groups.end;
        chain
            .deltas
            .into_iter()
            .map(|delta| layout.decode(delta, range.clone()).map_err(|error| error.with("operator", &self.operator)))
            .collect()
    }
}

/// State that nobody has named, as in tests of other things.
#[cfg(test)]
impl Default for StateOf {
    fn default() -> Self {
        Self { operator: "operator".into(), description: "state".into(), max_parallelism: 128 }
    }
}

/// A snapshot of these rows; of no change without them.
pub(super) fn snapshot(
    layout: StateLayout,
    rows: Option<Vec<FrozenRows>>,
    suffices: Option<usize>,
    watermark: Option<Timestamp>,
) -> Snapshot {
    let encode = |rows: Vec<FrozenRows>| -> Freeze {
        Box::new(move || {
            let (bytes, rows) = layout.encode(rows)?;
            Ok(Delta { bytes, rows })
        })
    };
    Snapshot { delta: rows.map(encode), suffices, watermark, own: None }
}
