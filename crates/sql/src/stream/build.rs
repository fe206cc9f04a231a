//! From the logical plan to the streaming plan: filters and projections become calcs, keyed operators get their exchange, and the changelog mode of
//! every operator is inferred.

use riverrun_base::{Error, Result};
use riverrun_connect::Connectors;
use riverrun_data::{ChangelogMode, RowKind};

use super::node::{Node, NodeKind};
use super::normalize::{check_keys, is_by_key};
use crate::eval::{EvalContext, fold};
use crate::expr::{Expr, ExprKind};
use crate::plan::{
    AggregateCall, AggregateFunction, External, Field, GroupWindow, Rel, RelKind, Scan, UserAggregateFunction,
    WindowKind,
};

/// Builds streaming plans.
pub(crate) struct Builder<'a> {
    pub(crate) connectors: &'a Connectors,
    /// For constants: the session's zone.
    pub(crate) constants: EvalContext,
}

impl Builder<'_> {
    /// The streaming plan of a relation, with all changes.
    ///
    /// # Errors
    /// A table cannot be read, or an operator cannot take its input's changes.
    pub(crate) fn build(&self, rel: &Rel) -> Result<Node> {
        match &rel.kind {
            RelKind::Scan(scan) => self.source(scan, rel),
            RelKind::External(external) => self.external(external, rel),
            RelKind::Values(rows) => Ok(Node {
                kind: NodeKind::Values(rows.clone()),
                fields: rel.fields.clone(),
                mode: ChangelogMode::INSERT_ONLY,
                upsert_key: None,
                inputs: Vec::new(),
            }),
            RelKind::Project { input, exprs } => {
                let input = self.build(input)?;
                Ok(self.calc(input, None, Some(exprs.clone()), rel.fields.clone()))
            }
            RelKind::Filter { input, predicate } => {
                let input = self.build(input)?;
                Ok(self.calc(input, Some(predicate.clone()), None, rel.fields.clone()))
            }
            RelKind::AssignWindows { input, window } => {
                if matches!(window.kind, WindowKind::Session { .. }) {
                    return Err(Error::not_supported("SESSION(TABLE ...) without GROUP BY window_start, window_end"));
                }
                let input = self.build(input)?;
                let mode = input.mode;
                Ok(Node {
                    kind: NodeKind::AssignWindows(window.clone()),
                    fields: rel.fields.clone(),
                    mode,
                    upsert_key: None,
                    inputs: vec![input],
                })
            }
            RelKind::Aggregate { input, keys, aggregates, window } => {
                self.aggregate(rel, input, keys, aggregates, window.as_ref())
            }
            RelKind::Watermark { input, column, strategy } => {
                let input = self.build(input)?;
                let (mode, upsert_key) = (input.mode, input.upsert_key.clone());
                let kind = NodeKind::Watermark { column: *column, strategy: fold(strategy.clone(), &self.constants) };
                Ok(Node { kind, fields: rel.fields.clone(), mode, upsert_key, inputs: vec![input] })
            }
            RelKind::Unnest { input, unnest } => {
                let input = self.build(input)?;
                let mode = input.mode;
                let kind = NodeKind::Unnest(unnest.clone());
                Ok(Node { kind, fields: rel.fields.clone(), mode, upsert_key: None, inputs: vec![input] })
            }
            RelKind::Sort { input, sort } => {
                let input = exchange(self.build(input)?, Vec::new());
                if !input.mode.is_insert_only() {
                    let all: Vec<usize> = (0..input.fields.len()).collect();
                    check_keys(&input.fields, &all)
                        .map_err(|error| error.with("in", "ORDER BY or LIMIT of a result that is updated"))?;
                }
                Ok(Node {
                    kind: NodeKind::Sort(sort.clone()),
                    fields: rel.fields.clone(),
                    mode: ChangelogMode::INSERT_ONLY,
                    upsert_key: input.upsert_key.clone(),
                    inputs: vec![input],
                })
            }
            RelKind::Union { inputs } => {
                let inputs = inputs.iter().map(|input| self.build(input)).collect::<Result<Vec<_>>>()?;
                let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
                let kinds: Vec<RowKind> =
                    kinds.into_iter().filter(|kind| inputs.iter().any(|input| input.mode.contains(*kind))).collect();
                Ok(Node {
                    kind: NodeKind::Union,
                    fields: rel.fields.clone(),
                    mode: ChangelogMode::of(&kinds),
                    upsert_key: None,
                    inputs,
                })
            }
        }
    }

    fn external(&self, external: &External, rel: &Rel) -> Result<Node> {
        let mode = external.mode;
        let upsert_key = Some(external.key.clone()).filter(|key| !key.is_empty());
        let kind = NodeKind::External(external.clone());
        let node = Node { kind, fields: rel.fields.clone(), mode, upsert_key, inputs: Vec::new() };
        if is_by_key(mode) { self.normalized(node, external.key.clone()) } else { Ok(node) }
    }

    fn source(&self, scan: &Scan, rel: &Rel) -> Result<Node> {
        let source = super::source::open(self.connectors, &scan.table, &scan.hint)?;
        let mode = source.changelog_mode();
        let scan = Scan {
            exprs: scan.exprs.iter().map(|expr| fold(expr.clone(), &self.constants)).collect(),
            watermark: scan.watermark.clone().map(|watermark| fold(watermark, &self.constants)),
            ..scan.clone()
        };
        let upsert_key = Some(scan.table.primary_key.clone()).filter(|key| !key.is_empty());
        let table = std::sync::Arc::clone(&scan.table);
        let source =
            Node { kind: NodeKind::Source(scan), fields: rel.fields.clone(), mode, upsert_key, inputs: Vec::new() };
        if !is_by_key(mode) {
            return Ok(source);
        }
        self.normalized(source, table.primary_key.clone()).map_err(|error| error.with("table", &table.name))
    }

    /// A calc over a node, merged with the calc that the node is, where no work is done twice by that.
    pub(super) fn calc(
        &self,
        input: Node,
        condition: Option<Expr>,
        exprs: Option<Vec<Expr>>,
        fields: Vec<Field>,
    ) -> Node {
        let condition = condition.map(|condition| fold(condition, &self.constants));
        let exprs: Option<Vec<Expr>> =
            exprs.map(|exprs| exprs.into_iter().map(|expr| fold(expr, &self.constants)).collect());
        if let NodeKind::Calc { condition: inner_condition, exprs: inner_exprs } = &input.kind {
            let outer = || condition.iter().chain(exprs.iter().flatten());
            if inner_exprs.as_ref().is_none_or(|inner| can_inline(inner, outer())) {
                let inline = |expr: Expr| match inner_exprs {
                    Some(inner) => inlined(expr, inner),
                    None => expr,
                };
                let merged = condition.clone().map(inline);
                let condition = match (inner_condition.clone(), merged) {
                    (Some(inner), Some(outer)) => Some(and(inner, outer)),
                    (inner, outer) => inner.or(outer),
                };
                let exprs = exprs.map(|exprs| exprs.into_iter().map(inline).collect()).or_else(|| inner_exprs.clone());
                let Some(below) = input.inputs.into_iter().next() else {
                    return Node {
                        kind: NodeKind::Calc { condition, exprs },
                        fields,
                        mode: input.mode,
                        upsert_key: None,
                        inputs: Vec::new(),
                    };
                };
                return self.calc_node(below, condition, exprs, fields);
            }
        }
        self.calc_node(input, condition, exprs, fields)
    }

    fn calc_node(&self, input: Node, condition: Option<Expr>, exprs: Option<Vec<Expr>>, fields: Vec<Field>) -> Node {
        let (input, condition, exprs) = narrowed(input, condition, exprs);
        let (input, condition, exprs) = self.keeping_less(input, condition, exprs);
        let mode = input.mode;
        let upsert_key = match &exprs {
            None => input.upsert_key.clone(),
            Some(exprs) => input.upsert_key.as_ref().and_then(|key| {
                key.iter()
                    .map(|column| {
                        exprs.iter().position(|expr| matches!(expr.kind, ExprKind::Column(from) if from == *column))
                    })
                    .collect()
            }),
        };
        Node { kind: NodeKind::Calc { condition, exprs }, fields, mode, upsert_key, inputs: vec![input] }
    }

    fn aggregate(
        &self,
        rel: &Rel,
        input: &Rel,
        keys: &[usize],
        aggregates: &[AggregateCall],
        window: Option<&GroupWindow>,
    ) -> Result<Node> {
        if let Some(window) = window.filter(|window| matches!(window.window.kind, WindowKind::Session { .. })) {
            return self.sessions(rel, input, keys, aggregates, window);
        }
        let input = self.build(input)?;
        check_retraction(aggregates, &input)?;
        let upsert_key = Some((0..keys.len()).collect());
        let (kind, mode, exchange_keys) = match window {
            Some(window) => {
                let exchange_keys = keys
                    .iter()
                    .zip(&window.columns)
                    .filter(|(_, column)| column.is_none())
                    .map(|(key, _)| *key)
                    .collect();
                let kind = NodeKind::WindowAggregate {
                    keys: keys.to_vec(),
                    aggregates: aggregates.to_vec(),
                    window: window.clone(),
                };
                (kind, ChangelogMode::INSERT_ONLY, exchange_keys)
            }
            None => {
                let appends = input.mode.is_insert_only();
                let mode = match (appends, aggregates.is_empty()) {
                    (true, true) => ChangelogMode::INSERT_ONLY,
                    (true, false) => ChangelogMode::INSERT_ONLY.with(RowKind::UpdateBefore).with(RowKind::UpdateAfter),
                    (false, true) => ChangelogMode::INSERT_ONLY.with(RowKind::Delete),
                    (false, false) => ChangelogMode::ALL,
                };
                (
                    NodeKind::GroupAggregate {
                        keys: keys.to_vec(),
                        aggregates: aggregates.to_vec(),
                        update_before: true,
                    },
                    mode,
                    keys.to_vec(),
                )
            }
        };
        let input = exchange(input, exchange_keys);
        Ok(Node { kind, fields: rel.fields.clone(), mode, upsert_key, inputs: vec![input] })
    }

    /// Sessions are found where they are aggregated, so the projection between is moved below them.
    fn sessions(
        &self,
        rel: &Rel,
        input: &Rel,
        keys: &[usize],
        aggregates: &[AggregateCall],
        window: &GroupWindow,
    ) -> Result<Node> {
        let (assign, exprs) = match &input.kind {
            RelKind::AssignWindows { .. } => (input, None),
            RelKind::Project { input: below, exprs } if matches!(below.kind, RelKind::AssignWindows { .. }) => {
                (&**below, Some(exprs))
            }
            _ => return Err(Error::not_supported("an operation between a SESSION window and its GROUP BY")),
        };
        let RelKind::AssignWindows { input: source, .. } = &assign.kind else {
            return Err(Error::internal("a session without its window"));
        };
        let below = self.build(source)?;
        let width = source.fields.len();
        // The rows of the operator's input: what the projection computes without the window, and the time attribute behind it.
        let (input, window) = match exprs {
            None => (below, window.clone()),
            Some(exprs) => {
                let is_window = |expr: &Expr| matches!(expr.kind, ExprKind::Column(column) if column >= width);
                if exprs.iter().any(|expr| !is_window(expr) && refers_behind(expr, width)) {
                    return Err(Error::not_supported(
                        "an expression over the columns of a SESSION window below its GROUP BY",
                    ));
                }
                let mut below_exprs: Vec<Expr> = exprs
                    .iter()
                    .map(|expr| {
                        if is_window(expr) {
                            Expr::column(window.window.time, source.fields[window.window.time].data_type.clone())
                        } else {
                            expr.clone()
                        }
                    })
                    .collect();
                let mut fields: Vec<Field> = input.fields.clone();
                below_exprs.push(Expr::column(window.window.time, source.fields[window.window.time].data_type.clone()));
                fields.push(source.fields[window.window.time].clone());
                for (field, expr) in fields.iter_mut().zip(&below_exprs) {
                    field.data_type = expr.data_type.clone();
                    field.window = None;
                }
                let time = below_exprs.len() - 1;
                let moved = std::sync::Arc::new(crate::plan::Window { time, ..(*window.window).clone() });
                (self.calc(below, None, Some(below_exprs), fields), GroupWindow { window: moved, ..window.clone() })
            }
        };
        check_retraction(aggregates, &input)?;
        if let Some(user) = user_aggregates(aggregates).find(|user| !user.function.merges()) {
            return Err(Error::user(format!("the aggregate '{}' cannot merge, which session windows need", user.name))
                .hint("write its merge, and say MERGES"));
        }
        let plain: Vec<usize> =
            keys.iter().zip(&window.columns).filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
        if let Some(exprs) = exprs {
            let column_of = |key: &usize| match exprs[*key].kind {
                ExprKind::Column(column) => Some(column),
                _ => None,
            };
            let mut grouped: Vec<Option<usize>> = plain.iter().map(column_of).collect();
            let mut partition: Vec<Option<usize>> = window.window.partition.iter().copied().map(Some).collect();
            grouped.sort_unstable();
            partition.sort_unstable();
            if grouped != partition {
                return Err(Error::not_supported("a SESSION window whose PARTITION BY is not the rest of GROUP BY"));
            }
        }
        let input = exchange(input, plain);
        let kind = NodeKind::SessionAggregate { keys: keys.to_vec(), aggregates: aggregates.to_vec(), window };
        Ok(Node {
            kind,
            fields: rel.fields.clone(),
            mode: ChangelogMode::INSERT_ONLY,
            upsert_key: Some((0..keys.len()).collect()),
            inputs: vec![input],
        })
    }
}

impl Node {
    /// Tells the plan below that nobody wants `-U` of it: an aggregate then leaves it out. A filter needs both halves of an update, so it stops there.
    pub(crate) fn without_update_before(&mut self) {
        match &mut self.kind {
            NodeKind::GroupAggregate { update_before, .. } | NodeKind::ChangelogNormalize { update_before, .. } => {
                *update_before = false;
            }
            NodeKind::Calc { condition: None, .. } | NodeKind::Exchange { .. } | NodeKind::Union => {
                self.inputs.iter_mut().for_each(Node::without_update_before);
                if self.inputs.iter().any(|input| input.mode.contains(RowKind::UpdateBefore)) {
                    return;
                }
            }
            _ => return,
        }
        self.mode = self.mode.without(RowKind::UpdateBefore);
    }
}

fn user_aggregates(aggregates: &[AggregateCall]) -> impl Iterator<Item = &UserAggregateFunction> {
    aggregates.iter().filter_map(|call| match &call.function {
        AggregateFunction::User(user) => Some(user),
        _ => None,
    })
}

/// Aggregates of the program need not be able to take rows back; then nothing may be taken back.
fn check_retraction(aggregates: &[AggregateCall], input: &Node) -> Result<()> {
    match user_aggregates(aggregates).find(|user| !user.function.retracts()) {
        Some(user) if !input.mode.is_insert_only() => Err(Error::user(format!(
            "the aggregate '{}' cannot retract rows, which its input needs: it makes {}",
            user.name, input.mode
        ))
        .hint("write its retract, and say RETRACTS")),
        _ => Ok(()),
    }
}

/// Sends equal keys to the same subtask.
pub(crate) fn exchange(input: Node, keys: Vec<usize>) -> Node {
    let (fields, mode, upsert_key) = (input.fields.clone(), input.mode, input.upsert_key.clone());
    Node { kind: NodeKind::Exchange { keys }, fields, mode, upsert_key, inputs: vec![input] }
}

fn and(left: Expr, right: Expr) -> Expr {
    let data_type = riverrun_data::DataType {
        nullable: left.data_type.nullable || right.data_type.nullable,
        ..left.data_type.clone()
    };
    Expr { kind: ExprKind::And(Box::new(left), Box::new(right)), data_type, position: None }
}

/// Whether the outer expressions can take the inner ones in: each inner one is a column or a constant, or is used at most once.
fn can_inline<'e>(inner: &[Expr], outer: impl Iterator<Item = &'e Expr>) -> bool {
    let mut uses = vec![0usize; inner.len()];
    for expr in outer {
        count_columns(expr, &mut uses);
    }
    inner
        .iter()
        .zip(uses)
        .all(|(expr, uses)| uses <= 1 || matches!(expr.kind, ExprKind::Column(_) | ExprKind::Literal(_)))
}

/// Of the columns that an unnesting multiplies, only those that are read behind it.
fn narrowed(
    mut input: Node,
    condition: Option<Expr>,
    exprs: Option<Vec<Expr>>,
) -> (Node, Option<Expr>, Option<Vec<Expr>>) {
    let NodeKind::Unnest(unnest) = &mut input.kind else { return (input, condition, exprs) };
    let Some(exprs) = exprs else { return (input, condition, None) };
    let mut uses = vec![0; input.fields.len()];
    condition.iter().chain(&exprs).for_each(|expr| count_columns(expr, &mut uses));
    let width = unnest.keep.len();
    let stays = |column: usize| column >= width || uses[column] > 0;
    let mut place = 0;
    let moved: Vec<Expr> = (0..uses.len())
        .map(|column| {
            let expr = Expr::column(place, input.fields[column].data_type.clone());
            place += usize::from(stays(column));
            expr
        })
        .collect();
    let mut column = 0..uses.len();
    input.fields.retain(|_| column.next().is_some_and(stays));
    let mut column = 0..width;
    unnest.keep.retain(|_| column.next().is_some_and(stays));
    let condition = condition.map(|condition| inlined(condition, &moved));
    let exprs = exprs.into_iter().map(|expr| inlined(expr, &moved)).collect();
    (input, condition, Some(exprs))
}

/// Counts how often an expression reads each column.
pub(super) fn count_columns(expr: &Expr, uses: &mut [usize]) {
    if let ExprKind::Column(index) = expr.kind {
        uses[index] += 1;
    }
    for child in expr.children() {
        count_columns(child, uses);
    }
}

/// An expression over what these expressions compute.
pub(super) fn inlined(expr: Expr, inner: &[Expr]) -> Expr {
    match expr.kind {
        ExprKind::Column(index) => Expr { position: expr.position.or(inner[index].position), ..inner[index].clone() },
        _ => expr.map_children(&mut |child| inlined(child, inner)),
    }
}

fn refers_behind(expr: &Expr, width: usize) -> bool {
    matches!(expr.kind, ExprKind::Column(column) if column >= width)
        || expr.children().into_iter().any(|child| refers_behind(child, width))
}
