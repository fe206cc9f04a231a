//! What source and sink of a table have in common: its columns and formats.

use std::sync::Arc;

use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result};
use riverrun_connect::TableContext;
use riverrun_formats::Format;

use crate::columns::{Columns, key_columns};
use crate::options::{KafkaOptions, UpsertKafkaOptions, value_format};

/// A format with its name.
#[derive(Clone)]
pub(crate) struct Named {
    /// The name.
    pub(crate) name: String,
    /// The format, for the columns of its side.
    pub(crate) format: Arc<dyn Format>,
}

/// The columns of a table, and how records hold them.
#[derive(Clone)]
pub(crate) struct Table {
    /// The table's name.
    pub(crate) name: String,
    /// The columns in key and value.
    pub(crate) columns: Arc<Columns>,
    /// The format of values.
    pub(crate) value: Named,
    /// The format of keys.
    pub(crate) key: Option<Named>,
    /// Whether records are changes by key.
    pub(crate) upsert: bool,
}

impl Table {
    /// A table of `kafka`.
    ///
    /// # Errors
    /// Options of key and value that do not go together, or a format that cannot hold the columns.
    pub(crate) fn kafka(context: &TableContext, options: &KafkaOptions, reader: &mut OptionReader) -> Result<Self> {
        let key = key_columns(&context.columns, options.key_format.as_deref(), options.key_fields.as_deref())?;
        let columns = Columns::new(
            context.columns.clone(),
            key,
            options.key_fields_prefix.as_deref(),
            options.value_fields_include,
        )?;
        let (option, name) = value_format(options)?;
        let value = open(reader, option, name, columns.value_schema())?;
        if !context.primary_key.is_empty() && value.format.changelog_mode().is_insert_only() {
            return Err(Error::user(format!("a PRIMARY KEY has no meaning on connector 'kafka' with format '{name}', whose records are all insertions"))
                .hint("remove the PRIMARY KEY, or use the connector 'upsert-kafka'"));
        }
        let key = options.key_format.as_deref().map(|name| open_key(reader, name, &columns)).transpose()?;
        Ok(Self { name: context.name.clone(), columns: Arc::new(columns), value, key, upsert: false })
    }

    /// A table of `upsert-kafka`.
    ///
    /// # Errors
    /// As [`Self::kafka`], and where there is no primary key.
    pub(crate) fn upsert_kafka(
        context: &TableContext,
        options: &UpsertKafkaOptions,
        reader: &mut OptionReader,
    ) -> Result<Self> {
        if context.primary_key.is_empty() {
            return Err(Error::user(
                "a table of connector 'upsert-kafka' needs a PRIMARY KEY, whose columns are the key of its records",
            )
            .hint("add PRIMARY KEY (...) NOT ENFORCED"));
        }
        let columns = Columns::new(
            context.columns.clone(),
            context.primary_key.clone(),
            options.key_fields_prefix.as_deref(),
            options.value_fields_include,
        )?;
        let value = open(reader, "value.format", &options.value_format, columns.value_schema())?;
        if !value.format.changelog_mode().is_insert_only() {
            return Err(Error::user(format!(
                "connector 'upsert-kafka' cannot use the value format '{}', which has row kinds of its own",
                value.name
            ))
            .with("option", "value.format"));
        }
        let key = Some(open_key(reader, &options.key_format, &columns)?);
        Ok(Self { name: context.name.clone(), columns: Arc::new(columns), value, key, upsert: true })
    }
}

fn open(reader: &mut OptionReader, option: &str, name: &str, schema: arrow::datatypes::SchemaRef) -> Result<Named> {
    Ok(Named { name: name.to_owned(), format: riverrun_formats::open(reader, option, name, schema)?.into() })
}

fn open_key(reader: &mut OptionReader, name: &str, columns: &Columns) -> Result<Named> {
    let key = open(reader, "key.format", name, columns.key_schema())?;
    if key.format.changelog_mode().is_insert_only() {
        return Ok(key);
    }
    Err(Error::user(format!("'{name}' cannot be a key format: it has row kinds")).with("option", "key.format"))
}
