//! The sink that forgets.

use riverrun_base::Result;
use riverrun_connect::{Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{Batch, ChangelogMode, RowKind};

/// Takes every row. As in Flink it asks for no `-U`, so that a query need not make them.
pub(crate) struct BlackholeSink;

struct Writer;

impl Sink for BlackholeSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query.without(RowKind::UpdateBefore)
    }

    fn writer(&self, _context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Writer))
    }
}

impl SinkWriter for Writer {
    fn write(&mut self, _batch: Batch) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self, _reason: Flush) -> Result<()> {
        Ok(())
    }
}
