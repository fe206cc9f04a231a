//! Flink's data types in text: `DECIMAL(10, 2) NOT NULL`, `TIMESTAMP(3) WITH LOCAL TIME ZONE`, `ROW<a INT, b MAP<STRING, INT>>`.

use riverrun_base::Result;
use riverrun_data::{DataType, LogicalType, MAX_LENGTH, RowField};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::FlinkDialect;
use super::{parser_error, tokenize};

/// Reads a type with its nullability (`NOT NULL`, `NULL`); without either it is nullable.
pub(super) fn parse_data_type(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    let mut logical = parse_logical_type(parser)?;
    let mut nullable = parse_nullability(parser)?;
    // `INT ARRAY`, `INT NOT NULL ARRAY`
    loop {
        let element = DataType { logical: logical.clone(), nullable };
        if take_word(parser, "ARRAY") {
            logical = LogicalType::Array(Box::new(element));
        } else if take_word(parser, "MULTISET") {
            logical = LogicalType::Multiset(Box::new(element));
        } else {
            return Ok(element);
        }
        nullable = parse_nullability(parser)?;
    }
}

/// Reads a type from a text of its own.
///
/// # Errors
/// The text is no type.
pub(crate) fn parse_data_type_text(text: &str) -> Result<DataType> {
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokenize(text)?);
    let data_type = parse_data_type(&mut parser).map_err(parser_error)?;
    parser.expect_token(&Token::EOF).map_err(parser_error)?;
    Ok(data_type)
}

fn parse_nullability(parser: &mut Parser<'_>) -> Result<bool, ParserError> {
    if take_word(parser, "NOT") {
        expect_word(parser, "NULL")?;
        return Ok(false);
    }
    take_word(parser, "NULL");
    Ok(true)
}

fn parse_logical_type(parser: &mut Parser<'_>) -> Result<LogicalType, ParserError> {
    let token = parser.next_token();
    let Token::Word(word) = &token.token else { return parser.expected("a data type", token) };
    let name = word.value.to_ascii_uppercase();
    Ok(match name.as_str() {
        "BOOLEAN" => LogicalType::Boolean,
        "TINYINT" => LogicalType::TinyInt,
        "SMALLINT" => LogicalType::SmallInt,
        "INT" | "INTEGER" => LogicalType::Int,
        "BIGINT" => LogicalType::BigInt,
        "FLOAT" => LogicalType::Float,
        "DOUBLE" => {
            take_word(parser, "PRECISION");
            LogicalType::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => parse_decimal(parser, token)?,
        "CHAR" | "CHARACTER" if take_word(parser, "VARYING") => LogicalType::VarChar(length(parser, 1)?),
        "CHAR" | "CHARACTER" => LogicalType::Char(length(parser, 1)?),
        "VARCHAR" => LogicalType::VarChar(length(parser, 1)?),
        "STRING" => LogicalType::STRING,
        "BINARY" if take_word(parser, "VARYING") => LogicalType::VarBinary(length(parser, 1)?),
        "BINARY" => LogicalType::Binary(length(parser, 1)?),
        "VARBINARY" => LogicalType::VarBinary(length(parser, 1)?),
        "BYTES" => LogicalType::BYTES,
        "DATE" => LogicalType::Date,
        "TIME" => {
            let precision = precision(parser, 0)?;
            parse_zone(parser, false)?;
            LogicalType::Time(precision)
        }
        "TIMESTAMP" => {
            let precision = precision(parser, 6)?;
            if parse_zone(parser, true)? {
                LogicalType::TimestampLtz(precision)
            } else {
                LogicalType::Timestamp(precision)
            }
        }
        "TIMESTAMP_LTZ" => LogicalType::TimestampLtz(precision(parser, 6)?),
        "INTERVAL" => parse_interval(parser)?,
        "ARRAY" => {
            parser.expect_token(&Token::Lt)?;
            let element = parse_data_type(parser)?;
            parser.expect_token(&Token::Gt)?;
            LogicalType::Array(Box::new(element))
        }
        "MULTISET" => {
            parser.expect_token(&Token::Lt)?;
            let element = parse_data_type(parser)?;
            parser.expect_token(&Token::Gt)?;
            LogicalType::Multiset(Box::new(element))
        }
        "MAP" => {
            parser.expect_token(&Token::Lt)?;
            let key = parse_data_type(parser)?;
            parser.expect_token(&Token::Comma)?;
            let value = parse_data_type(parser)?;
            parser.expect_token(&Token::Gt)?;
            LogicalType::Map(Box::new(key), Box::new(value))
        }
        "ROW" => parse_row(parser)?,
        "NULL" => LogicalType::Null,
        "RAW" | "STRUCTURED" | "VARIANT" => {
            return Err(ParserError::ParserError(format!("the type {name} is not supported yet{}", token.span.start)));
        }
        _ => return parser.expected("a data type", token),
    })
}

fn parse_decimal(parser: &mut Parser<'_>, at: TokenWithSpan) -> Result<LogicalType, ParserError> {
    let (mut precision, mut scale) = (10, 0);
    if parser.consume_token(&Token::LParen) {
        precision = number(parser)?;
        if parser.consume_token(&Token::Comma) {
            scale = number(parser)?;
        }
        parser.expect_token(&Token::RParen)?;
    }
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => Ok(LogicalType::Decimal(precision, scale)),
        _ => Err(ParserError::ParserError(format!(
            "DECIMAL({precision}, {scale}): the precision must be 1 to 38, the scale 0 to the precision{}",
            at.span.start
        ))),
    }
}

fn parse_zone(parser: &mut Parser<'_>, local_allowed: bool) -> Result<bool, ParserError> {
    if take_word(parser, "WITHOUT") {
        expect_word(parser, "TIME")?;
        expect_word(parser, "ZONE")?;
        return Ok(false);
    }
    if !take_word(parser, "WITH") {
        return Ok(false);
    }
    let token = parser.peek_token();
    if !local_allowed || !take_word(parser, "LOCAL") {
        return Err(ParserError::ParserError(format!(
            "WITH TIME ZONE is not supported; use WITH LOCAL TIME ZONE{}",
            token.span.start
        )));
    }
    expect_word(parser, "TIME")?;
    expect_word(parser, "ZONE")?;
    Ok(true)
}

fn parse_interval(parser: &mut Parser<'_>) -> Result<LogicalType, ParserError> {
    let token = parser.peek_token();
    let mut unit = || -> Result<Option<bool>, ParserError> {
        for (name, months) in
            [("YEAR", true), ("MONTH", true), ("DAY", false), ("HOUR", false), ("MINUTE", false), ("SECOND", false)]
        {
            if take_word(parser, name) {
                precision(parser, 0)?;
                return Ok(Some(months));
            }
        }
        Ok(None)
    };
    let Some(months) = unit()? else { return parser.expected("a unit of time", token) };
    if take_word(parser, "TO") {
        for name in ["MONTH", "HOUR", "MINUTE", "SECOND"] {
            if take_word(parser, name) {
                precision(parser, 0)?;
                break;
            }
        }
    }
    Ok(if months { LogicalType::IntervalYearMonth } else { LogicalType::IntervalDayTime })
}

fn parse_row(parser: &mut Parser<'_>) -> Result<LogicalType, ParserError> {
    let round = parser.consume_token(&Token::LParen);
    if !round {
        if parser.consume_token(&Token::Neq) {
            return Ok(LogicalType::Row(Vec::new()));
        }
        parser.expect_token(&Token::Lt)?;
    }
    let fields = parser.parse_comma_separated(|parser| {
        let name = parser.parse_identifier()?.value;
        let data_type = parse_data_type(parser)?;
        if matches!(parser.peek_token().token, Token::SingleQuotedString(_)) {
            parser.next_token();
        }
        Ok(RowField { name, data_type })
    })?;
    if round {
        parser.expect_token(&Token::RParen)?;
    } else {
        parser.expect_token(&Token::Gt)?;
    }
    Ok(LogicalType::Row(fields))
}

fn length(parser: &mut Parser<'_>, default: u32) -> Result<u32, ParserError> {
    let at = parser.peek_token();
    match optional_number(parser)? {
        None => Ok(default),
        Some(n) => match u32::try_from(n) {
            Ok(n @ 1..=MAX_LENGTH) => Ok(n),
            _ => Err(ParserError::ParserError(format!("a length must be 1 to {MAX_LENGTH}{}", at.span.start))),
        },
    }
}

fn precision(parser: &mut Parser<'_>, default: u8) -> Result<u8, ParserError> {
    let at = parser.peek_token();
    match optional_number(parser)? {
        None => Ok(default),
        Some(n) => match u8::try_from(n) {
            Ok(n @ 0..=9) => Ok(n),
            _ => Err(ParserError::ParserError(format!("a precision of seconds must be 0 to 9{}", at.span.start))),
        },
    }
}

fn optional_number(parser: &mut Parser<'_>) -> Result<Option<u64>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let n = number(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Some(n))
}

fn number(parser: &mut Parser<'_>) -> Result<u64, ParserError> {
    let token = parser.next_token();
    match &token.token {
        Token::Number(text, _) => match text.parse() {
            Ok(n) => Ok(n),
            Err(_) => parser.expected("a whole number", token),
        },
        _ => parser.expected("a whole number", token),
    }
}

/// Takes the next token if it is this word, whatever its case.
pub(super) fn take_word(parser: &mut Parser<'_>, word: &str) -> bool {
    let found = is_word(&parser.peek_token_ref().token, word);
    if found {
        parser.next_token();
    }
    found
}

/// Whether the token is this word, unquoted, whatever its case.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// Takes this word, or fails.
pub(super) fn expect_word(parser: &mut Parser<'_>, word: &str) -> Result<(), ParserError> {
    if take_word(parser, word) {
        return Ok(());
    }
    let token = parser.peek_token();
    parser.expected(word, token)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_printed() {
        for text in [
            "BOOLEAN",
            "TINYINT NOT NULL",
            "DECIMAL(38, 18)",
            "CHAR(3)",
            "VARCHAR(7) NOT NULL",
            "STRING",
            "BINARY(2)",
            "BYTES",
            "DATE",
            "TIME(3)",
            "TIMESTAMP(0)",
            "TIMESTAMP_LTZ(9) NOT NULL",
            "ARRAY<INT NOT NULL>",
            "MAP<STRING NOT NULL, INT>",
            "MULTISET<INT>",
            "ROW<`a` INT, `b c` STRING NOT NULL> NOT NULL",
        ] {
            assert_eq!(parse_data_type_text(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn long_and_older_forms_are_read() {
        for (text, printed) in [
            ("integer", "INT"),
            ("dec", "DECIMAL(10, 0)"),
            ("double precision", "DOUBLE"),
            ("timestamp", "TIMESTAMP(6)"),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"),
            ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
            ("INT ARRAY", "ARRAY<INT>"),
            ("CHARACTER VARYING(5)", "VARCHAR(5)"),
            ("ROW(a INT, b STRING)", "ROW<`a` INT, `b` STRING>"),
        ] {
            assert_eq!(parse_data_type_text(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn nested_types_may_close_without_blanks() {
        let nested = parse_data_type_text("ARRAY<ROW<a MAP<STRING, ARRAY<INT>>>>").unwrap();
        assert_eq!(nested.to_string(), "ARRAY<ROW<`a` MAP<STRING, ARRAY<INT>>>>");
    }

    #[test]
    fn wrong_types_are_refused_at_their_place() {
        for (text, message) in [
            ("DECIMAL(39, 2)", "precision must be 1 to 38"),
            ("TIMESTAMP(10)", "0 to 9"),
            ("NUMBER", "a data type"),
            ("CHAR(0)", "length"),
        ] {
            let error = parse_data_type_text(text).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.position().is_some(), "{error}");
        }
    }
}
