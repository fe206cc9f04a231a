//! When two expressions compute the same.

use arrow::array::Datum;

use super::{Expr, ExprKind};

/// Whether two expressions over the same input compute the same value, told by their form.
pub(crate) fn same(a: &Expr, b: &Expr) -> bool {
    let alike = match (&a.kind, &b.kind) {
        (ExprKind::Column(a), ExprKind::Column(b)) => a == b,
        (ExprKind::Literal(a), ExprKind::Literal(b)) => a.get().0.to_data() == b.get().0.to_data(),
        (ExprKind::Call(a), ExprKind::Call(b)) => a.name == b.name && a.bound.deterministic && b.bound.deterministic,
        (ExprKind::Cast(_, a), ExprKind::Cast(_, b)) => a == b,
        (ExprKind::And(..), ExprKind::And(..))
        | (ExprKind::Or(..), ExprKind::Or(..))
        | (ExprKind::Case { .. }, ExprKind::Case { .. }) => true,
        _ => return false,
    };
    let (left, right) = (a.children(), b.children());
    alike
        && a.data_type.logical == b.data_type.logical
        && left.len() == right.len()
        && left.into_iter().zip(right).all(|(a, b)| same(a, b))
}
