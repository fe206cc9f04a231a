//! DESCRIBE and SHOW CREATE TABLE.

use std::fmt::Write;
use std::ops::ControlFlow;

use riverrun_data::{DataType, LogicalType, MAX_LENGTH};
use sqlparser::ast::{self, Expr};

use super::table::{Table, TableColumn, TableColumnKind};

/// A column as DESCRIBE shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ColumnDescription {
    pub(crate) name: String,
    /// The type without NOT NULL, with `*ROWTIME*` or `*PROCTIME*` behind a time attribute.
    pub(crate) data_type: String,
    pub(crate) nullable: bool,
    /// `PRI(a, b)` for the columns of the key.
    pub(crate) key: Option<String>,
    /// How a metadata or computed column gets its value.
    pub(crate) extras: Option<String>,
    pub(crate) watermark: Option<String>,
    pub(crate) comment: Option<String>,
}

/// The columns of a table.
pub(crate) fn describe(table: &Table) -> Vec<ColumnDescription> {
    let names: Vec<&str> = table.primary_key.iter().map(|key| table.columns[*key].name.as_str()).collect();
    let describe_column = |(n, column): (usize, &TableColumn)| {
        let watermark = table.watermark.as_ref().filter(|watermark| watermark.column == n);
        let attribute = match &column.kind {
            TableColumnKind::Computed { proctime: true, .. } => " *PROCTIME*",
            _ if watermark.is_some() => " *ROWTIME*",
            _ => "",
        };
        ColumnDescription {
            name: column.name.clone(),
            data_type: format!("{}{attribute}", column.data_type.logical),
            nullable: column.data_type.nullable,
            key: table.primary_key.contains(&n).then(|| format!("PRI({})", names.join(", "))),
            extras: extras(column),
            watermark: watermark.map(|watermark| expression_text(&watermark.strategy)),
            comment: column.comment.clone(),
        }
    };
    table.columns.iter().enumerate().map(describe_column).collect()
}

/// The statement that declares a table, as Flink writes it.
pub(crate) fn show_create(table: &Table) -> String {
    let mut lines = Vec::new();
    for column in &table.columns {
        let mut line = format!("  {} ", quoted(&column.name));
        match &column.kind {
            TableColumnKind::Computed { .. } => {}
            _ => line.push_str(&serializable(&column.data_type)),
        }
        if let Some(extras) = extras(column) {
            if !matches!(column.kind, TableColumnKind::Computed { .. }) {
                line.push(' ');
            }
            line.push_str(&extras);
        }
        if let Some(comment) = &column.comment {
            let _ = write!(line, " COMMENT {}", literal(comment));
        }
        lines.push(line);
    }
    if let Some(watermark) = &table.watermark {
        lines.push(format!(
            "  WATERMARK FOR {} AS {}",
            quoted(&table.columns[watermark.column].name),
            expression_text(&watermark.strategy)
        ));
    }
    if !table.primary_key.is_empty() {
        let names: Vec<&str> = table.primary_key.iter().map(|key| table.columns[*key].name.as_str()).collect();
        let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        lines.push(format!(
            "  CONSTRAINT {} PRIMARY KEY ({}) NOT ENFORCED",
            quoted(&format!("PK_{}", names.join("_"))),
            columns.join(", ")
        ));
    }
    let temporary = if table.temporary { "TEMPORARY " } else { "" };
    let mut text = format!(
        "CREATE {temporary}TABLE `default_catalog`.`default_database`.{} (\n{}\n)",
        quoted(&table.name),
        lines.join(",\n")
    );
    if let Some(comment) = &table.comment {
        let _ = write!(text, "\nCOMMENT {}", literal(comment));
    }
    if !table.options.is_empty() {
        let shown = |(key, value): (&String, &String)| {
            let secret = ["password", "secret", "token"].iter().any(|word| key.to_lowercase().contains(word));
            format!("  {} = {}", literal(key), literal(if secret { "******" } else { value }))
        };
        let options: Vec<String> = table.options.iter().map(shown).collect();
        let _ = write!(text, "\nWITH (\n{}\n)", options.join(",\n"));
    }
    text.push('\n');
    text
}

fn extras(column: &TableColumn) -> Option<String> {
    match &column.kind {
        TableColumnKind::Physical => None,
        TableColumnKind::Metadata { key, is_virtual } => {
            let from = if *key == column.name { String::new() } else { format!(" FROM {}", literal(key)) };
            Some(format!("METADATA{from}{}", if *is_virtual { " VIRTUAL" } else { "" }))
        }
        TableColumnKind::Computed { expr, .. } => Some(format!("AS {}", expression_text(expr))),
    }
}

/// An expression with its names in backticks.
fn expression_text(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let _ = ast::visit_expressions_mut(&mut expr, |expr| {
        match expr {
            Expr::Identifier(ident) => ident.quote_style = Some('`'),
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|part| part.quote_style = Some('`')),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    expr.to_string()
}

/// A type in the form that every reader of Flink SQL knows: `STRING` is `VARCHAR(2147483647)`.
fn serializable(data_type: &DataType) -> String {
    let text = match &data_type.logical {
        LogicalType::VarChar(MAX_LENGTH) => format!("VARCHAR({MAX_LENGTH})"),
        LogicalType::VarBinary(MAX_LENGTH) => format!("VARBINARY({MAX_LENGTH})"),
        LogicalType::TimestampLtz(p) => format!("TIMESTAMP({p}) WITH LOCAL TIME ZONE"),
        LogicalType::Array(element) => format!("ARRAY<{}>", serializable(element)),
        LogicalType::Map(key, value) => format!("MAP<{}, {}>", serializable(key), serializable(value)),
        LogicalType::Multiset(element) => format!("MULTISET<{}>", serializable(element)),
        LogicalType::Row(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", quoted(&field.name), serializable(&field.data_type)))
                .collect();
            format!("ROW<{}>", fields.join(", "))
        }
        other => other.to_string(),
    };
    format!("{text}{}", if data_type.nullable { "" } else { " NOT NULL" })
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
