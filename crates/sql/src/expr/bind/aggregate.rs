//! Aggregates and group window functions inside the expressions of a grouped query.

use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{self, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};

use super::{Binder, call_bound, cast};
use crate::expr::{CastMode, Expr, same};
use crate::functions::{UserAggregate, checked_signature};
use crate::parser::error_at;
use crate::plan::{AggregateFunction, TimeAttribute, UserAggregateFunction, WindowColumn, WindowKind};
use crate::types;

/// What the expressions of a grouped query refer to beside the input's columns. With n input columns, the group window's start, end, rowtime
/// and proctime are columns n to n + 3, and the aggregates follow.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
    /// Whether all rows are one group, which may be empty: its aggregates other than COUNT can be NULL.
    pub(crate) global: bool,
    /// The group window of GROUP BY (`TUMBLE(ts, ...)`), with its time attribute.
    pub(crate) window: Option<BoundGroupWindow>,
    /// The aggregates met so far, each once.
    pub(crate) aggregates: Vec<BoundAggregate>,
}

/// A group window with its bound time attribute.
#[derive(Clone, Debug)]
pub(crate) struct BoundGroupWindow {
    pub(crate) kind: WindowKind,
    pub(crate) time: Expr,
    pub(crate) attribute: TimeAttribute,
}

/// An aggregate with its bound argument.
#[derive(Clone, Debug)]
pub(crate) struct BoundAggregate {
    pub(crate) function: AggregateFunction,
    pub(crate) argument: Option<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expr>,
    pub(crate) data_type: DataType,
}

/// `TUMBLE_START` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuxiliaryWindow {
    /// `_START` and `_END` and `_ROWTIME`.
    Column(WindowColumn),
    /// `_PROCTIME`.
    Proctime,
}

/// How many columns the group window takes behind the input's.
pub(crate) const WINDOW_COLUMNS: usize = 4;

impl AuxiliaryWindow {
    /// The auxiliary function of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (window, property) = name.split_once('_')?;
        if !matches!(window, "TUMBLE" | "HOP" | "SESSION") {
            return None;
        }
        Some(match property {
            "START" => Self::Column(WindowColumn::Start),
            "END" => Self::Column(WindowColumn::End),
            "ROWTIME" => Self::Column(WindowColumn::Time),
            "PROCTIME" => Self::Proctime,
            _ => return None,
        })
    }

    fn offset(self) -> usize {
        match self {
            Self::Column(WindowColumn::Start) => 0,
            Self::Column(WindowColumn::End) => 1,
            Self::Column(WindowColumn::Time) => 2,
            Self::Proctime => 3,
        }
    }
}

impl Binder<'_> {
    pub(super) fn aggregate(&mut self, function: AggregateFunction, call: &Function) -> Result<Expr> {
        let name = function.name();
        if self.grouping.is_none() {
            return Err(error_at(call.name.span(), format!("the aggregate {name} cannot stand here"))
                .hint("it belongs into the select list or HAVING, and not into another aggregate"));
        }
        let FunctionArguments::List(list) = &call.args else {
            return Err(Error::user(format!("{name} needs an argument")));
        };
        if !list.clauses.is_empty() || !call.within_group.is_empty() || call.null_treatment.is_some() {
            return Err(Error::not_supported(format!("this form of {name}")));
        }
        let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        let argument = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if function == AggregateFunction::Count && !distinct => {
                None
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(self.inside(|inner| inner.bind(expr))?),
            _ => {
                return Err(error_at(call.name.span(), format!("{name} takes one argument"))
                    .hint("COUNT of several columns is not supported yet"));
            }
        };
        let filter = call
            .filter
            .as_deref()
            .map(|filter| self.inside(|inner| inner.bind_condition(filter, "FILTER")))
            .transpose()?;
        let global = self.grouping.as_ref().is_some_and(|grouping| grouping.global);
        let data_type = result_type(&function, argument.as_ref(), filter.is_some() || global)?;
        self.collected(BoundAggregate { function, argument, distinct, filter, data_type })
    }

    /// An aggregate of the program.
    pub(super) fn user_aggregate(
        &mut self,
        name: &Arc<str>,
        function: &Arc<dyn UserAggregate>,
        call: &Function,
    ) -> Result<Expr> {
        if self.grouping.is_none() {
            return Err(error_at(call.name.span(), format!("the aggregate {name} cannot stand here"))
                .hint("it belongs into the select list or HAVING, and not into another aggregate"));
        }
        if let FunctionArguments::List(list) = &call.args
            && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
        {
            return Err(Error::not_supported(format!("DISTINCT in '{name}', an aggregate of the program,")));
        }
        let mut args = Vec::new();
        for arg in super::call::plain_arguments(call)? {
            args.push(self.inside(|inner| inner.bind(arg))?);
        }
        if args.is_empty() {
            return Err(Error::not_supported(format!("'{name}', an aggregate of the program, without arguments")));
        }
        let filter = call
            .filter
            .as_deref()
            .map(|filter| self.inside(|inner| inner.bind_condition(filter, "FILTER")))
            .transpose()?;
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
        let signature = checked_signature(name, function.signature(&types)?, &types)?;
        let args = args.into_iter().zip(&signature.arguments);
        let mut args: Vec<Expr> = args.map(|(arg, wanted)| cast(arg, wanted, CastMode::Implicit)).collect();
        let argument = if args.len() == 1 { args.pop() } else { Some(call_bound("ROW", args)?) };
        let data_type = signature.returns.clone();
        let function = AggregateFunction::User(UserAggregateFunction {
            name: Arc::clone(name),
            function: Arc::clone(function),
            signature: Arc::new(signature),
        });
        self.collected(BoundAggregate { function, argument, distinct: false, filter, data_type })
    }

    /// The column of an aggregate, which is computed once wherever it stands.
    fn collected(&mut self, bound: BoundAggregate) -> Result<Expr> {
        let data_type = bound.data_type.clone();
        let Some(grouping) = &mut self.grouping else { return Err(Error::internal("an aggregate without a group")) };
        let known = grouping.aggregates.iter().position(|other| alike(other, &bound));
        let index = known.unwrap_or_else(|| {
            grouping.aggregates.push(bound);
            grouping.aggregates.len() - 1
        });
        Ok(Expr::column(self.fields.len() + WINDOW_COLUMNS + index, data_type))
    }

    /// Binds what stands inside an aggregate, where no other aggregate may stand.
    fn inside<T>(&self, bind: impl FnOnce(&mut Binder<'_>) -> Result<T>) -> Result<T> {
        bind(&mut Binder { fields: self.fields, grouping: None, functions: self.functions })
    }

    /// `TUMBLE_START(ts, INTERVAL ...)`: a column of the group window, whose arguments must be those of GROUP BY.
    pub(super) fn auxiliary(&mut self, name: &str, auxiliary: AuxiliaryWindow, args: &[&ast::Expr]) -> Result<Expr> {
        let window_name = name.split('_').next().unwrap_or_default();
        let Some(window) = self.grouping.as_ref().and_then(|grouping| grouping.window.clone()) else {
            return Err(Error::user(format!("{name} needs {window_name}(...) with the same arguments in GROUP BY")));
        };
        let (time, kind) = self.inside(|inner| inner.group_window(window_name, args))?;
        if kind != window.kind || !same(&time, &window.time) {
            return Err(Error::user(format!("{name} needs {window_name}(...) with the same arguments in GROUP BY")));
        }
        let data_type = match auxiliary {
            AuxiliaryWindow::Column(WindowColumn::Time) if window.attribute == TimeAttribute::Rowtime => {
                DataType { nullable: true, ..window.time.data_type.clone() }
            }
            AuxiliaryWindow::Column(WindowColumn::Time) => {
                return Err(Error::user(format!("{name} is for event time; use {window_name}_PROCTIME")));
            }
            AuxiliaryWindow::Column(_) => DataType::not_null(LogicalType::Timestamp(3)),
            AuxiliaryWindow::Proctime => DataType::not_null(LogicalType::TimestampLtz(3)),
        };
        Ok(Expr::column(self.fields.len() + auxiliary.offset(), data_type))
    }

    /// The arguments of `TUMBLE(ts, size)`, `HOP(ts, slide, size)`, `SESSION(ts, gap)` in GROUP BY.
    pub(crate) fn group_window(&mut self, name: &str, args: &[&ast::Expr]) -> Result<(Expr, WindowKind)> {
        let usage = match name {
            "TUMBLE" => "TUMBLE(time_attribute, INTERVAL '10' MINUTE)",
            "HOP" => "HOP(time_attribute, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE), the slide first",
            _ => "SESSION(time_attribute, INTERVAL '10' MINUTE)",
        };
        let Some((time, lengths)) = args.split_first() else {
            return Err(Error::user(format!("{name} is called as {usage}")));
        };
        let time = self.bind(time)?;
        let mut millis = Vec::with_capacity(lengths.len());
        for length in lengths {
            let bound = self.bind(length)?;
            let value = super::interval_millis(&bound).filter(|value| *value > 0);
            millis.push(value.ok_or_else(|| {
                error_at(length.span(), "a window needs a constant, positive interval of days to seconds").hint(usage)
            })?);
        }
        let kind = match (name, millis.as_slice()) {
            ("TUMBLE", [size]) => WindowKind::Tumble { size: *size, offset: 0 },
            ("HOP", [slide, size]) => WindowKind::Hop { slide: *slide, size: *size, offset: 0 },
            ("SESSION", [gap]) => WindowKind::Session { gap: *gap },
            ("TUMBLE" | "HOP" | "SESSION", _) => return Err(Error::user(format!("{name} is called as {usage}"))),
            _ => return Err(Error::not_supported(format!("{name} in GROUP BY"))),
        };
        Ok((time, kind))
    }
}

fn alike(a: &BoundAggregate, b: &BoundAggregate) -> bool {
    let same_option = |a: &Option<Expr>, b: &Option<Expr>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    };
    a.function == b.function
        && a.distinct == b.distinct
        && same_option(&a.argument, &b.argument)
        && same_option(&a.filter, &b.filter)
}

fn result_type(function: &AggregateFunction, argument: Option<&Expr>, may_be_empty: bool) -> Result<DataType> {
    let Some(argument) = argument else { return Ok(DataType::not_null(LogicalType::BigInt)) };
    let input = &argument.data_type;
    let wrong = || {
        let error = Error::user(format!(
            "Cannot apply '{}' to arguments of type '{}(<{}>)'",
            function.name(),
            function.name(),
            input.logical
        ));
        match argument.position {
            Some(position) => error.at(position),
            None => error,
        }
    };
    let logical = match function {
        AggregateFunction::User(user) => return Ok(user.signature.returns.clone()),
        AggregateFunction::Count => return Ok(DataType::not_null(LogicalType::BigInt)),
        AggregateFunction::Sum => types::sum_type(input).ok_or_else(wrong)?.logical,
        AggregateFunction::Avg => types::avg_type(input).ok_or_else(wrong)?.logical,
        AggregateFunction::Min | AggregateFunction::Max => match &input.logical {
            LogicalType::Row(_)
            | LogicalType::Array(_)
            | LogicalType::Map(..)
            | LogicalType::Multiset(_)
            | LogicalType::Null => return Err(wrong()),
            logical => logical.clone(),
        },
    };
    Ok(DataType { logical, nullable: input.nullable || may_be_empty })
}
