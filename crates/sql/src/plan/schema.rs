//! The columns of a relation: names, types, and which of them tell time or belong to a window.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use riverrun_data::{DataType, RowField, arrow_schema};

use super::rel::Window;

/// A column of a relation.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// The name or alias of the table it comes from.
    pub(crate) qualifier: Option<String>,
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// Whether it is a time attribute, on which windows can be built.
    pub(crate) time: Option<TimeAttribute>,
    /// What it is of a window table function's window.
    pub(crate) window: Option<(WindowColumn, Arc<Window>)>,
}

/// A column that tells a stream's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeAttribute {
    /// Event time, with watermarks.
    Rowtime,
    /// Processing time.
    Proctime,
}

/// A column that a window table function adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowColumn {
    /// `window_start`.
    Start,
    /// `window_end`, exclusive.
    End,
    /// `window_time`, the last millisecond of the window.
    Time,
}

impl Field {
    /// A column without qualifier or special meaning.
    pub(crate) fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { qualifier: None, name: name.into(), data_type, time: None, window: None }
    }
}

/// The Arrow schema of a relation's batches.
pub(crate) fn batch_schema(fields: &[Field]) -> SchemaRef {
    let columns: Vec<RowField> =
        fields.iter().map(|field| RowField { name: field.name.clone(), data_type: field.data_type.clone() }).collect();
    arrow_schema(&columns)
}
