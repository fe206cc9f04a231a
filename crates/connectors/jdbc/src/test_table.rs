//! Tables for the tests of this crate.

use std::collections::BTreeMap;

use riverrun_connect::TableContext;
use riverrun_data::{DataType, LogicalType, RowField};

use crate::dialect;
use crate::options::Table;
use crate::remote::{Class, Target, TargetColumn};
use crate::url::System;

/// A table with these columns and options; `url` and `table-name` are given.
pub(crate) fn context(
    url: &str,
    columns: &[(&str, LogicalType)],
    key: &[usize],
    options: &[(&str, &str)],
) -> TableContext {
    let mut all = BTreeMap::from([("url".to_owned(), url.to_owned()), ("table-name".to_owned(), "report".to_owned())]);
    all.extend(options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let columns = columns
        .iter()
        .enumerate()
        .map(|(index, (name, logical))| RowField {
            name: (*name).to_owned(),
            data_type: DataType { logical: logical.clone(), nullable: !key.contains(&index) },
        })
        .collect();
    TableContext {
        name: "spend_report".to_owned(),
        columns,
        metadata: Vec::new(),
        primary_key: key.to_vec(),
        options: all,
        connector: "jdbc".to_owned(),
    }
}

/// As [`context`], checked.
pub(crate) fn table(
    url: &str,
    columns: &[(&str, LogicalType)],
    key: &[usize],
    options: &[(&str, &str)],
) -> riverrun_base::Result<Table> {
    Table::new(&context(url, columns, key, options))
}

/// A table that was looked up.
pub(crate) fn target(system: System, columns: &[(&str, LogicalType, Class, &str)], key: &[usize]) -> Target {
    let columns = columns
        .iter()
        .map(|(name, logical, class, type_name)| TargetColumn {
            quoted: dialect::quote(system, name),
            logical: logical.clone(),
            class: class.clone(),
            type_name: (*type_name).to_owned(),
        })
        .collect();
    Target {
        system,
        table: dialect::quote(system, "report"),
        schema: None,
        name: "report".to_owned(),
        columns,
        key: key.to_vec(),
    }
}
