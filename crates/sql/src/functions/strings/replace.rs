//! `REPLACE` and `TRANSLATE`.

use arrow::array::StringArray;
use memchr::memmem;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use crate::eval::{Rows, Text};
use crate::functions::signature::{Choice, Refusal, any_nullable, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["REPLACE"],
        usage: "REPLACE(string, search, replacement)",
        description: "The text with every occurrence of another text replaced.",
        choose: replace,
    },
    ScalarFunction {
        names: &["TRANSLATE"],
        usage: "TRANSLATE(string, from, to)",
        description: "The text with each character of one set replaced by that at the same place of another, or removed where it has none.",
        choose: translate,
    },
];

fn replace(args: &[Argument]) -> Choice {
    let [_, _, _] = exactly(args)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, |args, context| {
        let [text, search, by] = args else { return Err(Error::internal("REPLACE without its arguments")) };
        let (text, search, by) =
            (text.cells::<StringArray>()?, search.cells::<StringArray>()?, by.cells::<StringArray>()?);
        let constant =
            search.constant().filter(|search| !search.is_empty()).map(|search| memmem::Finder::new(search.as_bytes()));
        Rows::strict(args, context).texts(|row, out| {
            let (text, search, by) = (text.at(row), search.at(row), by.at(row));
            if search.is_empty() {
                // Between all characters, as in Java.
                out.push(by);
                for character in text.chars() {
                    out.push_char(character);
                    out.push(by);
                }
                return Ok(true);
            }
            let mut rest = text;
            loop {
                let found = match &constant {
                    Some(finder) => finder.find(rest.as_bytes()),
                    None => rest.find(search),
                };
                let Some(at) = found else { break };
                out.push(&rest[..at]);
                out.push(by);
                rest = &rest[at + search.len()..];
            }
            out.push(rest);
            Ok(true)
        })
    }))
}

fn translate(args: &[Argument]) -> Choice {
    let [text, from, _] = exactly(args)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    let nullable = text.is_nullable() || from.is_nullable();
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable }, |args, context| {
        let [text, from, to] = args else { return Err(Error::internal("TRANSLATE without its arguments")) };
        let (text, from, to) = (text.cells::<StringArray>()?, from.cells::<StringArray>()?, to.cells::<StringArray>()?);
        Rows::strict(&args[..2], context).texts(|row, out| {
            // NULL counts as an empty text.
            let (from, to) = (from.at(row), to.get(row).unwrap_or_default());
            for character in text.at(row).chars() {
                match from.chars().position(|wanted| wanted == character) {
                    None => out.push_char(character),
                    Some(place) => {
                        if let Some(translated) = to.chars().nth(place) {
                            out.push_char(translated);
                        }
                    }
                }
            }
            Ok(true)
        })
    }))
}
