//! Sources of changes by key: their rows are completed by a ChangelogNormalize, which keeps no more columns than are read.

use arrow::array::{ArrayRef, new_empty_array};
use riverrun_base::{Error, Result};
use riverrun_data::{ChangelogMode, RowKind};
use riverrun_state::hash_keys;

use super::build::{Builder, count_columns, exchange, inlined};
use super::node::{Node, NodeKind};
use crate::expr::Expr;
use crate::operators::key_types;
use crate::plan::Field;

impl Builder<'_> {
    /// Completes changes by key, as Flink does behind every source of them.
    ///
    /// # Errors
    /// There is no key, or its type cannot be one.
    pub(super) fn normalized(&self, source: Node, keys: Vec<usize>) -> Result<Node> {
        if keys.is_empty() {
            return Err(Error::user("the table's changes come by key, and it has no PRIMARY KEY")
                .hint("declare PRIMARY KEY (...) NOT ENFORCED"));
        }
        check_keys(&source.fields, &keys)?;
        Ok(normalize(source, keys, true))
    }

    /// Of the rows that are kept below a calc, only the columns that it reads. Flink does so by reading fewer columns, and it shows: a
    /// change of other columns is none.
    pub(super) fn keeping_less(
        &self,
        input: Node,
        condition: Option<Expr>,
        exprs: Option<Vec<Expr>>,
    ) -> (Node, Option<Expr>, Option<Vec<Expr>>) {
        let NodeKind::ChangelogNormalize { keys, update_before } = &input.kind else {
            return (input, condition, exprs);
        };
        let Some(exprs) = exprs else { return (input, condition, None) };
        let mut uses = vec![0usize; input.fields.len()];
        condition.iter().chain(&exprs).for_each(|expr| count_columns(expr, &mut uses));
        keys.iter().for_each(|key| uses[*key] += 1);
        let kept: Vec<usize> = (0..uses.len()).filter(|column| uses[*column] > 0).collect();
        let below = input.inputs.first().and_then(|exchange| exchange.inputs.first());
        let Some(below) = below.filter(|_| kept.len() < uses.len()) else { return (input, condition, Some(exprs)) };
        let place = |column: usize| kept.iter().position(|kept| *kept == column).unwrap_or_default();
        let column = |from: usize, to: usize| Expr::column(to, input.fields[from].data_type.clone());
        let moved: Vec<Expr> = (0..uses.len()).map(|from| column(from, place(from))).collect();
        let read: Vec<Expr> = kept.iter().map(|from| column(*from, *from)).collect();
        let fields: Vec<Field> = kept.iter().map(|column| input.fields[*column].clone()).collect();
        let keys = keys.iter().map(|key| place(*key)).collect();
        let input = normalize(self.calc(below.clone(), None, Some(read), fields), keys, *update_before);
        let condition = condition.map(|condition| inlined(condition, &moved));
        (input, condition, Some(exprs.into_iter().map(|expr| inlined(expr, &moved)).collect()))
    }
}

/// Whether rows can be found again by these columns.
///
/// # Errors
/// A type cannot be a key.
pub(super) fn check_keys(fields: &[Field], keys: &[usize]) -> Result<()> {
    let columns: Vec<ArrayRef> = key_types(fields, keys).iter().map(new_empty_array).collect();
    hash_keys(&columns, 0, &mut Vec::new())
}

/// Whether changes come by key, without the former content.
pub(super) fn is_by_key(mode: ChangelogMode) -> bool {
    mode.contains(RowKind::UpdateAfter) && !mode.contains(RowKind::UpdateBefore)
}

fn normalize(input: Node, keys: Vec<usize>, update_before: bool) -> Node {
    let (fields, upsert_key) = (input.fields.clone(), Some(keys.clone()));
    let inputs = vec![exchange(input, keys.clone())];
    Node {
        kind: NodeKind::ChangelogNormalize { keys, update_before },
        fields,
        mode: ChangelogMode::ALL,
        upsert_key,
        inputs,
    }
}
