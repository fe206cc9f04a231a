//! `DATE_FORMAT` and `FROM_UNIXTIME`.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::pattern::{Flavour, Pattern};
use super::walls::Walls;
use super::write::ZonePart;
use crate::cast::calendar::WallTime;
use crate::cast::zone::Zone;
use crate::eval::{Column, EvalContext, Rows, Value};
use crate::functions::signature::{Choice, Refusal, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

/// How texts are read and times are written where no pattern is given.
pub(super) const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["DATE_FORMAT"],
        usage: "DATE_FORMAT(timestamp or string, pattern)",
        description: "A timestamp, or a text like '2026-01-02 03:04:05', written in a pattern such as 'yyyy-MM-dd'.",
        choose: date_format,
    },
    ScalarFunction {
        names: &["FROM_UNIXTIME"],
        usage: "FROM_UNIXTIME(seconds [, pattern])",
        description: "Seconds since 1970 written in a pattern ('yyyy-MM-dd HH:mm:ss' if none is given), in the session's zone.",
        choose: from_unixtime,
    },
];

/// The patterns of the rows: a constant one is parsed once, when the function is bound.
#[derive(Clone)]
pub(super) struct PatternArgument {
    flavour: Flavour,
    constant: Option<Arc<Pattern>>,
}

impl PatternArgument {
    /// The pattern of an argument; the default one without an argument.
    pub(super) fn new(arg: Option<&Argument>, flavour: Flavour) -> Result<Self, Refusal> {
        let text = match arg {
            None => Some(DEFAULT),
            Some(arg) => arg.literal_text(),
        };
        let constant = text
            .map(|text| Pattern::parse(text, flavour).map(Arc::new))
            .transpose()
            .map_err(|error| Refusal::because(error.message()))?;
        Ok(Self { flavour, constant })
    }

    /// Whether a row's pattern can be wrong.
    pub(super) fn can_fail(&self) -> bool {
        self.constant.is_none()
    }

    /// Whether a zone is written; of a pattern that changes from row to row it is not known.
    fn needs_zone(&self) -> bool {
        self.constant.as_ref().is_none_or(|pattern| pattern.needs_zone())
    }

    /// The patterns for the rows of a batch.
    pub(super) fn rows<'a>(&'a self, cells: Option<&'a Value>) -> Result<Patterns<'a>> {
        let cells = cells.map(|cells| cells.cells::<StringArray>()).transpose()?;
        Ok(Patterns { argument: self, cells, last: None })
    }
}

/// The patterns of a batch; one that repeats from row to row is parsed once.
pub(super) struct Patterns<'a> {
    argument: &'a PatternArgument,
    cells: Option<Column<&'a StringArray>>,
    last: Option<(&'a str, Pattern)>,
}

impl Patterns<'_> {
    pub(super) fn at(&mut self, row: usize) -> Result<&Pattern> {
        if let Some(constant) = &self.argument.constant {
            return Ok(constant);
        }
        let wanted = self.cells.as_ref().map_or(DEFAULT, |cells| cells.at(row));
        let known = self.last.as_ref().is_some_and(|(text, _)| *text == wanted);
        if !known {
            self.last = Some((wanted, Pattern::parse(wanted, self.argument.flavour)?));
        }
        self.last.as_ref().map(|(_, pattern)| pattern).ok_or_else(|| Error::internal("no pattern"))
    }
}

fn date_format(args: &[Argument]) -> Choice {
    let [time, pattern] = exactly(args)?;
    let returns = DataType::nullable(L::STRING);
    let format = pattern.text()?;
    if time.data_type.logical.is_character() {
        let from = PatternArgument::new(None, Flavour::SimpleDateFormat)?;
        let to = PatternArgument::new(Some(pattern), Flavour::SimpleDateFormat)?;
        let bound = Bound::new(vec![time.text()?, format], returns, move |args, context| {
            let [text, pattern] = args else { return Err(Error::internal("DATE_FORMAT without its arguments")) };
            let (text, mut from, mut to) = (text.cells::<StringArray>()?, from.rows(None)?, to.rows(Some(pattern))?);
            let utc = ZonePart { zone: chrono_tz::Tz::UTC, offset: 0 };
            Rows::strict(args, context).texts(|row, out| match from.at(row)?.read(text.at(row)) {
                Some(parsed) => to.at(row)?.write(parsed.wall, Some(utc), out).map(|()| true),
                None => Ok(false),
            })
        });
        return Ok(bound.failing());
    }
    let data_type = time.own(L::is_timestamp, L::Timestamp(3))?;
    let to = PatternArgument::new(Some(pattern), Flavour::DateTimeFormatter)?;
    let local = matches!(data_type.logical, L::TimestampLtz(_));
    if !local && to.constant.is_some() && to.needs_zone() {
        return Err(Refusal::because("the pattern writes a zone, but a TIMESTAMP has none"));
    }
    let can_fail = to.can_fail();
    let bound = Bound::new(vec![data_type, format], returns, move |args: &[Value], context: &EvalContext| {
        let [time, pattern] = args else { return Err(Error::internal("DATE_FORMAT without its arguments")) };
        let (walls, mut patterns) = (Walls::new(time, context)?, to.rows(Some(pattern))?);
        let zoned = local && to.needs_zone();
        Rows::strict(args, context).texts(|row, out| {
            let zone = if zoned { Some(ZonePart { zone: context.zone, offset: walls.offset(row) }) } else { None };
            patterns.at(row)?.write(walls.at(row), zone, out).map(|()| true)
        })
    });
    Ok(if can_fail { bound.failing() } else { bound })
}

fn from_unixtime(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    let mut arguments = vec![args[0].integer()?];
    if let Some(pattern) = args.get(1) {
        arguments.push(pattern.text()?);
    }
    let to = PatternArgument::new(args.get(1), Flavour::SimpleDateFormat)?;
    let can_fail = to.can_fail();
    let bound = Bound::new(arguments, DataType::nullable(L::STRING), move |args: &[Value], context: &EvalContext| {
        let seconds =
            args.first().ok_or_else(|| Error::internal("FROM_UNIXTIME without its argument"))?.cells::<Int64Array>()?;
        let (zone, mut patterns) = (Zone::new(context.zone), to.rows(args.get(1))?);
        Rows::strict(args, context).texts(|row, out| {
            // Beyond this lie years that no calendar counts.
            let seconds = seconds.at(row).clamp(-8_000_000_000_000, 8_000_000_000_000);
            let offset = zone.offset_at(seconds);
            patterns
                .at(row)?
                .write(WallTime::of(seconds + offset, 1), Some(ZonePart { zone: context.zone, offset }), out)
                .map(|()| true)
        })
    });
    Ok(if can_fail { bound.failing() } else { bound })
}
