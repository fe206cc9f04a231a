//! Where a text stands in another, and how long it is.

use arrow::array::{BinaryArray, Int64Array, StringArray};
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::{as_int, as_size, characters, offset_of};
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, any_nullable, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["CHAR_LENGTH", "CHARACTER_LENGTH"],
        usage: "CHAR_LENGTH(string)",
        description: "How many characters a text has.",
        choose: char_length,
    },
    ScalarFunction {
        names: &["POSITION"],
        usage: "POSITION(search IN string)",
        description: "Where a text stands first in another; 0 where it does not.",
        choose: locate,
    },
    ScalarFunction {
        names: &["LOCATE"],
        usage: "LOCATE(search, string [, start])",
        description: "Where a text stands first in another, from a position on; 0 where it does not.",
        choose: locate,
    },
    ScalarFunction {
        names: &["INSTR"],
        usage: "INSTR(string, search [, start [, occurrence]])",
        description: "Where a text stands in another; a negative start searches backwards from the end.",
        choose: instr,
    },
    ScalarFunction {
        names: &["STARTSWITH"],
        usage: "STARTSWITH(string, start)",
        description: "Whether a text (or bytes) starts with another.",
        choose: |args| edge(args, true),
    },
    ScalarFunction {
        names: &["ENDSWITH"],
        usage: "ENDSWITH(string, end)",
        description: "Whether a text (or bytes) ends with another.",
        choose: |args| edge(args, false),
    },
];

fn char_length(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], arg.as_type(L::Int), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        Ok(Rows::strict(args, context).numbers::<Int32Type>(&ArrowType::Int32, |row| as_int(characters(text.at(row)))))
    }))
}

fn locate(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let mut arguments = vec![args[0].text()?, args[1].text()?];
    if let Some(start) = args.get(2) {
        arguments.push(start.integer()?);
    }
    Ok(Bound::new(arguments, DataType { logical: L::Int, nullable: any_nullable(args) }, |args, context| {
        let [search, text, start @ ..] = args else { return Err(Error::internal("LOCATE without its arguments")) };
        let (search, text) = (search.cells::<StringArray>()?, text.cells::<StringArray>()?);
        let start = start.first().map(|start| start.cells::<Int64Array>()).transpose()?;
        Ok(Rows::strict(args, context).numbers::<Int32Type>(&ArrowType::Int32, |row| {
            let (search, text) = (search.at(row), text.at(row));
            if search.is_empty() {
                return 1;
            }
            let skipped = start.as_ref().map_or(0, |start| as_size(start.at(row).saturating_sub(1)));
            let from = offset_of(text, skipped);
            text[from..].find(search).map_or(0, |at| as_int(characters(&text[..from + at]) + 1))
        }))
    }))
}

fn instr(args: &[Argument]) -> Choice {
    count(args, 2..=4)?;
    let mut arguments = vec![args[0].text()?, args[1].text()?];
    for arg in &args[2..] {
        arguments.push(arg.integer()?);
    }
    Ok(Bound::new(arguments, DataType { logical: L::Int, nullable: any_nullable(args) }, |args, context| {
        let [text, search, numbers @ ..] = args else { return Err(Error::internal("INSTR without its arguments")) };
        let (text, search) = (text.cells::<StringArray>()?, search.cells::<StringArray>()?);
        let numbers = numbers.iter().map(|number| number.cells::<Int64Array>()).collect::<Result<Vec<_>>>()?;
        Ok(Rows::strict(args, context).numbers::<Int32Type>(&ArrowType::Int32, |row| {
            let start = numbers.first().map_or(1, |start| start.at(row));
            let occurrence = numbers.get(1).map_or(1, |occurrence| occurrence.at(row));
            occurrence_of(text.at(row), search.at(row), start, occurrence)
        }))
    }))
}

/// The character at which an occurrence starts; occurrences may overlap.
fn occurrence_of(text: &str, search: &str, start: i64, occurrence: i64) -> i32 {
    if start == 0 || occurrence < 1 {
        return 0;
    }
    let place = |byte: usize| as_int(characters(&text[..byte]) + 1);
    let starts = |byte: usize| text.get(byte..).is_some_and(|rest| rest.starts_with(search));
    let nth = as_size(occurrence - 1);
    let found = if start > 0 {
        let from = offset_of(text, as_size(start - 1));
        (from..=text.len()).filter(|byte| starts(*byte)).nth(nth)
    } else {
        let last = characters(text).checked_sub(usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX));
        last.and_then(|last| (0..=offset_of(text, last)).rev().filter(|byte| starts(*byte)).nth(nth))
    };
    found.map_or(0, place)
}

fn edge(args: &[Argument], start: bool) -> Choice {
    let [text, part] = exactly(args)?;
    let returns = DataType { logical: L::Boolean, nullable: any_nullable(args) };
    if text.data_type.logical.is_binary() && part.data_type.logical.is_binary() {
        let arguments = vec![text.data_type.clone(), part.data_type.clone()];
        return Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
            let [bytes, part] = args else { return Err(Error::internal("a function without its arguments")) };
            let (bytes, part) = (bytes.cells::<BinaryArray>()?, part.cells::<BinaryArray>()?);
            Ok(Rows::strict(args, context).booleans(|row| {
                if start { bytes.at(row).starts_with(part.at(row)) } else { bytes.at(row).ends_with(part.at(row)) }
            }))
        }));
    }
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
        let [text, part] = args else { return Err(Error::internal("a function without its arguments")) };
        let (text, part) = (text.cells::<StringArray>()?, part.cells::<StringArray>()?);
        Ok(Rows::strict(args, context).booleans(|row| {
            if start { text.at(row).starts_with(part.at(row)) } else { text.at(row).ends_with(part.at(row)) }
        }))
    }))
}
