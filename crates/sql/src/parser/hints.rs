//! Hints: `/*+ OPTIONS('scan.startup.mode' = 'earliest-offset') */` behind a table's name.
//!
//! The parser skips them as comments, so they are read from the tokens and found again by the place of the table's name.

use std::collections::{BTreeMap, HashMap};

use riverrun_base::Result;
use sqlparser::ast::Ident;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Whitespace};

use super::data_type::expect_word;
use super::dialect::FlinkDialect;
use super::{error_at, parser_error, tokenize};

/// The options that a script's hints give, by the place of the name they stand behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints(HashMap<Location, BTreeMap<String, String>>);

impl Hints {
    /// Reads the hints among a script's tokens.
    ///
    /// # Errors
    /// A hint that is no `OPTIONS(...)`.
    pub(super) fn read(tokens: &[TokenWithSpan]) -> Result<Self> {
        let mut hints = HashMap::new();
        let mut before = None;
        for token in tokens {
            match &token.token {
                Token::Whitespace(Whitespace::MultiLineComment(text)) => {
                    let Some(hint) = text.strip_prefix('+') else { continue };
                    let options = read_options(hint).map_err(|error| {
                        error_at(token.span, format!("cannot read the hint: {}", error.message()))
                            .hint("write /*+ OPTIONS('key' = 'value') */ behind a table's name")
                    })?;
                    hints.entry(before.unwrap_or(token.span.start)).or_insert_with(BTreeMap::new).extend(options);
                }
                Token::Whitespace(_) => {}
                _ => before = Some(token.span.start),
            }
        }
        Ok(Self(hints))
    }

    /// The options behind a table's name.
    pub(crate) fn behind(&self, name: &Ident) -> Option<&BTreeMap<String, String>> {
        self.0.get(&name.span.start)
    }
}

fn read_options(text: &str) -> Result<BTreeMap<String, String>> {
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokenize(text)?);
    expect_word(&mut parser, "OPTIONS").map_err(parser_error)?;
    let options = key_values(&mut parser).map_err(parser_error)?;
    parser.expect_token(&Token::EOF).map_err(parser_error)?;
    Ok(options)
}

/// `('key' = 'value', ...)`.
pub(super) fn key_values(parser: &mut Parser<'_>) -> Result<BTreeMap<String, String>, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let mut options = BTreeMap::new();
    while !parser.consume_token(&Token::RParen) {
        let at = parser.peek_token();
        let key = parser.parse_literal_string()?;
        parser.expect_token(&Token::Eq)?;
        let value = parser.parse_literal_string()?;
        if options.insert(key.clone(), value).is_some() {
            return Err(ParserError::ParserError(format!("the option '{key}' is given twice{}", at.span.start)));
        }
        if !parser.consume_token(&Token::Comma) {
            parser.expect_token(&Token::RParen)?;
            break;
        }
    }
    Ok(options)
}
