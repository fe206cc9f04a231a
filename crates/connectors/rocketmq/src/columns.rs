//! Which columns are in a message's body, and which are its keys and tag.

use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result, nearest};
use riverrun_data::{RowField, arrow_schema};

use crate::options::TableOptions;

/// The physical columns of a table, as a sink spreads them over a message. A source reads all of them from the body.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// All, in the table's order.
    pub(crate) physical: Vec<RowField>,
    /// Those in the body, as indices into `physical`.
    pub(crate) body: Vec<usize>,
    /// Those that are keys.
    pub(crate) keys: Vec<usize>,
    /// That which holds the tag.
    pub(crate) tag: Option<usize>,
}

impl Columns {
    /// All columns are in the body.
    pub(crate) fn read(physical: Vec<RowField>) -> Self {
        let body = (0..physical.len()).collect();
        Self { physical, body, keys: Vec::new(), tag: None }
    }

    /// As `keyColumns`, `dynamicTagColumn` and what goes with them say.
    ///
    /// # Errors
    /// A name that is no physical column, or options that do not go together.
    pub(crate) fn written(physical: Vec<RowField>, options: &TableOptions) -> Result<Self> {
        let names = options.key_columns.as_deref().unwrap_or_default();
        let names = names.split([',', ';']).map(str::trim).filter(|name| !name.is_empty());
        let keys: Vec<usize> = names.map(|name| index(&physical, name, "keyColumns")).collect::<Result<_>>()?;
        let tag = match (options.is_dynamic_tag, &options.dynamic_tag_column) {
            (true, Some(name)) => Some(index(&physical, name, "dynamicTagColumn")?),
            (false, None) => None,
            (true, None) => {
                return Err(Error::user("'isDynamicTag' needs the column that holds the tag")
                    .hint("add 'dynamicTagColumn' = '...'"));
            }
            (false, Some(_)) => {
                return Err(Error::user("'dynamicTagColumn' needs 'isDynamicTag' = 'true'").hint("add it"));
            }
        };
        let is_left_out = |column: &usize| {
            keys.contains(column) && !options.keys_in_body || tag == Some(*column) && !options.dynamic_tag_in_body
        };
        let body: Vec<usize> = (0..physical.len()).filter(|column| !is_left_out(column)).collect();
        if body.is_empty() {
            return Err(Error::user("no column is left for the body")
                .hint("set 'writeKeysToBody' or 'dynamicTagColumnWriteIncluded' to 'true'"));
        }
        Ok(Self { physical, body, keys, tag })
    }

    /// The schema of the body.
    pub(crate) fn body_schema(&self) -> SchemaRef {
        arrow_schema(&self.body.iter().filter_map(|index| self.physical.get(*index)).cloned().collect::<Vec<_>>())
    }
}

fn index(physical: &[RowField], name: &str, option: &'static str) -> Result<usize> {
    let names: Vec<&str> = physical.iter().map(|column| column.name.as_str()).collect();
    names.iter().position(|known| *known == name).ok_or_else(|| {
        let guess =
            nearest(name, names.iter().copied()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Error::user(format!("'{name}' is not a physical column of the table"))
            .with("option", option)
            .hint(format!("{guess}the physical columns are: {}", names.join(", ")))
    })
}
