//! Grouped queries: GROUP BY with keys, group windows or the columns of a window table function, aggregates, HAVING.
//!
//! The input is first projected to the keys and the aggregates' arguments, then grouped; the select list is computed from the groups.

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{Expr as Ast, Function, FunctionArguments, GroupByExpr, OrderByExpr, Select, SelectItem, Spanned};
use std::sync::Arc;

use super::order::{Selected, order_columns};
use super::query::{Output, Planner, column_name, filter, project};
use super::rel::{AggregateCall, AggregateFunction, GroupWindow, Rel, RelKind, WindowKind};
use super::schema::{Field, TimeAttribute, WindowColumn};
use super::window::{assign_windows, check_time_attribute};
use crate::expr::{Binder, BoundAggregate, BoundGroupWindow, Expr, ExprKind, Grouping, WINDOW_COLUMNS, same};
use crate::functions::{UserFunction, UserFunctions};
use crate::parser::error_at;

impl Planner<'_> {
    pub(super) fn is_grouped(&self, select: &Select) -> bool {
        let grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(exprs, _) => !exprs.is_empty(),
        };
        grouped
            || select.having.is_some()
            || select.projection.iter().any(|item| item_has_aggregate(item, &self.catalog.functions))
    }

    pub(super) fn grouped(&mut self, select: &Select, order: &[OrderByExpr], input: Rel) -> Result<Selected> {
        let GroupByExpr::Expressions(group_by, modifiers) = &select.group_by else {
            return Err(Error::user("GROUP BY ALL is not part of Flink SQL"));
        };
        if !modifiers.is_empty() {
            return Err(Error::not_supported("GROUPING SETS, CUBE and ROLLUP"));
        }
        let mut grouping = Grouping { global: group_by.is_empty(), ..Grouping::default() };
        let mut keys = Vec::new();
        for ast in group_by {
            match group_window_call(ast) {
                Some((name, function)) => {
                    let args = window_arguments(function);
                    let (time, kind) =
                        Binder::new(&input.fields).knowing(&self.catalog.functions).group_window(&name, &args)?;
                    let attribute = time_attribute(&input, &time, &name, ast)?;
                    if grouping.window.is_some() {
                        return Err(error_at(ast.span(), "GROUP BY takes one group window"));
                    }
                    grouping.window = Some(BoundGroupWindow { kind, time, attribute });
                }
                None => keys.push(Binder::new(&input.fields).knowing(&self.catalog.functions).bind(ast)?),
            }
        }
        let mut outputs = Vec::new();
        for item in &select.projection {
            let (ast, name) = match item {
                SelectItem::UnnamedExpr(ast) => (ast, column_name(ast, outputs.len())),
                SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value.clone()),
                other => return Err(error_at(other.span(), "'*' cannot stand in a query with GROUP BY or aggregates")),
            };
            let expr =
                Binder::with_grouping(&input.fields, &mut grouping).knowing(&self.catalog.functions).bind(ast)?;
            outputs.push(Output { expr, name });
        }
        let width = outputs.len();
        let mut bind =
            |ast: &Ast| Binder::with_grouping(&input.fields, &mut grouping).knowing(&self.catalog.functions).bind(ast);
        let order = order_columns(order, &select.projection, &mut outputs, &mut bind)?;
        let having = select
            .having
            .as_ref()
            .map(|having| {
                Binder::with_grouping(&input.fields, &mut grouping)
                    .knowing(&self.catalog.functions)
                    .bind_condition(having, "HAVING")
            })
            .transpose()?;
        let groups = Groups { width: input.fields.len(), keys, windowed: grouping.window.is_some() };
        let outputs = outputs
            .into_iter()
            .map(|output| Ok(Output { expr: groups.rewrite(output.expr)?, ..output }))
            .collect::<Result<Vec<_>>>()?;
        let having = having.map(|having| groups.rewrite(having)).transpose()?;
        let mut rel = group(input, groups.keys, grouping)?;
        if let Some(having) = having {
            rel = filter(rel, having);
        }
        Ok(Selected { rel: project(rel, outputs)?, width, order })
    }
}

/// DISTINCT: a group without aggregates for every different row.
pub(super) fn distinct(input: Rel) -> Rel {
    let fields: Vec<Field> = input.fields.iter().map(|field| Field { time: None, ..field.clone() }).collect();
    let keys: Vec<usize> = (0..fields.len()).collect();
    let window = group_window(&input.fields, &keys);
    let fields = if window.is_some() { input.fields.clone() } else { fields };
    Rel { kind: RelKind::Aggregate { input: Box::new(input), keys, aggregates: Vec::new(), window }, fields }
}

/// How expressions over the input and its aggregates are turned into expressions over the groups.
struct Groups {
    /// The number of the input's columns.
    width: usize,
    keys: Vec<Expr>,
    windowed: bool,
}

impl Groups {
    fn rewrite(&self, expr: Expr) -> Result<Expr> {
        if let Some(key) = self.keys.iter().position(|key| same(key, &expr)) {
            return Ok(Expr { kind: ExprKind::Column(key), ..expr });
        }
        if let ExprKind::Column(index) = expr.kind {
            let Some(behind) = index.checked_sub(self.width) else {
                let error = Error::user("the expression is not being grouped")
                    .hint("put it into GROUP BY, or into an aggregate");
                return Err(match expr.position {
                    Some(position) => error.at(position),
                    None => error,
                });
            };
            // Groups are the keys, the group window's columns where there is one, the aggregates.
            let index = self.keys.len() + if self.windowed { behind } else { behind.saturating_sub(WINDOW_COLUMNS) };
            return Ok(Expr { kind: ExprKind::Column(index), ..expr });
        }
        let mut failed = None;
        let expr = expr.map_children(&mut |child| match self.rewrite(child.clone()) {
            Ok(rewritten) => rewritten,
            Err(error) => {
                failed.get_or_insert(error);
                child
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(expr),
        }
    }
}

/// Projects to keys, arguments and filters, assigns a group window, and aggregates.
fn group(input: Rel, keys: Vec<Expr>, grouping: Grouping) -> Result<Rel> {
    let key_count = keys.len();
    let mut columns: Vec<Output> =
        keys.into_iter().map(|expr| Output { name: key_name(&input, &expr), expr }).collect();
    if let Some(window) = &grouping.window {
        columns.push(Output { expr: window.time.clone(), name: "$time".into() });
    }
    let mut place = |expr: Expr| -> usize {
        let known = columns.iter().position(|column| same(&column.expr, &expr));
        known.unwrap_or_else(|| {
            columns.push(Output { name: format!("$f{}", columns.len()), expr });
            columns.len() - 1
        })
    };
    let mut aggregates: Vec<AggregateCall> =
        grouping.aggregates.into_iter().map(|aggregate| call(aggregate, &mut place)).collect();
    // COUNT(*) alone leaves nothing to project; its rows still count.
    let projected = if columns.is_empty() { input } else { project(input, columns)? };
    let (source, keys, window) = match grouping.window {
        None => {
            let keys: Vec<usize> = (0..key_count).collect();
            let window = group_window(&projected.fields, &keys);
            (projected, keys, window)
        }
        Some(window) => {
            let width = projected.fields.len();
            let partition =
                if matches!(window.kind, WindowKind::Session { .. }) { (0..key_count).collect() } else { Vec::new() };
            let assigned = assign_windows(projected, key_count, window.kind, partition)?;
            let keys: Vec<usize> = (0..key_count).chain(width..width + 3).collect();
            let group_window = group_window(&assigned.fields, &keys);
            (assigned, keys, group_window)
        }
    };
    let mut fields: Vec<Field> = keys
        .iter()
        .map(|key| Field { time: source.fields[*key].time.filter(|_| window.is_some()), ..source.fields[*key].clone() })
        .collect();
    for (n, aggregate) in aggregates.iter_mut().enumerate() {
        fields.push(Field::new(format!("$a{n}"), aggregate.data_type.clone()));
    }
    let legacy = grouping_window_columns(&fields, key_count);
    let rel = Rel { kind: RelKind::Aggregate { input: Box::new(source), keys, aggregates, window }, fields };
    if legacy { with_proctime(rel, key_count) } else { Ok(rel) }
}

/// Whether the keys end in a group window's three columns, which [`Groups::rewrite`] expects to be four.
fn grouping_window_columns(fields: &[Field], key_count: usize) -> bool {
    fields.get(key_count).is_some_and(|field| field.name == "window_start")
        && fields.get(key_count + 2).is_some_and(|field| field.name == "window_time")
}

/// Adds the column of `TUMBLE_PROCTIME` behind a group window's start, end and rowtime.
fn with_proctime(rel: Rel, key_count: usize) -> Result<Rel> {
    let proctime = crate::expr::call_bound("PROCTIME", Vec::new())?;
    let mut outputs: Vec<Output> = rel
        .fields
        .iter()
        .enumerate()
        .map(|(n, field)| Output { expr: Expr::column(n, field.data_type.clone()), name: field.name.clone() })
        .collect();
    outputs.insert(key_count + 3, Output { expr: proctime, name: "$proctime".into() });
    project(rel, outputs)
}

/// The window that keys close, if both `window_start` and `window_end` of one window are among them.
fn group_window(fields: &[Field], keys: &[usize]) -> Option<GroupWindow> {
    let of = |wanted: WindowColumn| {
        keys.iter().copied().find(|key| fields[*key].window.as_ref().is_some_and(|(column, _)| *column == wanted))
    };
    let (start, end) = (of(WindowColumn::Start)?, of(WindowColumn::End)?);
    let (_, window) = fields[end].window.as_ref()?;
    let (_, start_window) = fields[start].window.as_ref()?;
    if !Arc::ptr_eq(window, start_window) {
        return None;
    }
    let columns = keys
        .iter()
        .map(|key| match &fields[*key].window {
            Some((column, other)) if Arc::ptr_eq(other, window) => Some(*column),
            _ => None,
        })
        .collect();
    Some(GroupWindow { window: Arc::clone(window), columns, start, end })
}

fn call(aggregate: BoundAggregate, place: &mut impl FnMut(Expr) -> usize) -> AggregateCall {
    let argument_type = aggregate
        .argument
        .as_ref()
        .map_or_else(|| DataType::not_null(LogicalType::BigInt), |argument| argument.data_type.clone());
    // COUNT of a column that is never NULL counts rows.
    let counts_rows = aggregate.function == AggregateFunction::Count && !aggregate.distinct && !argument_type.nullable;
    let argument = aggregate.argument.filter(|_| !counts_rows).map(&mut *place);
    AggregateCall {
        function: aggregate.function,
        argument,
        argument_type,
        distinct: aggregate.distinct,
        filter: aggregate.filter.map(place),
        data_type: aggregate.data_type,
    }
}

fn key_name(input: &Rel, expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Column(index) => input.fields[*index].name.clone(),
        _ => "$k".into(),
    }
}

fn time_attribute(input: &Rel, time: &Expr, name: &str, ast: &Ast) -> Result<TimeAttribute> {
    let ExprKind::Column(index) = time.kind else {
        return match &time.kind {
            ExprKind::Call(call) if call.name == "PROCTIME" => Ok(TimeAttribute::Proctime),
            _ => Err(error_at(
                ast.span(),
                format!("Window can only be defined over a time attribute column, and {name} is given an expression"),
            )),
        };
    };
    check_time_attribute(&input.fields[index], name).map_err(|error| match crate::parser::position(ast.span()) {
        Some(position) => error.at(position),
        None => error,
    })
}

/// The call, if this is a group window in GROUP BY.
fn group_window_call(ast: &Ast) -> Option<(String, &Function)> {
    let Ast::Function(function) = ast else { return None };
    let name = function.name.to_string().to_uppercase();
    matches!(name.as_str(), "TUMBLE" | "HOP" | "SESSION").then_some((name, function))
}

fn item_has_aggregate(item: &SelectItem, functions: &UserFunctions) -> bool {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => has_aggregate(expr, functions),
        _ => false,
    }
}

fn has_aggregate(expr: &Ast, functions: &UserFunctions) -> bool {
    use std::ops::ControlFlow;
    let aggregates = |name: &str| match functions.get(name) {
        Some((_, function)) => matches!(function, UserFunction::Aggregate(_)),
        None => AggregateFunction::named(name).is_some(),
    };
    let found = sqlparser::ast::visit_expressions(expr, |expr| match expr {
        Ast::Function(function) if function.over.is_none() && aggregates(&function_text(function)) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// A function's name in upper case, without quotes.
fn function_text(function: &Function) -> String {
    let last = function.name.0.last().and_then(|part| part.as_ident());
    last.map_or_else(String::new, |ident| ident.value.to_uppercase())
}

/// The arguments of a group window's call.
fn window_arguments(function: &Function) -> Vec<&Ast> {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr};
    match &function.args {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
