//! What a connector is told about its table and its task.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use riverrun_base::options::OptionReader;
use riverrun_data::{DataType, RowField, arrow_schema};
use riverrun_protocol::CheckpointId;

use crate::{Cancellation, Counters};

/// A table as a script declares it.
#[derive(Clone)]
pub struct TableContext {
    /// The table's name, for errors and logs.
    pub name: String,
    /// The physical columns.
    pub columns: Vec<RowField>,
    /// The metadata columns. A source appends them to the physical ones, in this order; a sink finds those that are not virtual there.
    pub metadata: Vec<MetadataColumn>,
    /// The primary key, as indices into `columns`; empty without one.
    pub primary_key: Vec<usize>,
    /// What `WITH (...)` holds, without `connector`.
    pub options: BTreeMap<String, String>,
    /// The name of the connector.
    pub connector: String,
}

/// A column that a connector fills from, or writes to, something beside the record's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataColumn {
    /// The connector's key: `timestamp`, `offset`.
    pub key: String,
    /// The column's name.
    pub name: String,
    /// The type the script declares; the planner has checked that the key's own type can be cast to it. The connector delivers and
    /// takes the key's own type, the planner adds the cast.
    pub data_type: DataType,
    /// Whether it is only read.
    pub is_virtual: bool,
}

impl fmt::Debug for TableContext {
    /// Without the options' values, among which are passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.options.keys().collect();
        f.debug_struct("TableContext")
            .field("name", &self.name)
            .field("connector", &self.connector)
            .field("columns", &self.columns)
            .field("metadata", &self.metadata)
            .field("primary_key", &self.primary_key)
            .field("options", &keys)
            .finish()
    }
}

impl TableContext {
    /// A reader over the options, whose errors name connector and table.
    pub fn option_reader(&self) -> OptionReader {
        OptionReader::new(format!("connector '{}' of table {}", self.connector, self.name), self.options.clone())
    }

    /// The Arrow schema of the physical columns.
    pub fn physical_schema(&self) -> SchemaRef {
        arrow_schema(&self.columns)
    }
}

/// Which job and which attempt of it a task belongs to, for names that outlive it: of transactions, part files, consumer groups.
#[derive(Clone, Debug, Default)]
pub struct JobContext {
    /// The job's id, 32 hexadecimal digits: the same in all attempts, and over restarts of the process that resume it.
    pub id: Arc<str>,
    /// The operator's uid, unique in the job, the same after a restore.
    pub operator: Arc<str>,
    /// The number of the attempt, which rises with each, also over restarts of the process.
    pub attempt: u64,
    /// The checkpoint that this attempt goes on from.
    pub restored: Option<CheckpointId>,
    /// How often checkpoints are taken; `None` where none are.
    pub checkpoint_interval: Option<Duration>,
}

/// What a reader, writer, committer or enumerator knows about the task that owns it.
#[derive(Clone, Debug, Default)]
pub struct TaskContext {
    /// The task's name, for logs.
    pub task: String,
    /// The index of the subtask, from 0.
    pub subtask: usize,
    /// How many subtasks there are.
    pub parallelism: usize,
    /// Says when the job stops; whatever waits in a connector waits on it.
    pub cancellation: Cancellation,
    /// Where it counts what it does.
    pub counters: Counters,
    /// The job.
    pub job: JobContext,
}
