//! What the state of an operator is of, in words that are the same for as long as it can be restored.
//!
//! Keys and arguments are told by the columns of the tables that they are computed from, not by the names that a query gives them: an alias
//! changes nothing, and another key of the same type does not pass for the former one.

use std::sync::Arc;

use super::explain::{direction, expression, window_text};
use super::node::{Node, NodeKind};
use crate::plan::{AggregateCall, Field, GroupWindow, Sort, SortKey, TimeAttribute};

/// What the state of an aggregation is of.
pub(super) fn description(
    input: &Node,
    keys: &[usize],
    aggregates: &[AggregateCall],
    window: Option<&GroupWindow>,
) -> Arc<str> {
    let plain = keys.iter().enumerate().filter(|(n, _)| window.is_none_or(|window| window.columns[*n].is_none()));
    let keys: Vec<String> = plain.map(|(_, key)| typed(&column(input, *key), &input.fields[*key])).collect();
    let calls: Vec<String> = aggregates.iter().map(|call| call_text(input, call)).collect();
    let window = window.map(|window| {
        let time = match window.window.attribute {
            TimeAttribute::Rowtime => "event time",
            TimeAttribute::Proctime => "processing time",
        };
        format!("{} on {time}, ", window_text(window.window.kind))
    });
    let changes = if input.mode.is_insert_only() { "" } else { " of a changelog" };
    format!("{}GROUP BY ({}) SELECT {}{changes}", window.unwrap_or_default(), keys.join(", "), calls.join(", ")).into()
}

/// What the last rows of keys are of.
pub(super) fn last_rows(input: &Node, keys: &[usize]) -> Arc<str> {
    let columns = |wanted: &dyn Fn(&usize) -> bool| {
        let texts = (0..input.fields.len()).filter(wanted).map(|n| typed(&column(input, n), &input.fields[n]));
        texts.collect::<Vec<_>>().join(", ")
    };
    let (key, rest) = (columns(&|column| keys.contains(column)), columns(&|column| !keys.contains(column)));
    format!("the last rows by ({key}) of ({rest})").into()
}

/// What the rows are of that are gathered to be sorted, or of which some are taken in the end.
pub(super) fn gathered(input: &Node, sort: &Sort) -> Arc<str> {
    let columns: Vec<String> =
        input.fields.iter().enumerate().map(|(n, field)| typed(&column(input, n), field)).collect();
    // Rows that cannot be among those wanted are not kept, so it matters which those are.
    let wanted = match sort.most() {
        Some(most) if !sort.keys.is_empty() && input.mode.is_insert_only() => {
            let key = |key: &SortKey| format!("{}{}", column(input, key.column), direction(key));
            let keys: Vec<String> = sort.keys.iter().map(key).collect();
            format!("the first {most} by ({}) of ", keys.join(", "))
        }
        _ => String::new(),
    };
    let changes = if input.mode.is_insert_only() { "" } else { " of a changelog" };
    format!("{wanted}the rows ({}){changes}", columns.join(", ")).into()
}

fn call_text(input: &Node, call: &AggregateCall) -> String {
    let argument =
        call.argument.map_or("*".to_owned(), |argument| typed(&column(input, argument), &input.fields[argument]));
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let filter = if call.filter.is_some() { " FILTER" } else { "" };
    format!("{}({distinct}{argument}){filter}", call.function.name())
}

fn typed(text: &str, field: &Field) -> String {
    format!("{text} {}", field.data_type.logical)
}

/// How a column of a node is computed from the tables.
fn column(node: &Node, index: usize) -> String {
    let own_name = || node.fields.get(index).map_or_else(|| format!("${index}"), |field| field.name.clone());
    let Some(input) = node.inputs.first() else { return own_name() };
    match &node.kind {
        NodeKind::Calc { exprs: Some(exprs), .. } => {
            exprs.get(index).map_or_else(own_name, |expr| expression(expr, &|index| column(input, index)))
        }
        NodeKind::Calc { exprs: None, .. }
        | NodeKind::Exchange { .. }
        | NodeKind::ChangelogNormalize { .. }
        | NodeKind::Watermark { .. }
        | NodeKind::Union
        | NodeKind::Sort(_)
        | NodeKind::Sink(_) => column(input, index),
        NodeKind::Unnest(unnest) => match unnest.keep.get(index) {
            Some(kept) => column(input, *kept),
            None => format!("UNNEST({}).{}", column(input, unnest.array), index - unnest.keep.len()),
        },
        NodeKind::AssignWindows(_) if index < input.fields.len() => column(input, index),
        NodeKind::GroupAggregate { keys, aggregates, .. }
        | NodeKind::WindowAggregate { keys, aggregates, .. }
        | NodeKind::SessionAggregate { keys, aggregates, .. } => match keys.get(index) {
            Some(key) if *key < input.fields.len() => column(input, *key),
            Some(_) => own_name(),
            None => aggregates.get(index - keys.len()).map_or_else(own_name, |call| call_text(input, call)),
        },
        NodeKind::AssignWindows(_) | NodeKind::Source(_) | NodeKind::External(_) | NodeKind::Values(_) => own_name(),
    }
}
