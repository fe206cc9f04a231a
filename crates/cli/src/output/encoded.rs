//! Rows as the formats `json` and `csv` write them, with the row's kind in front where rows are changes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, LogicalType, RowField, arrow_schema};
use riverrun_formats::Encoder;
use riverrun_sql::{Column, ResultTable};

use super::Broken;

/// Appends a row's message with its kind, `+I`, in front.
type WithKind = fn(&'static str, &[u8], &mut Vec<u8>);

/// Writes rows in one format.
pub(super) struct Encoded {
    encoder: Box<dyn Encoder>,
    schema: SchemaRef,
    /// What stands before the rows.
    head: Vec<u8>,
    /// Puts a row's kind in front of it.
    with_kind: Option<WithKind>,
    messages: riverrun_formats::Encoded,
    lines: Vec<u8>,
}

impl Encoded {
    /// An object a line.
    ///
    /// # Errors
    /// A column has a type that JSON cannot hold.
    pub(super) fn json(columns: &[Column], updating: bool) -> Result<Self> {
        let with_kind = |kind: &'static str, row: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(b"{\"op\":\"");
            out.extend_from_slice(kind.as_bytes());
            out.push(b'"');
            // Behind the opening brace: the first field, or the closing brace.
            let rest = row.get(1..).unwrap_or_default();
            if rest != b"}" {
                out.push(b',');
            }
            out.extend_from_slice(rest);
        };
        Self::new("json", columns, Vec::new(), updating.then_some(with_kind))
    }

    /// The names, then a line for each row.
    ///
    /// # Errors
    /// A column has a type that CSV cannot hold.
    pub(super) fn csv(columns: &[Column], updating: bool) -> Result<Self> {
        let with_kind = |kind: &'static str, row: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(kind.as_bytes());
            out.push(b',');
            out.extend_from_slice(row);
        };
        let names =
            updating.then(|| "op".to_owned()).into_iter().chain(columns.iter().map(|column| quoted(&column.name)));
        let head = names.collect::<Vec<_>>().join(",") + "\n";
        Self::new("csv", columns, head.into_bytes(), updating.then_some(with_kind))
    }

    fn new(format: &str, columns: &[Column], head: Vec<u8>, with_kind: Option<WithKind>) -> Result<Self> {
        let fields: Vec<RowField> = columns
            .iter()
            .map(|column| RowField { name: column.name.clone(), data_type: column.data_type.clone() })
            .collect();
        let schema = arrow_schema(&fields);
        // 20.00 and not 2E+1.
        let plain = BTreeMap::from([("json.encode.decimal-as-plain-number".to_owned(), "true".to_owned())]);
        let mut options = OptionReader::new(format!("format '{format}'"), plain);
        let format = riverrun_formats::open(&mut options, "format", format, Arc::clone(&schema))?;
        Ok(Self {
            encoder: format.encoder()?,
            schema,
            head,
            with_kind,
            messages: riverrun_formats::Encoded::default(),
            lines: Vec::new(),
        })
    }

    pub(super) fn head(&self, out: &mut impl Write) -> Result<(), Broken> {
        Ok(out.write_all(&self.head)?)
    }

    pub(super) fn rows(&mut self, batch: &Batch, out: &mut impl Write) -> Result<(), Broken> {
        self.messages.clear();
        self.lines.clear();
        self.encoder.encode(batch, &mut self.messages)?;
        for (n, row) in self.messages.messages().enumerate() {
            match self.with_kind {
                Some(with_kind) => with_kind(batch.kind(n).short(), row, &mut self.lines),
                None => self.lines.extend_from_slice(row),
            }
            self.lines.push(b'\n');
        }
        Ok(out.write_all(&self.lines)?)
    }

    /// Writes the answer of a statement.
    pub(super) fn answer(&mut self, table: &ResultTable, out: &mut impl Write) -> Result<(), Broken> {
        self.head(out)?;
        let columns = table.columns.iter().enumerate().map(|(n, column)| {
            let values = table.rows.iter().map(|row| row.get(n).and_then(Option::as_deref));
            match column.data_type.logical {
                LogicalType::Boolean => {
                    Arc::new(values.map(|value| value.map(|text| text == "TRUE")).collect::<BooleanArray>()) as ArrayRef
                }
                _ => Arc::new(values.collect::<StringArray>()),
            }
        });
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns.collect());
        let rows = rows.map_err(|error| Error::internal("an answer does not fit its columns").caused_by(error))?;
        self.rows(&Batch::insertions(rows), out)
    }
}

/// A name as RFC 4180 writes it.
fn quoted(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use riverrun_data::{DataType, RowKind};

    use super::*;

    fn columns() -> Vec<Column> {
        let column = |name: &str, logical| Column { name: name.to_owned(), data_type: DataType::nullable(logical) };
        vec![column("n", LogicalType::BigInt), column("a, b", LogicalType::STRING)]
    }

    fn changes() -> Batch {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["x \"y\"", "z,"]))];
        let fields: Vec<RowField> = self::columns()
            .into_iter()
            .map(|column| RowField { name: column.name, data_type: column.data_type })
            .collect();
        let rows = RecordBatch::try_new(arrow_schema(&fields), columns).unwrap();
        Batch::with_kinds(rows, vec![RowKind::Insert, RowKind::Delete]).unwrap()
    }

    fn written(mut encoded: Encoded) -> String {
        let mut out = Vec::new();
        encoded.head(&mut out).unwrap();
        encoded.rows(&changes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_has_an_object_a_line_and_the_kind_of_a_change() {
        let plain = "{\"n\":1,\"a, b\":\"x \\\"y\\\"\"}\n{\"n\":null,\"a, b\":\"z,\"}\n";
        assert_eq!(written(Encoded::json(&columns(), false).unwrap()), plain);
        let updating = "{\"op\":\"+I\",\"n\":1,\"a, b\":\"x \\\"y\\\"\"}\n{\"op\":\"-D\",\"n\":null,\"a, b\":\"z,\"}\n";
        assert_eq!(written(Encoded::json(&columns(), true).unwrap()), updating);
    }

    #[test]
    fn csv_begins_with_the_names_and_quotes_what_must_be() {
        assert_eq!(
            written(Encoded::csv(&columns(), true).unwrap()),
            "op,n,\"a, b\"\n+I,1,\"x \"\"y\"\"\"\n-D,,\"z,\"\n"
        );
        assert!(written(Encoded::csv(&columns(), false).unwrap()).starts_with("n,\"a, b\"\n1,"));
    }
}
