//! Parts of a text: `SUBSTRING`, `LEFT`, `RIGHT`, `OVERLAY`, `REVERSE`.

use arrow::array::{Int64Array, StringArray};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, MAX_LENGTH};

use super::{as_size, characters, length_of, offset_of, varchar_of};
use crate::eval::{EvalContext, Rows, Text, Value};
use crate::functions::logic::one;
use crate::functions::signature::{Choice, any_nullable, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["SUBSTRING", "SUBSTR"],
        usage: "SUBSTRING(string, start [, length])",
        description: "The part of a text from a position on, counted from 1, or from the end where negative; 0 counts as 1.",
        choose: substring,
    },
    ScalarFunction {
        names: &["LEFT"],
        usage: "LEFT(string, length)",
        description: "The first characters of a text.",
        choose: |args| side(args, true),
    },
    ScalarFunction {
        names: &["RIGHT"],
        usage: "RIGHT(string, length)",
        description: "The last characters of a text.",
        choose: |args| side(args, false),
    },
    ScalarFunction {
        names: &["OVERLAY"],
        usage: "OVERLAY(string PLACING string FROM start [FOR length])",
        description: "The text with a part of it replaced by another text.",
        choose: overlay,
    },
    ScalarFunction {
        names: &["REVERSE"],
        usage: "REVERSE(string)",
        description: "The text's characters in opposite order.",
        choose: reverse,
    },
];

fn substring(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let mut arguments = vec![args[0].text()?];
    for arg in &args[1..] {
        arguments.push(arg.integer()?);
    }
    Ok(Bound::new(arguments, DataType::nullable(varchar_of(&args[0])), |args, context| {
        let [text, numbers @ ..] = args else { return Err(Error::internal("SUBSTRING without a text")) };
        let text = text.cells::<StringArray>()?;
        let numbers = numbers.iter().map(|number| number.cells::<Int64Array>()).collect::<Result<Vec<_>>>()?;
        let Some((start, length)) = numbers.split_first() else {
            return Err(Error::internal("SUBSTRING without a start"));
        };
        Rows::strict(args, context).texts(|row, out| {
            let length = length.first().map_or(i64::MAX, |length| length.at(row));
            if length < 0 {
                return Ok(false);
            }
            out.push(part(text.at(row), start.at(row), as_size(length)));
            Ok(true)
        })
    }))
}

fn part(text: &str, start: i64, length: usize) -> &str {
    let first = match start {
        0 => 0,
        1.. => as_size(start - 1),
        _ => match characters(text).checked_sub(usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX)) {
            Some(first) => first,
            // Before the first character there is nothing.
            None => return "",
        },
    };
    let rest = &text[offset_of(text, first)..];
    &rest[..offset_of(rest, length)]
}

fn side(args: &[Argument], left: bool) -> Choice {
    let [text, length] = exactly(args)?;
    let arguments = vec![text.text()?, length.integer()?];
    Ok(Bound::new(arguments, DataType::nullable(varchar_of(text)), move |args: &[Value], context: &EvalContext| {
        let [text, length] = args else { return Err(Error::internal("a function without its arguments")) };
        let (text, length) = (text.cells::<StringArray>()?, length.cells::<Int64Array>()?);
        Rows::strict(args, context).texts(|row, out| {
            let (text, length) = (text.at(row), as_size(length.at(row)));
            out.push(if left {
                &text[..offset_of(text, length)]
            } else {
                &text[offset_of(text, characters(text).saturating_sub(length))..]
            });
            Ok(true)
        })
    }))
}

fn overlay(args: &[Argument]) -> Choice {
    count(args, 3..=4)?;
    let mut arguments = vec![args[0].text()?, args[1].text()?];
    for arg in &args[2..] {
        arguments.push(arg.integer()?);
    }
    let length = length_of(&args[0].data_type).saturating_add(length_of(&args[1].data_type)).min(MAX_LENGTH);
    let returns = DataType { logical: L::VarChar(length), nullable: any_nullable(args) };
    Ok(Bound::new(arguments, returns, |args, context| {
        let [text, by, numbers @ ..] = args else { return Err(Error::internal("OVERLAY without its arguments")) };
        let (text, by) = (text.cells::<StringArray>()?, by.cells::<StringArray>()?);
        let numbers = numbers.iter().map(|number| number.cells::<Int64Array>()).collect::<Result<Vec<_>>>()?;
        let Some((start, length)) = numbers.split_first() else {
            return Err(Error::internal("OVERLAY without a start"));
        };
        Rows::strict(args, context).texts(|row, out| {
            let (text, by, start) = (text.at(row), by.at(row), start.at(row));
            let length =
                length.first().map_or(i64::try_from(characters(by)).unwrap_or(i64::MAX), |length| length.at(row));
            // A start outside the text leaves it as it is.
            if start < 1 || as_size(start) > characters(text) {
                out.push(text);
                return Ok(true);
            }
            let first = offset_of(text, as_size(start - 1));
            out.push(&text[..first]);
            out.push(by);
            if length >= 0 {
                let rest = &text[first..];
                out.push(&rest[offset_of(rest, as_size(length))..]);
            }
            Ok(true)
        })
    }))
}

fn reverse(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], DataType::nullable(L::STRING), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        Rows::strict(args, context).texts(|row, out| {
            text.at(row).chars().rev().for_each(|character| out.push_char(character));
            Ok(true)
        })
    }))
}
