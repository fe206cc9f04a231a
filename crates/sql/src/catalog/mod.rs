//! The tables and views that a session's statements have declared.

mod declare;
mod describe;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_base::{Result, nearest};
use sqlparser::ast::{Ident, ObjectName, Query};
use sqlparser::tokenizer::Span;

use crate::functions::UserFunctions;
use crate::parser::{ObjectKind, error_at};
use crate::plan::Rel;

pub(crate) use declare::declare_table;
pub(crate) use describe::{ColumnDescription, describe, show_create};
pub(crate) use table::{Table, TableColumn, TableColumnKind};

/// The catalog and database that unqualified names mean, as in Flink.
const DEFAULT_PATH: [&str; 2] = ["default_catalog", "default_database"];

/// Something that a name can mean.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    /// A table with its connector.
    Table(Arc<Table>),
    /// A named query.
    View(Arc<View>),
    /// A query that a program has planned and named.
    Relation(Arc<Rel>),
}

/// A named query.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) name: String,
    /// The columns' names; those of the query where empty.
    pub(crate) columns: Vec<Ident>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Query,
}

impl View {
    /// The statement that makes the view.
    pub(crate) fn show_create(&self) -> String {
        let columns = self.columns.iter().map(|column| format!("  `{}`", column.value)).collect::<Vec<_>>().join(",\n");
        let columns = if columns.is_empty() { String::new() } else { format!(" (\n{columns}\n)") };
        let comment = self
            .comment
            .as_ref()
            .map(|comment| format!("\nCOMMENT '{}'", comment.replace('\'', "''")))
            .unwrap_or_default();
        format!(
            "CREATE VIEW `default_catalog`.`default_database`.`{}`{columns}{comment}\nAS {}\n",
            self.name, self.query
        )
    }
}

/// The objects by name. Names are case-sensitive, as in Flink.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    objects: BTreeMap<String, Object>,
    /// The functions of a program.
    pub(crate) functions: UserFunctions,
}

impl Catalog {
    /// What a name in a query means.
    ///
    /// # Errors
    /// Nothing has this name; the error shows the nearest.
    pub(crate) fn get(&self, name: &ObjectName) -> Result<Object> {
        let ident = local_name(name)?;
        self.objects.get(&ident.value).cloned().ok_or_else(|| {
            let error = error_at(ident.span, format!("Object '{}' not found", ident.value));
            match nearest(&ident.value, self.objects.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None if self.objects.is_empty() => error.hint("no table has been created; write CREATE TABLE first"),
                None => {
                    error.hint(format!("there are: {}", self.objects.keys().cloned().collect::<Vec<_>>().join(", ")))
                }
            }
        })
    }

    /// Adds an object; `if_not_exists` keeps what there is.
    ///
    /// # Errors
    /// The name is taken.
    pub(crate) fn add(&mut self, name: &ObjectName, object: Object, if_not_exists: bool) -> Result<()> {
        let ident = local_name(name)?;
        if self.objects.contains_key(&ident.value) {
            return if if_not_exists {
                Ok(())
            } else {
                Err(error_at(ident.span, format!("{} already exists", ident.value)))
            };
        }
        self.objects.insert(ident.value.clone(), object);
        Ok(())
    }

    /// Removes an object.
    ///
    /// # Errors
    /// There is none of this kind and name, unless `if_exists`.
    pub(crate) fn drop(&mut self, kind: ObjectKind, name: &ObjectName, if_exists: bool) -> Result<()> {
        let ident = local_name(name)?;
        let found = match self.objects.get(&ident.value) {
            Some(Object::Table(_)) => kind == ObjectKind::Table,
            Some(Object::View(_) | Object::Relation(_)) => kind == ObjectKind::View,
            None => false,
        };
        if found {
            self.objects.remove(&ident.value);
        } else if !if_exists {
            let what = if kind == ObjectKind::Table { "Table" } else { "View" };
            return Err(error_at(ident.span, format!("{what} '{}' does not exist", ident.value)));
        }
        Ok(())
    }

    /// The names, sorted. Views count as tables too, as in `SHOW TABLES`.
    pub(crate) fn names(&self, kind: ObjectKind) -> Vec<&str> {
        self.objects
            .iter()
            .filter(|(_, object)| kind == ObjectKind::Table || !matches!(object, Object::Table(_)))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The last part of a name, whose other parts must be the default catalog and database.
pub(crate) fn local_name(name: &ObjectName) -> Result<&Ident> {
    let mut parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let Some(last) = parts.pop() else { return Err(error_at(Span::empty(), "a name is missing")) };
    let path = &DEFAULT_PATH[DEFAULT_PATH.len().saturating_sub(parts.len())..];
    if parts.len() > path.len() || parts.iter().zip(path).any(|(part, expected)| part.value != **expected) {
        return Err(error_at(
            last.span,
            format!("'{name}': other catalogs and databases than {} are not supported yet", DEFAULT_PATH.join(".")),
        ));
    }
    Ok(last)
}
