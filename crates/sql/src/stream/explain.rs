//! EXPLAIN: the streaming plan as text, with the changelog mode of every operator.

use std::fmt::Write;

use arrow::util::display::array_value_to_string;

use super::node::{Node, NodeKind};
use crate::expr::{CastMode, Expr, ExprKind};
use crate::plan::{AggregateCall, Field, SortKey, WindowKind};

/// The plan, an operator a line, the last one first.
pub(crate) fn explain(plan: &Node) -> String {
    let mut text = String::new();
    write_node(plan, "", "", &mut text);
    text
}

fn write_node(node: &Node, first: &str, rest: &str, text: &mut String) {
    let _ = writeln!(text, "{first}{}, changelogMode=[{}])", description(node), node.mode);
    for (n, input) in node.inputs.iter().enumerate() {
        let last = n + 1 == node.inputs.len();
        let (branch, below) = if last { ("+- ", "   ") } else { (":- ", ":  ") };
        write_node(input, &format!("{rest}{branch}"), &format!("{rest}{below}"), text);
    }
}

/// The operator with its attributes, without the closing parenthesis.
fn description(node: &Node) -> String {
    let no_fields = Vec::new();
    let input = node.inputs.first().map_or(&no_fields, |input| &input.fields);
    match &node.kind {
        NodeKind::Source(scan) => {
            let watermark = match (&scan.watermark, &scan.table.watermark) {
                (Some(strategy), Some(watermark)) => format!(
                    ", watermark=[{}: {}]",
                    scan.table.columns[watermark.column].name,
                    expression(strategy, &named_by(&node.fields))
                ),
                _ => String::new(),
            };
            format!(
                "TableSourceScan(table=[[default_catalog, default_database, {}]], fields=[{}]{watermark}",
                scan.table.name,
                names(&node.fields)
            )
        }
        NodeKind::External(external) => {
            format!("DataStreamScan(name=[{}], fields=[{}]", external.name, names(&node.fields))
        }
        NodeKind::Values(rows) => format!("Values(tuples=[{} rows]", rows.len()),
        NodeKind::Calc { condition, exprs } => {
            let select = match exprs {
                None => names(&node.fields),
                Some(exprs) => list(
                    exprs
                        .iter()
                        .zip(&node.fields)
                        .map(|(expr, field)| named(&expression(expr, &named_by(input)), &field.name)),
                ),
            };
            let condition = condition
                .as_ref()
                .map(|condition| format!(", where=[{}]", expression(condition, &named_by(input))))
                .unwrap_or_default();
            format!("Calc(select=[{select}]{condition}")
        }
        NodeKind::Exchange { keys } if keys.is_empty() => "Exchange(distribution=[single]".into(),
        NodeKind::Exchange { keys } => format!("Exchange(distribution=[hash[{}]]", names_of(keys, input)),
        NodeKind::ChangelogNormalize { keys, .. } => {
            format!("ChangelogNormalize(key=[{}]", names_of(keys, input))
        }
        NodeKind::Watermark { column, strategy } => format!(
            "WatermarkAssigner(rowtime=[{}], watermark=[{}]",
            node.fields[*column].name,
            expression(strategy, &named_by(input))
        ),
        NodeKind::AssignWindows(window) => {
            format!("WindowTableFunction(window=[{}, time_col=[{}]]", window_text(window.kind), input[window.time].name)
        }
        NodeKind::GroupAggregate { keys, aggregates, .. } => {
            let group_by =
                if keys.is_empty() { String::new() } else { format!("groupBy=[{}], ", names_of(keys, input)) };
            format!("GroupAggregate({group_by}select=[{}]", aggregate_select(keys, aggregates, input, node))
        }
        NodeKind::WindowAggregate { keys, aggregates, window } => {
            let keyed: Vec<usize> =
                keys.iter().zip(&window.columns).filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
            let group_by =
                if keyed.is_empty() { String::new() } else { format!("groupBy=[{}], ", names_of(&keyed, input)) };
            format!(
                "WindowAggregate({group_by}window=[{}], select=[{}]",
                window_text(window.window.kind),
                aggregate_select(keys, aggregates, input, node)
            )
        }
        NodeKind::SessionAggregate { keys, aggregates, window } => {
            let keyed: Vec<usize> =
                keys.iter().zip(&window.columns).filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
            let select = list(
                aggregates
                    .iter()
                    .zip(node.fields.iter().skip(keys.len()))
                    .map(|(call, field)| named(&aggregate_text(call, input), &field.name)),
            );
            format!(
                "GroupWindowAggregate(groupBy=[{}], window=[{}], select=[{select}]",
                names_of(&keyed, input),
                window_text(window.window.kind)
            )
        }
        NodeKind::Unnest(unnest) => format!(
            "Correlate(invocation=[UNNEST({})], select=[{}], joinType=[{}]",
            input[unnest.array].name,
            names(&node.fields),
            if unnest.outer { "LEFT" } else { "INNER" }
        ),
        NodeKind::Union => format!("Union(all=[true], union=[{}]", names(&node.fields)),
        NodeKind::Sort(sort) => {
            let key = |key: &SortKey| format!("{}{}", input[key.column].name, direction(key));
            let order = (!sort.keys.is_empty()).then(|| format!("orderBy=[{}]", list(sort.keys.iter().map(key))));
            let cut = (sort.offset > 0 || sort.fetch.is_some()).then(|| {
                let fetch = sort.fetch.map_or_else(|| "unlimited".to_owned(), |fetch| fetch.to_string());
                format!("offset=[{}], fetch=[{fetch}]", sort.offset)
            });
            format!("{}({}", sort.name(), list(order.into_iter().chain(cut)))
        }
        NodeKind::Sink(target) => {
            format!("Sink(table=[default_catalog.default_database.{}], fields=[{}]", target.table.name, names(input))
        }
    }
}

/// The direction of a key as Flink writes it; where NULL is not in its usual place, that too.
pub(super) fn direction(key: &SortKey) -> &'static str {
    match (key.descending, key.nulls_first) {
        (false, true) => " ASC",
        (false, false) => " ASC NULLS LAST",
        (true, false) => " DESC",
        (true, true) => " DESC NULLS FIRST",
    }
}

fn aggregate_select(keys: &[usize], aggregates: &[AggregateCall], input: &[Field], node: &Node) -> String {
    let calls = aggregates
        .iter()
        .zip(node.fields.iter().skip(keys.len()))
        .map(|(call, field)| named(&aggregate_text(call, input), &field.name));
    list(keys.iter().map(|key| input[*key].name.clone()).chain(calls))
}

fn aggregate_text(call: &AggregateCall, input: &[Field]) -> String {
    let argument = call.argument.map_or("*".to_owned(), |argument| input[argument].name.clone());
    let filter = call.filter.map(|filter| format!(" FILTER {}", input[filter].name)).unwrap_or_default();
    format!("{}({}{argument}){filter}", call.function.name(), if call.distinct { "DISTINCT " } else { "" })
}

/// A window's shape, as EXPLAIN shows it.
pub(super) fn window_text(kind: WindowKind) -> String {
    let offset = |offset: i64| if offset == 0 { String::new() } else { format!(", offset=[{offset} ms]") };
    match kind {
        WindowKind::Tumble { size, offset: by } => format!("TUMBLE(size=[{size} ms]{})", offset(by)),
        WindowKind::Hop { slide, size, offset: by } => {
            format!("HOP(size=[{size} ms], slide=[{slide} ms]{})", offset(by))
        }
        WindowKind::Cumulate { step, size, offset: by } => {
            format!("CUMULATE(max_size=[{size} ms], step=[{step} ms]{})", offset(by))
        }
        WindowKind::Session { gap } => format!("SESSION(gap=[{gap} ms])"),
    }
}

fn named(text: &str, name: &str) -> String {
    if text == name { text.to_owned() } else { format!("{text} AS {name}") }
}

fn names(fields: &[Field]) -> String {
    list(fields.iter().map(|field| field.name.clone()))
}

fn names_of(columns: &[usize], fields: &[Field]) -> String {
    list(columns.iter().map(|column| fields[*column].name.clone()))
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// The names of columns.
fn named_by(fields: &[Field]) -> impl Fn(usize) -> String {
    |index| fields.get(index).map_or_else(|| format!("${index}"), |field| field.name.clone())
}

/// An expression over columns that are named so.
pub(super) fn expression(expr: &Expr, name: &dyn Fn(usize) -> String) -> String {
    let text = |expr: &Expr| expression(expr, name);
    match &expr.kind {
        ExprKind::Column(index) => name(*index),
        ExprKind::Literal(value) => {
            let array = value.clone().into_inner();
            let value = array_value_to_string(&array, 0).unwrap_or_default();
            match () {
                () if array.is_null(0) || array.data_type() == &arrow::datatypes::DataType::Null => "null".into(),
                () if expr.data_type.logical.is_character() => format!("'{}'", value.replace('\'', "''")),
                () if expr.data_type.logical.is_interval() => format!("INTERVAL {value}"),
                () => value,
            }
        }
        ExprKind::Call(call) => match call.args.as_slice() {
            [left, right] if !call.name.starts_with(|c: char| c.is_ascii_alphabetic()) || call.name == "LIKE" => {
                format!("({} {} {})", text(left), call.name, text(right))
            }
            [only] if call.name.starts_with("IS ") => format!("{} {}", text(only), call.name),
            args => format!("{}({})", call.name, args.iter().map(text).collect::<Vec<_>>().join(", ")),
        },
        ExprKind::Cast(input, mode) => format!(
            "{}({} AS {})",
            if *mode == CastMode::Try { "TRY_CAST" } else { "CAST" },
            text(input),
            expr.data_type.logical
        ),
        ExprKind::And(left, right) => format!("({} AND {})", text(left), text(right)),
        ExprKind::Or(left, right) => format!("({} OR {})", text(left), text(right)),
        ExprKind::Case { branches, otherwise } => {
            let branches: String = branches
                .iter()
                .map(|(condition, value)| format!(" WHEN {} THEN {}", text(condition), text(value)))
                .collect();
            format!("CASE{branches} ELSE {} END", text(otherwise))
        }
    }
}
