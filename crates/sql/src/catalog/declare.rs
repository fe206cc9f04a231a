//! CREATE TABLE: from the parsed statement to a checked table.

use riverrun_base::{Error, Result, nearest};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{Ident, Spanned};

use super::table::{Table, TableColumn, TableColumnKind, Watermark};
use super::{Catalog, Object, local_name};
use crate::expr::{Binder, ExprKind};
use crate::parser::{ColumnKind, CreateTable, LikeClause, error_at, position};
use crate::plan::Field;

/// Checks a CREATE TABLE and makes its table. The second part of the result is a warning for the user, if there is one.
///
/// # Errors
/// What is wrong with the statement, with its place.
pub(crate) fn declare_table(catalog: &Catalog, statement: &CreateTable) -> Result<(Table, Option<String>)> {
    let mut table = Table {
        name: local_name(&statement.name)?.value.clone(),
        temporary: statement.temporary,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        comment: statement.comment.clone(),
        options: statement.options.clone(),
    };
    if let Some(like) = &statement.like {
        inherit(&mut table, catalog, like)?;
    }
    let inherited = table.columns.len();
    add_columns(&mut table, statement, inherited)?;
    bind_computed_columns(catalog, &mut table, statement)?;
    if !statement.primary_key.is_empty() {
        table.primary_key = primary_key(&table, &statement.primary_key)?;
    }
    for key in table.primary_key.clone() {
        table.columns[key].data_type.nullable = false;
    }
    if let Some(watermark) = &statement.watermark {
        table.watermark = Some(declare_watermark(catalog, &table, &watermark.column, &watermark.strategy)?);
    }
    let warning = (!statement.primary_key.is_empty() && statement.key_enforced.is_none()).then(|| {
        format!("the PRIMARY KEY of {} is taken as NOT ENFORCED: Flink does not own the data, so nobody enforces it. Write PRIMARY KEY (...) NOT ENFORCED.", table.name)
    });
    Ok((table, warning))
}

fn add_columns(table: &mut Table, statement: &CreateTable, inherited: usize) -> Result<()> {
    for column in &statement.columns {
        let name = &column.name;
        if let Some(known) = table.columns.iter().position(|known| known.name == name.value) {
            let what = if known < inherited { "is already in the table it is like" } else { "is declared twice" };
            return Err(error_at(name.span, format!("Column '{}' {what}", name.value)));
        }
        let (data_type, kind) = match &column.kind {
            ColumnKind::Physical(data_type) => (data_type.clone(), TableColumnKind::Physical),
            ColumnKind::Metadata { data_type, key, is_virtual } => (
                data_type.clone(),
                TableColumnKind::Metadata {
                    key: key.clone().unwrap_or_else(|| name.value.clone()),
                    is_virtual: *is_virtual,
                },
            ),
            // The type is known once the others are.
            ColumnKind::Computed(expr) => (
                DataType::nullable(LogicalType::Null),
                TableColumnKind::Computed { expr: expr.clone(), proctime: false },
            ),
        };
        if data_type.logical == LogicalType::Null && !matches!(kind, TableColumnKind::Computed { .. }) {
            return Err(error_at(name.span, format!("Column '{}' cannot have the type NULL", name.value)));
        }
        table.columns.push(TableColumn { name: name.value.clone(), data_type, kind, comment: column.comment.clone() });
    }
    if table.indices(|kind| matches!(kind, TableColumnKind::Physical)).is_empty() {
        return Err(error_at(
            statement.name.span(),
            format!("Table '{}' needs at least one physical column", table.name),
        ));
    }
    Ok(())
}

fn bind_computed_columns(catalog: &Catalog, table: &mut Table, statement: &CreateTable) -> Result<()> {
    let delivered: Vec<Field> = table
        .columns
        .iter()
        .filter(|column| !matches!(column.kind, TableColumnKind::Computed { .. }))
        .map(|column| Field::new(column.name.clone(), column.data_type.clone()))
        .collect();
    let computed: Vec<&Ident> = statement
        .columns
        .iter()
        .filter(|column| matches!(column.kind, ColumnKind::Computed(_)))
        .map(|column| &column.name)
        .collect();
    for column in &mut table.columns {
        let TableColumnKind::Computed { expr, proctime } = &mut column.kind else { continue };
        let bound = Binder::new(&delivered).knowing(&catalog.functions).bind(expr).map_err(|error| {
            if computed.iter().any(|name| error.message().contains(&format!("'{}'", name.value))) {
                error.hint("a computed column can refer to physical and metadata columns only")
            } else {
                error
            }
        })?;
        *proctime = matches!(&bound.kind, ExprKind::Call(call) if call.name == "PROCTIME");
        column.data_type = bound.data_type;
        if column.data_type.logical == LogicalType::Null {
            return Err(error_at(expr.span(), format!("the type of column '{}' is not known", column.name))
                .hint("write CAST(NULL AS type)"));
        }
    }
    Ok(())
}

fn primary_key(table: &Table, names: &[Ident]) -> Result<Vec<usize>> {
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let index = find(table, name, "the PRIMARY KEY")?;
        if !matches!(table.columns[index].kind, TableColumnKind::Physical) {
            return Err(error_at(
                name.span,
                format!("Column '{}' is not a physical column, so it cannot be in the PRIMARY KEY", name.value),
            ));
        }
        if key.contains(&index) {
            return Err(error_at(name.span, format!("Column '{}' is twice in the PRIMARY KEY", name.value)));
        }
        key.push(index);
    }
    Ok(key)
}

fn declare_watermark(
    catalog: &Catalog,
    table: &Table,
    column: &Ident,
    strategy: &sqlparser::ast::Expr,
) -> Result<Watermark> {
    let index = find(table, column, "the WATERMARK")?;
    let data_type = &table.columns[index].data_type;
    if !matches!(data_type.logical, LogicalType::Timestamp(0..=3) | LogicalType::TimestampLtz(0..=3)) {
        return Err(error_at(
            column.span,
            format!(
                "Invalid data type of time field for watermark definition. The field must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported precision 'p' is from 0 to 3, but the time field type is {data_type}"
            ),
        ));
    }
    let fields: Vec<Field> =
        table.columns.iter().map(|column| Field::new(column.name.clone(), column.data_type.clone())).collect();
    let bound = Binder::new(&fields).knowing(&catalog.functions).bind(strategy)?;
    if !bound.data_type.logical.is_timestamp() {
        let error = Error::user(format!(
            "Invalid data type of expression for watermark definition: it must be TIMESTAMP(p) or TIMESTAMP_LTZ(p), but is {}",
            bound.data_type
        ));
        return Err(match position(strategy.span()) {
            Some(position) => error.at(position),
            None => error,
        });
    }
    Ok(Watermark { column: index, strategy: strategy.clone() })
}

fn find(table: &Table, name: &Ident, clause: &str) -> Result<usize> {
    table.columns.iter().position(|column| column.name == name.value).ok_or_else(|| {
        let error = error_at(name.span, format!("Column '{}' of {clause} is not a column of the table", name.value));
        match nearest(&name.value, table.columns.iter().map(|column| column.name.as_str())) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error,
        }
    })
}

/// `LIKE t (...)`: takes over what the clause says; by default everything, with the statement's own options over the others.
fn inherit(table: &mut Table, catalog: &Catalog, like: &LikeClause) -> Result<()> {
    let Object::Table(source) = catalog.get(&like.name)? else {
        return Err(error_at(like.name.span(), "LIKE needs a table, not a view"));
    };
    let strategy = |feature: &str, default: &'static str| {
        let of = |wanted: &str| {
            like.features.iter().rev().find(|(_, named)| *named == wanted).map(|(strategy, _)| *strategy)
        };
        of(feature).or_else(|| of("ALL")).unwrap_or(default)
    };
    let takes = |feature: &str| strategy(feature, "INCLUDING") != "EXCLUDING";
    for (n, column) in source.columns.iter().enumerate() {
        let take = match column.kind {
            TableColumnKind::Physical => true,
            TableColumnKind::Metadata { .. } => takes("METADATA"),
            TableColumnKind::Computed { .. } => takes("GENERATED"),
        };
        if take {
            table.columns.push(column.clone());
            if source.primary_key.contains(&n) && takes("CONSTRAINTS") {
                table.primary_key.push(table.columns.len() - 1);
            }
        }
    }
    if let Some(watermark) = source.watermark.as_ref().filter(|_| takes("WATERMARKS")) {
        let name = &source.columns[watermark.column].name;
        let column = table.columns.iter().position(|column| column.name == *name);
        table.watermark = column.map(|column| Watermark { column, strategy: watermark.strategy.clone() });
    }
    match strategy("OPTIONS", "OVERWRITING") {
        "EXCLUDING" => {}
        "INCLUDING" => {
            if let Some(key) = source.options.keys().find(|key| table.options.contains_key(*key)) {
                return Err(error_at(like.name.span(), format!("option '{key}' is in both tables"))
                    .hint("write LIKE t (OVERWRITING OPTIONS)"));
            }
            table.options.extend(source.options.clone());
        }
        _ => {
            for (key, value) in &source.options {
                table.options.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    Ok(())
}
