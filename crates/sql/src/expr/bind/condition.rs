//! Conditions: AND, OR, BETWEEN, IN, LIKE, CASE and the functions that are CASE in other words.

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{self, CaseWhen, Spanned};

use super::{Binder, call_bound, cast, null_literal};
use crate::expr::{CastMode, Expr, ExprKind};
use crate::parser::error_at;
use crate::types;

impl Binder<'_> {
    pub(super) fn between(
        &mut self,
        operand: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
    ) -> Result<Expr> {
        let value = self.bind(operand)?;
        let (low, high) = (self.bind(low)?, self.bind(high)?);
        if negated {
            Ok(logical(false, call_bound("<", vec![value.clone(), low])?, call_bound(">", vec![value, high])?))
        } else {
            Ok(logical(true, call_bound(">=", vec![value.clone(), low])?, call_bound("<=", vec![value, high])?))
        }
    }

    pub(super) fn in_list(&mut self, operand: &ast::Expr, list: &[ast::Expr], negated: bool) -> Result<Expr> {
        let mut args = vec![self.bind(operand)?];
        for item in list {
            args.push(self.bind(item)?);
        }
        let found = call_bound("IN", args)?;
        negate(found, negated)
    }

    pub(super) fn pattern(
        &mut self,
        name: &str,
        negated: bool,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let args: Vec<&ast::Expr> = [operand, pattern].into_iter().chain(escape).collect();
        let matched = self.call_on(name, &args)?;
        negate(matched, negated)
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let operand = operand.map(|operand| self.bind(operand)).transpose()?;
        let mut branches = Vec::with_capacity(conditions.len());
        for when in conditions {
            let condition = match &operand {
                Some(operand) => {
                    let compared = self.bind(&when.condition)?;
                    call_bound("=", vec![operand.clone(), compared])?
                }
                None => self.bind_condition(&when.condition, "WHEN")?,
            };
            branches.push((condition, self.bind(&when.result)?));
        }
        let otherwise = otherwise.map(|otherwise| self.bind(otherwise)).transpose()?.unwrap_or_else(null_literal);
        case(branches, otherwise)
    }

    /// `COALESCE`, `IFNULL`, `IF` and `NULLIF`; `None` for any other name.
    pub(super) fn conditional(&mut self, name: &str, args: &[&ast::Expr]) -> Result<Option<Expr>> {
        let usage = |usage: &str| {
            Error::user(format!("Invalid number of arguments to {name}")).hint(format!("it is called as {usage}"))
        };
        let expr = match name {
            "COALESCE" | "IFNULL" => {
                let expected = if name == "IFNULL" { args.len() == 2 } else { !args.is_empty() };
                if !expected {
                    return Err(usage(if name == "IFNULL" {
                        "IFNULL(value, replacement)"
                    } else {
                        "COALESCE(value, ...)"
                    }));
                }
                let mut values = args.iter().map(|arg| self.bind(arg)).collect::<Result<Vec<_>>>()?;
                // What stands behind a value that is never NULL is never reached.
                if let Some(last) = values.iter().position(|value| !value.data_type.nullable) {
                    let kept = common(&values.iter().collect::<Vec<_>>())?;
                    values.truncate(last + 1);
                    values = values.into_iter().map(|value| cast(value, &kept, CastMode::Implicit)).collect();
                }
                let Some(otherwise) = values.pop() else { return Err(usage("COALESCE(value, ...)")) };
                let branches = values
                    .into_iter()
                    .map(|value| Ok((call_bound("IS NOT NULL", vec![value.clone()])?, value)))
                    .collect::<Result<Vec<_>>>()?;
                coalesce(branches, otherwise)?
            }
            "IF" => {
                let [condition, then, otherwise] = args else { return Err(usage("IF(condition, value, otherwise)")) };
                let condition = self.bind_condition(condition, "IF")?;
                let (then, otherwise) = (self.bind(then)?, self.bind(otherwise)?);
                // Flink types IF as nullable where its condition is.
                let nullable = condition.data_type.nullable;
                let mut chosen = case(vec![(condition, then)], otherwise)?;
                chosen.data_type.nullable |= nullable;
                chosen
            }
            "NULLIF" => {
                let [value, other] = args else { return Err(usage("NULLIF(value, other)")) };
                let (span, other) = (value.span(), self.bind(other)?);
                let value = self.bind(value)?;
                let equal =
                    call_bound("=", vec![value.clone(), other]).map_err(|error| {
                        match crate::parser::position(span) {
                            Some(position) => error.at(position),
                            None => error,
                        }
                    })?;
                case(vec![(equal, null_literal())], value)?
            }
            _ => return Ok(None),
        };
        Ok(Some(expr))
    }
}

/// `AND` or `OR` of two conditions.
pub(super) fn logical(and: bool, left: Expr, right: Expr) -> Expr {
    let data_type =
        DataType { logical: LogicalType::Boolean, nullable: left.data_type.nullable || right.data_type.nullable };
    let (left, right) = (Box::new(left), Box::new(right));
    Expr { kind: if and { ExprKind::And(left, right) } else { ExprKind::Or(left, right) }, data_type, position: None }
}

fn negate(condition: Expr, negated: bool) -> Result<Expr> {
    if negated { call_bound("NOT", vec![condition]) } else { Ok(condition) }
}

fn common(values: &[&Expr]) -> Result<DataType> {
    let all: Vec<DataType> = values.iter().map(|value| value.data_type.clone()).collect();
    types::common_type(&all).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        let error =
            Error::user(format!("the values have no common type: {}", names.join(", "))).hint("cast them to one type");
        match values.first().and_then(|value| value.position) {
            Some(position) => error.at(position),
            None => error,
        }
    })
}

/// A `CASE` whose values are cast to their common type.
fn case(branches: Vec<(Expr, Expr)>, otherwise: Expr) -> Result<Expr> {
    let values: Vec<&Expr> = branches.iter().map(|(_, value)| value).chain([&otherwise]).collect();
    let data_type = common(&values)?;
    if data_type.logical == LogicalType::Null {
        return Err(error_at(
            sqlparser::tokenizer::Span::empty(),
            "all values are NULL, which leaves the type unknown",
        )
        .hint("write CAST(NULL AS type)"));
    }
    let branches = branches
        .into_iter()
        .map(|(condition, value)| (condition, cast(value, &data_type, CastMode::Implicit)))
        .collect();
    let otherwise = Box::new(cast(otherwise, &data_type, CastMode::Implicit));
    Ok(Expr { kind: ExprKind::Case { branches, otherwise }, data_type, position: None })
}

/// As [`case`], but the result is NULL only where the last value is.
fn coalesce(branches: Vec<(Expr, Expr)>, otherwise: Expr) -> Result<Expr> {
    let nullable = otherwise.data_type.nullable;
    if branches.is_empty() {
        return Ok(otherwise);
    }
    let mut expr = case(branches, otherwise)?;
    expr.data_type.nullable = nullable;
    Ok(expr)
}
