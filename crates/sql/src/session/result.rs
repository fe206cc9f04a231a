//! Results as text: of statements that answer at once, and of queries.

use riverrun_base::Result;
use riverrun_data::{Batch, DataType, LogicalType, RowKind};

use crate::cast::text::{Bytes, TextColumn};
use crate::cast::zone::Zone;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: DataType,
}

/// The answer of a statement such as SHOW TABLES: rows of text, NULL being `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultTable {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A row of a query's result, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it does.
    pub kind: RowKind,
    /// The values as Flink's client prints them; NULL is `None`.
    pub values: Vec<Option<String>>,
}

impl ResultTable {
    /// One column of STRING, a row for each text.
    pub(crate) fn texts(column: &str, texts: impl IntoIterator<Item = String>) -> Self {
        Self { columns: vec![string_column(column)], rows: texts.into_iter().map(|text| vec![Some(text)]).collect() }
    }
}

/// A column of type STRING.
pub(crate) fn string_column(name: &str) -> Column {
    Column { name: name.to_owned(), data_type: DataType::nullable(LogicalType::STRING) }
}

/// A column of type BOOLEAN.
pub(crate) fn boolean_column(name: &str) -> Column {
    Column { name: name.to_owned(), data_type: DataType::nullable(LogicalType::Boolean) }
}

/// The rows of a batch as text.
///
/// # Errors
/// The batch does not fit the columns.
pub(crate) fn rows(columns: &[Column], batch: &Batch, zone: &Zone) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = (0..batch.num_rows())
        .map(|row| Row { kind: batch.kind(row), values: Vec::with_capacity(columns.len()) })
        .collect();
    for (column, array) in columns.iter().zip(batch.rows().columns()) {
        let cells = TextColumn::new(array, &column.data_type.logical, zone, Bytes::Hexadecimal)?;
        for (n, row) in rows.iter_mut().enumerate() {
            let mut text = String::new();
            let valid = !arrow::array::Array::is_null(array, n);
            if valid {
                cells.write(n, &mut text);
            }
            row.values.push(valid.then_some(text));
        }
    }
    Ok(rows)
}
