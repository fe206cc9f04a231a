//! Keeps records for the program that started the job.

use std::sync::{Arc, Mutex, PoisonError};

use riverrun_base::Result;
use riverrun_connect::{Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};

use crate::Record;

/// Keeps all records in memory. Clones share them.
pub(crate) struct CollectSink<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for CollectSink<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for CollectSink<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> CollectSink<T> {
    /// What was collected so far.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Record> Sink<Records<T>> for CollectSink<T> {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        Ok(Box::new(self.clone()))
    }
}

impl<T: Record> SinkWriter<Records<T>> for CollectSink<T> {
    fn write(&mut self, batch: Records<T>) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.into_parts().0);
        Ok(())
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}
