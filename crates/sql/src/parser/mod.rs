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
    ColumnDefinition, ColumnKind, CreateTable, CreateView, Insert, LikeClause, ObjectKind, Statement, StatementKind,
    WatermarkDefinition, parse_script,
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

/// An expression of its own, without a script around it.
///
/// # Errors
/// It cannot be read.
pub(crate) fn parse_expression(text: &str) -> Result<sqlparser::ast::Expr> {
    let mut parser = sqlparser::parser::Parser::new(&FlinkDialect).with_tokens_with_locations(tokenize(text)?);
    let expression = parser.parse_expr().map_err(parser_error)?;
    parser.expect_token(&Token::EOF).map_err(parser_error)?;
    Ok(expression)
}

/// The parts of a path: `catalog.database.table`. A part that is no plain name stands in backticks.
///
/// # Errors
/// It cannot be read.
pub(crate) fn parse_path(text: &str) -> Result<Vec<sqlparser::ast::Ident>> {
    let bad = |error: &Error| Error::user(format!("'{text}' is no name of a table: {}", error.message()));
    let tokens = tokenize(text).map_err(|error| bad(&error))?;
    let mut parser = sqlparser::parser::Parser::new(&FlinkDialect).with_tokens_with_locations(tokens);
    let name = parser.parse_object_name(false).and_then(|name| parser.expect_token(&Token::EOF).map(|_| name));
    let name = name.map_err(|error| bad(&parser_error(error)))?;
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    Ok(parts.map(|ident| sqlparser::ast::Ident { span: Span::empty(), ..ident.clone() }).collect())
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
