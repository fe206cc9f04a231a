//! A statement of the user's with `?` for its parameters, as each system takes it.

use riverrun_base::{Error, Result};

use crate::url::System;

/// A statement, cut at its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// As each system takes it: PostgreSQL's parameters are `$1`, the others' are `?`.
    pub(crate) text: String,
    /// What stands before, between and behind the parameters.
    pub(crate) pieces: Vec<String>,
    /// MySQL: an `INSERT ... VALUES (...)` whose parameters are all between these parentheses, so that it takes many rows at once.
    pub(crate) rows: Option<Rows>,
}

/// `INSERT ... VALUES`, a row, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) head: String,
    /// The row with its parentheses, cut at its parameters.
    pub(crate) row: Vec<String>,
    pub(crate) tail: String,
}

impl Statement {
    /// Finds the parameters: every `?` that is not in a string, a name between quotes or a comment. For PostgreSQL, `??` is the operator `?`.
    ///
    /// # Errors
    /// A quote or comment that does not end.
    pub(crate) fn parse(sql: &str, system: System) -> Result<Self> {
        let sql = sql.trim().trim_end_matches(';').trim_end();
        if sql.is_empty() {
            return Err(Error::user("the statement is empty").hint("write it with '?' for each value"));
        }
        let is_code = code(sql, system)?;
        let bytes = sql.as_bytes();
        let (mut pieces, mut text) = (vec![String::new()], String::new());
        let mut places = Vec::new();
        let mut at = 0;
        let mut begin = 0;
        while at < bytes.len() {
            let is_mark = bytes[at] == b'?' && is_code[at];
            if is_mark && system == System::Postgres && bytes.get(at + 1) == Some(&b'?') {
                push(&mut pieces, &sql[begin..=at]);
                text.push_str(&sql[begin..=at]);
                (at, begin) = (at + 2, at + 2);
            } else if is_mark {
                push(&mut pieces, &sql[begin..at]);
                text.push_str(&sql[begin..at]);
                places.push(at);
                pieces.push(String::new());
                if system == System::Postgres {
                    text.push_str(&format!("${}", places.len()))
                } else {
                    text.push('?')
                }
                (at, begin) = (at + 1, at + 1);
            } else {
                at += 1;
            }
        }
        push(&mut pieces, &sql[begin..]);
        text.push_str(&sql[begin..]);
        let is_mysql = matches!(system, System::MySql | System::MariaDb);
        let rows = if is_mysql { rows(sql, &is_code, &places) } else { None };
        Ok(Self { text, pieces, rows })
    }

    /// How many parameters it has.
    pub(crate) fn parameters(&self) -> usize {
        self.pieces.len() - 1
    }

    /// Refuses a statement in which the server sees another number of parameters.
    ///
    /// # Errors
    /// It does.
    pub(crate) fn check(&self, found: usize) -> Result<()> {
        if found == self.parameters() {
            return Ok(());
        }
        Err(Error::user(format!(
            "the statement has {} parameters here, and {found} for the database",
            self.parameters()
        ))
        .with("statement", &self.text)
        .hint("write '?' for each value, and nothing else that the database takes for one"))
    }
}

fn push(pieces: &mut [String], text: &str) {
    if let Some(last) = pieces.last_mut() {
        last.push_str(text);
    }
}

/// For each byte, whether it is neither in quotes nor in a comment.
fn code(sql: &str, system: System) -> Result<Vec<bool>> {
    let bytes = sql.as_bytes();
    let mut code = vec![true; bytes.len()];
    let has_backslash = matches!(system, System::MySql | System::MariaDb);
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => {
                let mut end = 1;
                while end < rest.len() && rest[end] != quote {
                    end += if rest[end] == b'\\' && has_backslash && quote != b'`' { 2 } else { 1 };
                }
                if end >= rest.len() {
                    return Err(Error::user(format!("a quote {} in the statement does not end", char::from(quote)))
                        .with("statement", sql));
                }
                end + 1
            }
            b'-' if rest.starts_with(b"--") => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => match rest.windows(2).skip(2).position(|two| two == b"*/") {
                Some(position) => position + 4,
                None => return Err(Error::user("a comment in the statement does not end").with("statement", sql)),
            },
            _ => {
                at += 1;
                continue;
            }
        };
        code[at..at + end].fill(false);
        at += end;
    }
    Ok(code)
}

/// The parts of an `INSERT` of one row, if it is one, and all parameters are in that row.
fn rows(sql: &str, is_code: &[bool], places: &[usize]) -> Option<Rows> {
    let is_insert = |word: &str| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if !is_insert("INSERT") && !is_insert("REPLACE") {
        return None;
    }
    let bytes = sql.as_bytes();
    let is_part_of_name = |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let values = (1..bytes.len()).find(|at| {
        let is_word = |word: &str| {
            sql.get(*at..at + word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word))
                && !is_part_of_name(at + word.len())
        };
        is_code[*at] && !is_part_of_name(at - 1) && (is_word("VALUES") || is_word("VALUE"))
    })?;
    let open = (values..bytes.len()).find(|at| is_code[*at] && bytes[*at] == b'(')?;
    let mut depth = 0usize;
    let close = (open..bytes.len()).find(|at| {
        match bytes[*at] {
            b'(' if is_code[*at] => depth += 1,
            b')' if is_code[*at] => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let tail = &sql[close + 1..];
    if tail.trim_start().starts_with(',') || places.iter().any(|place| !(open..close).contains(place)) {
        return None;
    }
    let mut row = Vec::new();
    let mut begin = open;
    for place in places {
        row.push(sql[begin..*place].to_owned());
        begin = place + 1;
    }
    row.push(sql[begin..=close].to_owned());
    Some(Rows { head: sql[..open].to_owned(), row, tail: tail.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str, system: System) -> Statement {
        Statement::parse(sql, system).unwrap()
    }

    #[test]
    fn parameters_are_where_no_quote_or_comment_is() {
        let sql = "UPDATE t SET a = ?, b = 'it''s ?' /* ? */ WHERE \"c?\" = ? -- ?\n AND d = ?;";
        let statement = parse(sql, System::Postgres);
        assert_eq!(statement.text, "UPDATE t SET a = $1, b = 'it''s ?' /* ? */ WHERE \"c?\" = $2 -- ?\n AND d = $3");
        assert_eq!(statement.pieces.concat(), statement.text.replace("$1", "").replace("$2", "").replace("$3", ""));
        assert_eq!(parse("SELECT a ?? b, ?", System::Postgres).text, "SELECT a ? b, $1");
        assert_eq!(parse(r"INSERT INTO t VALUES ('\'?', ?)", System::MySql).parameters(), 1);
        assert_eq!(parse(r"INSERT INTO t VALUES ('\', ?)", System::Sqlite).parameters(), 1);
        for wrong in ["INSERT INTO t VALUES ('?)", "SELECT /* ?", " ; "] {
            assert!(Statement::parse(wrong, System::Postgres).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_insert_of_one_row_takes_many() {
        let sql = "insert into t (a, values_b) VALUES (?, coalesce(?, 'x)')) on duplicate key update a = VALUES(a)";
        let rows = parse(sql, System::MariaDb).rows.unwrap();
        assert_eq!(rows.head, "insert into t (a, values_b) VALUES ");
        assert_eq!(rows.row, ["(", ", coalesce(", ", 'x)'))"]);
        assert_eq!(rows.tail, " on duplicate key update a = VALUES(a)");
        for other in [
            "UPDATE t SET a = ?",
            "INSERT INTO t VALUES (?), (?)",
            "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = ?",
            "INSERT INTO t SELECT ?",
        ] {
            assert_eq!(parse(other, System::MySql).rows, None, "{other}");
        }
    }
}
