//! Function calls.

use std::sync::Arc;

use riverrun_base::{Error, Result, nearest};
use riverrun_data::DataType;
use sqlparser::ast::{self, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned};

use super::aggregate::AuxiliaryWindow;
use super::literal::string_literal;
use super::{Binder, call_bound, cast};
use crate::expr::{Call, CastMode, Expr, ExprKind};
use crate::functions::{self, UserFunction, UserFunctions, UserScalar, bind_user};
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
        if let Some((name, user)) = self.functions.and_then(|functions| functions.get(&name)) {
            return self.user_function(name, user, function);
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
            let own = self.functions.into_iter().flat_map(UserFunctions::names);
            return Err(unknown_function(function, &name, own));
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

impl Binder<'_> {
    /// A call of a function of the program.
    fn user_function(&mut self, name: &Arc<str>, user: &UserFunction, call: &Function) -> Result<Expr> {
        match user {
            UserFunction::Aggregate(aggregate) => self.user_aggregate(name, aggregate, call),
            UserFunction::Table(_) => {
                Err(error_at(call.name.span(), format!("'{name}' is a table function and no value"))
                    .hint(format!("write it behind FROM: CROSS JOIN LATERAL TABLE({name}(...)) AS t(columns)")))
            }
            UserFunction::Scalar(scalar) => {
                if call.filter.is_some() {
                    return Err(Error::user(format!("FILTER is for aggregates, and {name} is none")));
                }
                self.user_call(name, scalar, call)
            }
        }
    }

    /// The rows that a table function answers, as an array.
    ///
    /// # Errors
    /// The expression is no call of a table function, or the function does not take the arguments.
    pub(crate) fn table_function(&mut self, call: &ast::Expr) -> Result<Expr> {
        let ast::Expr::Function(function) = call else {
            return Err(error_at(call.span(), "a call of a table function is expected here"));
        };
        let name = function_name(function)?;
        match self.functions.and_then(|functions| functions.get(&name)) {
            Some((name, UserFunction::Table(table))) => self.user_call(name, table, function),
            Some(_) => Err(error_at(call.span(), format!("'{name}' is no table function"))),
            None => Err(error_at(function.name.span(), format!("No match found for function '{name}'"))
                .hint("table functions are those that the program has created; UNNEST(array) needs no LATERAL TABLE")),
        }
    }

    fn user_call(&mut self, name: &Arc<str>, function: &Arc<dyn UserScalar>, call: &Function) -> Result<Expr> {
        let args = plain_arguments(call)?.into_iter().map(|arg| self.bind(arg)).collect::<Result<Vec<_>>>()?;
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
        let bound = bind_user(name, function, &types)?;
        let args = args.into_iter().zip(&bound.arguments);
        let args = args.map(|(arg, wanted)| cast(arg, wanted, CastMode::Implicit)).collect();
        let data_type = bound.returns.clone();
        let call = Call { name: name.to_string().into(), bound, args };
        Ok(Expr { kind: ExprKind::Call(call), data_type, position: None })
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

fn unknown_function<'n>(function: &Function, name: &str, own: impl Iterator<Item = &'n str>) -> Error {
    let error = error_at(function.name.span(), format!("No match found for function '{name}'"));
    let sql: [&'n str; 9] = ["COUNT", "SUM", "MIN", "MAX", "AVG", "COALESCE", "IF", "IFNULL", "NULLIF"];
    let known = own.chain(functions::names().map(|name| -> &'n str { name })).chain(sql);
    match nearest(
        name,
        known.filter(|known| known.starts_with(|first: char| first.is_ascii_alphabetic()) && !known.contains(' ')),
    ) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}
