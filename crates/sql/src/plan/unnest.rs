//! `UNNEST` and `LATERAL TABLE(f(x))` in FROM: a row for every element of an array, or every entry of a map, of the rows to its left.
//!
//! `CROSS JOIN UNNEST(a) AS t(x)`, a comma, or `JOIN ... ON condition` drop a row whose array is NULL or empty; `LEFT JOIN ... ON TRUE` keeps it,
//! with NULLs. The columns of a ROW element, and key and value of a map, become columns of their own.

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType, RowField};
use sqlparser::ast::{
    Expr as Ast, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, Spanned, TableAlias,
    TableFactor, Value,
};
use sqlparser::tokenizer::Span;

use super::from::{one_row, rename_fields};
use super::query::filter;
use super::rel::{Rel, RelKind, Unnest};
use super::schema::Field;
use crate::expr::{Binder, Expr, ExprKind};
use crate::functions::UserFunctions;
use crate::parser::error_at;

/// `UNNEST(...) [WITH ORDINALITY] [AS alias]` as it stands in FROM.
pub(super) struct UnnestCall<'a> {
    name: Option<&'a ObjectName>,
    args: &'a [FunctionArg],
    ordinality: bool,
    alias: Option<&'a TableAlias>,
    /// Whether the argument is a call of a table function: `LATERAL TABLE(f(x))`.
    is_function: bool,
    functions: &'a UserFunctions,
}

impl<'a> UnnestCall<'a> {
    /// What stands in FROM as such a call; `None` of anything else.
    pub(super) fn of(factor: &'a TableFactor, functions: &'a UserFunctions) -> Option<Self> {
        if let TableFactor::Function { lateral: true, name, args, with_ordinality, alias } = factor {
            let is_table = name.to_string().eq_ignore_ascii_case("TABLE");
            let alias = alias.as_ref();
            let call =
                Self { name: Some(name), args, ordinality: *with_ordinality, alias, is_function: true, functions };
            return is_table.then_some(call);
        }
        let TableFactor::Table { name, args: Some(args), with_ordinality, alias, .. } = factor else { return None };
        let [part] = name.0.as_slice() else { return None };
        let ident = part.as_ident().filter(|ident| ident.quote_style.is_none())?;
        ident.value.eq_ignore_ascii_case("UNNEST").then_some(Self {
            name: Some(name),
            args: &args.args,
            ordinality: *with_ordinality,
            alias: alias.as_ref(),
            is_function: false,
            functions,
        })
    }

    /// A call of a table function, which is the only argument.
    pub(super) fn lateral(args: &'a [FunctionArg], functions: &'a UserFunctions) -> Self {
        Self { name: None, args, ordinality: false, alias: None, is_function: true, functions }
    }

    /// As [`Self::over`], with other names for what it adds, as many as there are columns; none keep the names.
    ///
    /// # Errors
    /// As [`Self::over`].
    pub(super) fn renamed(&self, left: Rel, outer: bool, names: &[String]) -> Result<Rel> {
        let width = left.fields.len();
        let mut rel = self.over(left, outer)?;
        let added = &mut rel.fields[width..];
        if !names.is_empty() && names.len() != added.len() {
            return Err(Error::user(format!("{} column names are given for {} columns", names.len(), added.len())));
        }
        for (field, name) in added.iter_mut().zip(names) {
            field.name.clone_from(name);
        }
        Ok(rel)
    }

    /// Joined with what stands to its left by JOIN.
    ///
    /// # Errors
    /// A join that is not supported, or what [`Self::over`] refuses.
    pub(super) fn joined(&self, left: Rel, join: &JoinOperator) -> Result<Rel> {
        let refused = |message: &str| Err(error_at(self.span(), message));
        match join {
            JoinOperator::CrossJoin(JoinConstraint::None) => self.over(left, false),
            JoinOperator::Join(JoinConstraint::On(condition)) | JoinOperator::Inner(JoinConstraint::On(condition)) => {
                let rel = self.over(left, false)?;
                if is_true(condition) {
                    return Ok(rel);
                }
                let predicate = Binder::new(&rel.fields).knowing(self.functions).bind_condition(condition, "ON")?;
                Ok(filter(rel, predicate))
            }
            JoinOperator::Left(JoinConstraint::On(condition))
            | JoinOperator::LeftOuter(JoinConstraint::On(condition))
                if is_true(condition) =>
            {
                self.over(left, true)
            }
            JoinOperator::Join(_) | JoinOperator::Inner(_) => refused("JOIN UNNEST(...) needs a condition: ON TRUE"),
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {
                refused("LEFT JOIN UNNEST(...) is supported with ON TRUE only")
            }
            _ => refused("UNNEST is supported behind a comma, CROSS JOIN, JOIN and LEFT JOIN only"),
        }
    }

    /// A table of its own.
    ///
    /// # Errors
    /// As [`Self::over`].
    pub(super) fn alone(&self) -> Result<Rel> {
        self.over(one_row(), false)
    }

    /// The rows to its left, each once for every element; with `outer` once without any.
    ///
    /// # Errors
    /// The argument is no array and no map of columns to the left, or the alias has another number of columns.
    pub(super) fn over(&self, left: Rel, outer: bool) -> Result<Rel> {
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = self.args else {
            return Err(error_at(
                self.span(),
                if self.is_function { "LATERAL TABLE takes one call" } else { "UNNEST takes one array or map" },
            ));
        };
        let mut binder = Binder::new(&left.fields).knowing(self.functions);
        let array = if self.is_function { binder.table_function(argument)? } else { binder.bind(argument)? };
        let mut elements = self.elements(argument, &array.data_type, outer)?;
        rename_fields(&mut elements, None, self.alias)?;
        if let ([only], Some(alias)) = (elements.as_mut_slice(), self.alias.filter(|alias| alias.columns.is_empty())) {
            only.name.clone_from(&alias.name.value);
        }
        let mut fields = left.fields.clone();
        fields.extend(elements);
        let keep = (0..left.fields.len()).collect();
        let (input, array) = match array.kind {
            ExprKind::Column(column) => (left, column),
            _ => with_column(left, array),
        };
        let unnest = Unnest { array, keep, outer, ordinality: self.ordinality };
        Ok(Rel { kind: RelKind::Unnest { input: Box::new(input), unnest }, fields })
    }

    fn span(&self) -> Span {
        self.name.map_or_else(Span::empty, Spanned::span)
    }

    /// The columns of an element.
    fn elements(&self, argument: &Ast, data_type: &DataType, outer: bool) -> Result<Vec<Field>> {
        let column = |name: &str, data_type: &DataType| {
            Field::new(name, DataType { nullable: data_type.nullable || outer, ..data_type.clone() })
        };
        let mut fields = match &data_type.logical {
            LogicalType::Array(element) => match &element.logical {
                LogicalType::Row(fields) => {
                    let nullable = |field: &RowField| DataType {
                        nullable: field.data_type.nullable || element.nullable,
                        ..field.data_type.clone()
                    };
                    fields.iter().map(|field| column(&field.name, &nullable(field))).collect()
                }
                _ => vec![column("EXPR$0", element)],
            },
            LogicalType::Map(key, value) => {
                let key = DataType { nullable: false, ..(**key).clone() };
                vec![column("KEY", &key), column("VALUE", value)]
            }
            LogicalType::Multiset(_) => {
                return Err(error_at(argument.span(), "UNNEST of a MULTISET is not supported yet"));
            }
            _ => {
                return Err(error_at(
                    argument.span(),
                    format!("UNNEST needs an array or a map, but this is {data_type}"),
                )
                .hint("a text becomes an array by SPLIT(text, ' ')"));
            }
        };
        if self.ordinality {
            fields.push(column("ORDINALITY", &DataType::not_null(LogicalType::Int)));
        }
        Ok(fields)
    }
}

/// The error of a join with anything else.
pub(super) fn joins_are_missing(relation: &TableFactor) -> Error {
    error_at(relation.span(), "joins are not supported yet, but for UNNEST")
}

fn is_true(condition: &Ast) -> bool {
    match condition {
        Ast::Nested(inner) => is_true(inner),
        Ast::Value(value) => matches!(value.value, Value::Boolean(true)),
        _ => false,
    }
}

/// The relation with one more column, and where that is.
fn with_column(input: Rel, expr: Expr) -> (Rel, usize) {
    let place = input.fields.len();
    let mut fields = input.fields.clone();
    let mut exprs: Vec<Expr> =
        fields.iter().enumerate().map(|(n, field)| Expr::column(n, field.data_type.clone())).collect();
    fields.push(Field::new(format!("$f{place}"), expr.data_type.clone()));
    exprs.push(expr);
    (Rel { kind: RelKind::Project { input: Box::new(input), exprs }, fields }, place)
}
