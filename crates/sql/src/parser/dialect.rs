//! Flink's dialect for `sqlparser`.

use sqlparser::ast::{
    self, BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::data_type::{is_word, parse_data_type};
use riverrun_data::LogicalType;

/// The name of the function node that stands for `TABLE t` as an argument of a table function.
pub(crate) const TABLE_ARGUMENT: &str = "TABLE";

/// Flink SQL: identifiers in backticks, strings in single quotes, its own types in casts, `TABLE t` arguments and `MAP[...]`.
#[derive(Debug)]
pub(crate) struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let [first, second] = parser.peek_tokens::<2>();
        let Token::Word(word) = &first else { return None };
        if word.quote_style.is_some() {
            return None;
        }
        match (word.value.to_ascii_uppercase().as_str(), &second) {
            ("CAST", Token::LParen) => Some(parse_cast(parser, CastKind::Cast)),
            ("TRY_CAST", Token::LParen) => Some(parse_cast(parser, CastKind::TryCast)),
            ("TABLE", Token::Word(_)) => Some(parse_table_argument(parser)),
            ("MAP", Token::LBracket) => Some(parse_map(parser)),
            _ => None,
        }
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        let [first, second, third] = parser.peek_tokens::<3>();
        let (between, kind) = if is_word(&first, "NOT") { (&second, &third) } else { (&first, &second) };
        let found = is_word(between, "BETWEEN") && (is_word(kind, "SYMMETRIC") || is_word(kind, "ASYMMETRIC"));
        found.then(|| parse_between(parser, expr.clone()))
    }
}

/// `x [NOT] BETWEEN SYMMETRIC a AND b`: in either order; `ASYMMETRIC` is the plain form.
fn parse_between(parser: &mut Parser<'_>, operand: Expr) -> Result<Expr, ParserError> {
    let negated = parser.parse_keyword(Keyword::NOT);
    parser.expect_keyword(Keyword::BETWEEN)?;
    let symmetric = is_word(&parser.next_token().token, "SYMMETRIC");
    let precedence = FlinkDialect.prec_value(Precedence::Between);
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword(Keyword::AND)?;
    let high = parser.parse_subexpr(precedence)?;
    let between = |low: Expr, high: Expr| Expr::Between {
        expr: Box::new(operand.clone()),
        negated,
        low: Box::new(low),
        high: Box::new(high),
    };
    if !symmetric {
        return Ok(between(low, high));
    }
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    let (left, right) = (Box::new(between(low.clone(), high.clone())), Box::new(between(high, low)));
    Ok(Expr::Nested(Box::new(Expr::BinaryOp { left, op, right })))
}

/// `CAST(x AS type)`. The type is kept as the text of Flink's type; the binder reads it again.
fn parse_cast(parser: &mut Parser<'_>, kind: CastKind) -> Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    parser.expect_keyword(Keyword::AS)?;
    let name = parser.peek_token();
    let mut data_type = parse_data_type(parser)?;
    // In a cast, VARCHAR without a length has none; in a column it is VARCHAR(1).
    let bare = is_word(&name.token, "VARCHAR") && parser.get_current_token() == &name;
    if bare && matches!(data_type.logical, LogicalType::VarChar(1)) {
        data_type.logical = LogicalType::STRING;
    }
    parser.expect_token(&Token::RParen)?;
    let data_type = ast::DataType::Custom(ObjectName::from(vec![Ident::new(data_type.to_string())]), Vec::new());
    Ok(Expr::Cast { kind, expr: Box::new(expr), data_type, format: None })
}

/// `TABLE t [PARTITION BY a, b]`, as in `SESSION(TABLE t PARTITION BY a, ...)`: a call with the table and then the columns.
fn parse_table_argument(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let keyword = parser.next_token();
    let name = parser.parse_object_name(false)?;
    let mut identifiers: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    let argument = match identifiers.pop() {
        Some(only) if identifiers.is_empty() => Expr::Identifier(only),
        Some(last) => {
            identifiers.push(last);
            Expr::CompoundIdentifier(identifiers)
        }
        None => return parser.expected("a table name", keyword),
    };
    let mut args = vec![argument];
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        // Names only: what follows the next comma may be the function's next argument.
        loop {
            args.push(Expr::Identifier(parser.parse_identifier()?));
            let [comma, word, behind] = parser.peek_tokens::<3>();
            let more = comma == Token::Comma
                && matches!(&word, Token::Word(_))
                && matches!(behind, Token::Comma | Token::RParen);
            if !more {
                break;
            }
            parser.next_token();
        }
    }
    Ok(call(Ident::with_span(keyword.span, TABLE_ARGUMENT), args))
}

/// `MAP['a', 1, 'b', 2]`.
fn parse_map(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let keyword = parser.next_token();
    parser.expect_token(&Token::LBracket)?;
    let args = parser.parse_comma_separated0(Parser::parse_expr, Token::RBracket)?;
    parser.expect_token(&Token::RBracket)?;
    Ok(call(Ident::with_span(keyword.span, "MAP"), args))
}

fn call(name: Ident, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}
