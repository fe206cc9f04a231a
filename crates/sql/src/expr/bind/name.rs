//! Columns and fields by name.

use riverrun_base::{Error, Result, nearest};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{self, AccessExpr, Ident, Spanned, Subscript};

use super::literal::{null_literal, string_literal};
use super::{Binder, call_bound, cast};
use crate::expr::{CastMode, Expr};
use crate::parser::error_at;
use crate::plan::Field;

impl Binder<'_> {
    /// A column, or one of the names that mean a constant where no column has them.
    pub(super) fn identifier(&mut self, ident: &Ident) -> Result<Expr> {
        let found = self.column(std::slice::from_ref(ident));
        match (&found, ident.quote_style, ident.value.to_uppercase().as_str()) {
            (Err(_), None, "UNKNOWN") => {
                Ok(cast(null_literal(), &DataType::nullable(LogicalType::Boolean), CastMode::Implicit))
            }
            (Err(_), None, "PI") => call_bound("PI", Vec::new()),
            _ => found,
        }
    }

    /// `column`, `table.column`, and the fields of rows behind either.
    pub(super) fn column(&mut self, parts: &[Ident]) -> Result<Expr> {
        let (index, used) = resolve(self.fields, parts)?;
        let mut expr = Expr::column(index, self.fields[index].data_type.clone());
        for part in &parts[used..] {
            expr = field_of(expr, part)?;
        }
        Ok(expr)
    }

    /// `root.field`, `root[key]`.
    pub(super) fn access(&mut self, root: &ast::Expr, chain: &[AccessExpr]) -> Result<Expr> {
        // A name and the fields behind it may both lie in the chain.
        let mut names: Vec<Ident> = match root {
            ast::Expr::Identifier(ident) => vec![ident.clone()],
            ast::Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let mut rest = chain;
        if !names.is_empty() {
            while let [AccessExpr::Dot(ast::Expr::Identifier(ident)), tail @ ..] = rest {
                names.push(ident.clone());
                rest = tail;
            }
        }
        let mut expr = if names.is_empty() { self.bind(root)? } else { self.column(&names)? };
        for access in rest {
            expr = match access {
                AccessExpr::Dot(ast::Expr::Identifier(ident)) => field_of(expr, ident)?,
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let key = self.bind(index)?;
                    call_bound("ITEM", vec![expr, key]).map_err(|error| {
                        match crate::parser::position(index.span()) {
                            Some(position) => error.at(position),
                            None => error,
                        }
                    })?
                }
                _ => return Err(Error::not_supported("this form of access")),
            };
        }
        Ok(expr)
    }
}

/// The column that leading parts of a name mean, and how many parts it took.
fn resolve(fields: &[Field], parts: &[Ident]) -> Result<(usize, usize)> {
    let Some(first) = parts.first() else { return Err(Error::internal("an empty name")) };
    if let Some(second) = parts.get(1) {
        let qualified: Vec<usize> =
            indices(fields, |field| field.qualifier.as_deref() == Some(&first.value) && field.name == second.value);
        if let Some(found) = single(&qualified, first, parts)? {
            return Ok((found, 2));
        }
    }
    let plain = indices(fields, |field| field.name == first.value);
    if let Some(found) = single(&plain, first, parts)? {
        return Ok((found, 1));
    }
    Err(unknown_column(fields, parts))
}

fn indices(fields: &[Field], select: impl Fn(&Field) -> bool) -> Vec<usize> {
    fields.iter().enumerate().filter(|(_, field)| select(field)).map(|(n, _)| n).collect()
}

fn single(found: &[usize], at: &Ident, parts: &[Ident]) -> Result<Option<usize>> {
    match found {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        _ => {
            let name = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
            Err(error_at(at.span, format!("Column '{name}' is ambiguous"))
                .hint("write it with its table: table.column"))
        }
    }
}

fn unknown_column(fields: &[Field], parts: &[Ident]) -> Error {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Error::internal("an empty name") };
    let span = first.span.union(&last.span);
    let tables: Vec<&str> = fields.iter().filter_map(|field| field.qualifier.as_deref()).collect();
    if parts.len() > 1
        && !tables.contains(&first.value.as_str())
        && !fields.iter().any(|field| field.name == first.value)
    {
        let error = error_at(first.span, format!("Table '{}' not found", first.value));
        return match nearest(&first.value, tables) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error,
        };
    }
    let error = error_at(span, format!("Column '{}' not found in any table", last.value));
    match nearest(&last.value, fields.iter().map(|field| field.name.as_str())) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None if fields.is_empty() => error,
        None => error.hint(format!(
            "there are: {}",
            fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
        )),
    }
}

fn field_of(expr: Expr, name: &Ident) -> Result<Expr> {
    let LogicalType::Row(fields) = &expr.data_type.logical else {
        return Err(error_at(
            name.span,
            format!("Column '{}' not found: {} has no fields", name.value, expr.data_type),
        ));
    };
    if !fields.iter().any(|field| field.name == name.value) {
        let error = error_at(name.span, format!("Field '{}' not found in {}", name.value, expr.data_type));
        return Err(match nearest(&name.value, fields.iter().map(|field| field.name.as_str())) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error,
        });
    }
    call_bound("FIELD", vec![expr, string_literal(&name.value)])
}
