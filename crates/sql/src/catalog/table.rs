//! A table: its columns, watermark, key and options.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result};
use riverrun_connect::{Connector, Connectors, MetadataColumn, TableContext};
use riverrun_data::{DataType, RowField};
use sqlparser::ast::Expr;

/// A declared table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) temporary: bool,
    /// The columns, in the order of their declaration.
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) watermark: Option<Watermark>,
    /// The primary key, as indices into `columns`.
    pub(crate) primary_key: Vec<usize>,
    pub(crate) comment: Option<String>,
    /// Everything in `WITH (...)`, with `connector`.
    pub(crate) options: BTreeMap<String, String>,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) kind: TableColumnKind,
    pub(crate) comment: Option<String>,
}

/// Where a column's value comes from.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few columns, and they are looked at once")]
pub(crate) enum TableColumnKind {
    /// The record.
    Physical,
    /// The connector's metadata under a key.
    Metadata { key: String, is_virtual: bool },
    /// An expression over the physical and metadata columns; `proctime` marks `PROCTIME()`.
    Computed { expr: Expr, proctime: bool },
}

/// `WATERMARK FOR column AS strategy`.
#[derive(Clone, Debug)]
pub(crate) struct Watermark {
    /// The index of the rowtime column.
    pub(crate) column: usize,
    /// The watermark of a row, over all columns.
    pub(crate) strategy: Expr,
}

impl Table {
    /// The table as its connector sees it, with the options of a hint over its own.
    pub(crate) fn context(&self, hint: &BTreeMap<String, String>) -> Result<TableContext> {
        let mut options = self.options.clone();
        options.extend(hint.clone());
        let connector = options.remove("connector").ok_or_else(|| {
            Error::user(format!("Table '{}' has no 'connector' option", self.name))
                .hint("add WITH ('connector' = '...')")
        })?;
        let physical: Vec<usize> = self.indices(|kind| matches!(kind, TableColumnKind::Physical));
        let metadata = self.columns.iter().filter_map(|column| match &column.kind {
            TableColumnKind::Metadata { key, is_virtual } => Some(MetadataColumn {
                key: key.clone(),
                name: column.name.clone(),
                data_type: column.data_type.clone(),
                is_virtual: *is_virtual,
            }),
            _ => None,
        });
        Ok(TableContext {
            name: self.name.clone(),
            columns: physical.iter().map(|n| self.field(*n)).collect(),
            metadata: metadata.collect(),
            primary_key: self.primary_key.iter().filter_map(|key| physical.iter().position(|n| n == key)).collect(),
            options,
            connector,
        })
    }

    /// The connector of the table.
    ///
    /// # Errors
    /// The table names none, or one that does not exist.
    pub(crate) fn connector(
        &self,
        connectors: &Connectors,
        hint: &BTreeMap<String, String>,
    ) -> Result<&'static Connector> {
        let context = self.context(hint)?;
        connectors.get(&context.connector).map_err(|error| error.with("table", &self.name))
    }

    /// The indices of the columns of some kind.
    pub(crate) fn indices(&self, select: impl Fn(&TableColumnKind) -> bool) -> Vec<usize> {
        self.columns.iter().enumerate().filter(|(_, column)| select(&column.kind)).map(|(n, _)| n).collect()
    }

    fn field(&self, n: usize) -> RowField {
        let column = &self.columns[n];
        RowField { name: column.name.clone(), data_type: column.data_type.clone() }
    }
}
