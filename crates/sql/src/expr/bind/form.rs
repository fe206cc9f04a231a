//! Forms that are not written as plain calls: EXTRACT, FLOOR .. TO, TRIM, SUBSTRING, POSITION, OVERLAY, INTERVAL.

use std::sync::Arc;

use arrow::array::{DurationMillisecondArray, IntervalYearMonthArray};
use riverrun_base::{Error, Result};
use riverrun_data::LogicalType;
use sqlparser::ast::{self, CeilFloorKind, DateTimeField, Interval, TrimWhereField};

use super::literal::{literal, string_literal};
use super::{Binder, call_bound};
use crate::expr::{Expr, ExprKind};

impl Binder<'_> {
    pub(super) fn special_form(&mut self, ast: &ast::Expr) -> Result<Expr> {
        use ast::Expr as Ast;
        match ast {
            Ast::Extract { field, expr, .. } => {
                let operand = self.bind(expr)?;
                call_bound("EXTRACT", vec![unit(field), operand])
            }
            Ast::Floor { expr, field } => self.round("FLOOR", expr, field),
            Ast::Ceil { expr, field } => self.round("CEIL", expr, field),
            Ast::Position { expr, r#in } => self.call_on("POSITION", &[expr, r#in]),
            Ast::Substring { expr, substring_from, substring_for, .. } => {
                let args: Vec<&Ast> =
                    std::iter::once(&**expr).chain(substring_from.as_deref()).chain(substring_for.as_deref()).collect();
                self.call_on("SUBSTRING", &args)
            }
            Ast::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let args: Vec<&Ast> =
                    [&**expr, &**overlay_what, &**overlay_from].into_iter().chain(overlay_for.as_deref()).collect();
                self.call_on("OVERLAY", &args)
            }
            Ast::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "TRIM",
                    Some(TrimWhereField::Leading) => "LTRIM",
                    Some(TrimWhereField::Trailing) => "RTRIM",
                };
                let args: Vec<&Ast> = std::iter::once(&**expr).chain(trim_what.as_deref()).collect();
                self.call_on(name, &args)
            }
            Ast::Exists { .. } | Ast::InSubquery { .. } | Ast::Subquery(_) => {
                Err(Error::not_supported("a sub-query in an expression"))
            }
            Ast::GroupingSets(_) | Ast::Cube(_) | Ast::Rollup(_) => {
                Err(Error::not_supported("GROUPING SETS, CUBE and ROLLUP"))
            }
            Ast::IsJson { .. } => Err(Error::not_supported("IS JSON")),
            Ast::AtTimeZone { .. } => Err(Error::not_supported("AT TIME ZONE")),
            other => Err(Error::user(format!("'{other}' is not an expression of Flink SQL"))),
        }
    }

    /// `FLOOR(number)` or `FLOOR(time TO unit)`.
    fn round(&mut self, name: &str, operand: &ast::Expr, kind: &CeilFloorKind) -> Result<Expr> {
        match kind {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => self.call_on(name, &[operand]),
            CeilFloorKind::DateTimeField(field) => {
                let operand = self.bind(operand)?;
                call_bound(&format!("{name} TO"), vec![operand, unit(field)])
            }
            CeilFloorKind::Scale(_) => Err(Error::user(format!("{name} takes one number"))),
        }
    }
}

/// A unit of time as functions take it: its upper-case name in singular.
fn unit(field: &DateTimeField) -> Expr {
    let name = field.to_string().to_uppercase();
    let name = match name.as_str() {
        "YEARS" | "QUARTERS" | "MONTHS" | "WEEKS" | "DAYS" | "HOURS" | "MINUTES" | "SECONDS" => {
            name.trim_end_matches('S')
        }
        _ => name.as_str(),
    };
    string_literal(name)
}

/// `INTERVAL '10' MINUTE`, `INTERVAL '1 02:03:04.5' DAY TO SECOND`, `INTERVAL '1-6' YEAR TO MONTH`.
pub(super) fn interval(interval: &Interval) -> Result<Expr> {
    let (negative, value) = match &*interval.value {
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => (true, &**expr),
        other => (false, other),
    };
    let text = match value {
        ast::Expr::Value(ast::ValueWithSpan {
            value: ast::Value::SingleQuotedString(text) | ast::Value::Number(text, _),
            ..
        }) => text.trim(),
        other => {
            return Err(
                Error::user(format!("INTERVAL needs a constant, not {other}")).hint("write INTERVAL '10' MINUTE")
            );
        }
    };
    let bad = || {
        Error::user(format!("'{text}' is not an interval of this unit"))
            .hint("write for example INTERVAL '10' MINUTE or INTERVAL '1 12:00:00' DAY TO SECOND")
    };
    let Some(leading) = &interval.leading_field else {
        return Err(Error::user("the interval has no unit").hint("write INTERVAL '10' MINUTE"));
    };
    let leading = singular(leading);
    let last = interval.last_field.as_ref().map_or(leading.clone(), singular);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (!negative, rest),
        None => (negative, text),
    };
    let sign = if negative { -1 } else { 1 };
    if let Some(months) = months(&leading, &last, digits) {
        let months = sign * months.ok_or_else(bad)?;
        let months = i32::try_from(months).map_err(|_| bad())?;
        return Ok(literal(Arc::new(IntervalYearMonthArray::from(vec![months])), LogicalType::IntervalYearMonth));
    }
    let millis = sign * millis(&leading, &last, digits).ok_or_else(bad)?;
    Ok(literal(Arc::new(DurationMillisecondArray::from(vec![millis])), LogicalType::IntervalDayTime))
}

fn singular(field: &DateTimeField) -> String {
    field.to_string().to_uppercase().trim_end_matches('S').to_owned()
}

fn months(leading: &str, last: &str, text: &str) -> Option<Option<i64>> {
    match (leading, last) {
        ("YEAR", "YEAR") => Some(text.parse::<i64>().ok().and_then(|years| years.checked_mul(12))),
        ("QUARTER", "QUARTER") => Some(text.parse::<i64>().ok().and_then(|quarters| quarters.checked_mul(3))),
        ("MONTH", "MONTH") => Some(text.parse().ok()),
        ("YEAR", "MONTH") => Some(text.split_once('-').and_then(|(years, months)| {
            Some(years.parse::<i64>().ok()?.checked_mul(12)? + months.parse::<i64>().ok()?)
        })),
        _ => None,
    }
}

/// The units from days down to seconds, with their milliseconds and what stands between one and the next.
const CLOCK: [(&str, i64, char); 4] =
    [("DAY", 86_400_000, ' '), ("HOUR", 3_600_000, ':'), ("MINUTE", 60_000, ':'), ("SECOND", 1000, '.')];

fn millis(leading: &str, last: &str, text: &str) -> Option<i64> {
    if leading == "WEEK" && last == "WEEK" {
        return text.parse::<i64>().ok()?.checked_mul(7 * 86_400_000);
    }
    let from = CLOCK.iter().position(|(name, ..)| *name == leading)?;
    let to = CLOCK.iter().position(|(name, ..)| *name == last)?;
    let mut rest = text;
    let mut total = 0i64;
    for (n, (name, unit, separator)) in CLOCK.iter().enumerate().take(to + 1).skip(from) {
        let (part, behind) = if n == to { (rest, "") } else { rest.split_once(*separator)? };
        rest = behind;
        let value = match part.split_once('.') {
            Some((whole, fraction)) if *name == "SECOND" => {
                let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
                whole.parse::<i64>().ok()?.checked_mul(1000)? + fraction.parse::<i64>().ok()?
            }
            _ => part.parse::<i64>().ok()?.checked_mul(*unit)?,
        };
        total = total.checked_add(value)?;
    }
    (from <= to).then_some(total)
}

/// The milliseconds of a constant `INTERVAL DAY TO SECOND`, as windows and watermarks need them.
pub(crate) fn interval_millis(expr: &Expr) -> Option<i64> {
    let ExprKind::Literal(value) = &expr.kind else { return None };
    let array = value.clone().into_inner();
    array.as_any().downcast_ref::<DurationMillisecondArray>().map(|array| array.value(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_in_every_range() {
        for (leading, last, text, expected) in [
            ("MINUTE", "MINUTE", "10", Some(600_000)),
            ("DAY", "SECOND", "1 02:03:04.5", Some(86_400_000 + 7_384_500)),
            ("HOUR", "MINUTE", "1:30", Some(5_400_000)),
            ("SECOND", "SECOND", "0.25", Some(250)),
            ("WEEK", "WEEK", "2", Some(14 * 86_400_000)),
            ("SECOND", "DAY", "1", None),
            ("DAY", "SECOND", "1", None),
            ("MINUTE", "MINUTE", "ten", None),
        ] {
            assert_eq!(millis(leading, last, text), expected, "{text} {leading} TO {last}");
        }
        assert_eq!(months("YEAR", "MONTH", "1-6"), Some(Some(18)));
    }
}
