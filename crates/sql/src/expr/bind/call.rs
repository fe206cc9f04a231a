//! Function calls.

use riverrun_base::{Error, Result, nearest};
use sqlparser::ast::{self, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned};

use super::aggregate::AuxiliaryWindow;
use super::literal::string_literal;
use super::{Binder, call_bound};
use crate::expr::Expr;
use crate::functions;
use crate::parser::error_at;
use crate::plan::AggregateFunction;

/// Functions whose first argument is a unit of time written as a name.
const UNIT_FIRST: [&str; 2] = ["TIMESTAMPADD", "TIMESTAMPDIFF"];

/// Functions of Flink that exist there and not here yet.
const LATER_AGGREGATES: [&str; 18] = [
    "LISTAGG",
    "FIRST_VALUE",
    "LAST_VALUE",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "COLLECT",
    "RANK",
    "DENSE_RANK",
    "ROW_NUMBER",
    "LEAD",
    "LAG",
    "ARRAY_AGG",
    "PERCENTILE",
    "NTILE",
];

impl Binder<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Result<Expr> {
        let name = function_name(function)?;
        if function.over.is_some() {
            return Err(Error::not_supported("OVER"));
        }
        if let Some(aggregate) = AggregateFunction::named(&name) {
            return self.aggregate(aggregate, function);
        }
        if LATER_AGGREGATES.contains(&name.as_str()) {
            return Err(Error::not_supported(format!("the function {name}")));
        }
        if function.filter.is_some() {
            return Err(Error::user(format!("FILTER is for aggregates, and {name} is none")));
        }
        let args = plain_arguments(function)?;
        if let Some(auxiliary) = AuxiliaryWindow::named(&name) {
            return self.auxiliary(&name, auxiliary, &args);
        }
        if let Some(expr) = self.conditional(&name, &args)? {
            return Ok(expr);
        }
        if let ("TUMBLE" | "HOP" | "SESSION" | "CUMULATE", Some(first)) = (name.as_str(), args.first()) {
            return Err(error_at(
                first.span(),
                format!("{name} stands only in GROUP BY or as TABLE({name}(TABLE t, ...)) in FROM"),
            ));
        }
        if functions::lookup(&name).is_none() {
            return Err(unknown_function(function, &name));
        }
        let mut bound = Vec::with_capacity(args.len());
        for (n, arg) in args.iter().enumerate() {
            match arg {
                ast::Expr::Identifier(unit) if n == 0 && UNIT_FIRST.contains(&name.as_str()) => {
                    bound.push(time_unit(unit))
                }
                _ => bound.push(self.bind(arg)?),
            }
        }
        call_bound(&name, bound)
    }
}

/// The name in upper case.
pub(super) fn function_name(function: &Function) -> Result<String> {
    match function.name.0.as_slice() {
        [part] => part
            .as_ident()
            .map(|ident| ident.value.to_uppercase())
            .ok_or_else(|| Error::not_supported("this function name")),
        _ => Err(error_at(function.name.span(), format!("No match found for function '{}'", function.name))),
    }
}

/// The arguments, which must be plain expressions.
pub(super) fn plain_arguments(function: &Function) -> Result<Vec<&ast::Expr>> {
    let list = match &function.args {
        FunctionArguments::None => return Ok(Vec::new()),
        FunctionArguments::Subquery(_) => return Err(Error::not_supported("a sub-query as an argument")),
        FunctionArguments::List(list) => list,
    };
    if !list.clauses.is_empty() {
        return Err(Error::not_supported(format!("this form of {}", function.name)));
    }
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => Err(Error::not_supported("a named argument")),
            FunctionArg::Unnamed(_) => Err(Error::user(format!("'*' is no argument of {}", function.name))),
        })
        .collect()
}

fn time_unit(unit: &Ident) -> Expr {
    let name = unit.value.to_uppercase();
    string_literal(name.strip_prefix("SQL_TSI_").unwrap_or(&name))
}

fn unknown_function(function: &Function, name: &str) -> Error {
    let error = error_at(function.name.span(), format!("No match found for function '{name}'"));
    let known = functions::names().chain(["COUNT", "SUM", "MIN", "MAX", "AVG", "COALESCE", "IF", "IFNULL", "NULLIF"]);
    match nearest(
        name,
        known.filter(|known| known.starts_with(|first: char| first.is_ascii_alphabetic()) && !known.contains(' ')),
    ) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}
