//! From a script's text to statements.
//!
//! Queries and expressions are parsed by `sqlparser` under [`FlinkDialect`]; the statements around them, Flink's data types and hints are
//! parsed here on the same tokens. Every error tells line and column.

mod create_table;
mod data_type;
mod dialect;
mod hints;
mod statement;
#[cfg(test)]
mod tests;

use riverrun_base::{Error, Position, Result};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use dialect::FlinkDialect;

pub(crate) use data_type::parse_data_type_text;
pub(crate) use dialect::TABLE_ARGUMENT;
pub(crate) use hints::Hints;
pub(crate) use statement::{
    ColumnKind, CreateTable, CreateView, Insert, LikeClause, ObjectKind, Statement, StatementKind, parse_script,
};

/// The place of a span, for errors; `None` for the empty span of made-up nodes.
pub(crate) fn position(span: Span) -> Option<Position> {
    (span.start.line > 0).then(|| Position {
        line: span.start.line,
        column: span.start.column,
        length: if span.end.line == span.start.line {
            span.end.column.saturating_sub(span.start.column).max(1)
        } else {
            1
        },
    })
}

/// A user's error at a span.
pub(crate) fn error_at(span: Span, message: impl Into<String>) -> Error {
    let error = Error::user(message);
    match position(span) {
        Some(position) => error.at(position),
        None => error,
    }
}

/// The tokens of a text. `>>` closes two nested types and is no operator in Flink, so it becomes two tokens.
fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&FlinkDialect, text).tokenize_with_location().map_err(|error| {
        let length = 1;
        Error::user(format!("SQL parse failed. {}", error.message)).at(Position {
            line: error.location.line,
            column: error.location.column,
            length,
        })
    })?;
    let mut split = Vec::with_capacity(tokens.len());
    for token in tokens {
        if token.token == Token::ShiftRight {
            let mut middle = token.span.start;
            middle.column += 1;
            split.push(TokenWithSpan::new(Token::Gt, Span::new(token.span.start, middle)));
            split.push(TokenWithSpan::new(Token::Gt, Span::new(middle, token.span.end)));
        } else {
            split.push(token);
        }
    }
    Ok(split)
}

/// The parser's error in our form: its text ends in the place, which becomes the position.
fn parser_error(error: ParserError) -> Error {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".into(),
    };
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return Error::user(text) };
    let mut numbers = place.split(", Column: ").map(|number| number.trim().parse::<u64>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(line)), Some(Ok(column))) => {
            let length = message.rsplit_once("found: ").map_or(1, |(_, found)| found.chars().count() as u64);
            Error::user(format!("SQL parse failed. {message}")).at(Position { line, column, length: length.max(1) })
        }
        _ => Error::user(text),
    }
}
