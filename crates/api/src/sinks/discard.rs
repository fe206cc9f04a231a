//! Forgets records.

use riverrun_base::Result;
use riverrun_connect::{Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};

use crate::Record;

/// Takes records and forgets them, to measure what is before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardingSink;

impl<T: Record> Sink<Records<T>> for DiscardingSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        Ok(Box::new(Self))
    }
}

impl<T: Record> SinkWriter<Records<T>> for DiscardingSink {
    fn write(&mut self, _: Records<T>) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}
