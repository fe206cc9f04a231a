//! What stands in FROM: tables, views, named queries, sub-queries, window table functions.

use riverrun_base::{Error, Result};
use riverrun_connect::MetadataColumn;
use sqlparser::ast::{
    Expr as Ast, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, Spanned, TableAlias, TableFactor,
    TableWithJoins,
};
use std::sync::Arc;

use super::query::Planner;
use super::rel::{Rel, RelKind, Scan};
use super::schema::{Field, TimeAttribute};
use super::unnest::{UnnestCall, joins_are_missing};
use crate::catalog::{Object, Table, TableColumnKind, View};
use crate::expr::{Binder, CastMode, Expr, cast};
use crate::functions::UserFunctions;
use crate::parser::error_at;

/// How deep views and named queries may be nested.
const MAX_DEPTH: usize = 64;

impl Planner<'_> {
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Result<Rel> {
        let Some((first, others)) = from.split_first() else { return Ok(one_row()) };
        let functions = &self.catalog.functions;
        let unnested = |factor| UnnestCall::of(factor, functions).ok_or_else(|| joins_are_missing(factor));
        let mut rel = self.factor(&first.relation)?;
        for join in &first.joins {
            rel = unnested(&join.relation)?.joined(rel, &join.join_operator)?;
        }
        for other in others {
            rel = unnested(&other.relation)?.over(rel, false)?;
            for join in &other.joins {
                rel = unnested(&join.relation)?.joined(rel, &join.join_operator)?;
            }
        }
        Ok(rel)
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<Rel> {
        if let Some(unnest) = UnnestCall::of(factor, &self.catalog.functions) {
            return unnest.alone();
        }
        match factor {
            TableFactor::Table { name, alias, args: None, version: None, .. } => {
                let rel = self.named_relation(name)?;
                let default = name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone());
                rename(rel, default, alias.as_ref())
            }
            TableFactor::Table { version: Some(_), name, .. } => {
                Err(error_at(name.span(), "FOR SYSTEM_TIME AS OF is not supported yet"))
            }
            TableFactor::Derived { lateral: false, subquery, alias, .. } => {
                let rel = self.query(subquery)?;
                rename(rel, None, alias.as_ref())
            }
            TableFactor::TableFunction { expr, alias } => {
                let rel = self.window_function(expr)?;
                rename(rel, None, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let rel = self.from(std::slice::from_ref(table_with_joins))?;
                rename(rel, None, alias.as_ref())
            }
            TableFactor::MatchRecognize { .. } => Err(error_at(factor.span(), "MATCH_RECOGNIZE is not supported yet")),
            TableFactor::Table { name, .. } => Err(error_at(name.span(), format!("'{name}' is no table function"))
                .hint("write TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '10' MINUTE))")),
            other => Err(error_at(other.span(), "this form of FROM is not supported yet")),
        }
    }

    /// A table, a view or a query of WITH.
    pub(super) fn named_relation(&mut self, name: &ObjectName) -> Result<Rel> {
        if let [part] = name.0.as_slice() {
            let named = part.as_ident().and_then(|ident| self.named.get(&ident.value)).cloned();
            if let Some((query, columns)) = named {
                let rel = self.nested(&query, name)?;
                return rename_columns(rel, &columns, name.span());
            }
        }
        match self.catalog.get(name)? {
            Object::Table(table) => {
                let hint = name
                    .0
                    .last()
                    .and_then(|part| part.as_ident())
                    .and_then(|ident: &Ident| self.hints.behind(ident))
                    .cloned()
                    .unwrap_or_default();
                scan(&table, hint, &self.catalog.functions)
            }
            Object::View(view) => self.view(&view, name),
            Object::Relation(rel) => Ok((*rel).clone()),
        }
    }

    fn view(&mut self, view: &View, name: &ObjectName) -> Result<Rel> {
        // A view does not see the queries of WITH around its use.
        let outer = std::mem::take(&mut self.named);
        let rel = self.nested(&view.query, name).map_err(|error| error.with("view", &view.name));
        self.named = outer;
        let columns: Vec<String> = view.columns.iter().map(|column| column.value.clone()).collect();
        rename_columns(rel?, &columns, name.span())
    }

    fn nested(&mut self, query: &Query, name: &ObjectName) -> Result<Rel> {
        if self.depth >= MAX_DEPTH {
            return Err(error_at(name.span(), format!("'{name}' refers to itself, or is nested too deeply")));
        }
        self.depth += 1;
        let rel = self.query(query);
        self.depth -= 1;
        rel
    }

    /// A table or query given to a window table function: `TABLE t`, `(SELECT ...)`.
    pub(super) fn table_argument(&mut self, argument: &FunctionArg) -> Result<Rel> {
        let expr = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
            | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => expr,
            _ => return Err(Error::user("a table is expected: TABLE t")),
        };
        match expr {
            Ast::Subquery(query) => self.query(query),
            Ast::Function(function)
                if function.name.to_string().eq_ignore_ascii_case(crate::parser::TABLE_ARGUMENT) =>
            {
                let name = match super::window::first_argument(function) {
                    Some(Ast::Identifier(ident)) => ObjectName::from(vec![ident.clone()]),
                    Some(Ast::CompoundIdentifier(parts)) => ObjectName::from(parts.clone()),
                    _ => return Err(error_at(function.span(), "a table's name is expected behind TABLE")),
                };
                self.named_relation(&name)
            }
            other => Err(error_at(other.span(), "a table is expected here").hint("write TABLE t")),
        }
    }
}

/// The relation of a query without FROM: one row without columns.
pub(super) fn one_row() -> Rel {
    Rel { kind: RelKind::Values(vec![Vec::new()]), fields: Vec::new() }
}

/// Reads a table, with all its columns.
pub(crate) fn scan(
    table: &Arc<Table>,
    hint: std::collections::BTreeMap<String, String>,
    functions: &UserFunctions,
) -> Result<Rel> {
    let at_table = |error: Error| error.with("table", &table.name);
    let context = table.context(&hint)?;
    // What the connector delivers: the physical columns, then the metadata columns, each in its own order.
    let delivered: Vec<Field> = context
        .columns
        .iter()
        .map(|column| Field::new(column.name.clone(), column.data_type.clone()))
        .chain(
            context
                .metadata
                .iter()
                .map(|column: &MetadataColumn| Field::new(column.name.clone(), column.data_type.clone())),
        )
        .collect();
    let mut exprs = Vec::with_capacity(table.columns.len());
    let mut fields = Vec::with_capacity(table.columns.len());
    for (n, column) in table.columns.iter().enumerate() {
        let mut field = Field::new(column.name.clone(), column.data_type.clone());
        let expr = match &column.kind {
            TableColumnKind::Computed { expr, proctime } => {
                if *proctime {
                    field.time = Some(TimeAttribute::Proctime);
                }
                Binder::new(&delivered).knowing(functions).bind(expr).map_err(at_table)?
            }
            _ => {
                let index = delivered
                    .iter()
                    .position(|field| field.name == column.name)
                    .ok_or_else(|| Error::internal("a column is lost").with("column", &column.name))?;
                Expr::column(index, column.data_type.clone())
            }
        };
        if table.watermark.as_ref().is_some_and(|watermark| watermark.column == n) {
            field.time = Some(TimeAttribute::Rowtime);
        }
        exprs.push(expr);
        fields.push(field);
    }
    let watermark = match &table.watermark {
        None => None,
        Some(watermark) => {
            let strategy = Binder::new(&fields).knowing(functions).bind(&watermark.strategy).map_err(at_table)?;
            Some(cast(strategy, &fields[watermark.column].data_type, CastMode::Implicit))
        }
    };
    Ok(Rel { kind: RelKind::Scan(Scan { table: Arc::clone(table), hint, exprs, watermark }), fields })
}

/// Gives a relation the name by which its columns can be qualified, and its columns those of an alias.
fn rename(mut rel: Rel, default: Option<String>, alias: Option<&TableAlias>) -> Result<Rel> {
    rename_fields(&mut rel.fields, default, alias)?;
    Ok(rel)
}

/// As [`rename`], of the columns alone.
pub(super) fn rename_fields(fields: &mut [Field], default: Option<String>, alias: Option<&TableAlias>) -> Result<()> {
    if let Some(alias) = alias {
        let columns: Vec<String> = alias.columns.iter().map(|column| column.name.value.clone()).collect();
        name_columns(fields, &columns, alias.name.span)?;
    }
    let name = alias.map(|alias| alias.name.value.clone()).or(default);
    for field in fields {
        field.qualifier.clone_from(&name);
    }
    Ok(())
}

fn rename_columns(mut rel: Rel, columns: &[String], span: sqlparser::tokenizer::Span) -> Result<Rel> {
    name_columns(&mut rel.fields, columns, span)?;
    Ok(rel)
}

/// Gives columns these names; without any they keep theirs.
fn name_columns(fields: &mut [Field], columns: &[String], span: sqlparser::tokenizer::Span) -> Result<()> {
    if columns.is_empty() {
        return Ok(());
    }
    if columns.len() != fields.len() {
        return Err(error_at(span, format!("{} column names are given for {} columns", columns.len(), fields.len())));
    }
    for (field, name) in fields.iter_mut().zip(columns) {
        field.name.clone_from(name);
    }
    Ok(())
}
