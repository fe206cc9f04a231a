//! `CREATE TABLE`: physical, metadata and computed columns, watermark, key, options, `LIKE`.

use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::data_type::{expect_word, is_word, parse_data_type, take_word};
use super::hints::key_values;
use super::statement::{ColumnDefinition, ColumnKind, CreateTable, LikeClause, WatermarkDefinition};

/// Reads what follows `CREATE [TEMPORARY] TABLE`.
pub(super) fn parse_create_table(parser: &mut Parser<'_>, temporary: bool) -> Result<CreateTable, ParserError> {
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let mut table = CreateTable {
        name,
        if_not_exists,
        temporary,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        key_enforced: None,
        comment: None,
        options: Default::default(),
        like: None,
    };
    if parser.consume_token(&Token::LParen) {
        while !parser.consume_token(&Token::RParen) {
            parse_element(parser, &mut table)?;
            if !parser.consume_token(&Token::Comma) {
                parser.expect_token(&Token::RParen)?;
                break;
            }
        }
    }
    if take_word(parser, "COMMENT") {
        table.comment = Some(parser.parse_literal_string()?);
    }
    for (word, feature) in [("DISTRIBUTED", "DISTRIBUTED BY"), ("PARTITIONED", "PARTITIONED BY")] {
        if is_word(&parser.peek_token_ref().token, word) {
            return Err(not_supported(parser, feature));
        }
    }
    if take_word(parser, "WITH") {
        table.options = key_values(parser)?;
    }
    if take_word(parser, "LIKE") {
        table.like = Some(parse_like(parser)?);
    }
    if is_word(&parser.peek_token_ref().token, "AS") {
        return Err(not_supported(parser, "CREATE TABLE ... AS SELECT"));
    }
    Ok(table)
}

fn parse_element(parser: &mut Parser<'_>, table: &mut CreateTable) -> Result<(), ParserError> {
    let [first, second] = parser.peek_tokens::<2>();
    let word = |word| is_word(&first, word);
    if word("WATERMARK") && is_word(&second, "FOR") {
        let at = parser.next_token();
        parser.next_token();
        if table.watermark.is_some() {
            return Err(ParserError::ParserError(format!("a table has one WATERMARK{}", at.span.start)));
        }
        let column = parser.parse_identifier()?;
        if matches!(parser.peek_token_ref().token, Token::Period) {
            return Err(not_supported(parser, "a watermark on a field of a row"));
        }
        expect_word(parser, "AS")?;
        let strategy = parser.parse_expr()?;
        table.watermark = Some(WatermarkDefinition { column, strategy });
        return Ok(());
    }
    if word("CONSTRAINT") {
        parser.next_token();
        parser.parse_identifier()?;
        return parse_primary_key(parser, table);
    }
    if word("PRIMARY") && is_word(&second, "KEY") {
        return parse_primary_key(parser, table);
    }
    if word("UNIQUE") && matches!(second, Token::LParen) {
        return Err(not_supported(parser, "UNIQUE"));
    }
    parse_column(parser, table)
}

fn parse_primary_key(parser: &mut Parser<'_>, table: &mut CreateTable) -> Result<(), ParserError> {
    let at = parser.peek_token();
    expect_word(parser, "PRIMARY")?;
    expect_word(parser, "KEY")?;
    parser.expect_token(&Token::LParen)?;
    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    let enforced = parse_enforced(parser)?;
    set_primary_key(table, columns, enforced, at.span.start)
}

/// Whether the key is said to be enforced: `NOT ENFORCED`, `ENFORCED`, or nothing.
fn parse_enforced(parser: &mut Parser<'_>) -> Result<Option<bool>, ParserError> {
    if take_word(parser, "NOT") {
        expect_word(parser, "ENFORCED")?;
        return Ok(Some(false));
    }
    Ok(take_word(parser, "ENFORCED").then_some(true))
}

fn set_primary_key(
    table: &mut CreateTable,
    columns: Vec<Ident>,
    enforced: Option<bool>,
    at: impl std::fmt::Display,
) -> Result<(), ParserError> {
    if enforced == Some(true) {
        return Err(ParserError::ParserError(format!(
            "Flink does not own the data: write PRIMARY KEY ... NOT ENFORCED{at}"
        )));
    }
    if !table.primary_key.is_empty() {
        return Err(ParserError::ParserError(format!("a table has one PRIMARY KEY{at}")));
    }
    table.primary_key = columns;
    table.key_enforced = enforced;
    Ok(())
}

fn parse_column(parser: &mut Parser<'_>, table: &mut CreateTable) -> Result<(), ParserError> {
    let name = parser.parse_identifier()?;
    let kind = if take_word(parser, "AS") {
        ColumnKind::Computed(parser.parse_expr()?)
    } else {
        let data_type = parse_data_type(parser)?;
        if take_word(parser, "METADATA") {
            let key = if take_word(parser, "FROM") { Some(parser.parse_literal_string()?) } else { None };
            ColumnKind::Metadata { data_type, key, is_virtual: take_word(parser, "VIRTUAL") }
        } else {
            ColumnKind::Physical(data_type)
        }
    };
    let at = parser.peek_token();
    if is_word(&at.token, "PRIMARY") {
        parser.next_token();
        expect_word(parser, "KEY")?;
        let enforced = parse_enforced(parser)?;
        set_primary_key(table, vec![name.clone()], enforced, at.span.start)?;
    }
    let comment = if take_word(parser, "COMMENT") { Some(parser.parse_literal_string()?) } else { None };
    table.columns.push(ColumnDefinition { name, kind, comment });
    Ok(())
}

fn parse_like(parser: &mut Parser<'_>) -> Result<LikeClause, ParserError> {
    let mut like = LikeClause { name: parser.parse_object_name(false)?, features: Vec::new() };
    if parser.consume_token(&Token::LParen) {
        while !parser.consume_token(&Token::RParen) {
            let strategy = ["INCLUDING", "EXCLUDING", "OVERWRITING"].into_iter().find(|word| take_word(parser, word));
            let feature =
                ["ALL", "CONSTRAINTS", "DISTRIBUTION", "GENERATED", "METADATA", "OPTIONS", "PARTITIONS", "WATERMARKS"]
                    .into_iter()
                    .find(|word| take_word(parser, word));
            let (Some(strategy), Some(feature)) = (strategy, feature) else {
                let at = parser.peek_token();
                return parser.expected("INCLUDING, EXCLUDING or OVERWRITING, and ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS", at);
            };
            like.features.push((strategy, feature));
        }
    }
    Ok(like)
}

pub(super) fn not_supported(parser: &Parser<'_>, what: &str) -> ParserError {
    ParserError::ParserError(format!("{what} is not supported yet{}", parser.peek_token_ref().span.start))
}
