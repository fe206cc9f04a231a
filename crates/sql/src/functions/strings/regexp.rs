//! Functions of regular expressions.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, Int64Array, ListArray, StringArray, StringBuilder};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use regex::Regex;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::pattern::{Matches, compile};
use super::{as_int, characters};
use crate::eval::{Column, EvalContext, Rows, Text, Value, arrow_error};
use crate::functions::signature::{Choice, Refusal, any_nullable, arrow, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["REGEXP"],
        usage: "REGEXP(string, regex)",
        description: "Whether a regular expression matches somewhere in the text; an empty one does not.",
        choose: regexp,
    },
    ScalarFunction {
        names: &["REGEXP_REPLACE"],
        usage: "REGEXP_REPLACE(string, regex, replacement)",
        description: "The text with every match of a regular expression replaced by a plain text.",
        choose: replace,
    },
    ScalarFunction {
        names: &["REGEXP_EXTRACT"],
        usage: "REGEXP_EXTRACT(string, regex [, group])",
        description: "What a group of a regular expression matches first; the whole match without a group. NULL where nothing matches.",
        choose: extract,
    },
    ScalarFunction {
        names: &["REGEXP_EXTRACT_ALL"],
        usage: "REGEXP_EXTRACT_ALL(string, regex [, group])",
        description: "What a group of a regular expression matches, for every match, as an array; of group 1 if none is named.",
        choose: extract_all,
    },
    ScalarFunction {
        names: &["REGEXP_COUNT"],
        usage: "REGEXP_COUNT(string, regex)",
        description: "How often a regular expression matches in the text.",
        choose: matches,
    },
    ScalarFunction {
        names: &["REGEXP_INSTR"],
        usage: "REGEXP_INSTR(string, regex)",
        description: "Where a regular expression matches first, from 1; 0 where it does not.",
        choose: place,
    },
    ScalarFunction {
        names: &["REGEXP_SUBSTR"],
        usage: "REGEXP_SUBSTR(string, regex)",
        description: "What a regular expression matches first; NULL where it does not match.",
        choose: substring,
    },
];

/// A constant pattern, compiled when the function is bound; the inner `None` is a pattern that is none.
type Constant = Option<Arc<Option<Regex>>>;

fn constant(pattern: &Argument) -> Result<Constant, Refusal> {
    pattern.literal_text().map(|pattern| compile(pattern).map(Arc::new)).transpose().map_err(Refusal::Because)
}

/// The patterns of the rows: a constant one, or one that is compiled again only where it changes from a row to the next.
struct Patterns<'a> {
    constant: Option<&'a Option<Regex>>,
    cells: Column<&'a StringArray>,
    last: Option<(&'a str, Option<Regex>)>,
}

impl<'a> Patterns<'a> {
    fn new(constant: &'a Constant, cells: &'a Value) -> Result<Self> {
        Ok(Self { constant: constant.as_deref(), cells: cells.cells::<StringArray>()?, last: None })
    }

    fn at(&mut self, row: usize) -> Result<Option<&Regex>> {
        if let Some(constant) = self.constant {
            return Ok(constant.as_ref());
        }
        let wanted = self.cells.at(row);
        let known = self.last.as_ref().is_some_and(|(text, _)| *text == wanted);
        if !known {
            self.last = Some((wanted, compile(wanted)?));
        }
        Ok(self.last.as_ref().and_then(|(_, regex)| regex.as_ref()))
    }
}

fn texts(args: &[Argument]) -> Result<Vec<DataType>, Refusal> {
    args.iter().map(Argument::text).collect()
}

fn two(args: &[Value]) -> Result<(&Value, &Value)> {
    match args {
        [text, pattern, ..] => Ok((text, pattern)),
        _ => Err(Error::internal("a function without its text and pattern")),
    }
}

fn regexp(args: &[Argument]) -> Choice {
    let [_, pattern] = exactly(args)?;
    let (arguments, constant) = (texts(args)?, constant(pattern)?);
    Ok(Bound::new(arguments, DataType { logical: L::Boolean, nullable: any_nullable(args) }, move |args, context| {
        let (text, pattern) = two(args)?;
        let empty = pattern.cells::<StringArray>()?;
        let (text, mut patterns) = (text.cells::<StringArray>()?, Patterns::new(&constant, pattern)?);
        Rows::strict(args, context).try_booleans(|row| {
            if empty.at(row).is_empty() {
                return Ok(Some(false));
            }
            Ok(Some(patterns.at(row)?.is_some_and(|regex| regex.is_match(text.at(row)))))
        })
    })
    .failing())
}

fn replace(args: &[Argument]) -> Choice {
    let [_, pattern, _] = exactly(args)?;
    let (arguments, constant) = (texts(args)?, constant(pattern)?);
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, move |args, context| {
        let [text, pattern, by] = args else { return Err(Error::internal("REGEXP_REPLACE without its arguments")) };
        let (text, mut patterns, by) =
            (text.cells::<StringArray>()?, Patterns::new(&constant, pattern)?, by.cells::<StringArray>()?);
        Rows::strict(args, context).texts(|row, out| {
            let Some(regex) = patterns.at(row)? else { return Ok(false) };
            let (text, by) = (text.at(row), by.at(row));
            let mut copied = 0;
            for found in Matches::new(regex, text) {
                out.push(&text[copied..found.start()]);
                out.push(by);
                copied = found.end();
            }
            out.push(&text[copied..]);
            Ok(true)
        })
    })
    .failing())
}

fn extract(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let (mut arguments, constant) = (texts(&args[..2])?, constant(&args[1])?);
    if let Some(group) = args.get(2) {
        arguments.push(group.integer()?);
    }
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), move |args, context| {
        let (text, pattern) = two(args)?;
        let group = args.get(2).map(|group| group.cells::<Int64Array>()).transpose()?;
        let (text, mut patterns) = (text.cells::<StringArray>()?, Patterns::new(&constant, pattern)?);
        Rows::strict(args, context).texts(|row, out| {
            let group = group.as_ref().map_or(0, |group| group.at(row));
            let (Some(regex), Ok(group)) = (patterns.at(row)?, usize::try_from(group)) else { return Ok(false) };
            let found = match group {
                0 => regex.find(text.at(row)),
                _ => regex.captures(text.at(row)).and_then(|captures| captures.get(group)),
            };
            Ok(found.inspect(|found| out.push(found.as_str())).is_some())
        })
    })
    .failing())
}

fn extract_all(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let (mut arguments, constant) = (texts(&args[..2])?, constant(&args[1])?);
    if let Some(group) = args.get(2) {
        arguments.push(group.integer()?);
    }
    let returns = DataType::nullable(L::Array(Box::new(DataType::nullable(L::STRING))));
    let ArrowType::List(element) = arrow(&returns) else { return Err(Refusal::Types) };
    let kernel = move |args: &[Value], context: &EvalContext| {
        let (text, pattern) = two(args)?;
        let group = args.get(2).map(|group| group.cells::<Int64Array>()).transpose()?;
        let (texts, given, mut patterns) =
            (text.cells::<StringArray>()?, pattern.cells::<StringArray>()?, Patterns::new(&constant, pattern)?);
        let rows = Rows::all(args, context);
        let mut pieces = StringBuilder::new();
        let (mut lengths, mut valid) = (Vec::with_capacity(rows.count()), Vec::with_capacity(rows.count()));
        for row in 0..rows.count() {
            let before = pieces.len();
            let group = group.as_ref().map_or(Some(1), |group| group.get(row));
            let regex = if given.is_null(row) { None } else { patterns.at(row)? };
            let done = match (texts.get(row), regex, group.and_then(|group| usize::try_from(group).ok())) {
                (Some(text), Some(regex), Some(group)) if group < regex.captures_len() => {
                    for found in Matches::new(regex, text) {
                        let piece = match group {
                            0 => Some(found.as_str()),
                            _ => regex
                                .captures_at(text, found.start())
                                .and_then(|captures| captures.get(group))
                                .map(|piece| piece.as_str()),
                        };
                        pieces.append_option(piece);
                    }
                    true
                }
                _ => false,
            };
            valid.push(done);
            lengths.push(pieces.len() - before);
        }
        let list = ListArray::try_new(
            element.clone(),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(pieces.finish()),
            Some(NullBuffer::from(valid)),
        );
        Ok(rows.value(list.map_err(arrow_error)?))
    };
    Ok(Bound::new(arguments, returns, kernel).failing())
}

/// A function from text and pattern to an integer.
fn integer(args: &[Argument], compute: fn(&Regex, &str) -> i32) -> Choice {
    let [_, pattern] = exactly(args)?;
    let (arguments, constant) = (texts(args)?, constant(pattern)?);
    Ok(Bound::new(arguments, DataType::nullable(L::Int), move |args: &[Value], context: &EvalContext| {
        let (text, pattern) = two(args)?;
        let (text, mut patterns) = (text.cells::<StringArray>()?, Patterns::new(&constant, pattern)?);
        Rows::strict(args, context).try_numbers::<Int32Type>(&ArrowType::Int32, |row| {
            Ok(patterns.at(row)?.map(|regex| compute(regex, text.at(row))))
        })
    })
    .failing())
}

fn matches(args: &[Argument]) -> Choice {
    integer(args, |regex, text| as_int(Matches::new(regex, text).count()))
}

fn place(args: &[Argument]) -> Choice {
    integer(args, |regex, text| regex.find(text).map_or(0, |found| as_int(characters(&text[..found.start()]) + 1)))
}

fn substring(args: &[Argument]) -> Choice {
    let [_, pattern] = exactly(args)?;
    let (arguments, constant) = (texts(args)?, constant(pattern)?);
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), move |args, context| {
        let (text, pattern) = two(args)?;
        let (text, mut patterns) = (text.cells::<StringArray>()?, Patterns::new(&constant, pattern)?);
        Rows::strict(args, context).texts(|row, out| {
            let found = patterns.at(row)?.and_then(|regex| regex.find(text.at(row)));
            Ok(found.inspect(|found| out.push(found.as_str())).is_some())
        })
    })
    .failing())
}
