//! Operators and comparisons.

use std::ops;

use super::{Expression, Kind, Operator, UnaryOperator};

impl Expression {
    /// Sorted from the least to the greatest, NULL first: for [`order_by`](crate::table::Table::order_by).
    #[must_use]
    pub fn asc(self) -> Self {
        Self(Kind::Order { operand: self.boxed(), descending: false })
    }

    /// Sorted from the greatest to the least, NULL last: for [`order_by`](crate::table::Table::order_by).
    #[must_use]
    pub fn desc(self) -> Self {
        Self(Kind::Order { operand: self.boxed(), descending: true })
    }

    fn binary(self, op: Operator, right: impl Into<Expression>) -> Self {
        Self(Kind::Binary { op, left: self.boxed(), right: right.into().boxed() })
    }

    fn unary(self, op: UnaryOperator) -> Self {
        Self(Kind::Unary { op, operand: self.boxed() })
    }

    /// Gives the column that this becomes a name.
    #[must_use]
    pub fn as_(self, name: impl Into<String>) -> Self {
        Self(Kind::Alias { operand: self.boxed(), name: name.into() })
    }

    /// Converts to a type; the job fails with a value that has no counterpart: `cast("DECIMAL(10, 2)")`.
    #[must_use]
    pub fn cast(self, data_type: impl Into<String>) -> Self {
        Self(Kind::Cast { operand: self.boxed(), data_type: data_type.into(), is_try: false })
    }

    /// As [`Self::cast`], with NULL for a value that has no counterpart.
    #[must_use]
    pub fn try_cast(self, data_type: impl Into<String>) -> Self {
        Self(Kind::Cast { operand: self.boxed(), data_type: data_type.into(), is_try: true })
    }

    /// `self AND other`, in three-valued logic.
    #[must_use]
    pub fn and(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::And, other)
    }

    /// `self OR other`, in three-valued logic.
    #[must_use]
    pub fn or(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::Or, other)
    }

    /// Whether both are equal; NULL if one of them is.
    #[must_use]
    pub fn eq(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::Eq, other)
    }

    /// Whether they differ; NULL if one of them is.
    #[must_use]
    pub fn ne(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::NotEq, other)
    }

    /// Whether this is less.
    #[must_use]
    pub fn lt(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::Lt, other)
    }

    /// Whether this is less or equal.
    #[must_use]
    pub fn le(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::LtEq, other)
    }

    /// Whether this is greater.
    #[must_use]
    pub fn gt(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::Gt, other)
    }

    /// Whether this is greater or equal.
    #[must_use]
    pub fn ge(self, other: impl Into<Expression>) -> Self {
        self.binary(Operator::GtEq, other)
    }

    /// Whether this lies between two values, both included.
    #[must_use]
    pub fn between(self, low: impl Into<Expression>, high: impl Into<Expression>) -> Self {
        let (low, high) = (low.into().boxed(), high.into().boxed());
        Self(Kind::Between { operand: self.boxed(), low, high, negated: false })
    }

    /// Whether this lies below or above two values.
    #[must_use]
    pub fn not_between(self, low: impl Into<Expression>, high: impl Into<Expression>) -> Self {
        let (low, high) = (low.into().boxed(), high.into().boxed());
        Self(Kind::Between { operand: self.boxed(), low, high, negated: true })
    }

    /// Whether this is one of some values.
    #[must_use]
    pub fn in_<E: Into<Expression>>(self, list: impl IntoIterator<Item = E>) -> Self {
        Self(Kind::In { operand: self.boxed(), list: list.into_iter().map(Into::into).collect() })
    }

    /// Whether the text has a form, in which `%` stands for any text and `_` for one character.
    #[must_use]
    pub fn like(self, pattern: impl Into<Expression>) -> Self {
        Self(Kind::Like { operand: self.boxed(), pattern: pattern.into().boxed(), similar: false })
    }

    /// Whether the text matches a regular expression of SQL.
    #[must_use]
    pub fn similar(self, pattern: impl Into<Expression>) -> Self {
        Self(Kind::Like { operand: self.boxed(), pattern: pattern.into().boxed(), similar: true })
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(self) -> Self {
        self.unary(UnaryOperator::IsNull)
    }

    /// Whether this is not NULL.
    #[must_use]
    pub fn is_not_null(self) -> Self {
        self.unary(UnaryOperator::IsNotNull)
    }

    /// Whether this is true, and neither false nor NULL.
    #[must_use]
    pub fn is_true(self) -> Self {
        self.unary(UnaryOperator::IsTrue)
    }

    /// Whether this is false, and neither true nor NULL.
    #[must_use]
    pub fn is_false(self) -> Self {
        self.unary(UnaryOperator::IsFalse)
    }

    /// Whether this is false or NULL.
    #[must_use]
    pub fn is_not_true(self) -> Self {
        self.unary(UnaryOperator::IsNotTrue)
    }

    /// Whether this is true or NULL.
    #[must_use]
    pub fn is_not_false(self) -> Self {
        self.unary(UnaryOperator::IsNotFalse)
    }

    /// `then` where this is true, `otherwise` where it is false or NULL.
    #[must_use]
    pub fn then(self, then: impl Into<Expression>, otherwise: impl Into<Expression>) -> Self {
        super::if_then_else(self, then, otherwise)
    }

    /// The value, or another where it is NULL.
    #[must_use]
    pub fn if_null(self, otherwise: impl Into<Expression>) -> Self {
        super::call("IFNULL", [self, otherwise.into()])
    }
}

macro_rules! operators {
    ($($name:ident $method:ident $op:ident),*) => {$(
        impl<R: Into<Expression>> ops::$name<R> for Expression {
            type Output = Self;

            fn $method(self, right: R) -> Self {
                self.binary(Operator::$op, right)
            }
        }
    )*};
}

operators! { Add add Plus, Sub sub Minus, Mul mul Multiply, Div div Divide, Rem rem Modulo }

impl ops::Not for Expression {
    type Output = Self;

    fn not(self) -> Self {
        self.unary(UnaryOperator::Not)
    }
}

impl ops::Neg for Expression {
    type Output = Self;

    fn neg(self) -> Self {
        self.unary(UnaryOperator::Minus)
    }
}
