//! From parsed expressions to typed ones: names become columns, operators and functions are chosen by the types of their arguments.
//!
//! Typing follows Flink: no implicit casts between strings and numbers, `INT / INT` is INT, literals are as narrow as they can be.

mod aggregate;
mod call;
mod condition;
mod form;
mod literal;
mod name;

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{self, BinaryOperator, Spanned, UnaryOperator};

use super::{CastMode, Expr, ExprKind};
use crate::functions::{self, Argument, UserFunctions};
use crate::parser::{error_at, parse_data_type_text, position};
use crate::plan::Field;
use crate::types;

pub(crate) use aggregate::{BoundAggregate, BoundGroupWindow, Grouping, WINDOW_COLUMNS};
pub(crate) use form::interval_millis;
pub(crate) use literal::null_literal;

/// Binds expressions over the columns of one relation.
pub(crate) struct Binder<'a> {
    fields: &'a [Field],
    /// Where aggregates are allowed: what they are collected in.
    grouping: Option<&'a mut Grouping>,
    /// The functions of a program.
    functions: Option<&'a UserFunctions>,
}

impl<'a> Binder<'a> {
    /// A binder over the columns of a relation, for places where aggregates are not allowed.
    pub(crate) fn new(fields: &'a [Field]) -> Self {
        Self { fields, grouping: None, functions: None }
    }

    /// A binder for the select list and HAVING of a grouped query. An aggregate becomes a column behind the input's, as [`Grouping`] numbers it.
    pub(crate) fn with_grouping(fields: &'a [Field], grouping: &'a mut Grouping) -> Self {
        Self { fields, grouping: Some(grouping), functions: None }
    }

    /// The same, which finds these functions too, before those of SQL.
    pub(crate) fn knowing(self, functions: &'a UserFunctions) -> Self {
        Self { functions: Some(functions), ..self }
    }

    /// Binds an expression.
    ///
    /// # Errors
    /// An unknown name, types that do not fit, or a form that is not supported; with the place in the script.
    pub(crate) fn bind(&mut self, ast: &ast::Expr) -> Result<Expr> {
        let position = position(ast.span());
        let bound = self.bind_form(ast);
        match (bound, position) {
            (Ok(expr), position) => Ok(Expr { position: position.or(expr.position), ..expr }),
            (Err(error), Some(position)) => Err(error.at(position)),
            (Err(error), None) => Err(error),
        }
    }

    /// Binds a condition: WHERE, HAVING, FILTER, WHEN.
    ///
    /// # Errors
    /// As [`Self::bind`], or the expression is not BOOLEAN.
    pub(crate) fn bind_condition(&mut self, ast: &ast::Expr, clause: &str) -> Result<Expr> {
        let expr = self.bind(ast)?;
        match expr.data_type.logical {
            LogicalType::Boolean => Ok(expr),
            LogicalType::Null => Ok(cast(expr, &DataType::nullable(LogicalType::Boolean), CastMode::Implicit)),
            _ => Err(error_at(ast.span(), format!("{clause} needs a BOOLEAN, but this is {}", expr.data_type))),
        }
    }

    fn bind_form(&mut self, ast: &ast::Expr) -> Result<Expr> {
        use ast::Expr as Ast;
        match ast {
            Ast::Nested(inner) => self.bind(inner),
            Ast::Identifier(ident) => self.identifier(ident),
            Ast::CompoundIdentifier(parts) => self.column(parts),
            Ast::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Ast::Value(value) => literal::value(&value.value),
            Ast::TypedString(typed) => literal::typed_string(typed),
            Ast::Interval(interval) => form::interval(interval),
            // A character set before a string, `_UTF8'x'`; all strings are Unicode.
            Ast::Prefixed { value, .. } => self.bind(value),
            Ast::Function(function) => self.function(function),
            Ast::Cast { kind, expr, data_type, .. } => self.explicit_cast(kind, expr, data_type),
            Ast::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Ast::BinaryOp { left, op, right } => self.binary(left, op, right),
            Ast::UnaryOp { op, expr } => self.unary(op, expr),
            Ast::Between { expr, negated, low, high } => self.between(expr, *negated, low, high),
            Ast::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Ast::Like { negated, expr, pattern, escape_char, any: false } => {
                self.pattern("LIKE", *negated, expr, pattern, escape_char.as_deref())
            }
            Ast::SimilarTo { negated, expr, pattern, escape_char } => {
                self.pattern("SIMILAR TO", *negated, expr, pattern, escape_char.as_deref())
            }
            Ast::IsNull(e) => self.call_on("IS NULL", &[e]),
            Ast::IsNotNull(e) => self.call_on("IS NOT NULL", &[e]),
            Ast::IsTrue(e) => self.call_on("IS TRUE", &[e]),
            Ast::IsNotTrue(e) => self.call_on("IS NOT TRUE", &[e]),
            Ast::IsFalse(e) => self.call_on("IS FALSE", &[e]),
            Ast::IsNotFalse(e) => self.call_on("IS NOT FALSE", &[e]),
            Ast::IsUnknown(e) => self.call_on("IS UNKNOWN", &[e]),
            Ast::IsNotUnknown(e) => self.call_on("IS NOT UNKNOWN", &[e]),
            Ast::IsDistinctFrom(a, b) => self.call_on("IS DISTINCT FROM", &[a, b]),
            Ast::IsNotDistinctFrom(a, b) => self.call_on("IS NOT DISTINCT FROM", &[a, b]),
            Ast::Array(array) => self.call_on("ARRAY", &array.elem.iter().collect::<Vec<_>>()),
            Ast::Tuple(elements) => self.call_on("ROW", &elements.iter().collect::<Vec<_>>()),
            _ => self.special_form(ast),
        }
    }

    fn binary(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Result<Expr> {
        let name = match op {
            BinaryOperator::And | BinaryOperator::Or => {
                let what = if matches!(op, BinaryOperator::And) { "AND" } else { "OR" };
                let left = self.bind_condition(left, what)?;
                let right = self.bind_condition(right, what)?;
                return Ok(condition::logical(matches!(op, BinaryOperator::And), left, right));
            }
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => "||",
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            other => return Err(Error::not_supported(format!("the operator {other}"))),
        };
        self.call_on(name, &[left, right])
    }

    fn unary(&mut self, op: &UnaryOperator, operand: &ast::Expr) -> Result<Expr> {
        match op {
            UnaryOperator::Plus => self.bind(operand),
            UnaryOperator::Minus => match operand {
                ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), .. }) => {
                    literal::number(&format!("-{text}"))
                }
                _ => self.call_on("NEG", &[operand]),
            },
            UnaryOperator::Not => {
                let condition = self.bind_condition(operand, "NOT")?;
                call_bound("NOT", vec![condition])
            }
            other => Err(Error::not_supported(format!("the operator {other}"))),
        }
    }

    fn explicit_cast(&mut self, kind: &ast::CastKind, operand: &ast::Expr, target: &ast::DataType) -> Result<Expr> {
        let input = self.bind(operand)?;
        let ast::DataType::Custom(name, _) = target else {
            return Err(Error::not_supported("this form of cast").hint("write CAST(value AS type)"));
        };
        let text =
            name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.value.as_str()).unwrap_or_default();
        let mut target = parse_data_type_text(text)?;
        if !types::explicit_cast_allowed(&input.data_type.logical, &target.logical) {
            return Err(error_at(
                operand.span(),
                format!("Cast function cannot convert value of type {} to type {}", input.data_type, target.logical),
            ));
        }
        let mode = if matches!(kind, ast::CastKind::TryCast) { CastMode::Try } else { CastMode::Strict };
        target.nullable = input.data_type.nullable || mode == CastMode::Try;
        Ok(cast(input, &target, mode))
    }

    /// Binds the arguments and calls the function of this name on them.
    fn call_on(&mut self, name: &str, args: &[&ast::Expr]) -> Result<Expr> {
        let args = args.iter().map(|arg| self.bind(arg)).collect::<Result<Vec<_>>>()?;
        call_bound(name, args)
    }
}

/// Calls a function on bound arguments, casting them to what it takes.
///
/// # Errors
/// No such function, or it does not take these arguments.
pub(crate) fn call_bound(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let function = functions::lookup(name).ok_or_else(|| Error::internal(format!("the function {name} is missing")))?;
    let arguments: Vec<Argument> =
        args.iter().map(|arg| Argument { data_type: arg.data_type.clone(), literal: arg.literal().cloned() }).collect();
    let bound = function.bind(&arguments)?;
    let args =
        args.into_iter().zip(&bound.arguments).map(|(arg, wanted)| cast(arg, wanted, CastMode::Implicit)).collect();
    let data_type = bound.returns.clone();
    let name = function.names.first().copied().unwrap_or("?");
    Ok(Expr { kind: ExprKind::Call(super::Call { name: name.into(), bound, args }), data_type, position: None })
}

/// The expression as a value of another type; itself where the types are alike but for NULL.
pub(crate) fn cast(expr: Expr, target: &DataType, mode: CastMode) -> Expr {
    if expr.data_type.logical == target.logical {
        return expr;
    }
    if mode == CastMode::Implicit && !types::needs_cast(&expr.data_type, target) {
        let data_type = DataType { logical: target.logical.clone(), nullable: expr.data_type.nullable };
        return Expr { data_type, ..expr };
    }
    let position = expr.position;
    let data_type =
        DataType { logical: target.logical.clone(), nullable: expr.data_type.nullable || mode == CastMode::Try };
    Expr { kind: ExprKind::Cast(Box::new(expr), mode), data_type, position }
}
