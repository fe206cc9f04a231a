//! Regular expressions of Java (`java.util.regex`) as those of the `regex` crate.
//!
//! They are nearly the same language. Rewritten are classes that count ASCII only in Java (`\d`, `\w`, `\s`), quotes (`\Q..\E`), Java's
//! names of classes, and the dot, which stops at every line end. What needs backtracking (back references, looking around, possessive
//! repetition) is refused with an error that says so.

use regex::Regex;
use riverrun_base::{Error, Result};

/// A pattern; `None` where Java would not take it either, for which Flink's functions give NULL.
///
/// # Errors
/// Java takes the pattern, but the `regex` crate has nothing like it.
pub(super) fn compile(pattern: &str) -> Result<Option<Regex>> {
    let Some(translated) = translate(pattern)? else { return Ok(None) };
    Ok(Regex::new(&translated).ok())
}

/// What ends a line, for the dot.
const NOT_LINE_END: &str = "[^\\n\\r\\u{85}\\u{2028}\\u{2029}]";

fn translate(pattern: &str) -> Result<Option<String>> {
    let unsupported = |what: &str| Err(Error::not_supported(format!("{what} in the regular expression '{pattern}'")));
    let dot_is_all = flags(pattern).any(|flags| flags.contains('s'));
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut depth = 0_usize;
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        let behind = &rest[character.len_utf8()..];
        rest = behind;
        match character {
            '\\' => {
                let Some(escaped) = behind.chars().next() else { return Ok(None) };
                rest = &behind[escaped.len_utf8()..];
                match escape(escaped, &mut rest) {
                    Escape::Text(text) => out.push_str(&text),
                    Escape::Invalid => return Ok(None),
                    Escape::Unsupported(what) => return unsupported(what),
                }
            }
            '[' => {
                depth += 1;
                out.push('[');
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(']');
            }
            '~' if depth > 0 => out.push_str("\\~"),
            '-' if depth > 0 && behind.starts_with('-') => out.push_str("\\-"),
            _ if depth > 0 => out.push(character),
            '.' if !dot_is_all => out.push_str(NOT_LINE_END),
            '(' if behind.starts_with("?=")
                || behind.starts_with("?!")
                || behind.starts_with("?<=")
                || behind.starts_with("?<!") =>
            {
                return unsupported("looking ahead or behind");
            }
            '(' if behind.starts_with("?>") => return unsupported("an atomic group"),
            '*' | '+' | '?' | '}' if behind.starts_with('+') => return unsupported("a possessive repetition"),
            _ => out.push(character),
        }
    }
    Ok(Some(out))
}

/// The letters of each `(?letters)` and `(?letters:`.
fn flags(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split("(?").skip(1).map(|rest| &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())])
}

enum Escape {
    Text(String),
    Invalid,
    Unsupported(&'static str),
}

/// What stands for a backslash with `escaped` behind it; takes from `rest` what belongs to it.
fn escape(escaped: char, rest: &mut &str) -> Escape {
    let text = |text: &str| Escape::Text(text.to_owned());
    match escaped {
        'd' => text("[0-9]"),
        'D' => text("[^0-9]"),
        'w' => text("[a-zA-Z_0-9]"),
        'W' => text("[^a-zA-Z_0-9]"),
        's' => text("[ \\t\\n\\x0B\\x0C\\r]"),
        'S' => text("[^ \\t\\n\\x0B\\x0C\\r]"),
        'h' => text("[ \\t\\u{A0}\\u{1680}\\u{180E}\\u{2000}-\\u{200A}\\u{202F}\\u{205F}\\u{3000}]"),
        'v' => text("[\\n\\x0B\\x0C\\r\\u{85}\\u{2028}\\u{2029}]"),
        'R' => text("(?:\\r\\n|[\\n\\x0B\\x0C\\r\\u{85}\\u{2028}\\u{2029}])"),
        'b' => text("(?-u:\\b)"),
        'e' => text("\\x1B"),
        't' | 'n' | 'r' | 'f' | 'a' | 'A' | 'z' | 'B' | 'x' => Escape::Text(format!("\\{escaped}")),
        'u' => match rest.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            Some(digits) => {
                *rest = &rest[4..];
                Escape::Text(format!("\\u{{{digits}}}"))
            }
            None => Escape::Invalid,
        },
        'Q' => {
            let (quoted, behind) = rest.split_once("\\E").unwrap_or((rest, ""));
            *rest = behind;
            Escape::Text(regex::escape(quoted))
        }
        'p' | 'P' => class(escaped == 'P', rest),
        '1'..='9' | 'k' => Escape::Unsupported("a back reference"),
        '0' | 'c' | 'G' | 'X' | 'N' | 'Z' => Escape::Unsupported("this escape"),
        _ if escaped.is_ascii_alphanumeric() => Escape::Invalid,
        _ => Escape::Text(regex::escape(escaped.encode_utf8(&mut [0; 4]))),
    }
}

/// `\p{name}`.
fn class(negated: bool, rest: &mut &str) -> Escape {
    let (name, behind) = match rest.strip_prefix('{') {
        Some(inside) => match inside.split_once('}') {
            Some(parts) => parts,
            None => return Escape::Invalid,
        },
        None => match rest.chars().next() {
            Some(letter) => rest.split_at(letter.len_utf8()),
            None => return Escape::Invalid,
        },
    };
    *rest = behind;
    let posix = match name {
        "Lower" => "lower",
        "Upper" => "upper",
        "ASCII" => "ascii",
        "Alpha" => "alpha",
        "Digit" => "digit",
        "Alnum" => "alnum",
        "Punct" => "punct",
        "Graph" => "graph",
        "Print" => "print",
        "Blank" => "blank",
        "Cntrl" => "cntrl",
        "XDigit" => "xdigit",
        "Space" => "space",
        _ if name.starts_with("java") => return Escape::Unsupported("a class of Java's own"),
        _ => {
            let name = name.strip_prefix("Is").unwrap_or(name);
            return Escape::Text(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }));
        }
    };
    Escape::Text(format!("[[:{}{posix}:]]", if negated { "^" } else { "" }))
}

/// The matches of a pattern as Java finds them: an empty match may follow another one directly.
pub(super) struct Matches<'r, 't> {
    regex: &'r Regex,
    text: &'t str,
    next: Option<usize>,
}

impl<'r, 't> Matches<'r, 't> {
    /// All matches in a text.
    pub(super) fn new(regex: &'r Regex, text: &'t str) -> Self {
        Self { regex, text, next: Some(0) }
    }
}

impl<'t> Iterator for Matches<'_, 't> {
    type Item = regex::Match<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.regex.find_at(self.text, self.next?)?;
        self.next = match (found.is_empty(), self.text[found.end()..].chars().next()) {
            (false, _) => Some(found.end()),
            (true, Some(character)) => Some(found.end() + character.len_utf8()),
            (true, None) => None,
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().unwrap().is_match(text)
    }

    #[test]
    fn classes_count_ascii_only() {
        assert!(finds(r"^\d+$", "123") && !finds(r"^\d+$", "٣"));
        assert!(finds(r"^[\w-]+$", "a-b_1") && !finds(r"^\w+$", "é"));
        assert!(
            finds(r"\p{Alpha}", "a")
                && !finds(r"\p{Alpha}", "é")
                && finds(r"\p{L}", "é")
                && finds(r"\p{IsAlphabetic}", "é")
        );
        assert!(!finds(r"^.$", "\r") && finds(r"(?s)^.$", "\r"));
    }

    #[test]
    fn quotes_and_escapes_are_literal() {
        assert!(finds(r"\Qa.b\E", "a.b") && !finds(r"\Qa.b\E", "axb"));
        assert!(finds(r"\.", ".") && finds(r"\<", "<") && finds(r"\u0041", "A") && finds("[a--]", "-"));
    }

    #[test]
    fn what_java_refuses_is_none_and_what_only_java_has_is_an_error() {
        for pattern in ["(", "[a", "*", r"\y", r"\"] {
            assert!(compile(pattern).unwrap().is_none(), "{pattern}");
        }
        for pattern in ["a(?=b)", "(?<!a)b", r"(a)\1", "a++", "(?>a)"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn empty_matches_may_follow_others() {
        let all = |pattern: &str, text: &str| -> Vec<(usize, usize)> {
            let regex = compile(pattern).unwrap().unwrap();
            Matches::new(&regex, text).map(|found| (found.start(), found.end())).collect()
        };
        assert_eq!(all("a*", "aaa"), [(0, 3), (3, 3)]);
        assert_eq!(all("", "éa"), [(0, 0), (2, 2), (3, 3)]);
    }
}
