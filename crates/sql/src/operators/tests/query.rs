//! Aggregations as text: `HOP(ts, 5, 10) GROUP BY k: COUNT(*), SUM(DISTINCT v) FILTER f`; `LAST BY k`, the last row of each key; and
//! `ORDER BY k DESC, v NULLS LAST OFFSET 1 FETCH 2`.

use std::sync::Arc;

use chrono_tz::Tz;
use riverrun_data::{DataType, LogicalType};

use crate::plan::{
    AggregateCall, AggregateFunction, Field, Sort, SortKey, TimeAttribute, Window, WindowColumn, WindowKind,
};
use crate::types;

/// An aggregation over the columns of an input.
pub(super) struct Query {
    pub(super) input: Vec<Field>,
    pub(super) window: Option<Arc<Window>>,
    /// Whether it is `LAST BY`, and no aggregation.
    pub(super) last: bool,
    pub(super) sort: Option<Sort>,
    pub(super) keys: Vec<usize>,
    pub(super) calls: Vec<AggregateCall>,
    /// Whether rows of the input are taken back.
    pub(super) retracts: bool,
    /// Whether the output has `-U`.
    pub(super) update_before: bool,
    pub(super) zone: Tz,
}

impl Query {
    pub(super) fn new(input: &str, text: &str) -> Self {
        let input = super::text::fields(input);
        let sort = sort(text, &input);
        let text = if sort.is_some() { "" } else { text };
        let (head, calls) = text.split_once(": ").map_or((text, ""), |(head, calls)| (head, calls));
        let last = head.strip_prefix("LAST BY").map(|keys| ("", keys));
        let grouped = || head.split_once("GROUP BY").map_or((head, ""), |(window, keys)| (window, keys));
        let (window, keys) = last.unwrap_or_else(grouped);
        Self {
            last: last.is_some(),
            sort,
            window: window_of(window.trim(), &input),
            keys: keys.split(',').map(str::trim).filter(|key| !key.is_empty()).map(|key| column(&input, key)).collect(),
            calls: calls.split(", ").filter(|text| !text.is_empty()).map(|text| call(text, &input)).collect(),
            input,
            retracts: true,
            update_before: true,
            zone: Tz::UTC,
        }
    }

    pub(super) fn append_only(self) -> Self {
        Self { retracts: false, ..self }
    }

    pub(super) fn without_update_before(self) -> Self {
        Self { update_before: false, ..self }
    }

    /// The columns of the result: keys, the window's start, end and time where there is one, aggregates.
    pub(super) fn output(&self) -> Vec<Field> {
        if self.last || self.sort.is_some() {
            return self.input.clone();
        }
        let keys = self.keys.iter().map(|key| self.input[*key].clone());
        let window = self.window.iter().flat_map(window_fields);
        let calls =
            self.calls.iter().map(|call| Field::new("$a", DataType { nullable: true, ..call.data_type.clone() }));
        keys.chain(window).chain(calls).collect()
    }
}

/// The columns that windows add.
pub(super) fn window_fields(window: &Arc<Window>) -> [Field; 3] {
    let edge = DataType::not_null(LogicalType::Timestamp(3));
    [
        ("window_start", WindowColumn::Start, edge.clone()),
        ("window_end", WindowColumn::End, edge),
        ("window_time", WindowColumn::Time, window.time_type.clone()),
    ]
    .map(|(name, column, data_type)| Field {
        window: Some((column, Arc::clone(window))),
        ..Field::new(name, data_type)
    })
}

fn column(input: &[Field], name: &str) -> usize {
    input.iter().position(|field| field.name == name).unwrap_or_else(|| panic!("no column {name}"))
}

/// `[ORDER BY k DESC, v] [OFFSET 1] [FETCH 2]`.
fn sort(text: &str, input: &[Field]) -> Option<Sort> {
    let is_sort = ["ORDER BY", "OFFSET", "FETCH"].iter().any(|word| text.starts_with(word));
    let (rest, fetch) = text.split_once("FETCH ").map_or((text, None), |(rest, rows)| (rest, Some(rows)));
    let (rest, offset) = rest.split_once("OFFSET ").map_or((rest, "0"), |(rest, rows)| (rest, rows.trim()));
    let key = |text: &str| {
        let (name, options) = text.split_once(' ').unwrap_or((text, ""));
        let descending = options.contains("DESC");
        let nulls_first = if descending { options.contains("NULLS FIRST") } else { !options.contains("NULLS LAST") };
        SortKey { column: column(input, name), descending, nulls_first }
    };
    let keys = rest.trim().strip_prefix("ORDER BY ").map(|keys| keys.split(", ").map(key).collect());
    is_sort.then(|| Sort {
        keys: keys.unwrap_or_default(),
        offset: offset.parse().unwrap(),
        fetch: fetch.map(|rows| rows.parse().unwrap()),
        position: None,
    })
}

fn window_of(text: &str, input: &[Field]) -> Option<Arc<Window>> {
    let (name, arguments) = text.strip_suffix(')')?.split_once('(').unwrap();
    let mut arguments = arguments.split(", ");
    let time = arguments.next().unwrap();
    let attribute = if time == "PROCTIME" { TimeAttribute::Proctime } else { TimeAttribute::Rowtime };
    let time = if time == "PROCTIME" { 0 } else { column(input, time) };
    let lengths: Vec<i64> = arguments.map(|length| length.parse().unwrap()).collect();
    let kind = match (name, lengths.as_slice()) {
        ("TUMBLE", [size]) => WindowKind::Tumble { size: *size, offset: 0 },
        ("TUMBLE", [size, offset]) => WindowKind::Tumble { size: *size, offset: *offset },
        ("HOP", [slide, size]) => WindowKind::Hop { slide: *slide, size: *size, offset: 0 },
        ("CUMULATE", [step, size]) => WindowKind::Cumulate { step: *step, size: *size, offset: 0 },
        ("SESSION", [gap]) => WindowKind::Session { gap: *gap },
        _ => panic!("{text} is no window"),
    };
    let time_type = match attribute {
        TimeAttribute::Rowtime => DataType { nullable: false, ..input[time].data_type.clone() },
        TimeAttribute::Proctime => DataType::not_null(LogicalType::TimestampLtz(3)),
    };
    Some(Arc::new(Window { kind, time, attribute, time_type, partition: Vec::new() }))
}

/// `COUNT(*)`, `SUM(v)`, `AVG(DISTINCT v) FILTER f`.
pub(super) fn call(text: &str, input: &[Field]) -> AggregateCall {
    let (call, filter) = text.split_once(" FILTER ").map_or((text, None), |(call, filter)| (call, Some(filter)));
    let (name, argument) = call.strip_suffix(')').and_then(|call| call.split_once('(')).unwrap();
    let function = AggregateFunction::named(name).unwrap();
    let (argument, distinct) =
        argument.strip_prefix("DISTINCT ").map_or((argument, false), |argument| (argument, true));
    let argument = (argument != "*").then(|| column(input, argument));
    let argument_type =
        argument.map_or_else(|| DataType::not_null(LogicalType::BigInt), |argument| input[argument].data_type.clone());
    let data_type = match function {
        AggregateFunction::Count => DataType::not_null(LogicalType::BigInt),
        AggregateFunction::Sum => types::sum_type(&argument_type).unwrap(),
        AggregateFunction::Avg => types::avg_type(&argument_type).unwrap(),
        AggregateFunction::Min | AggregateFunction::Max => argument_type.clone(),
        AggregateFunction::User(_) => unreachable!("an aggregate of a program"),
    };
    AggregateCall {
        function,
        argument,
        argument_type,
        distinct,
        filter: filter.map(|filter| column(input, filter)),
        data_type,
    }
}
