//! Columns, event time, key and options of a table, as a program declares them.

use riverrun_sql::{TableColumnSpec, TableSpec};

/// The columns of a table, its event time and its key.
///
/// Types and expressions are written as in SQL. For a stream, columns are found by the names of the record's fields; without a physical
/// column all fields become columns, before the others.
///
/// ```
/// use riverrun::table::Schema;
///
/// let schema = Schema::new()
///     .column("account_id", "BIGINT")
///     .column("transaction_time", "TIMESTAMP(3)")
///     .watermark("transaction_time", "transaction_time - INTERVAL '5' SECOND");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Schema(pub(super) TableSpec);

impl Schema {
    /// No columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column of the record.
    pub fn column(self, name: impl Into<String>, data_type: impl Into<String>) -> Self {
        self.with(name, TableColumnSpec::Physical(data_type.into()))
    }

    /// A column of the connector's metadata; its key is the column's name. A stream has `rowtime`: the record's event time, as
    /// TIMESTAMP_LTZ(3).
    pub fn column_by_metadata(self, name: impl Into<String>, data_type: impl Into<String>) -> Self {
        let data_type = data_type.into();
        self.with(name, TableColumnSpec::Metadata { data_type, key: None, is_virtual: false })
    }

    /// As [`Self::column_by_metadata`], of another key than the column's name; read only, if `is_virtual`.
    pub fn column_by_metadata_key(
        self,
        name: impl Into<String>,
        data_type: impl Into<String>,
        key: impl Into<String>,
        is_virtual: bool,
    ) -> Self {
        let (data_type, key) = (data_type.into(), Some(key.into()));
        self.with(name, TableColumnSpec::Metadata { data_type, key, is_virtual })
    }

    /// A column computed of the others, by an expression of SQL: `column_by_expression("at", "PROCTIME()")`.
    pub fn column_by_expression(self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.with(name, TableColumnSpec::Computed(expression.into()))
    }

    /// The column of event time, and the watermark of a row, by an expression of SQL. For a stream, `SOURCE_WATERMARK()` keeps the
    /// watermarks that it has.
    pub fn watermark(mut self, column: impl Into<String>, expression: impl Into<String>) -> Self {
        self.0.watermark = Some((column.into(), expression.into()));
        self
    }

    /// The columns that a row is known by. Nobody enforces the key.
    pub fn primary_key<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.0.primary_key = columns.into_iter().map(Into::into).collect();
        self
    }

    fn with(mut self, name: impl Into<String>, column: TableColumnSpec) -> Self {
        self.0.columns.push((name.into(), column));
        self
    }
}

/// A table with its connector: CREATE TABLE in Rust.
///
/// ```
/// use riverrun::table::{Schema, TableDescriptor, TableEnvironment};
///
/// let env = TableEnvironment::create();
/// let numbers = TableDescriptor::for_connector("datagen")
///     .schema(Schema::new().column("n", "BIGINT"))
///     .option("number-of-rows", "3");
/// env.create_temporary_table("numbers", numbers)?;
/// assert_eq!(env.list_tables(), ["numbers"]);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TableDescriptor(pub(super) TableSpec);

impl TableDescriptor {
    /// A table of a connector.
    pub fn for_connector(connector: impl Into<String>) -> Self {
        let mut spec = TableSpec::default();
        spec.options.insert("connector".to_owned(), connector.into());
        Self(spec)
    }

    /// Its columns, event time and key.
    pub fn schema(mut self, schema: Schema) -> Self {
        let TableSpec { options, comment, .. } = self.0;
        self.0 = TableSpec { options, comment, ..schema.0 };
        self
    }

    /// An option of the connector.
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.options.insert(key.into(), value.into());
        self
    }

    /// The format of its messages or files.
    pub fn format(self, format: impl Into<String>) -> Self {
        self.option("format", format)
    }

    /// What it is.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.0.comment = Some(comment.into());
        self
    }
}
