//! `LIKE`.

use std::sync::Arc;

use arrow::array::StringArray;
use memchr::memmem::Finder;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use crate::eval::{Column, Rows};
use crate::functions::signature::{Choice, Refusal, any_nullable, bad_value, count};
use crate::functions::{Argument, Bound};

/// A pattern made ready to match.
#[allow(clippy::large_enum_variant, reason = "one for each call in a script")]
enum Pattern {
    /// No wildcard.
    Exact(Box<str>),
    /// `text%`
    Prefix(Box<str>),
    /// `%text`
    Suffix(Box<str>),
    /// `%text%`
    Contains(Finder<'static>),
    /// Anything else.
    General(Vec<Token>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Character(char),
    /// `_`
    One,
    /// `%`
    Any,
}

impl Pattern {
    /// A pattern; `escape` makes the wildcard behind it a plain character.
    fn parse(pattern: &str, escape: Option<char>) -> Result<Self> {
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut rest = pattern.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                _ if Some(character) == escape => match rest.next() {
                    Some(escaped) if escaped == '%' || escaped == '_' || Some(escaped) == escape => {
                        Token::Character(escaped)
                    }
                    _ => return Err(bad_value(format!("Invalid escape sequence in the pattern '{pattern}'"))),
                },
                '%' if tokens.last() == Some(&Token::Any) => continue,
                '%' => Token::Any,
                '_' => Token::One,
                _ => Token::Character(character),
            });
        }
        let text = |tokens: &[Token]| -> Option<Box<str>> {
            let plain: Option<String> = tokens
                .iter()
                .map(|token| if let Token::Character(character) = token { Some(*character) } else { None })
                .collect();
            plain.map(String::into_boxed_str)
        };
        let special = match tokens.as_slice() {
            [Token::Any, middle @ .., Token::Any] => {
                text(middle).map(|text| Self::Contains(Finder::new(text.as_bytes()).into_owned()))
            }
            [Token::Any, rest @ ..] => text(rest).map(Self::Suffix),
            [first @ .., Token::Any] => text(first).map(Self::Prefix),
            all => text(all).map(Self::Exact),
        };
        Ok(special.unwrap_or(Self::General(tokens)))
    }

    #[inline]
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(whole) => text == &**whole,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
            Self::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Self::General(tokens) => matches_tokens(tokens, text),
        }
    }
}

/// Goes back to the last `%` only, which is enough, since an earlier one could not reach further.
fn matches_tokens(tokens: &[Token], text: &str) -> bool {
    let (mut token, mut rest) = (0, text.chars());
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let before = rest.clone();
        match (tokens.get(token), rest.next()) {
            (Some(Token::Any), _) => {
                rest = before.clone();
                token += 1;
                retry = Some((token, before));
            }
            (None, None) => return true,
            (Some(Token::One), Some(_)) => token += 1,
            (Some(Token::Character(wanted)), Some(character)) if *wanted == character => token += 1,
            _ => match retry.take() {
                Some((after, mut from)) => {
                    if from.next().is_none() {
                        return false;
                    }
                    token = after;
                    rest = from.clone();
                    retry = Some((after, from));
                }
                None => return false,
            },
        }
    }
}

/// The escape character of an `ESCAPE` clause.
fn escape_character(text: &str) -> Result<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(escape), None) => Ok(escape),
        _ => Err(bad_value(format!("Invalid escape character '{text}': it must be one character"))),
    }
}

pub(super) fn choose(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let arguments: Vec<DataType> = args.iter().map(Argument::text).collect::<Result<_, Refusal>>()?;
    let returns = DataType { logical: L::Boolean, nullable: any_nullable(args) };
    let escape_is_constant = args.get(2).is_none_or(|escape| escape.literal_text().is_some());
    if let (Some(pattern), true) = (args[1].literal_text(), escape_is_constant) {
        let escape = args.get(2).and_then(Argument::literal_text).map(escape_character).transpose().map_err(user)?;
        let pattern = Arc::new(Pattern::parse(pattern, escape).map_err(user)?);
        return Ok(Bound::new(arguments, returns, move |args, context| {
            let [text, ..] = args else { return Err(Error::internal("LIKE without a text")) };
            let text = text.cells::<StringArray>()?;
            Ok(Rows::strict(args, context).booleans(|row| pattern.matches(text.at(row))))
        }));
    }
    let kernel = |args: &[crate::eval::Value], context: &crate::eval::EvalContext| {
        let cells = args.iter().map(|arg| arg.cells::<StringArray>()).collect::<Result<Vec<_>>>()?;
        let [text, pattern, escape @ ..] = cells.as_slice() else {
            return Err(Error::internal("LIKE without a pattern"));
        };
        // A constant pattern is parsed once for the batch, and so is one that repeats from row to row.
        let mut last: Option<(&str, Option<&str>, Pattern)> = None;
        Rows::strict(args, context).try_booleans(|row| {
            let (wanted, escape) =
                (pattern.at(row), escape.first().map(|escape: &Column<&StringArray>| escape.at(row)));
            let parsed = match &last {
                Some((text, character, parsed)) if *text == wanted && *character == escape => parsed,
                _ => {
                    let parsed = Pattern::parse(wanted, escape.map(escape_character).transpose()?)?;
                    &last.insert((wanted, escape, parsed)).2
                }
            };
            Ok(Some(parsed.matches(text.at(row))))
        })
    };
    Ok(Bound::new(arguments, returns, kernel).failing())
}

/// A mistake in a constant pattern is the author's.
fn user(error: Error) -> Refusal {
    Refusal::because(error.message())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// The definition, without any cleverness.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(('%', rest)), _) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            (Some(('_', rest)), Some((_, text))) => naive(rest, text),
            (Some((wanted, rest)), Some((character, text))) => wanted == character && naive(rest, text),
            (Some(_), None) => false,
        }
    }

    #[test]
    fn an_escape_makes_wildcards_plain() {
        let like = |text: &str, pattern: &str, escape| Pattern::parse(pattern, escape).unwrap().matches(text);
        assert!(!like("100%", r"100\%", None));
        assert!(like(r"100\x", r"100\%", None));
        assert!(like("a_b", "a!_b", Some('!')));
        assert!(!like("axb", "a!_b", Some('!')));
        assert!(like("50%", "%!%", Some('!')));
        assert!(like("a!b", "a!!b", Some('!')));
        assert!(Pattern::parse("a!b", Some('!')).is_err());
        assert!(Pattern::parse("a!", Some('!')).is_err());
        assert!(escape_character("ab").is_err());
    }

    proptest! {
        #[test]
        fn every_shape_of_pattern_matches_what_the_definition_matches(pattern in "[ab%_é]{0,8}", text in "[abé]{0,10}") {
            let expected = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(Pattern::parse(&pattern, None).unwrap().matches(&text), expected);
        }
    }
}
