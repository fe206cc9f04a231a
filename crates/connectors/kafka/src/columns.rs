//! Which columns are in a record's key and which in its value.

use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result, nearest};
use riverrun_data::{RowField, arrow_schema};

use crate::options::ValueFields;

/// The physical columns of a table, spread over key and value. A column can be in both.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// All, in the table's order.
    pub(crate) physical: Vec<RowField>,
    /// Those in the key, as indices into `physical`, in the key's order.
    pub(crate) key: Vec<usize>,
    /// Those in the value, as indices into `physical`, in the table's order.
    pub(crate) value: Vec<usize>,
    /// What the names of key columns lose in the key format.
    prefix: String,
}

impl Columns {
    /// Lays the columns out as `key.fields`, `key.fields-prefix` and `value.fields-include` say.
    ///
    /// # Errors
    /// A prefix that is missing in a name, or one that would make names meet.
    pub(crate) fn new(
        physical: Vec<RowField>,
        key: Vec<usize>,
        prefix: Option<&str>,
        include: ValueFields,
    ) -> Result<Self> {
        let prefix = prefix.unwrap_or_default().to_owned();
        if !prefix.is_empty() && include == ValueFields::All {
            return Err(Error::user("'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'")
                .hint("with ALL the key's columns are in the value too, and would need both names"));
        }
        for column in key.iter().filter_map(|index| physical.get(*index)) {
            if !column.name.starts_with(&prefix) {
                return Err(Error::user(format!("the key column '{}' does not start with '{prefix}'", column.name))
                    .with("option", "key.fields-prefix")
                    .hint("every key column has to start with the prefix"));
            }
        }
        let value = (0..physical.len()).filter(|index| include == ValueFields::All || !key.contains(index)).collect();
        Ok(Self { physical, key, value, prefix })
    }

    /// The schema that the key format reads and writes.
    pub(crate) fn key_schema(&self) -> SchemaRef {
        let strip = |field: &RowField| RowField {
            name: field.name.strip_prefix(&self.prefix).unwrap_or(&field.name).to_owned(),
            ..field.clone()
        };
        arrow_schema(&self.key.iter().filter_map(|index| self.physical.get(*index)).map(strip).collect::<Vec<_>>())
    }

    /// The schema that the value format reads and writes.
    pub(crate) fn value_schema(&self) -> SchemaRef {
        arrow_schema(&self.value.iter().filter_map(|index| self.physical.get(*index)).cloned().collect::<Vec<_>>())
    }
}

/// The indices of the columns that `key.fields` names.
///
/// # Errors
/// A key format without columns, columns without a key format, or a name that is no physical column.
pub(crate) fn key_columns(
    physical: &[RowField],
    format: Option<&str>,
    fields: Option<&[String]>,
) -> Result<Vec<usize>> {
    let fields = fields.unwrap_or_default();
    match format {
        None if fields.is_empty() => return Ok(Vec::new()),
        None => return Err(Error::user("'key.fields' needs a key format").hint("add 'key.format' = '...'")),
        Some(_) if fields.is_empty() => {
            return Err(
                Error::user("'key.format' needs the columns of the key").hint("add 'key.fields' = 'column1;column2'")
            );
        }
        Some(_) => {}
    }
    let names: Vec<&str> = physical.iter().map(|column| column.name.as_str()).collect();
    let index = |field: &String| {
        names.iter().position(|name| name == field).ok_or_else(|| {
            let guess = nearest(field, names.iter().copied())
                .map(|near| format!("did you mean '{near}'? "))
                .unwrap_or_default();
            Error::user(format!("'{field}' is not a physical column of the table"))
                .with("option", "key.fields")
                .hint(format!("{guess}the physical columns are: {}", names.join(", ")))
        })
    };
    fields.iter().map(index).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use riverrun_data::{DataType, LogicalType};

    use super::*;

    fn physical(names: &[&str]) -> Vec<RowField> {
        names
            .iter()
            .map(|name| RowField { name: (*name).to_owned(), data_type: DataType::nullable(LogicalType::Int) })
            .collect()
    }

    fn names(schema: &SchemaRef) -> Vec<String> {
        schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn key_columns_are_in_both_or_in_the_key_alone() {
        let all = Columns::new(physical(&["a", "b", "c"]), vec![2, 0], None, ValueFields::All).unwrap();
        assert_eq!(
            (names(&all.key_schema()), names(&all.value_schema())),
            (vec!["c".into(), "a".into()], vec!["a".into(), "b".into(), "c".into()])
        );
        let except =
            Columns::new(physical(&["k_a", "b", "k_c"]), vec![2, 0], Some("k_"), ValueFields::ExceptKey).unwrap();
        assert_eq!(
            (names(&except.key_schema()), names(&except.value_schema())),
            (vec!["c".into(), "a".into()], vec!["b".into()])
        );
    }

    #[test]
    fn a_prefix_has_to_fit() {
        let error = Columns::new(physical(&["a"]), vec![0], Some("k_"), ValueFields::All).unwrap_err().to_string();
        assert!(error.contains("EXCEPT_KEY"), "{error}");
        let error = Columns::new(physical(&["k_a", "b"]), vec![0, 1], Some("k_"), ValueFields::ExceptKey)
            .unwrap_err()
            .to_string();
        assert!(error.contains("'b' does not start with 'k_'"), "{error}");
    }

    #[test]
    fn key_fields_and_key_format_go_together() {
        let columns = physical(&["user_id", "name"]);
        let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(key_columns(&columns, None, None).unwrap(), Vec::<usize>::new());
        assert_eq!(key_columns(&columns, Some("csv"), Some(&fields(&["name", "user_id"]))).unwrap(), [1, 0]);
        assert!(key_columns(&columns, None, Some(&fields(&["name"]))).unwrap_err().to_string().contains("key.format"));
        assert!(key_columns(&columns, Some("csv"), None).unwrap_err().to_string().contains("key.fields"));
        let error = key_columns(&columns, Some("csv"), Some(&fields(&["userid"]))).unwrap_err().to_string();
        assert!(error.contains("did you mean 'user_id'?"), "{error}");
    }
}
