//! Expressions as text, for errors.

use std::fmt;

use super::{Expression, Kind, Literal, Operator, UnaryOperator, WindowProperty};

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    /// How strongly it binds.
    fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Eq | Self::NotEq | Self::Lt | Self::LtEq | Self::Gt | Self::GtEq => 4,
            Self::Plus | Self::Minus => 5,
            Self::Multiply | Self::Divide | Self::Modulo => 6,
        }
    }
}

/// An operand, in parentheses where it binds less than what is around it.
struct Operand<'e>(&'e Expression, u8);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strength = match &self.0.0 {
            Kind::Binary { op, .. } => op.strength(),
            Kind::Unary { .. } | Kind::Between { .. } | Kind::In { .. } | Kind::Like { .. } => 3,
            Kind::Alias { .. } | Kind::Order { .. } => 0,
            _ => u8::MAX,
        };
        if strength < self.1 { write!(f, "({})", self.0) } else { self.0.fmt(f) }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Expression]) -> fmt::Result {
    for (n, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if n == 0 { "" } else { ", " })?;
    }
    Ok(())
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Column(name) => f.write_str(name),
            Kind::All => f.write_str("*"),
            Kind::Literal(literal) => literal.fmt(f),
            Kind::Interval { value, unit } => write!(f, "INTERVAL '{value}' {}", unit.name()),
            Kind::Null(data_type) => write!(f, "CAST(NULL AS {data_type})"),
            Kind::Binary { op, left, right } => {
                let strength = op.strength();
                write!(f, "{} {} {}", Operand(left, strength), op.symbol(), Operand(right, strength + 1))
            }
            Kind::Unary { op, operand } => {
                let operand = Operand(operand, 5);
                match op {
                    UnaryOperator::Not => write!(f, "NOT {operand}"),
                    UnaryOperator::Minus => write!(f, "-{operand}"),
                    UnaryOperator::IsNull => write!(f, "{operand} IS NULL"),
                    UnaryOperator::IsNotNull => write!(f, "{operand} IS NOT NULL"),
                    UnaryOperator::IsTrue => write!(f, "{operand} IS TRUE"),
                    UnaryOperator::IsFalse => write!(f, "{operand} IS FALSE"),
                    UnaryOperator::IsNotTrue => write!(f, "{operand} IS NOT TRUE"),
                    UnaryOperator::IsNotFalse => write!(f, "{operand} IS NOT FALSE"),
                }
            }
            Kind::Cast { operand, data_type, is_try } => {
                write!(f, "{}CAST({operand} AS {data_type})", if *is_try { "TRY_" } else { "" })
            }
            Kind::Between { operand, low, high, negated } => {
                let not = if *negated { "NOT " } else { "" };
                write!(f, "{} {not}BETWEEN {} AND {}", Operand(operand, 5), Operand(low, 5), Operand(high, 5))
            }
            Kind::In { operand, list: values } => {
                write!(f, "{} IN (", Operand(operand, 5))?;
                list(f, values)?;
                f.write_str(")")
            }
            Kind::Like { operand, pattern, similar } => {
                let what = if *similar { "SIMILAR TO" } else { "LIKE" };
                write!(f, "{} {what} {}", Operand(operand, 5), Operand(pattern, 5))
            }
            Kind::Round { operand, unit, up } => {
                write!(f, "{}({operand} TO {})", if *up { "CEIL" } else { "FLOOR" }, unit.name())
            }
            Kind::Extract { operand, unit } => write!(f, "EXTRACT({} FROM {operand})", unit.name()),
            Kind::Field { operand, name } => write!(f, "{}.{name}", Operand(operand, u8::MAX)),
            Kind::Item { operand, key } => write!(f, "{}[{key}]", Operand(operand, u8::MAX)),
            Kind::If { condition, then, otherwise } => {
                write!(f, "CASE WHEN {condition} THEN {then} ELSE {otherwise} END")
            }
            Kind::Array(values) => {
                f.write_str("ARRAY[")?;
                list(f, values)?;
                f.write_str("]")
            }
            Kind::Row(values) => {
                f.write_str("ROW(")?;
                list(f, values)?;
                f.write_str(")")
            }
            Kind::Call { name, arguments } => {
                write!(f, "{name}(")?;
                list(f, arguments)?;
                f.write_str(")")
            }
            Kind::Aggregate { name, argument: None, .. } => write!(f, "{name}(*)"),
            Kind::Aggregate { name, argument: Some(argument), distinct } => {
                write!(f, "{name}({}{argument})", if *distinct { "DISTINCT " } else { "" })
            }
            Kind::WindowProperty { window, property } => {
                let property = match property {
                    WindowProperty::Start => "start",
                    WindowProperty::End => "end",
                    WindowProperty::Rowtime => "rowtime",
                    WindowProperty::Proctime => "proctime",
                };
                write!(f, "{window}.{property}")
            }
            Kind::Alias { operand, name } => write!(f, "{operand} AS {name}"),
            Kind::Order { operand, descending } => write!(f, "{operand} {}", if *descending { "DESC" } else { "ASC" }),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{}", if *value { "TRUE" } else { "FALSE" }),
            Self::TinyInt(value) => value.fmt(f),
            Self::SmallInt(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::BigInt(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
            Self::Decimal(value) => value.fmt(f),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Date(date) => write!(f, "DATE '{date}'"),
            Self::Timestamp(timestamp) => write!(f, "TIMESTAMP '{timestamp}'"),
        }
    }
}
