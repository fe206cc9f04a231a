//! `TRIM` and its kin. Without characters given they remove blanks only, no tabs or line ends.

use arrow::array::StringArray;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::varchar_of;
use crate::eval::{EvalContext, Rows, Text, Value};
use crate::functions::signature::{Choice, Refusal, any_nullable, count};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["TRIM"],
        usage: "TRIM([BOTH | LEADING | TRAILING characters FROM] string)",
        description: "The text without blanks, or any of the characters, at its ends.",
        choose: |args| trim(args, Ends { left: true, right: true }, varchar_of),
    },
    ScalarFunction {
        names: &["LTRIM"],
        usage: "LTRIM(string [, characters])",
        description: "The text without blanks, or any of the characters, at its start.",
        choose: |args| trim(args, Ends { left: true, right: false }, varchar_of),
    },
    ScalarFunction {
        names: &["RTRIM"],
        usage: "RTRIM(string [, characters])",
        description: "The text without blanks, or any of the characters, at its end.",
        choose: |args| trim(args, Ends { left: false, right: true }, varchar_of),
    },
    ScalarFunction {
        names: &["BTRIM"],
        usage: "BTRIM(string [, characters])",
        description: "The text without blanks, or any of the characters, at both ends.",
        choose: |args| trim(args, Ends { left: true, right: true }, |_| L::STRING),
    },
];

#[derive(Clone, Copy)]
struct Ends {
    left: bool,
    right: bool,
}

fn trim(args: &[Argument], ends: Ends, result: fn(&Argument) -> L) -> Choice {
    count(args, 1..=2)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    let returns = DataType { logical: result(&args[0]), nullable: any_nullable(args) };
    Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
        let [text, characters @ ..] = args else { return Err(Error::internal("TRIM without a text")) };
        let text = text.cells::<StringArray>()?;
        let characters = characters.first().map(|characters| characters.cells::<StringArray>()).transpose()?;
        Rows::strict(args, context).texts(|row, out| {
            let removed = characters.as_ref().map_or(" ", |characters| characters.at(row));
            let is_removed = |character: char| removed.contains(character);
            let mut text = text.at(row);
            if ends.left {
                text = text.trim_start_matches(is_removed);
            }
            if ends.right {
                text = text.trim_end_matches(is_removed);
            }
            out.push(text);
            Ok(true)
        })
    }))
}
