//! Writes single values as messages.

use arrow::datatypes::Schema;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, LogicalType, type_of_field};

use crate::rows::{Cell, View};
use crate::{Encoded, Encoder};

/// Every value is a message.
pub(super) struct RawEncoder {
    big_endian: bool,
    name: String,
    logical: LogicalType,
}

impl RawEncoder {
    pub(super) fn new(big_endian: bool, schema: &Schema) -> Result<Self> {
        let field = schema.fields().first().and_then(|field| Some((field.name().clone(), type_of_field(field)?)));
        let (name, data_type) = field.ok_or_else(|| Error::internal("format 'raw' without a column"))?;
        Ok(Self { big_endian, name, logical: data_type.logical })
    }

    fn write<const N: usize>(&self, out: &mut Vec<u8>, mut big_endian: [u8; N]) {
        if !self.big_endian {
            big_endian.reverse();
        }
        out.extend_from_slice(&big_endian);
    }
}

impl Encoder for RawEncoder {
    fn encode(&mut self, batch: &Batch, out: &mut Encoded) -> Result<()> {
        let [array] = batch.rows().columns() else {
            return Err(Error::internal(format!("{} columns for a table of one", batch.rows().num_columns())));
        };
        let view = View::new(array, &self.logical, &self.name)?;
        let bytes = &mut out.bytes;
        for row in 0..batch.num_rows() {
            if view.is_null(row) {
                return Err(Error::data("format 'raw' cannot write NULL").with("column", &self.name));
            }
            match &view.cells {
                Cell::Boolean(values) => bytes.push(u8::from(values.value(row))),
                Cell::TinyInt(values) => self.write(bytes, values[row].to_be_bytes()),
                Cell::SmallInt(values) => self.write(bytes, values[row].to_be_bytes()),
                Cell::Int(values) => self.write(bytes, values[row].to_be_bytes()),
                Cell::BigInt(values) => self.write(bytes, values[row].to_be_bytes()),
                Cell::Float(values) => self.write(bytes, values[row].to_be_bytes()),
                Cell::Double(values) => self.write(bytes, values[row].to_be_bytes()),
                Cell::Text(values) => bytes.extend_from_slice(values.value(row).as_bytes()),
                Cell::Bytes(values) => bytes.extend_from_slice(values.value(row)),
                _ => {
                    return Err(Error::internal(format!("format 'raw' cannot write {}", self.logical))
                        .with("column", &self.name));
                }
            }
            out.ends.push(bytes.len());
        }
        Ok(())
    }
}
