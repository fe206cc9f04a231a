//! Names of tables, and tables that are to be.

use std::fmt;

use riverrun_base::{Error, Result};

/// The name of a table: `name`, or `namespace:name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName(String);

impl TableName {
    /// Checks the name as HBase does.
    ///
    /// # Errors
    /// A user's error: it is empty, begins with `.` or `-`, or has other characters than letters, digits and `_ . -`.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let (namespace, table) = name.split_once(':').unwrap_or(("default", &name));
        let is_namespace = !namespace.is_empty() && namespace.chars().all(|c| c.is_alphanumeric() || c == '_');
        let is_table = !table.is_empty() && table.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
        if !is_namespace || !is_table || table.starts_with(['.', '-']) || table == "zookeeper" {
            let error = Error::user(format!("'{name}' is no name of an HBase table"));
            return Err(error.hint("letters, digits, '_', '.' and '-', with a namespace and a colon before it at most"));
        }
        // HBase leaves the namespace "default" out of the names of regions
        let short = name.strip_prefix("default:").map(str::to_owned);
        Ok(Self(short.unwrap_or(name)))
    }

    /// The name as HBase writes it: without a namespace where it is `default`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("default", |(namespace, _)| namespace)
    }

    pub(crate) fn qualifier(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, qualifier)| qualifier)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table that is to be: its column families with HBase's defaults, and where its regions begin.
#[derive(Clone, Debug)]
pub struct NewTable {
    pub(crate) name: TableName,
    pub(crate) families: Vec<String>,
    pub(crate) split_keys: Vec<Vec<u8>>,
}

impl NewTable {
    /// Without a family yet; HBase wants at least one.
    #[must_use]
    pub fn new(name: TableName) -> Self {
        Self { name, families: Vec::new(), split_keys: Vec::new() }
    }

    /// With one more column family.
    #[must_use]
    pub fn family(mut self, name: impl Into<String>) -> Self {
        self.families.push(name.into());
        self
    }

    /// What the master would refuse only when the table is half made.
    pub(crate) fn check(&self) -> Result<()> {
        if self.families.is_empty() {
            let error = Error::user(format!("the table '{}' has no column family", self.name));
            return Err(error.hint("HBase keeps cells in families: name one"));
        }
        let has_strange = |name: &str| name.contains(|c: char| c.is_control() || ":/\\".contains(c));
        let is_wrong = |name: &&String| name.is_empty() || name.starts_with('.') || has_strange(name);
        match self.families.iter().find(is_wrong) {
            Some(name) => {
                let error = Error::user(format!("'{name}' is no name of a column family"));
                Err(error.hint("it must not begin with '.', nor have ':', '/', '\\' or control characters"))
            }
            None => Ok(()),
        }
    }

    /// With one more region, from this row on.
    #[must_use]
    pub fn split_at(mut self, row: impl Into<Vec<u8>>) -> Self {
        self.split_keys.push(row.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_namespace_which_is_left_out_where_it_is_the_default() {
        let name = TableName::new("default:t.1").unwrap();
        assert_eq!((name.as_str(), name.namespace(), name.qualifier()), ("t.1", "default", "t.1"));
        let name = TableName::new("ns:t-1").unwrap();
        assert_eq!((name.as_str(), name.namespace(), name.qualifier()), ("ns:t-1", "ns", "t-1"));
    }

    #[test]
    fn a_table_without_families_or_with_one_that_cannot_be_is_refused() {
        let table = NewTable::new(TableName::new("t").unwrap());
        assert!(table.check().unwrap_err().to_string().contains("has no column family"));
        assert!(table.clone().family("cf").family("c f-1").check().is_ok());
        for name in ["", ".x", "a:b", "a/b", "a\\b", "a\nb"] {
            let error = table.clone().family("cf").family(name).check().unwrap_err();
            assert!(error.to_string().contains("is no name of a column family"), "{name}: {error}");
        }
    }

    #[test]
    fn what_hbase_would_refuse_is_refused_here() {
        for name in ["", "a b", ":a", "a:", ".a", "-a", "a/b", "n-s:a", "a:b:c", "zookeeper", "a,b", "a'b"] {
            let error = TableName::new(name).unwrap_err();
            assert!(error.to_string().contains("is no name of an HBase table"), "{name}: {error}");
        }
    }
}
