//! The kernels of the comparison operators.

use std::cmp::Ordering;

use arrow::array::{AsArray, BooleanArray, Decimal128Array};
use arrow::compute::kernels::cmp;
use arrow::datatypes::{ArrowNativeTypeOp, ArrowPrimitiveType, DataType as ArrowType, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_data::LogicalType as L;

use super::nested;
use crate::eval::{EvalContext, Rows, Value, arrow_error};

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// Whether it needs an order and not only equality.
    pub(super) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// Whether it holds for sides in this order; `None` where NaN leaves them without one.
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// A kernel of a comparison.
pub(super) type Comparison = Box<dyn Fn(&[Value], &EvalContext) -> Result<Value> + Send + Sync>;

type ArrowComparison =
    fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> std::result::Result<BooleanArray, ArrowError>;

/// The kernel for sides of the type `common`.
pub(super) fn kernel(operator: Operator, common: &L) -> Comparison {
    match common {
        // NaN is equal to nothing, as in Java; Arrow's kernels would order it.
        L::Float => Box::new(move |args, context| floats::<Float32Type>(operator, args, context)),
        L::Double => Box::new(move |args, context| floats::<Float64Type>(operator, args, context)),
        L::Array(_) | L::Map(..) | L::Multiset(_) | L::Row(_) => Box::new(move |args, context| {
            let equal = nested::equality(args)?;
            Ok(Rows::strict(args, context).booleans(|row| equal(row) == (operator == Operator::Equal)))
        }),
        L::Null => Box::new(|args, context| {
            let nulls = BooleanArray::new_null(Rows::all(args, context).count());
            Ok(Rows::all(args, context).value(nulls))
        }),
        _ => {
            let compare: ArrowComparison = match operator {
                Operator::Equal => cmp::eq,
                Operator::NotEqual => cmp::neq,
                Operator::Less => cmp::lt,
                Operator::LessOrEqual => cmp::lt_eq,
                Operator::Greater => cmp::gt,
                Operator::GreaterOrEqual => cmp::gt_eq,
            };
            Box::new(move |args, context| with_arrow(compare, args, context))
        }
    }
}

fn with_arrow(compare: ArrowComparison, args: &[Value], context: &EvalContext) -> Result<Value> {
    let [left, right] = args else { return Err(Error::internal("a comparison has two sides")) };
    let result = compare(left.datum(), right.datum()).map_err(arrow_error)?;
    Ok(Rows::all(args, context).value(result))
}

fn floats<T>(operator: Operator, args: &[Value], context: &EvalContext) -> Result<Value>
where
    T: ArrowPrimitiveType,
    T::Native: PartialOrd + ArrowNativeTypeOp,
{
    let [left, right] = args else { return Err(Error::internal("a comparison has two sides")) };
    let rows = Rows::strict(args, context);
    // A constant's one value serves every row; a column's slice is as long as the batch.
    let (a, b) = (left.array().as_primitive::<T>().values(), right.array().as_primitive::<T>().values());
    let (mask_a, mask_b) = (mask(left), mask(right));
    let (a, b): (&[T::Native], &[T::Native]) = (a, b);
    macro_rules! compare {
        ($op:tt) => {
            rows.booleans(|row| a[row & mask_a] $op b[row & mask_b])
        };
    }
    Ok(match operator {
        Operator::Equal => compare!(==),
        Operator::NotEqual => compare!(!=),
        Operator::Less => compare!(<),
        Operator::LessOrEqual => compare!(<=),
        Operator::Greater => compare!(>),
        Operator::GreaterOrEqual => compare!(>=),
    })
}

fn mask(value: &Value) -> usize {
    if value.is_scalar() { 0 } else { usize::MAX }
}

/// Whether two types must be compared as exact decimals of different scales, since no decimal type holds both.
pub(super) fn exact_types(a: &L, b: &L) -> bool {
    match (a.as_decimal(), b.as_decimal()) {
        (Some((p1, s1)), Some((p2, s2))) => (p1 - s1).max(p2 - s2) + s1.max(s2) > 38,
        _ => false,
    }
}

/// The kernel for decimals of different scales.
pub(super) fn decimal_kernel(operator: Operator) -> Comparison {
    Box::new(move |args, context| {
        let [left, right] = args else { return Err(Error::internal("a comparison has two sides")) };
        let scales = (scale_of(left)?, scale_of(right)?);
        let (a, b) = (left.cells::<Decimal128Array>()?, right.cells::<Decimal128Array>()?);
        Ok(Rows::strict(args, context)
            .booleans(|row| operator.holds(Some(compare_decimals(a.at(row), scales.0, b.at(row), scales.1)))))
    })
}

fn scale_of(value: &Value) -> Result<u32> {
    match value.array().data_type() {
        ArrowType::Decimal128(_, scale) => Ok(u32::try_from(*scale).unwrap_or_default()),
        other => Err(Error::internal(format!("{other} is no decimal"))),
    }
}

fn compare_decimals(a: i128, scale_a: u32, b: i128, scale_b: u32) -> Ordering {
    let scaled = |value: i128, by: u32| i256::from_i128(value).wrapping_mul(i256::from_i128(10).pow_wrapping(by));
    scaled(a, scale_b.saturating_sub(scale_a)).cmp(&scaled(b, scale_a.saturating_sub(scale_b)))
}

/// The kernel of `IS [NOT] DISTINCT FROM` for sides of the type `common`.
pub(super) fn distinct_kernel(distinct: bool, common: &L) -> Comparison {
    match common {
        L::Array(_) | L::Map(..) | L::Multiset(_) | L::Row(_) => Box::new(move |args, context| {
            let [left, right] = args else { return Err(Error::internal("a comparison has two sides")) };
            let equal = nested::equality(args)?;
            let (a, b) = (left.array(), right.array());
            let (mask_a, mask_b) = (mask(left), mask(right));
            Ok(Rows::all(args, context).booleans(|row| {
                let same = match (a.is_null(row & mask_a), b.is_null(row & mask_b)) {
                    (true, true) => true,
                    (false, false) => equal(row),
                    _ => false,
                };
                same != distinct
            }))
        }),
        L::Null => Box::new(move |_, _| Ok(Value::boolean(!distinct))),
        _ => {
            let compare: ArrowComparison = if distinct { cmp::distinct } else { cmp::not_distinct };
            Box::new(move |args, context| with_arrow(compare, args, context))
        }
    }
}
