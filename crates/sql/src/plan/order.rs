//! ORDER BY, OFFSET, LIMIT and FETCH.
//!
//! Names are found as in Flink (Calcite's default conformance): an ordinal and an alias mean the select list's column, anything else is an
//! expression over what FROM brings, aliases inside of it stand for their expressions. NULL is lowest: first by ASC, last by DESC.

use std::ops::ControlFlow;

use riverrun_base::{Error, Result};
use riverrun_data::LogicalType;
use sqlparser::ast::{
    Expr as Ast, Fetch, Ident, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, Select, SelectItem,
    SetExpr, Spanned, Value, ValueWithSpan, visit_expressions_mut,
};

use super::query::{Output, Planner, project, whole_columns};
use super::rel::{Rel, RelKind, Sort, SortKey};
use crate::expr::{Binder, Expr, same};
use crate::parser::{error_at, position};

/// The rows of a SELECT, with what it is sorted by behind the select list.
pub(super) struct Selected {
    pub(super) rel: Rel,
    /// How many columns the select list has.
    pub(super) width: usize,
    /// For each expression of ORDER BY, the column with its value.
    pub(super) order: Vec<usize>,
}

impl Planner<'_> {
    /// The body of a query, sorted and cut as the query says.
    pub(super) fn ordered(&mut self, query: &Query) -> Result<Rel> {
        let order = order_by(query.order_by.as_ref())?;
        let (offset, fetch) = cut_of(query)?;
        let rel = match &*query.body {
            _ if order.is_empty() => self.body(&query.body)?,
            SetExpr::Select(select) => {
                let selected = self.select(select, order)?;
                sorted(selected, order)?
            }
            body => {
                let rel = self.body(body)?;
                self.order_over(rel, order)?
            }
        };
        Ok(if offset == 0 && fetch.is_none() { rel } else { cut(rel, offset, fetch) })
    }

    /// ORDER BY of rows that are there.
    ///
    /// # Errors
    /// A name that is unknown, or a type that has no order.
    pub(crate) fn order_over(&mut self, input: Rel, order: &[OrderByExpr]) -> Result<Rel> {
        let mut outputs = whole_columns(&input.fields);
        let width = outputs.len();
        let mut bind = |ast: &Ast| Binder::new(&input.fields).knowing(&self.catalog.functions).bind(ast);
        let columns = order_columns(order, &[], &mut outputs, &mut bind)?;
        let rel = if outputs.len() == width { input } else { project(input, outputs)? };
        sorted(Selected { rel, width, order: columns }, order)
    }

    /// OFFSET and FETCH of rows that are there.
    pub(crate) fn cut_over(&mut self, input: Rel, offset: u64, fetch: Option<u64>) -> Rel {
        cut(input, offset, fetch)
    }
}

/// The columns by which a select list is sorted; what is not among them is put behind them.
pub(super) fn order_columns(
    order: &[OrderByExpr],
    projection: &[SelectItem],
    outputs: &mut Vec<Output>,
    bind: &mut dyn FnMut(&Ast) -> Result<Expr>,
) -> Result<Vec<usize>> {
    let width = outputs.len();
    let mut columns = Vec::with_capacity(order.len());
    for OrderByExpr { expr: ast, .. } in order {
        if let Some(ordinal) = ordinal(ast) {
            let column = ordinal.checked_sub(1).filter(|column| *column < width);
            columns.push(column.ok_or_else(|| {
                error_at(ast.span(), "Ordinal out of range").hint(format!("the select list has {width} columns"))
            })?);
            continue;
        }
        if let Ast::Identifier(ident) = ast
            && let Some(column) = outputs[..width].iter().position(|output| output.name == ident.value)
        {
            columns.push(column);
            continue;
        }
        let expr = match projection.iter().position(|item| is_item(item, ast)) {
            // The same words mean the same column, also where an alias hides a name in them.
            Some(_) => bind(ast)?,
            None => bind(&without_aliases(ast.clone(), projection))?,
        };
        let known = outputs.iter().position(|output| same(&output.expr, &expr));
        columns.push(known.unwrap_or_else(|| {
            outputs.push(Output { name: format!("$sort{}", outputs.len() - width), expr });
            outputs.len() - 1
        }));
    }
    Ok(columns)
}

/// Sorts what was selected, and leaves out what it is sorted by alone.
pub(super) fn sorted(selected: Selected, order: &[OrderByExpr]) -> Result<Rel> {
    let Selected { rel, width, order: columns } = selected;
    let mut keys: Vec<SortKey> = Vec::with_capacity(columns.len());
    for (column, OrderByExpr { expr, options, .. }) in columns.into_iter().zip(order) {
        if let LogicalType::Map(..) | LogicalType::Multiset(_) = rel.fields[column].data_type.logical {
            let message =
                format!("ORDER BY needs values that have an order, but this is {}", rel.fields[column].data_type);
            return Err(error_at(expr.span(), message));
        }
        let descending = matches!(options.sort, Some(OrderBySort::Desc));
        let key = SortKey { column, descending, nulls_first: options.nulls_first.unwrap_or(!descending) };
        if keys.iter().all(|known| known.column != column) {
            keys.push(key);
        }
    }
    let place = order.first().and_then(|first| position(first.span()));
    let mut fields = rel.fields.clone();
    // Rows that come out at the end are behind every watermark.
    fields.iter_mut().for_each(|field| (field.time, field.window) = (None, None));
    let all = fields.len() == width;
    let visible = whole_columns(&fields[..width]);
    let sort = Sort { keys, offset: 0, fetch: None, position: place };
    let rel = Rel { kind: RelKind::Sort { input: Box::new(rel), sort }, fields };
    if all { Ok(rel) } else { project(rel, visible) }
}

/// The rows behind the first `offset`, `fetch` of them at most. A sort below is cut itself, so that it keeps no more rows.
fn cut(rel: Rel, offset: u64, fetch: Option<u64>) -> Rel {
    let Rel { kind, fields } = rel;
    let kind = match kind {
        RelKind::Project { input, exprs } if is_cut_below(&input) => {
            RelKind::Project { input: Box::new(cut(*input, offset, fetch)), exprs }
        }
        RelKind::Sort { input, sort } => {
            let left = sort.fetch.map(|most| most.saturating_sub(offset));
            let fetch = fetch.into_iter().chain(left).min();
            RelKind::Sort { input, sort: Sort { offset: sort.offset.saturating_add(offset), fetch, ..sort } }
        }
        kind => {
            let input = Rel { kind, fields: fields.clone() };
            let sort = Sort { keys: Vec::new(), offset, fetch, position: None };
            RelKind::Sort { input: Box::new(input), sort }
        }
    };
    Rel { kind, fields }
}

fn is_cut_below(rel: &Rel) -> bool {
    match &rel.kind {
        RelKind::Sort { .. } => true,
        RelKind::Project { input, .. } => is_cut_below(input),
        _ => false,
    }
}

/// The expressions of ORDER BY; none without.
fn order_by(order_by: Option<&OrderBy>) -> Result<&[OrderByExpr]> {
    let Some(clause) = order_by else { return Ok(&[]) };
    let OrderByKind::Expressions(order) = &clause.kind else {
        return Err(error_at(clause.span(), "ORDER BY ALL is not part of Flink SQL"));
    };
    for expr in order {
        let refused = [
            (matches!(expr.options.sort, Some(OrderBySort::Using(_))), "USING"),
            (expr.with_fill.is_some(), "WITH FILL"),
            (clause.interpolate.is_some(), "INTERPOLATE"),
        ];
        if let Some((_, word)) = refused.iter().find(|(is_there, _)| *is_there) {
            return Err(error_at(expr.span(), format!("ORDER BY ... {word} is not part of Flink SQL")));
        }
    }
    Ok(order)
}

/// How many rows are left out, and how many follow at most.
fn cut_of(query: &Query) -> Result<(u64, Option<u64>)> {
    let (mut offset, mut fetch) = (0, None);
    match &query.limit_clause {
        None => {}
        Some(LimitClause::OffsetCommaLimit { offset, .. }) => {
            return Err(error_at(offset.span(), "'LIMIT start, count' is not part of Flink SQL")
                .hint("write LIMIT count OFFSET start"));
        }
        Some(LimitClause::LimitOffset { limit, offset: start, limit_by }) => {
            if let Some(by) = limit_by.first() {
                return Err(error_at(by.span(), "LIMIT ... BY is not part of Flink SQL"));
            }
            fetch = limit.as_ref().map(|limit| count(limit, "LIMIT")).transpose()?;
            offset = start.as_ref().map(|start| count(&start.value, "OFFSET")).transpose()?.unwrap_or_default();
        }
    }
    if let Some(Fetch { with_ties, percent, quantity }) = &query.fetch {
        if *with_ties || *percent {
            let what = if *with_ties { "WITH TIES" } else { "PERCENT" };
            return Err(Error::user(format!("FETCH ... {what} is not part of Flink SQL")));
        }
        if fetch.is_some() {
            return Err(Error::user("a query has LIMIT or FETCH, not both"));
        }
        fetch = Some(quantity.as_ref().map_or(Ok(1), |quantity| count(quantity, "FETCH"))?);
    }
    Ok((offset, fetch))
}

fn count(ast: &Ast, clause: &str) -> Result<u64> {
    let number = match ast {
        Ast::Value(ValueWithSpan { value: Value::Number(text, _), .. }) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| error_at(ast.span(), format!("{clause} needs a number of rows, such as 10")))
}

/// The place in the select list, where a bare number stands.
fn ordinal(ast: &Ast) -> Option<usize> {
    match ast {
        Ast::Value(ValueWithSpan { value: Value::Number(text, _), .. }) => text.parse().ok(),
        _ => None,
    }
}

fn is_item(item: &SelectItem, ast: &Ast) -> bool {
    matches!(item, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } if expr == ast)
}

/// An expression with the expressions of the select list in place of their aliases.
fn without_aliases(mut ast: Ast, projection: &[SelectItem]) -> Ast {
    let meaning = |ident: &Ident| {
        projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if alias.value == ident.value => Some(expr),
            _ => None,
        })
    };
    let _ = visit_expressions_mut(&mut ast, |part| {
        if let Ast::Identifier(ident) = part
            && let Some(expr) = meaning(ident)
        {
            *part = Ast::Nested(Box::new(expr.clone()));
        }
        ControlFlow::<()>::Continue(())
    });
    ast
}

/// SELECT DISTINCT can be sorted by its own columns alone: other values of the same row are not one.
pub(super) fn check_distinct(selected: &Selected, select: &Select, order: &[OrderByExpr]) -> Result<()> {
    match selected.order.iter().zip(order).find(|(column, _)| **column >= selected.width) {
        None => Ok(()),
        Some((_, OrderByExpr { expr, .. })) => {
            let names: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
            Err(error_at(expr.span(), format!("Expression '{expr}' is not in the select clause"))
                .hint(format!("SELECT DISTINCT is sorted by what it selects: {}", names.join(", "))))
        }
    }
}
