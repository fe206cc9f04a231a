//! What comes out of a harness.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Operator, Output};

use crate::Record;

/// A value and its event time, in epoch milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord<O> {
    /// The value.
    pub value: O,
    /// Its event time, if it has one.
    pub timestamp: Option<i64>,
}

/// A record, or what is said between records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamElement<O> {
    /// A record.
    Record(StreamRecord<O>),
    /// Event time has come to this.
    Watermark(i64),
}

/// What has come out and was not taken. Clones share it.
pub(super) struct Recording<O>(Arc<Mutex<VecDeque<StreamElement<O>>>>);

impl<O> Clone for Recording<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O> Default for Recording<O> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<O> Recording<O> {
    pub(super) fn elements(&self) -> MutexGuard<'_, VecDeque<StreamElement<O>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all out.
    pub(super) fn take(&self) -> Vec<StreamElement<O>> {
        self.elements().drain(..).collect()
    }

    /// Takes all records out, and forgets the watermarks.
    pub(super) fn take_records(&self) -> Vec<StreamRecord<O>> {
        let record = |element| match element {
            StreamElement::Record(record) => Some(record),
            StreamElement::Watermark(_) => None,
        };
        self.elements().drain(..).filter_map(record).collect()
    }
}

/// The end of a pipeline: records what comes.
pub(super) struct Recorder<O>(pub(super) Recording<O>);

impl<O: Record> Operator<Records<O>, Records<O>> for Recorder<O> {
    fn process(&mut self, batch: Records<O>, _: &mut dyn Output<Records<O>>) -> Result<()> {
        let record = |(value, timestamp)| StreamElement::Record(StreamRecord { value, timestamp });
        self.0.elements().extend(batch.into_iter().map(record));
        Ok(())
    }

    fn watermark(&mut self, watermark: i64, _: &mut dyn Output<Records<O>>) -> Result<()> {
        self.0.elements().push_back(StreamElement::Watermark(watermark));
        Ok(())
    }
}
