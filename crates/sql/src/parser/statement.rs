//! Statements and scripts.

use std::collections::BTreeMap;

use riverrun_base::Result;
use riverrun_data::DataType;
use sqlparser::ast::{Expr, Ident, ObjectName, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::create_table::{not_supported, parse_create_table};
use super::data_type::{expect_word, is_word, take_word};
use super::dialect::FlinkDialect;
use super::hints::Hints;
use super::{parser_error, position, tokenize};

/// A statement and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// What it does.
    pub(crate) kind: StatementKind,
    /// Its first word.
    pub(crate) span: Span,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// `CREATE TABLE`.
    CreateTable(Box<CreateTable>),
    /// `CREATE VIEW`.
    CreateView(Box<CreateView>),
    /// `DROP TABLE` or `DROP VIEW`.
    Drop(Drop),
    /// `INSERT INTO`.
    Insert(Box<Insert>),
    /// `EXECUTE STATEMENT SET BEGIN ... END`: the inserts run as one job.
    StatementSet(Vec<Insert>),
    /// `SET 'key' = 'value'`.
    Set(String, String),
    /// `SET`.
    ShowSettings,
    /// `RESET 'key'`, or `RESET` of all.
    Reset(Option<String>),
    /// `SHOW TABLES [LIKE '...']` or `SHOW VIEWS`.
    Show(ObjectKind, Option<NamePattern>),
    /// `SHOW CATALOGS`, `SHOW CURRENT DATABASE`, ...: the column's name and the one row.
    ShowName(&'static str, &'static str),
    /// `SHOW FUNCTIONS`.
    ShowFunctions,
    /// `SHOW CREATE TABLE` or `SHOW CREATE VIEW`.
    ShowCreate(ObjectName),
    /// `DESCRIBE t`.
    Describe(ObjectName),
    /// `EXPLAIN [PLAN FOR | CHANGELOG_MODE, ...]` of a query or an insert. The plan shows changelog modes in any case.
    Explain(Box<StatementKind>),
    /// A query whose result is printed.
    Query(Box<Query>),
}

/// `[NOT] LIKE '...'` of SHOW.
#[derive(Clone, Debug)]
pub(crate) struct NamePattern {
    pub(crate) pattern: String,
    pub(crate) negated: bool,
}

impl NamePattern {
    /// Whether SHOW shows this name. `%` stands for any text, `_` for one character.
    pub(crate) fn matches(&self, name: &str) -> bool {
        fn like(pattern: &[char], name: &[char]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some(('%', rest)) => (0..=name.len()).any(|from| like(rest, &name[from..])),
                Some((first, rest)) => {
                    name.split_first().is_some_and(|(c, behind)| (*first == '_' || first == c) && like(rest, behind))
                }
            }
        }
        let (pattern, name): (Vec<char>, Vec<char>) = (self.pattern.chars().collect(), name.chars().collect());
        like(&pattern, &name) != self.negated
    }
}

/// A kind of catalog object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
}

/// `CREATE TABLE`.
#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectName,
    pub(crate) if_not_exists: bool,
    pub(crate) temporary: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) watermark: Option<WatermarkDefinition>,
    pub(crate) primary_key: Vec<Ident>,
    /// What the statement says of the key: `NOT ENFORCED` is `Some(false)`, nothing is `None`.
    pub(crate) key_enforced: Option<bool>,
    pub(crate) comment: Option<String>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) like: Option<LikeClause>,
}

/// A column as a script declares it.
#[derive(Clone, Debug)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) kind: ColumnKind,
    pub(crate) comment: Option<String>,
}

/// Where a column's value comes from.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are few columns, and they are looked at once")]
pub(crate) enum ColumnKind {
    /// The record.
    Physical(DataType),
    /// Something beside the record's value; `key` is the column's name where none is given.
    Metadata { data_type: DataType, key: Option<String>, is_virtual: bool },
    /// An expression over the other columns.
    Computed(Expr),
}

/// `WATERMARK FOR column AS strategy`.
#[derive(Clone, Debug)]
pub(crate) struct WatermarkDefinition {
    pub(crate) column: Ident,
    pub(crate) strategy: Expr,
}

/// `LIKE t (INCLUDING ALL ...)`.
#[derive(Clone, Debug)]
pub(crate) struct LikeClause {
    pub(crate) name: ObjectName,
    /// Strategy and feature, as written.
    pub(crate) features: Vec<(&'static str, &'static str)>,
}

/// `CREATE VIEW v [(columns)] AS query`.
#[derive(Clone, Debug)]
pub(crate) struct CreateView {
    pub(crate) name: ObjectName,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Ident>,
    pub(crate) comment: Option<String>,
    pub(crate) query: Query,
}

/// `DROP TABLE [IF EXISTS] t`.
#[derive(Clone, Debug)]
pub(crate) struct Drop {
    pub(crate) kind: ObjectKind,
    pub(crate) name: ObjectName,
    pub(crate) if_exists: bool,
}

/// `INSERT INTO t [(columns)] query`.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) target: ObjectName,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Query,
}

/// Reads every statement of a script, with its hints.
///
/// # Errors
/// The first statement that cannot be read, with its place.
pub(crate) fn parse_script(text: &str) -> Result<(Vec<Statement>, Hints)> {
    let tokens = tokenize(text)?;
    let hints = Hints::read(&tokens)?;
    // What is missing at the end of the script is missing behind its last word.
    let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
    let end = last.map_or_else(Span::empty, |token| Span::new(token.span.end, token.span.end));
    let failed = |error| match position(end) {
        Some(place) => parser_error(error).at(place),
        None => parser_error(error),
    };
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens);
    let mut statements = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let first = parser.peek_token();
        if first.token == Token::EOF {
            return Ok((statements, hints));
        }
        let kind = parse_statement(&mut parser).map_err(failed)?;
        let end = parser.peek_token();
        if !matches!(end.token, Token::SemiColon | Token::EOF) {
            return Err(parser_error(
                parser
                    .expected::<()>("';' or the end of the script", end)
                    .err()
                    .unwrap_or(ParserError::RecursionLimitExceeded),
            ));
        }
        statements.push(Statement { kind, span: first.span });
    }
}

fn parse_statement(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    let first = parser.peek_token();
    let word = match &first.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        Token::LParen => "SELECT".into(),
        _ => return parser.expected("a statement", first),
    };
    match word.as_str() {
        "SELECT" | "WITH" | "VALUES" => return parser.parse_query().map(StatementKind::Query),
        "CREATE" | "DROP" | "INSERT" | "EXECUTE" | "BEGIN" | "SET" | "RESET" | "SHOW" | "DESCRIBE" | "DESC"
        | "EXPLAIN" => {}
        "ALTER" | "USE" | "LOAD" | "UNLOAD" | "ANALYZE" | "CALL" | "DELETE" | "UPDATE" | "TRUNCATE" | "ADD"
        | "REMOVE" | "COMPILE" | "STOP" => {
            return Err(not_supported(parser, &format!("{word} statements")));
        }
        _ => return parser.expected(
            "a statement: SELECT, INSERT, CREATE, DROP, SET, RESET, SHOW, DESCRIBE, EXPLAIN or EXECUTE STATEMENT SET",
            first,
        ),
    }
    parser.next_token();
    match word.as_str() {
        "CREATE" => parse_create(parser),
        "DROP" => parse_drop(parser),
        "INSERT" => parse_insert(parser).map(|insert| StatementKind::Insert(Box::new(insert))),
        "EXECUTE" => parse_execute(parser),
        "BEGIN" => {
            expect_word(parser, "STATEMENT")?;
            expect_word(parser, "SET")?;
            parser.expect_token(&Token::SemiColon)?;
            parse_statement_set(parser)
        }
        "SET" => parse_set(parser),
        "RESET" => match parser.peek_token().token {
            Token::SemiColon | Token::EOF => Ok(StatementKind::Reset(None)),
            _ => parse_key(parser).map(|key| StatementKind::Reset(Some(key))),
        },
        "SHOW" => parse_show(parser),
        "DESCRIBE" | "DESC" => parser.parse_object_name(false).map(StatementKind::Describe),
        _ => parse_explain(parser),
    }
}

fn parse_create(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    if parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]) {
        return Err(not_supported(parser, "CREATE OR REPLACE"));
    }
    let temporary = take_word(parser, "TEMPORARY");
    if take_word(parser, "TABLE") {
        return parse_create_table(parser, temporary).map(|table| StatementKind::CreateTable(Box::new(table)));
    }
    if take_word(parser, "VIEW") {
        let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = parser.parse_object_name(false)?;
        let columns = parse_columns(parser)?;
        let comment = if take_word(parser, "COMMENT") { Some(parser.parse_literal_string()?) } else { None };
        expect_word(parser, "AS")?;
        let query = *parser.parse_query()?;
        return Ok(StatementKind::CreateView(Box::new(CreateView { name, if_not_exists, columns, comment, query })));
    }
    for what in ["FUNCTION", "CATALOG", "DATABASE", "MODEL", "SYSTEM", "MATERIALIZED"] {
        if is_word(&parser.peek_token_ref().token, what) {
            return Err(not_supported(parser, &format!("CREATE {what}")));
        }
    }
    let at = parser.peek_token();
    parser.expected("TABLE or VIEW", at)
}

fn parse_drop(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    take_word(parser, "TEMPORARY");
    let kind = if take_word(parser, "TABLE") {
        ObjectKind::Table
    } else if take_word(parser, "VIEW") {
        ObjectKind::View
    } else {
        let at = parser.peek_token();
        return parser.expected("TABLE or VIEW", at);
    };
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    Ok(StatementKind::Drop(Drop { kind, name: parser.parse_object_name(false)?, if_exists }))
}

fn parse_insert(parser: &mut Parser<'_>) -> Result<Insert, ParserError> {
    if is_word(&parser.peek_token_ref().token, "OVERWRITE") {
        return Err(not_supported(parser, "INSERT OVERWRITE in streaming mode"));
    }
    expect_word(parser, "INTO")?;
    let target = parser.parse_object_name(false)?;
    if is_word(&parser.peek_token_ref().token, "PARTITION") {
        return Err(not_supported(parser, "INSERT INTO ... PARTITION"));
    }
    let [first, second] = parser.peek_tokens::<2>();
    let query_in_parentheses =
        matches!(first, Token::LParen) && ["SELECT", "WITH", "VALUES"].iter().any(|word| is_word(&second, word));
    let columns = if query_in_parentheses { Vec::new() } else { parse_columns(parser)? };
    Ok(Insert { target, columns, query: *parser.parse_query()? })
}

fn parse_columns(parser: &mut Parser<'_>) -> Result<Vec<Ident>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(Vec::new());
    }
    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn parse_execute(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    if take_word(parser, "STATEMENT") {
        expect_word(parser, "SET")?;
        expect_word(parser, "BEGIN")?;
        return parse_statement_set(parser);
    }
    // `EXECUTE INSERT ...`, `EXECUTE SELECT ...`
    parse_statement(parser)
}

fn parse_statement_set(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    let mut inserts = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        if take_word(parser, "END") {
            break;
        }
        expect_word(parser, "INSERT")?;
        inserts.push(parse_insert(parser)?);
        parser.expect_token(&Token::SemiColon)?;
    }
    if inserts.is_empty() {
        return Err(ParserError::ParserError(format!(
            "a statement set needs at least one INSERT{}",
            parser.peek_token_ref().span.start
        )));
    }
    Ok(StatementKind::StatementSet(inserts))
}

fn parse_set(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    if matches!(parser.peek_token().token, Token::SemiColon | Token::EOF) {
        return Ok(StatementKind::ShowSettings);
    }
    let key = parse_key(parser)?;
    parser.expect_token(&Token::Eq)?;
    let value = match parser.peek_token().token {
        Token::SingleQuotedString(text) => {
            parser.next_token();
            text
        }
        _ => parse_bare_value(parser)?,
    };
    Ok(StatementKind::Set(key, value))
}

/// A configuration key, quoted or (as older scripts have it) bare.
fn parse_key(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    if let Token::SingleQuotedString(text) = parser.peek_token().token {
        parser.next_token();
        return Ok(text);
    }
    let mut key = String::new();
    loop {
        let token = parser.peek_token();
        match &token.token {
            Token::Word(word) => key.push_str(&word.value),
            Token::Number(text, _) => key.push_str(text),
            Token::Period => key.push('.'),
            Token::Minus => key.push('-'),
            _ if key.is_empty() => return parser.expected("a key: SET 'key' = 'value'", token),
            _ => return Ok(key),
        }
        parser.next_token();
    }
}

fn parse_bare_value(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let mut value = String::new();
    loop {
        let token = parser.peek_token();
        match token.token {
            Token::SemiColon | Token::EOF if value.is_empty() => {
                return parser.expected("a value: SET 'key' = 'value'", token);
            }
            Token::SemiColon | Token::EOF => return Ok(value),
            _ => value.push_str(&token.token.to_string()),
        }
        parser.next_token();
    }
}

fn parse_show(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    for (word, kind) in [("TABLES", ObjectKind::Table), ("VIEWS", ObjectKind::View)] {
        if take_word(parser, word) {
            return Ok(StatementKind::Show(kind, parse_name_pattern(parser)?));
        }
    }
    if take_word(parser, "CATALOGS") {
        return Ok(StatementKind::ShowName("catalog name", "default_catalog"));
    }
    if take_word(parser, "DATABASES") {
        return Ok(StatementKind::ShowName("database name", "default_database"));
    }
    if take_word(parser, "CURRENT") {
        if take_word(parser, "CATALOG") {
            return Ok(StatementKind::ShowName("current catalog name", "default_catalog"));
        }
        expect_word(parser, "DATABASE")?;
        return Ok(StatementKind::ShowName("current database name", "default_database"));
    }
    if take_word(parser, "FUNCTIONS") {
        return Ok(StatementKind::ShowFunctions);
    }
    if take_word(parser, "COLUMNS") {
        if !take_word(parser, "FROM") {
            expect_word(parser, "IN")?;
        }
        return parser.parse_object_name(false).map(StatementKind::Describe);
    }
    if take_word(parser, "CREATE") {
        if !take_word(parser, "TABLE") {
            expect_word(parser, "VIEW")?;
        }
        return parser.parse_object_name(false).map(StatementKind::ShowCreate);
    }
    let what = parser.peek_token();
    match &what.token {
        Token::Word(word) => Err(not_supported(parser, &format!("SHOW {}", word.value.to_uppercase()))),
        _ => parser.expected("TABLES, VIEWS or CREATE TABLE", what),
    }
}

fn parse_name_pattern(parser: &mut Parser<'_>) -> Result<Option<NamePattern>, ParserError> {
    let negated = take_word(parser, "NOT");
    if !negated && !is_word(&parser.peek_token_ref().token, "LIKE") {
        return Ok(None);
    }
    expect_word(parser, "LIKE")?;
    Ok(Some(NamePattern { pattern: parser.parse_literal_string()?, negated }))
}

fn parse_explain(parser: &mut Parser<'_>) -> Result<StatementKind, ParserError> {
    if take_word(parser, "PLAN") {
        expect_word(parser, "FOR")?;
    } else {
        let details = ["CHANGELOG_MODE", "ESTIMATED_COST", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"];
        while details.into_iter().any(|word| take_word(parser, word)) && parser.consume_token(&Token::Comma) {}
    }
    let at = parser.peek_token();
    let statement = parse_statement(parser)?;
    match statement {
        StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_) => {
            Ok(StatementKind::Explain(Box::new(statement)))
        }
        _ => parser.expected("a query, an INSERT or a statement set", at),
    }
}
