//! From an expression to the planner's input, which is the form that SQL's parser makes.

use riverrun_base::{Error, Result};
use riverrun_sql::ast::helpers::attached_token::AttachedToken;
use riverrun_sql::ast::{
    self, AccessExpr, Array, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField,
    DuplicateTreatment, Expr, ExtractSyntax, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, Interval, ObjectName, OrderByExpr, OrderByOptions, OrderBySort, Value,
};

use super::interval::IntervalUnit;
use super::{Expression, Kind, Literal, Operator, TimeIntervalUnit, UnaryOperator, WindowProperty};

/// The window that a table is grouped by, for what refers to it.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    /// Its alias.
    pub(crate) alias: String,
    /// `TUMBLE`, `HOP` or `SESSION`.
    pub(crate) function: &'static str,
    /// The time attribute and the lengths.
    pub(crate) arguments: Vec<Expr>,
}

/// The name that an expression gives its column, and the expression itself.
pub(crate) fn name_of(expression: &Expression) -> (Option<&str>, &Expression) {
    match &expression.0 {
        Kind::Alias { operand, name } => (Some(name), name_of(operand).1),
        _ => (None, expression),
    }
}

/// The planner's form of an expression.
///
/// # Errors
/// It has a part that means nothing: a name inside, the property of a window that is not there, an interval of no constant.
pub(crate) fn lower(expression: &Expression, window: Option<&Windows>) -> Result<Expr> {
    Lowering { window }.expression(expression)
}

/// The planner's form of what a table is sorted by.
///
/// # Errors
/// As [`lower`].
pub(crate) fn lower_order(expression: &Expression) -> Result<OrderByExpr> {
    let (operand, sort) = match &expression.0 {
        Kind::Order { operand, descending: true } => (&**operand, Some(OrderBySort::Desc)),
        Kind::Order { operand, descending: false } => (&**operand, Some(OrderBySort::Asc)),
        _ => (expression, None),
    };
    // In parentheses a number is a constant, and not the place of a column.
    let expr = Expr::Nested(Box::new(lower(operand, None)?));
    Ok(OrderByExpr { expr, options: OrderByOptions { sort, nulls_first: None }, with_fill: None })
}

struct Lowering<'w> {
    window: Option<&'w Windows>,
}

impl Lowering<'_> {
    fn boxed(&self, expression: &Expression) -> Result<Box<Expr>> {
        self.expression(expression).map(|expr| Box::new(Expr::Nested(Box::new(expr))))
    }

    fn all(&self, expressions: &[Expression]) -> Result<Vec<Expr>> {
        expressions.iter().map(|expression| self.expression(expression)).collect()
    }

    fn expression(&self, expression: &Expression) -> Result<Expr> {
        Ok(match &expression.0 {
            Kind::Column(name) => match self.window {
                Some(window) if window.alias == *name => function(window.function, window.arguments.clone()),
                _ => Expr::Identifier(ident(name)),
            },
            Kind::All => {
                return Err(Error::user("all() stands for every column, and here one value is expected")
                    .hint("it belongs into select(); count_all() counts rows"));
            }
            Kind::Literal(literal) => constant(literal),
            Kind::Interval { value, unit } => interval(value, *unit)?,
            Kind::Null(data_type) => cast(value_of(Value::Null), data_type, CastKind::Cast),
            Kind::Binary { op, left, right } => {
                Expr::BinaryOp { left: self.boxed(left)?, op: binary_operator(*op), right: self.boxed(right)? }
            }
            Kind::Unary { op, operand } => {
                let operand = self.boxed(operand)?;
                match op {
                    UnaryOperator::Not => Expr::UnaryOp { op: ast::UnaryOperator::Not, expr: operand },
                    UnaryOperator::Minus => Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: operand },
                    UnaryOperator::IsNull => Expr::IsNull(operand),
                    UnaryOperator::IsNotNull => Expr::IsNotNull(operand),
                    UnaryOperator::IsTrue => Expr::IsTrue(operand),
                    UnaryOperator::IsFalse => Expr::IsFalse(operand),
                    UnaryOperator::IsNotTrue => Expr::IsNotTrue(operand),
                    UnaryOperator::IsNotFalse => Expr::IsNotFalse(operand),
                }
            }
            Kind::Cast { operand, data_type, is_try } => {
                let kind = if *is_try { CastKind::TryCast } else { CastKind::Cast };
                cast(self.expression(operand)?, data_type, kind)
            }
            Kind::Between { operand, low, high, negated } => Expr::Between {
                expr: self.boxed(operand)?,
                negated: *negated,
                low: self.boxed(low)?,
                high: self.boxed(high)?,
            },
            Kind::In { operand, list } => {
                Expr::InList { expr: self.boxed(operand)?, list: self.all(list)?, negated: false }
            }
            Kind::Like { operand, pattern, similar } => {
                let (expr, pattern) = (self.boxed(operand)?, self.boxed(pattern)?);
                if *similar {
                    Expr::SimilarTo { negated: false, expr, pattern, escape_char: None }
                } else {
                    Expr::Like { negated: false, any: false, expr, pattern, escape_char: None }
                }
            }
            Kind::Round { operand, unit, up } => {
                let (expr, field) = (self.boxed(operand)?, CeilFloorKind::DateTimeField(time_field(*unit)));
                if *up { Expr::Ceil { expr, field } } else { Expr::Floor { expr, field } }
            }
            Kind::Extract { operand, unit } => {
                Expr::Extract { field: time_field(*unit), syntax: ExtractSyntax::From, expr: self.boxed(operand)? }
            }
            Kind::Field { operand, name } => self.field(operand, name)?,
            Kind::Item { operand, key } => Expr::CompoundFieldAccess {
                root: self.boxed(operand)?,
                access_chain: vec![AccessExpr::Subscript(ast::Subscript::Index { index: self.expression(key)? })],
            },
            Kind::If { condition, then, otherwise } => Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition: self.expression(condition)?, result: self.expression(then)? }],
                else_result: Some(self.boxed(otherwise)?),
            },
            Kind::Array(values) => Expr::Array(Array { elem: self.all(values)?, named: true }),
            Kind::Row(values) => Expr::Tuple(self.all(values)?),
            Kind::Call { name, arguments } => function(name, self.all(arguments)?),
            Kind::Aggregate { name, argument, distinct } => {
                let argument = match argument {
                    None => FunctionArgExpr::Wildcard,
                    Some(argument) => FunctionArgExpr::Expr(self.expression(argument)?),
                };
                called(name, vec![FunctionArg::Unnamed(argument)], *distinct)
            }
            Kind::WindowProperty { window, property } => self.property(window, *property)?,
            Kind::Alias { name, .. } => {
                return Err(Error::user(format!("as_(\"{name}\") stands inside an expression"))
                    .hint("only a whole column of select() has a name"));
            }
            Kind::Order { .. } => {
                return Err(Error::user(format!("'{expression}' is a direction, and here a value is expected"))
                    .hint("asc() and desc() belong into order_by()"));
            }
        })
    }

    fn field(&self, operand: &Expression, name: &str) -> Result<Expr> {
        let mut names = vec![ident(name)];
        let mut root = operand;
        loop {
            match &root.0 {
                Kind::Field { operand, name } => {
                    names.insert(0, ident(name));
                    root = operand;
                }
                Kind::Column(column) => {
                    names.insert(0, ident(column));
                    return Ok(Expr::CompoundIdentifier(names));
                }
                _ => {
                    let access_chain = names.into_iter().map(|name| AccessExpr::Dot(Expr::Identifier(name))).collect();
                    return Ok(Expr::CompoundFieldAccess { root: self.boxed(root)?, access_chain });
                }
            }
        }
    }

    fn property(&self, of: &Expression, property: WindowProperty) -> Result<Expr> {
        let Kind::Column(name) = &of.0 else {
            return Err(
                Error::user(format!("{of} is no window")).hint("write col(\"w\").start() of window(... .as_(\"w\"))")
            );
        };
        let Some(window) = self.window.filter(|window| window.alias == *name) else {
            let error = Error::user(format!("'{name}' is no window of this table"));
            return Err(match self.window {
                Some(window) => error.hint(format!("the window is called '{}'", window.alias)),
                None => error.hint(
                    "group by a window first: window(Tumble::over(...).on(...).as_(\"w\")).group_by([col(\"w\")])",
                ),
            });
        };
        let property = match property {
            WindowProperty::Start => "START",
            WindowProperty::End => "END",
            WindowProperty::Rowtime => "ROWTIME",
            WindowProperty::Proctime => "PROCTIME",
        };
        Ok(function(&format!("{}_{property}", window.function), window.arguments.clone()))
    }
}

/// A name as it is, in the planner's form.
pub(crate) fn ident(name: &str) -> Ident {
    Ident::with_quote('`', name)
}

/// A call of a function by its name, in any case.
pub(crate) fn function(name: &str, arguments: Vec<Expr>) -> Expr {
    let arguments = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    called(name, arguments.collect(), false)
}

fn called(name: &str, args: Vec<FunctionArg>, distinct: bool) -> Expr {
    let duplicate_treatment = distinct.then_some(DuplicateTreatment::Distinct);
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses: Vec::new() }),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

fn value_of(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
}

fn cast(expr: Expr, data_type: &str, kind: CastKind) -> Expr {
    let data_type = DataType::Custom(ObjectName::from(vec![Ident::new(data_type)]), Vec::new());
    Expr::Cast { kind, expr: Box::new(expr), data_type, format: None }
}

fn number(text: String) -> Expr {
    value_of(Value::Number(text, false))
}

fn constant(literal: &Literal) -> Expr {
    match literal {
        Literal::Boolean(value) => value_of(Value::Boolean(*value)),
        Literal::Text(text) => value_of(Value::SingleQuotedString(text.clone())),
        Literal::Int(value) => number(value.to_string()),
        Literal::TinyInt(value) => cast(number(value.to_string()), "TINYINT", CastKind::Cast),
        Literal::SmallInt(value) => cast(number(value.to_string()), "SMALLINT", CastKind::Cast),
        Literal::BigInt(value) => cast(number(value.to_string()), "BIGINT", CastKind::Cast),
        Literal::Double(value) if value.is_finite() => number(format!("{value:e}")),
        Literal::Float(value) if value.is_finite() => cast(number(format!("{value:e}")), "FLOAT", CastKind::Cast),
        Literal::Double(value) => {
            cast(value_of(Value::SingleQuotedString(not_finite(*value))), "DOUBLE", CastKind::Cast)
        }
        Literal::Float(value) => {
            cast(value_of(Value::SingleQuotedString(not_finite((*value).into()))), "FLOAT", CastKind::Cast)
        }
        Literal::Decimal(value) => {
            let (precision, scale) = value.digits();
            cast(number(value.to_string()), &format!("DECIMAL({precision}, {scale})"), CastKind::Cast)
        }
        Literal::Date(date) => cast(value_of(Value::SingleQuotedString(date.to_string())), "DATE", CastKind::Cast),
        Literal::Timestamp(timestamp) => {
            let text = timestamp.to_string();
            let digits = text.rsplit_once('.').map_or(0, |(_, fraction)| fraction.len());
            let precision = if digits <= 3 { 3 } else { digits };
            cast(value_of(Value::SingleQuotedString(text)), &format!("TIMESTAMP({precision})"), CastKind::Cast)
        }
    }
}

/// As the planner reads it.
fn not_finite(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value > 0.0 {
        "Infinity".to_owned()
    } else {
        "-Infinity".to_owned()
    }
}

fn interval(value: &Expression, unit: IntervalUnit) -> Result<Expr> {
    let number = match &value.0 {
        Kind::Literal(Literal::TinyInt(value)) => i64::from(*value),
        Kind::Literal(Literal::SmallInt(value)) => i64::from(*value),
        Kind::Literal(Literal::Int(value)) => i64::from(*value),
        Kind::Literal(Literal::BigInt(value)) => *value,
        _ => {
            return Err(Error::not_supported(format!("an interval of '{value}', which is no constant integer,"))
                .hint("write lit(5).minutes()"));
        }
    };
    let (text, field) = match unit {
        IntervalUnit::Year => (number.to_string(), DateTimeField::Year),
        IntervalUnit::Quarter => (number.to_string(), DateTimeField::Quarter),
        IntervalUnit::Month => (number.to_string(), DateTimeField::Month),
        IntervalUnit::Week => (number.to_string(), DateTimeField::Week(None)),
        IntervalUnit::Day => (number.to_string(), DateTimeField::Day),
        IntervalUnit::Hour => (number.to_string(), DateTimeField::Hour),
        IntervalUnit::Minute => (number.to_string(), DateTimeField::Minute),
        IntervalUnit::Second => (number.to_string(), DateTimeField::Second),
        IntervalUnit::Millisecond if number < 0 => {
            return Err(Error::not_supported("a negative interval of milliseconds"));
        }
        IntervalUnit::Millisecond => (format!("{}.{:03}", number / 1000, number % 1000), DateTimeField::Second),
    };
    Ok(Expr::Interval(Interval {
        value: Box::new(value_of(Value::SingleQuotedString(text))),
        leading_field: Some(field),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

fn time_field(unit: TimeIntervalUnit) -> DateTimeField {
    match unit {
        TimeIntervalUnit::Year => DateTimeField::Year,
        TimeIntervalUnit::Quarter => DateTimeField::Quarter,
        TimeIntervalUnit::Month => DateTimeField::Month,
        TimeIntervalUnit::Week => DateTimeField::Week(None),
        TimeIntervalUnit::Day => DateTimeField::Day,
        TimeIntervalUnit::Hour => DateTimeField::Hour,
        TimeIntervalUnit::Minute => DateTimeField::Minute,
        TimeIntervalUnit::Second => DateTimeField::Second,
    }
}

fn binary_operator(op: Operator) -> BinaryOperator {
    match op {
        Operator::Or => BinaryOperator::Or,
        Operator::And => BinaryOperator::And,
        Operator::Eq => BinaryOperator::Eq,
        Operator::NotEq => BinaryOperator::NotEq,
        Operator::Lt => BinaryOperator::Lt,
        Operator::LtEq => BinaryOperator::LtEq,
        Operator::Gt => BinaryOperator::Gt,
        Operator::GtEq => BinaryOperator::GtEq,
        Operator::Plus => BinaryOperator::Plus,
        Operator::Minus => BinaryOperator::Minus,
        Operator::Multiply => BinaryOperator::Multiply,
        Operator::Divide => BinaryOperator::Divide,
        Operator::Modulo => BinaryOperator::Modulo,
    }
}
