//! The source of a table.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_connect::{Boundedness, Source, SourceReader, SplitEnumerator, TableContext, TaskContext};
use riverrun_data::ChangelogMode;

use crate::client::Connection;
use crate::columns::Columns;
use crate::decode::{Decode, RowDecoder};
use crate::enumerator::RocketMqEnumerator;
use crate::metadata::Metadata;
use crate::options::{TableOptions, check_parallelism};
use crate::reader::RocketMqReader;
use crate::scan::{Scan, Stop};
use crate::table::{Table, connection};

/// The source of a table, checked.
struct TableSource {
    table: Table,
    reading: Reading,
    metadata: Vec<(String, Metadata)>,
    parallelism: Option<usize>,
}

/// What is read, and how the cluster is reached.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) scan: Arc<Scan>,
    pub(crate) connection: Connection,
}

/// Checks a table.
///
/// # Errors
/// The user's mistakes.
pub(crate) fn open(context: &TableContext) -> Result<Box<dyn Source>> {
    let mut reader = context.option_reader();
    let options: TableOptions = reader.read()?;
    let table = Table::new(context, &options, Columns::read(context.columns.clone()), &mut reader)?;
    reader.finish()?;
    check_parallelism("scan.parallelism", options.scan_parallelism)?;
    let reading = Reading { scan: Arc::new(Scan::of_table(&options)?), connection: connection(&options)? };
    let metadata = context.metadata.iter().map(|column| Ok((column.name.clone(), Metadata::of(column)?)));
    let metadata = metadata.collect::<Result<_>>()?;
    Ok(Box::new(TableSource { table, reading, metadata, parallelism: options.scan_parallelism }))
}

impl Reading {
    pub(crate) fn boundedness(&self) -> Boundedness {
        if self.scan.stop == Stop::Never { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    /// What finds the queues.
    ///
    /// # Errors
    /// No name server can be reached, or the topic is missing.
    pub(crate) fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(RocketMqEnumerator::open(Arc::clone(&self.scan), &self.connection, context)?))
    }

    /// What reads them.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn reader<D: Decode + 'static>(
        &self,
        decoder: D,
        context: &TaskContext,
    ) -> Result<Box<dyn SourceReader<D::Batch>>> {
        Ok(Box::new(RocketMqReader::open(Arc::clone(&self.scan), &self.connection, decoder, context)?))
    }
}

impl Source for TableSource {
    fn boundedness(&self) -> Boundedness {
        self.reading.boundedness()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.table.body.changelog_mode()
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        self.reading.enumerator(context).map_err(|error| error.with("table", &self.table.name))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader>> {
        let decoder = RowDecoder::new(&self.table, &self.metadata, &context.counters)?;
        self.reading.reader(decoder, context).map_err(|error| error.with("table", &self.table.name))
    }
}
