//! The type that several types have in common.

use riverrun_data::{DataType, LogicalType as L, RowField};

use super::allowed::{field_types, rank};

/// The type that values of all `types` are converted to where one column holds them: branches of `CASE`, rows of `VALUES`, elements of
/// `ARRAY[...]`, arguments of `COALESCE` and `GREATEST`. `None` where they have nothing in common. Nullable if any of them is.
///
/// Of `FLOAT` and `DOUBLE` the first wins, as in Flink; strings of different lengths become `VARCHAR` of the longest.
pub(crate) fn common_type(types: &[DataType]) -> Option<DataType> {
    let (first, rest) = types.split_first()?;
    rest.iter().try_fold(first.clone(), |so_far, next| pair(&so_far, next))
}

fn pair(a: &DataType, b: &DataType) -> Option<DataType> {
    let nullable = a.nullable || b.nullable || a.logical == L::Null || b.logical == L::Null;
    common_logical(&a.logical, &b.logical).map(|logical| DataType { logical, nullable })
}

/// [`common_type`] of two types without nullability.
fn common_logical(a: &L, b: &L) -> Option<L> {
    Some(match (a, b) {
        (L::Null, other) | (other, L::Null) => other.clone(),
        (a, b) if a == b => a.clone(),
        (a, b) if a.is_numeric() && b.is_numeric() => common_number(a, b),
        (L::Char(n) | L::VarChar(n), L::Char(m) | L::VarChar(m)) => L::VarChar(*n.max(m)),
        (L::Binary(n) | L::VarBinary(n), L::Binary(m) | L::VarBinary(m)) => L::VarBinary(*n.max(m)),
        (L::Time(p), L::Time(q)) => L::Time(*p.max(q)),
        (L::Timestamp(p), L::Timestamp(q)) => L::Timestamp(*p.max(q)),
        (L::Timestamp(p) | L::TimestampLtz(p), L::Timestamp(q) | L::TimestampLtz(q)) => L::TimestampLtz(*p.max(q)),
        (L::Array(a), L::Array(b)) => L::Array(Box::new(pair(a, b)?)),
        (L::Multiset(a), L::Multiset(b)) => L::Multiset(Box::new(pair(a, b)?)),
        (L::Map(k, v), L::Map(k2, v2)) => L::Map(Box::new(pair(k, k2)?), Box::new(pair(v, v2)?)),
        (L::Row(a), L::Row(b)) if a.len() == b.len() => L::Row(
            a.iter()
                .zip(field_types(b))
                .map(|(field, other)| {
                    Some(RowField { name: field.name.clone(), data_type: pair(&field.data_type, other)? })
                })
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

fn common_number(a: &L, b: &L) -> L {
    match (a.is_approximate(), b.is_approximate()) {
        (true, true) => a.clone(),
        (true, false) => {
            if matches!(b, L::Decimal(..)) {
                L::Double
            } else {
                a.clone()
            }
        }
        (false, true) => {
            if matches!(a, L::Decimal(..)) {
                L::Double
            } else {
                b.clone()
            }
        }
        (false, false) => match (a, b) {
            (L::Decimal(..), _) | (_, L::Decimal(..)) => {
                let ((p1, s1), (p2, s2)) = (a.as_decimal().unwrap_or((38, 0)), b.as_decimal().unwrap_or((38, 0)));
                let integers = (p1 - s1).max(p2 - s2);
                let scale = s1.max(s2).min(38 - integers);
                L::Decimal(integers + scale, scale)
            }
            _ => {
                if rank(a) >= rank(b) {
                    a.clone()
                } else {
                    b.clone()
                }
            }
        },
    }
}

/// The type that the sides of `=`, `<` and their like are converted to; `None` where Flink refuses the comparison.
///
/// `ordered` tells `<`, `<=`, `>`, `>=` from `=` and `<>`: a string can be ordered against a number (it is converted to the number's
/// type) but not be equal to one.
pub(crate) fn comparison_type(a: &L, b: &L, ordered: bool) -> Option<L> {
    let comparable = match (a, b) {
        (a, b) if a.is_numeric() && b.is_numeric() => match (a, b) {
            // An exact comparison of what both sides hold.
            (L::Float, L::Double) | (L::Double, L::Float) => L::Double,
            _ => common_number(a, b),
        },
        (s, other) | (other, s) if s.is_character() && other.is_datetime() => other.clone(),
        (s, number) | (number, s) if s.is_character() && number.is_numeric() => return ordered.then(|| number.clone()),
        (a, b) => common_logical(a, b)?,
    };
    let constructed = matches!(comparable, L::Array(_) | L::Map(..) | L::Multiset(_) | L::Row(_));
    (!(ordered && constructed)).then_some(comparable)
}
