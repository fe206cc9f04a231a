//! Which casts exist.

use riverrun_data::{DataType, LogicalType as L, RowField};

/// Whether a column of type `from` may be written into a column of type `to` without a cast in the script, as `INSERT INTO` does.
///
/// Nullability is not looked at: a NULL for a `NOT NULL` column is found when it is written.
pub(crate) fn implicit_cast_allowed(from: &L, to: &L) -> bool {
    match (from, to) {
        (L::Null, _) => true,
        (a, b) if a.is_integer() && b.is_integer() => rank(a) <= rank(b),
        (L::Double, L::Float) => false,
        (a, b) if a.is_numeric() && (b.is_approximate() || matches!(b, L::Decimal(..))) => true,
        (L::Char(_), L::Char(_))
        | (L::Binary(_), L::Binary(_) | L::VarBinary(_))
        | (L::VarBinary(_), L::VarBinary(_)) => true,
        (a, L::VarChar(_)) => a.is_character(),
        (L::Timestamp(_), b) => b.is_datetime(),
        (L::TimestampLtz(_), b) => b.is_timestamp(),
        (L::Time(_), L::Time(_)) => true,
        (a, b) => part_by_part(a, b, implicit_cast_allowed),
    }
}

/// How wide an integer type is.
pub(super) fn rank(logical: &L) -> u8 {
    match logical {
        L::TinyInt => 1,
        L::SmallInt => 2,
        L::Int => 4,
        L::BigInt => 8,
        _ => 0,
    }
}

/// Whether `CAST` and `TRY_CAST` exist between the types.
pub(crate) fn explicit_cast_allowed(from: &L, to: &L) -> bool {
    let number_or_boolean = |t: &L| t.is_numeric() || *t == L::Boolean;
    match (from, to) {
        (L::Null, _) => true,
        (_, to) if to.is_character() => true,
        (a, b) if number_or_boolean(a) => number_or_boolean(b),
        (a, b) if a.is_character() => number_or_boolean(b) || b.is_binary() || b.is_datetime(),
        (a, b) if a.is_binary() => b.is_binary(),
        (L::Date, b) => b.is_timestamp() || *b == L::Date,
        (L::Time(_), b) => b.is_timestamp() || matches!(b, L::Time(_)),
        (a, b) if a.is_timestamp() => b.is_datetime(),
        (a, b) => part_by_part(a, b, explicit_cast_allowed),
    }
}

/// Whether two types are equal, or constructed alike with parts that are `allowed`.
fn part_by_part(from: &L, to: &L, allowed: fn(&L, &L) -> bool) -> bool {
    match (from, to) {
        (L::Array(a), L::Array(b)) | (L::Multiset(a), L::Multiset(b)) => allowed(&a.logical, &b.logical),
        (L::Map(k, v), L::Map(to_k, to_v)) => allowed(&k.logical, &to_k.logical) && allowed(&v.logical, &to_v.logical),
        (L::Row(a), L::Row(b)) => {
            a.len() == b.len() && field_types(a).zip(field_types(b)).all(|(a, b)| allowed(&a.logical, &b.logical))
        }
        (a, b) => a == b,
    }
}

/// Whether values of `from` must be converted to serve as values of `to`; a length or nullability that only widens needs nothing.
pub(crate) fn needs_cast(from: &DataType, to: &DataType) -> bool {
    match (&from.logical, &to.logical) {
        (L::VarChar(n) | L::Char(n), L::VarChar(m)) | (L::VarBinary(n) | L::Binary(n), L::VarBinary(m)) => n > m,
        // The Arrow types of nested values tell the nullability of their parts.
        (a, b) => a != b,
    }
}

/// The types of the fields of a row.
pub(super) fn field_types(fields: &[RowField]) -> impl Iterator<Item = &DataType> {
    fields.iter().map(|field| &field.data_type)
}
