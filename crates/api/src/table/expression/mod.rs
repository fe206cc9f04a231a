//! Expressions of the Table API: columns, constants, operators, functions.
//!
//! An expression is a value; it is typed where a table takes it, by the planner that types SQL's. It is written with Rust's operators where
//! Rust has them (`+ - * / % !`), and with methods where it has not, because a comparison in Rust answers a `bool`:
//!
//! ```
//! use riverrun::table::{col, lit};
//!
//! let wanted = (col("amount") * lit(2)).gt(lit(100)).and(col("note").is_not_null());
//! assert_eq!(wanted.to_string(), "amount * 2 > 100 AND note IS NOT NULL");
//! ```

mod aggregate;
mod interval;
mod literal;
mod lower;
mod operators;
mod scalar;
mod text;

pub use interval::{TimeIntervalUnit, TimePointUnit};
pub use literal::Literal;
pub(crate) use lower::{Windows, ident, lower, lower_order, name_of};

/// An expression over the columns of a table.
#[derive(Clone, Debug)]
pub struct Expression(pub(crate) Kind);

/// What an expression is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A column, or the window of `group_by`.
    Column(String),
    /// Every column.
    All,
    Literal(Literal),
    /// A number of units of time; the number is in `value`.
    Interval {
        value: Box<Expression>,
        unit: interval::IntervalUnit,
    },
    /// NULL of a type.
    Null(String),
    Binary {
        op: Operator,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    Unary {
        op: UnaryOperator,
        operand: Box<Expression>,
    },
    Cast {
        operand: Box<Expression>,
        data_type: String,
        is_try: bool,
    },
    Between {
        operand: Box<Expression>,
        low: Box<Expression>,
        high: Box<Expression>,
        negated: bool,
    },
    In {
        operand: Box<Expression>,
        list: Vec<Expression>,
    },
    Like {
        operand: Box<Expression>,
        pattern: Box<Expression>,
        similar: bool,
    },
    /// FLOOR or CEIL of a time.
    Round {
        operand: Box<Expression>,
        unit: TimeIntervalUnit,
        up: bool,
    },
    Extract {
        operand: Box<Expression>,
        unit: TimeIntervalUnit,
    },
    /// A field of a row.
    Field {
        operand: Box<Expression>,
        name: String,
    },
    /// An element of an array or a map.
    Item {
        operand: Box<Expression>,
        key: Box<Expression>,
    },
    /// A value by a condition.
    If {
        condition: Box<Expression>,
        then: Box<Expression>,
        otherwise: Box<Expression>,
    },
    Array(Vec<Expression>),
    Row(Vec<Expression>),
    /// A function by its name, as SQL calls it.
    Call {
        name: String,
        arguments: Vec<Expression>,
    },
    /// An aggregate of SQL; COUNT(*) without argument.
    Aggregate {
        name: &'static str,
        argument: Option<Box<Expression>>,
        distinct: bool,
    },
    /// Start, end or time attribute of the window of `group_by`.
    WindowProperty {
        window: Box<Expression>,
        property: WindowProperty,
    },
    Alias {
        operand: Box<Expression>,
        name: String,
    },
    /// A direction of `order_by`.
    Order {
        operand: Box<Expression>,
        descending: bool,
    },
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Plus,
    Minus,
    Multiply,
    Divide,
    Modulo,
}

/// An operator before or behind an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOperator {
    Not,
    Minus,
    IsNull,
    IsNotNull,
    IsTrue,
    IsFalse,
    IsNotTrue,
    IsNotFalse,
}

/// What is asked of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowProperty {
    Start,
    End,
    Rowtime,
    Proctime,
}

impl Expression {
    pub(super) fn boxed(self) -> Box<Self> {
        Box::new(self)
    }
}

/// A column of a table, or the window that a table is grouped by.
pub fn col(name: impl Into<String>) -> Expression {
    Expression(Kind::Column(name.into()))
}

/// Every column: `select([all()])`.
pub fn all() -> Expression {
    Expression(Kind::All)
}

/// A constant. `i32` is INT, `i64` is BIGINT, `f64` is DOUBLE, text is CHAR of its length.
pub fn lit(value: impl Into<Literal>) -> Expression {
    Expression(Kind::Literal(value.into()))
}

/// NULL of a type, as in `null_of("BIGINT")`.
pub fn null_of(data_type: impl Into<String>) -> Expression {
    Expression(Kind::Null(data_type.into()))
}

/// A function by the name it has in SQL, or under which it was created: `call("UPPER", [col("name")])`.
pub fn call(name: impl Into<String>, arguments: impl IntoIterator<Item = Expression>) -> Expression {
    Expression(Kind::Call { name: name.into(), arguments: arguments.into_iter().collect() })
}

/// An array of values, which are converted to their common type.
pub fn array(values: impl IntoIterator<Item = Expression>) -> Expression {
    Expression(Kind::Array(values.into_iter().collect()))
}

/// A row of values.
pub fn row(values: impl IntoIterator<Item = Expression>) -> Expression {
    Expression(Kind::Row(values.into_iter().collect()))
}

/// `then` where the condition is true, `otherwise` where it is false or NULL.
pub fn if_then_else(
    condition: Expression,
    then: impl Into<Expression>,
    otherwise: impl Into<Expression>,
) -> Expression {
    Expression(Kind::If {
        condition: condition.boxed(),
        then: then.into().boxed(),
        otherwise: otherwise.into().boxed(),
    })
}

/// The first value that is not NULL.
pub fn coalesce(values: impl IntoIterator<Item = Expression>) -> Expression {
    call("COALESCE", values)
}

/// The number of rows: `COUNT(*)`.
pub fn count_all() -> Expression {
    Expression(Kind::Aggregate { name: "COUNT", argument: None, distinct: false })
}

/// The conjunction of all.
pub fn and(first: Expression, others: impl IntoIterator<Item = Expression>) -> Expression {
    others.into_iter().fold(first, Expression::and)
}

/// The disjunction of all.
pub fn or(first: Expression, others: impl IntoIterator<Item = Expression>) -> Expression {
    others.into_iter().fold(first, Expression::or)
}

/// The logical negation.
pub fn not(operand: Expression) -> Expression {
    !operand
}
