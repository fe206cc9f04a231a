//! Window table functions: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE))`, HOP, CUMULATE and SESSION.

use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};

use super::query::Planner;
use super::rel::{Rel, RelKind, Window, WindowKind};
use super::schema::{Field, TimeAttribute, WindowColumn};
use crate::expr::{Binder, ExprKind, interval_millis};
use crate::parser::error_at;

/// How each function is called, with the names of its arguments in order.
const FUNCTIONS: [(&str, &[&str], &str); 4] = [
    ("TUMBLE", &["DATA", "TIMECOL", "SIZE", "OFFSET"], "TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '10' MINUTE)"),
    (
        "HOP",
        &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        "HOP(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE), the slide first",
    ),
    (
        "CUMULATE",
        &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        "CUMULATE(TABLE t, DESCRIPTOR(time), INTERVAL '2' MINUTE, INTERVAL '10' MINUTE), the step first",
    ),
    ("SESSION", &["DATA", "TIMECOL", "GAP"], "SESSION(TABLE t, DESCRIPTOR(time), INTERVAL '10' MINUTE)"),
];

impl Planner<'_> {
    pub(super) fn window_function(&mut self, call: &Ast) -> Result<Rel> {
        let Ast::Function(function) = call else {
            return Err(error_at(call.span(), "a table function is expected in TABLE(...)"));
        };
        let name = function.name.to_string().to_uppercase();
        let Some((name, parameters, usage)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            return Err(error_at(function.span(), format!("the table function {name} is not supported yet"))
                .hint("there are TUMBLE, HOP, CUMULATE and SESSION"));
        };
        let FunctionArguments::List(list) = &function.args else {
            return Err(error_at(call.span(), format!("{name} is called as {usage}")));
        };
        let argument = |parameter: &str| {
            let index = parameters.iter().position(|known| *known == parameter)?;
            list.args
                .iter()
                .find(
                    |arg| matches!(arg, FunctionArg::Named { name, .. } if name.value.eq_ignore_ascii_case(parameter)),
                )
                .or_else(|| match list.args.get(index) {
                    Some(positional @ FunctionArg::Unnamed(_)) => Some(positional),
                    _ => None,
                })
        };
        if list.args.len() > parameters.len() {
            return Err(error_at(call.span(), format!("{name} is called as {usage}")));
        }
        let required = |parameter: &str| {
            argument(parameter)
                .ok_or_else(|| error_at(call.span(), format!("{name} needs {parameter}: it is called as {usage}")))
        };
        let data = required("DATA")?;
        let input = self.table_argument(data)?;
        let time = time_column(&input, required("TIMECOL")?, name)?;
        let millis = |parameter: &str| -> Result<i64> {
            let expr = expression(required(parameter)?)
                .ok_or_else(|| error_at(call.span(), format!("{parameter} of {name} must be an interval")))?;
            interval_millis(&Binder::new(&[]).bind(expr)?).filter(|value| *value > 0).ok_or_else(|| {
                error_at(
                    expr.span(),
                    format!("{parameter} of {name} must be a constant, positive interval of days to seconds"),
                )
            })
        };
        let offset = match argument("OFFSET").and_then(expression) {
            None => 0,
            Some(expr) => interval_millis(&Binder::new(&[]).bind(expr)?)
                .ok_or_else(|| error_at(expr.span(), "OFFSET must be a constant interval of days to seconds"))?,
        };
        let kind = match *name {
            "TUMBLE" => WindowKind::Tumble { size: millis("SIZE")?, offset },
            "HOP" => WindowKind::Hop { slide: millis("SLIDE")?, size: millis("SIZE")?, offset },
            "CUMULATE" => WindowKind::Cumulate { step: millis("STEP")?, size: millis("SIZE")?, offset },
            _ => WindowKind::Session { gap: millis("GAP")? },
        };
        let part = match kind {
            WindowKind::Hop { slide, size, .. } => Some(("slide", slide, size)),
            WindowKind::Cumulate { step, size, .. } => Some(("step", step, size)),
            _ => None,
        };
        if let Some((part_name, part, size)) = part.filter(|(_, part, size)| size % part != 0) {
            let rule = format!("{name} requires size to be an integral multiple of {part_name}");
            return Err(error_at(call.span(), format!("{rule}, but got size {size} ms and {part_name} {part} ms")));
        }
        check_offset(kind, call)?;
        let partition = partition_columns(&input, data)?;
        if !partition.is_empty() && !matches!(kind, WindowKind::Session { .. }) {
            return Err(error_at(call.span(), format!("PARTITION BY is for SESSION, not for {name}")));
        }
        assign_windows(input, time, kind, partition)
    }
}

/// The columns of `TABLE t PARTITION BY ...`.
fn partition_columns(input: &Rel, data: &FunctionArg) -> Result<Vec<usize>> {
    let Some(Ast::Function(table)) = expression(data) else { return Ok(Vec::new()) };
    let FunctionArguments::List(list) = &table.args else { return Ok(Vec::new()) };
    list.args
        .iter()
        .skip(1)
        .filter_map(expression)
        .map(|column| match Binder::new(&input.fields).bind(column)?.kind {
            ExprKind::Column(index) => Ok(index),
            _ => Err(error_at(column.span(), "PARTITION BY takes columns")),
        })
        .collect()
}

fn check_offset(kind: WindowKind, call: &Ast) -> Result<()> {
    match kind {
        WindowKind::Tumble { size, offset }
        | WindowKind::Hop { size, offset, .. }
        | WindowKind::Cumulate { size, offset, .. }
            if offset.abs() >= size =>
        {
            Err(error_at(call.span(), "OFFSET must be shorter than the window"))
        }
        _ => Ok(()),
    }
}

/// Adds `window_start`, `window_end` and `window_time` to a relation.
pub(super) fn assign_windows(input: Rel, time: usize, kind: WindowKind, partition: Vec<usize>) -> Result<Rel> {
    let field = &input.fields[time];
    let Some(attribute) = field.time else { return Err(Error::internal("a window on no time attribute")) };
    let time_type = field.data_type.clone();
    let window = Arc::new(Window { kind, time, attribute, time_type: time_type.clone(), partition });
    let mut fields: Vec<Field> = input.fields.iter().map(|field| Field { time: None, ..field.clone() }).collect();
    let edge = DataType::not_null(LogicalType::Timestamp(3));
    for (name, column, data_type, time) in [
        ("window_start", WindowColumn::Start, edge.clone(), None),
        ("window_end", WindowColumn::End, edge, None),
        ("window_time", WindowColumn::Time, DataType { nullable: false, ..time_type }, Some(attribute)),
    ] {
        fields.push(Field { time, window: Some((column, Arc::clone(&window))), ..Field::new(name, data_type) });
    }
    Ok(Rel { kind: RelKind::AssignWindows { input: Box::new(input), window }, fields })
}

/// The time attribute that `DESCRIPTOR(column)` names.
fn time_column(input: &Rel, argument: &FunctionArg, function: &str) -> Result<usize> {
    let descriptor = match expression(argument) {
        Some(Ast::Function(descriptor)) if descriptor.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") => descriptor,
        Some(other) => return Err(error_at(other.span(), "the time attribute is given as DESCRIPTOR(column)")),
        None => return Err(Error::user("the time attribute is given as DESCRIPTOR(column)")),
    };
    let Some(column) = single_argument(descriptor) else {
        return Err(error_at(descriptor.span(), "DESCRIPTOR takes one column"));
    };
    let bound = Binder::new(&input.fields).bind(column)?;
    let ExprKind::Column(index) = bound.kind else { return Err(error_at(column.span(), "DESCRIPTOR takes a column")) };
    check_time_attribute(&input.fields[index], function).map_err(|error| {
        match crate::parser::position(column.span()) {
            Some(position) => error.at(position),
            None => error,
        }
    })?;
    Ok(index)
}

/// Checks that a column tells time.
pub(super) fn check_time_attribute(field: &Field, function: &str) -> Result<TimeAttribute> {
    field.time.ok_or_else(|| {
        Error::user(format!(
            "The window function {function} requires the timecol is a time attribute type, but is {}",
            field.data_type
        ))
        .hint(format!(
            "declare WATERMARK FOR {0} AS {0} - INTERVAL '5' SECOND on its table, or use a column AS PROCTIME()",
            field.name
        ))
    })
}

fn expression(argument: &FunctionArg) -> Option<&Ast> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr),
        _ => None,
    }
}

/// The first argument of a call.
pub(super) fn first_argument(function: &Function) -> Option<&Ast> {
    match &function.args {
        FunctionArguments::List(list) => list.args.first().and_then(expression),
        _ => None,
    }
}

/// The one argument of a call.
fn single_argument(function: &Function) -> Option<&Ast> {
    match &function.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [only] => expression(only),
            _ => None,
        },
        _ => None,
    }
}
