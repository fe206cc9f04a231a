//! `sasl.jaas.config`: a login as Java's client writes it, for PLAIN and SCRAM.
//!
//! The form is `Module required name="value" ...;`, with `\` escapes inside quotes.

use riverrun_base::{Error, Result, Secret};

/// Who logs in.
#[derive(Debug)]
pub(crate) struct Login {
    /// The user's name.
    pub(crate) username: String,
    /// The password.
    pub(crate) password: Secret,
}

/// Reads a login. Errors never show the text, which holds a password.
///
/// # Errors
/// The module is another one, or the name or password is missing.
pub(crate) fn parse(text: &str) -> Result<Login> {
    let (module, options) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    if !module.ends_with(".PlainLoginModule") && !module.ends_with(".ScramLoginModule") {
        return Err(wrong("only PlainLoginModule and ScramLoginModule are supported")
            .hint("give the properties of librdkafka instead: 'properties.sasl.username' and others"));
    }
    let username = option(options, "username").ok_or_else(|| wrong("it has no username=\"...\""))?;
    let password = option(options, "password").ok_or_else(|| wrong("it has no password=\"...\""))?;
    Ok(Login { username, password: Secret::new(password) })
}

/// The value of `name="..."`.
fn option(text: &str, name: &str) -> Option<String> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c == ';' || c.is_whitespace())?;
        let (word, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix('=') else {
            rest = after.strip_prefix(';').unwrap_or(after).trim_start();
            continue;
        };
        let (value, after) = quoted(after)?;
        if word == name {
            return Some(value);
        }
        rest = after.trim_start();
    }
    None
}

/// A value in quotes, or a bare word, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ';' || c.is_whitespace()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return Some((word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '"' => return Some((value, inside.get(at + 1..)?)),
            other => value.push(other),
        }
    }
    None
}

fn wrong(why: &str) -> Error {
    Error::user(format!("cannot read the login: {why}")).with("option", "properties.sasl.jaas.config").hint(
        "write 'org.apache.kafka.common.security.plain.PlainLoginModule required username=\"...\" password=\"...\";'",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn logins_of_plain_and_scram_are_read_in_any_order() {
        let login = parse(
            "org.apache.kafka.common.security.scram.ScramLoginModule required\n password=\"a b;c\" username=\"bob\";",
        )
        .unwrap();
        assert_eq!((login.username.as_str(), login.password.expose()), ("bob", "a b;c"));
        let login = parse("x.y.PlainLoginModule required username=bob password=pw;").unwrap();
        assert_eq!((login.username.as_str(), login.password.expose()), ("bob", "pw"));
    }

    #[test]
    fn a_wrong_login_is_refused_without_showing_it() {
        for text in [
            "com.acme.OAuthBearerLoginModule required secret=\"s3cret\";",
            "a.PlainLoginModule required password=\"s3cret\";",
            "",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("properties.sasl.jaas.config") && !error.contains("s3cret"), "{error}");
        }
    }
}
