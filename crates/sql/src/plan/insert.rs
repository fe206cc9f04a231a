//! INSERT: a query whose columns are fitted to those of a table.

use std::sync::Arc;

use riverrun_base::{Error, Result, nearest};
use riverrun_data::DataType;
use sqlparser::ast::{Ident, ObjectName, Spanned};

use super::query::Planner;
use super::rel::{Rel, RelKind};
use super::schema::Field;
use crate::catalog::{Object, Table, TableColumn, TableColumnKind};
use crate::expr::{CastMode, Expr, cast, null_literal};
use crate::parser::{Insert, error_at};
use crate::types;

/// Plans an INSERT: the target, and the query with the columns that the connector takes, physical before metadata.
///
/// # Errors
/// The query is wrong, or its columns do not fit the table's.
pub(crate) fn plan_insert(planner: &mut Planner<'_>, insert: &Insert) -> Result<(Arc<Table>, Rel)> {
    let Object::Table(table) = planner.catalog.get(&insert.target)? else {
        return Err(error_at(insert.target.span(), format!("'{}' is a view, and a view takes no rows", insert.target)));
    };
    let query = planner.query(&insert.query)?;
    let rel = fitted(&table, query, &insert.target, &insert.columns)?;
    Ok((table, rel))
}

/// A query with the columns that a table's connector takes, physical before metadata. `columns` are those the query fills; all where
/// empty.
///
/// # Errors
/// Its columns do not fit the table's.
pub(crate) fn fitted(table: &Table, query: Rel, target_name: &ObjectName, columns: &[Ident]) -> Result<Rel> {
    let persisted: Vec<usize> = table.indices(|kind| {
        !matches!(kind, TableColumnKind::Computed { .. } | TableColumnKind::Metadata { is_virtual: true, .. })
    });
    let sources = match columns {
        [] => {
            if query.fields.len() != persisted.len() {
                return Err(mismatch(table, &query, &persisted, target_name, "Different number of columns."));
            }
            (0..persisted.len()).map(Some).collect()
        }
        columns => column_list(table, &persisted, columns, &query, target_name)?,
    };
    let mut placed = Vec::with_capacity(persisted.len());
    for (position, (source, target)) in sources.into_iter().zip(&persisted).enumerate() {
        let column = &table.columns[*target];
        let value = match source {
            None if column.data_type.nullable => cast(null_literal(), &column.data_type, CastMode::Implicit),
            None => {
                return Err(error_at(
                    target_name.span(),
                    format!("Column '{}' has no default value and does not allow NULLs", column.name),
                ));
            }
            Some(source) => {
                let from = &query.fields[source];
                if !types::implicit_cast_allowed(&from.data_type.logical, &column.data_type.logical) {
                    return Err(mismatch(
                        table,
                        &query,
                        &persisted,
                        target_name,
                        &format!("Incompatible types for sink column '{}' at position {position}.", column.name),
                    ));
                }
                cast(Expr::column(source, from.data_type.clone()), &column.data_type, CastMode::Implicit)
            }
        };
        placed.push((column, value));
    }
    let physical = |column: &TableColumn| matches!(column.kind, TableColumnKind::Physical);
    placed.sort_by_key(|(column, _)| !physical(column));
    let fields = placed
        .iter()
        .map(|(column, value)| {
            Field::new(column.name.clone(), DataType { nullable: value.data_type.nullable, ..column.data_type.clone() })
        })
        .collect();
    let exprs = placed.into_iter().map(|(_, value)| value).collect();
    Ok(Rel { kind: RelKind::Project { input: Box::new(query), exprs }, fields })
}

/// For each persisted column, which column of the query fills it.
fn column_list(
    table: &Table,
    persisted: &[usize],
    columns: &[Ident],
    query: &Rel,
    target_name: &ObjectName,
) -> Result<Vec<Option<usize>>> {
    if columns.len() != query.fields.len() {
        return Err(error_at(
            target_name.span(),
            format!(
                "Number of INSERT target columns ({}) does not equal number of source items ({})",
                columns.len(),
                query.fields.len()
            ),
        ));
    }
    let mut sources = vec![None; persisted.len()];
    for (source, column) in columns.iter().enumerate() {
        let names = || persisted.iter().map(|n| table.columns[*n].name.as_str());
        let Some(target) = names().position(|name| name == column.value) else {
            let error = error_at(column.span, format!("Unknown target column '{}'", column.value));
            return Err(match nearest(&column.value, names()) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error,
            });
        };
        if sources[target].replace(source).is_some() {
            return Err(error_at(column.span, format!("Target column '{}' is assigned more than once", column.value)));
        }
    }
    Ok(sources)
}

fn mismatch(table: &Table, query: &Rel, persisted: &[usize], target_name: &ObjectName, cause: &str) -> Error {
    let of_query: Vec<String> =
        query.fields.iter().map(|field| format!("{}: {}", field.name, field.data_type)).collect();
    let of_sink: Vec<String> = persisted
        .iter()
        .map(|n| &table.columns[*n])
        .map(|column| format!("{}: {}", column.name, column.data_type))
        .collect();
    error_at(
        target_name.span(),
        format!("Column types of query result and sink for '{}' do not match. Cause: {cause}", table.name),
    )
    .hint(format!("Query schema: [{}]. Sink schema: [{}]", of_query.join(", "), of_sink.join(", ")))
}
