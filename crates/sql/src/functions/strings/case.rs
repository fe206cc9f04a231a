//! Upper and lower case, and what kind of characters a text has.

use arrow::array::StringArray;
use riverrun_base::Result;
use riverrun_data::{DataType, LogicalType as L};

use crate::cast::parse_number::parse_decimal;
use crate::eval::{EvalContext, Rows, Text, Value};
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["UPPER"],
        usage: "UPPER(string)",
        description: "The text in upper case.",
        choose: |args| change(args, upper),
    },
    ScalarFunction {
        names: &["LOWER"],
        usage: "LOWER(string)",
        description: "The text in lower case.",
        choose: |args| change(args, lower),
    },
    ScalarFunction {
        names: &["INITCAP"],
        usage: "INITCAP(string)",
        description: "The text with the first letter of each word in upper case and the others in lower case; words are of ASCII letters and digits.",
        choose: |args| change(args, capitalized),
    },
    ScalarFunction {
        names: &["IS_ALPHA"],
        usage: "IS_ALPHA(string)",
        description: "Whether all characters are letters; false of NULL and of an empty text.",
        choose: |args| kind(args, false, |text| text.chars().all(char::is_alphabetic)),
    },
    ScalarFunction {
        names: &["IS_DIGIT"],
        usage: "IS_DIGIT(value)",
        description: "Whether all characters are digits; true of integers, false of NULL and of an empty text.",
        choose: |args| kind(args, true, |text| text.chars().all(char::is_numeric)),
    },
    ScalarFunction {
        names: &["IS_DECIMAL"],
        usage: "IS_DECIMAL(value)",
        description: "Whether the text is a number; true of numbers, false of NULL and of an empty text.",
        choose: |args| kind(args, true, is_decimal),
    },
];

/// A function from text to text that keeps the type; its first argument is the text, the second a place for work in between.
fn change(args: &[Argument], change: fn(&str, &mut String)) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.text()?;
    Ok(Bound::new(vec![data_type.clone()], data_type, move |args: &[Value], context: &EvalContext| {
        let text = one(args)?.cells::<StringArray>()?;
        let mut changed = String::new();
        Rows::strict(args, context).texts(|row, out| {
            changed.clear();
            change(text.at(row), &mut changed);
            out.push(&changed);
            Ok(true)
        })
    }))
}

fn upper(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_uppercase();
    } else {
        out.extend(text.chars().flat_map(char::to_uppercase));
    }
}

fn lower(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.push_str(text);
        out.make_ascii_lowercase();
    } else if text.contains('Σ') {
        // Its lower case depends on what stands around it.
        out.push_str(&text.to_lowercase());
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase));
    }
}

fn capitalized(text: &str, out: &mut String) {
    let mut in_word = false;
    for character in text.chars() {
        out.push(if in_word { character.to_ascii_lowercase() } else { character.to_ascii_uppercase() });
        in_word = character.is_ascii_alphanumeric();
    }
}

fn kind(args: &[Argument], numbers: bool, test: fn(&str) -> bool) -> Choice {
    let [arg] = exactly(args)?;
    let returns = DataType::not_null(L::Boolean);
    if numbers && arg.data_type.logical.is_numeric() {
        // A number is its own digits.
        return Ok(Bound::new(vec![arg.data_type.clone()], returns, |args, context| {
            let value = one(args)?;
            let array = value.array();
            Ok(Rows::all(args, context).booleans(|row| !array.is_null(if value.is_scalar() { 0 } else { row })))
        }));
    }
    let data_type = arg.text().map_err(|_| Refusal::Types)?;
    Ok(Bound::new(vec![data_type], returns, move |args: &[Value], context: &EvalContext| -> Result<Value> {
        let text = one(args)?.cells::<StringArray>()?;
        Ok(Rows::all(args, context).booleans(|row| text.get(row).is_some_and(|text| !text.is_empty() && test(text))))
    }))
}

/// Whether Java's `BigDecimal` reads it: a number with a point or an exponent, without spaces.
fn is_decimal(text: &str) -> bool {
    if text.contains(' ') {
        return false;
    }
    let ascii: String = text.chars().map(|character| if character.is_numeric() { '0' } else { character }).collect();
    parse_decimal(&ascii, 38, 0).is_ok()
}
