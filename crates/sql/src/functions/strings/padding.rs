//! `LPAD`, `RPAD` and `REPEAT`.

use arrow::array::{Int64Array, StringArray};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::{as_size, characters, offset_of};
use crate::eval::{EvalContext, Rows, Text, Value};
use crate::functions::signature::{Choice, any_nullable, bad_value, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["LPAD"],
        usage: "LPAD(string, length, filling)",
        description: "The text, filled up on the left or cut off to a length; NULL where the length is negative or the filling empty.",
        choose: |args| pad(args, true),
    },
    ScalarFunction {
        names: &["RPAD"],
        usage: "RPAD(string, length, filling)",
        description: "The text, filled up on the right or cut off to a length; NULL where the length is negative or the filling empty.",
        choose: |args| pad(args, false),
    },
    ScalarFunction {
        names: &["REPEAT"],
        usage: "REPEAT(string, count)",
        description: "The text several times; an empty text where the count is not positive.",
        choose: repeat,
    },
];

/// How long a text may become.
const LONGEST: usize = 64 << 20;

fn too_long(name: &str) -> Error {
    bad_value(format!("{name} would make a text of more than {} MB", LONGEST >> 20))
}

fn pad(args: &[Argument], left: bool) -> Choice {
    let [text, length, filling] = exactly(args)?;
    let arguments = vec![text.text()?, length.integer()?, filling.text()?];
    let returns = DataType { logical: L::STRING, nullable: any_nullable(args) };
    Ok(Bound::new(arguments, returns, move |args, context| padded(left, args, context)).failing())
}

fn padded(left: bool, args: &[Value], context: &EvalContext) -> Result<Value> {
    let [text, length, filling] = args else { return Err(Error::internal("a function without its arguments")) };
    let (text, length, filling) =
        (text.cells::<StringArray>()?, length.cells::<Int64Array>()?, filling.cells::<StringArray>()?);
    Rows::strict(args, context).texts(|row, out| {
        let (text, length, filling) = (text.at(row), length.at(row), filling.at(row));
        if length < 0 || filling.is_empty() {
            return Ok(false);
        }
        let length = as_size(length);
        if length > LONGEST {
            return Err(too_long(if left { "LPAD" } else { "RPAD" }));
        }
        let missing = length.saturating_sub(characters(text));
        if missing == 0 {
            out.push(&text[..offset_of(text, length)]);
            return Ok(true);
        }
        if !left {
            out.push(text);
        }
        let width = characters(filling);
        (0..missing / width).for_each(|_| out.push(filling));
        out.push(&filling[..offset_of(filling, missing % width)]);
        if left {
            out.push(text);
        }
        Ok(true)
    })
}

fn repeat(args: &[Argument]) -> Choice {
    let [text, count] = exactly(args)?;
    let arguments = vec![text.text()?, count.integer()?];
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, |args, context| {
        let [text, count] = args else { return Err(Error::internal("REPEAT without its arguments")) };
        let (text, count) = (text.cells::<StringArray>()?, count.cells::<Int64Array>()?);
        Rows::strict(args, context).texts(|row, out| {
            let (text, count) = (text.at(row), as_size(count.at(row)));
            if text.len().saturating_mul(count) > LONGEST {
                return Err(too_long("REPEAT"));
            }
            if !text.is_empty() {
                (0..count).for_each(|_| out.push(text));
            }
            Ok(true)
        })
    })
    .failing())
}
