//! Sinks: whether a table takes a query's changes, and the sink of a query whose result is shown.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Connectors, Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{Batch, ChangelogMode, RowKind};

use super::node::{Node, SinkTarget};
use super::source::metadata_types;

/// The sink of a table for a query that makes `query`'s changes. Connects to nothing.
///
/// # Errors
/// The connector does not exist, cannot be written, refuses the options, or does not take the changes.
pub(crate) fn check_sink(
    connectors: &Connectors,
    target: &SinkTarget,
    query: &Node,
) -> Result<(Box<dyn Sink>, ChangelogMode)> {
    let connector = target.table.connector(connectors, &target.hint)?;
    let context = target.table.context(&target.hint)?;
    let at_table = |error: Error| error.with("table", &target.table.name);
    let Some(sink) = connector.sink else {
        return Err(at_table(Error::user(format!(
            "Connector '{}' can only be used as a source. It cannot be used as a sink.",
            connector.name
        ))));
    };
    metadata_types(connector, &context)?;
    for column in context.metadata.iter().filter(|column| !column.is_virtual) {
        if (connector.metadata)().iter().any(|known| known.key == column.key && !known.writable) {
            return Err(at_table(
                Error::user(format!(
                    "Invalid metadata key '{}' in column '{}': the connector cannot write it",
                    column.key, column.name
                ))
                .hint("declare the column VIRTUAL"),
            ));
        }
    }
    let sink = sink(&context).map_err(at_table)?;
    let wanted = sink.changelog_mode(query.mode);
    for (kind, changes) in [(RowKind::UpdateAfter, "update"), (RowKind::Delete, "delete")] {
        if query.mode.contains(kind) && !wanted.contains(kind) {
            return Err(at_table(Error::user(format!("Table sink '{}' doesn't support consuming {changes} changes", target.table.name))
                .hint(format!("the query's changes are {}, and the connector '{}' takes {wanted}; declare a PRIMARY KEY if it writes by key", query.mode, connector.name))));
        }
    }
    check_key(target, query, wanted)?;
    Ok((sink, wanted))
}

/// A sink that writes by key must get all changes of a key from the same row of the query: its key must hold the query's.
fn check_key(target: &SinkTarget, query: &Node, wanted: ChangelogMode) -> Result<()> {
    let key = &target.table.primary_key;
    if query.mode.is_insert_only()
        || key.is_empty()
        || wanted.contains(RowKind::UpdateBefore) && query.mode.contains(RowKind::UpdateBefore)
    {
        return Ok(());
    }
    let names = |columns: &[usize], of: &dyn Fn(usize) -> String| {
        columns.iter().map(|column| of(*column)).collect::<Vec<_>>().join(", ")
    };
    let physical = target.table.indices(|kind| matches!(kind, crate::catalog::TableColumnKind::Physical));
    let key: Vec<usize> =
        key.iter().filter_map(|column| physical.iter().position(|physical| physical == column)).collect();
    match &query.upsert_key {
        Some(upsert) if upsert.iter().all(|column| key.contains(column)) => Ok(()),
        upsert => {
            let found = upsert
                .as_ref()
                .map_or("unknown".to_owned(), |upsert| names(upsert, &|column| query.fields[column].name.clone()));
            let declared = names(&key, &|column| target.table.columns[physical[column]].name.clone());
            Err(Error::not_supported(format!(
                "writing a query whose rows are identified by ({found}) into table '{}' by its PRIMARY KEY ({declared})",
                target.table.name
            ))
            .hint("give the table the query's key"))
        }
    }
}

/// Hands the rows of a query to whoever shows them.
pub(crate) struct ResultSink(pub(crate) SyncSender<Batch>);

impl Sink for ResultSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn parallelism(&self) -> Option<usize> {
        Some(1)
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(ResultWriter { rows: self.0.clone(), cancellation: context.cancellation.clone() }))
    }
}

struct ResultWriter {
    rows: SyncSender<Batch>,
    cancellation: Cancellation,
}

impl SinkWriter for ResultWriter {
    fn write(&mut self, batch: Batch) -> Result<()> {
        let mut batch = batch;
        loop {
            match self.rows.try_send(batch) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(Error::canceled()),
                Err(TrySendError::Full(back)) => batch = back,
            }
            self.cancellation.sleep(Duration::from_millis(1))?;
        }
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}
