//! `SIMILAR TO`: the regular expressions of the SQL standard.

use std::sync::Arc;

use arrow::array::StringArray;
use regex::Regex;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use crate::eval::Rows;
use crate::functions::signature::{Choice, Refusal, any_nullable, bad_value, count};
use crate::functions::{Argument, Bound};

/// A regular expression of SQL as one of the `regex` crate that matches the whole text.
///
/// `%` is any text, `_` any character; `| * + ? {m,n} ( ) [ ]` mean what they do elsewhere; all else is itself.
fn compiled(pattern: &str, escape: Option<char>) -> Result<Regex> {
    let bad = |reason: &str| bad_value(format!("Invalid regular expression '{pattern}': {reason}"));
    let mut out = String::with_capacity(pattern.len() + 16);
    out.push_str("^(?s:");
    let mut in_class = false;
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if Some(character) == escape {
            let escaped = rest.next().ok_or_else(|| bad("the escape character stands at the end"))?;
            out.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
            continue;
        }
        match character {
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '^' | '-' if in_class => out.push(character),
            _ if in_class => out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '(' | ')' | '{' | '}' => out.push(character),
            _ => out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(")$");
    Regex::new(&out).map_err(|_| bad("brackets or repetitions do not fit together"))
}

pub(super) fn choose(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let arguments: Vec<DataType> = args.iter().map(Argument::text).collect::<Result<_, Refusal>>()?;
    let returns = DataType { logical: L::Boolean, nullable: any_nullable(args) };
    let escape = |text: &str| text.chars().next();
    if let (Some(pattern), true) =
        (args[1].literal_text(), args.get(2).is_none_or(|escape| escape.literal_text().is_some()))
    {
        let escape = args.get(2).and_then(Argument::literal_text).and_then(escape);
        let pattern = Arc::new(compiled(pattern, escape).map_err(|error| Refusal::because(error.message()))?);
        return Ok(Bound::new(arguments, returns, move |args, context| {
            let [text, ..] = args else { return Err(Error::internal("SIMILAR TO without a text")) };
            let text = text.cells::<StringArray>()?;
            Ok(Rows::strict(args, context).booleans(|row| pattern.is_match(text.at(row))))
        }));
    }
    let kernel = move |args: &[crate::eval::Value], context: &crate::eval::EvalContext| {
        let cells = args.iter().map(|arg| arg.cells::<StringArray>()).collect::<Result<Vec<_>>>()?;
        let [text, pattern, escapes @ ..] = cells.as_slice() else {
            return Err(Error::internal("SIMILAR TO without a pattern"));
        };
        let mut last: Option<(&str, Option<&str>, Regex)> = None;
        Rows::strict(args, context).try_booleans(|row| {
            let (wanted, character) = (pattern.at(row), escapes.first().map(|escape| escape.at(row)));
            let regex = match &last {
                Some((text, escape, regex)) if *text == wanted && *escape == character => regex,
                _ => &last.insert((wanted, character, compiled(wanted, character.and_then(escape))?)).2,
            };
            Ok(Some(regex.is_match(text.at(row))))
        })
    };
    Ok(Bound::new(arguments, returns, kernel).failing())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn patterns_of_the_standard_match_whole_texts() {
        let similar = |text: &str, pattern: &str| compiled(pattern, None).unwrap().is_match(text);
        assert!(similar("abc", "a(b|c)+"));
        assert!(!similar("abc", "ab"));
        assert!(similar("a1", "[a-z][0-9]"));
        assert!(similar("abc", "%c") && similar("abc", "a_c") && similar("a.c", "a.c") && !similar("abc", "a.c"));
        assert!(similar("a\nb", "a%b"));
        assert!(compiled("(", None).is_err());
        assert!(compiled("a!%", Some('!')).unwrap().is_match("a%"));
    }
}
