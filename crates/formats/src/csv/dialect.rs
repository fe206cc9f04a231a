//! The characters and rules of one table's csv.

use riverrun_base::{Error, Result};

use super::options::CsvOptions;

/// A character as it stands in UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark(Vec<u8>);

impl Mark {
    fn new(character: char) -> Self {
        Self(character.to_string().into_bytes())
    }

    /// Its bytes; at least one.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its first byte, to search for.
    pub(super) fn first(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it stands at `position`.
    #[inline]
    pub(super) fn is_at(&self, text: &[u8], position: usize) -> bool {
        text.get(position) == self.0.first() && text.get(position..).is_some_and(|rest| rest.starts_with(&self.0))
    }

    fn character(&self) -> char {
        String::from_utf8_lossy(&self.0).chars().next().unwrap_or_default()
    }
}

/// What the options say, checked.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: Mark,
    pub(super) quote: Option<Mark>,
    pub(super) escape: Option<Mark>,
    pub(super) element_delimiter: Mark,
    pub(super) null_literal: Option<Vec<u8>>,
    pub(super) allow_comments: bool,
    pub(super) ignore_parse_errors: bool,
    pub(super) trim_spaces: bool,
    pub(super) ignore_trailing: bool,
    pub(super) allow_trailing_delimiter: bool,
    pub(super) fail_on_missing: bool,
    pub(super) empty_as_null: bool,
    pub(super) scientific_decimals: bool,
    /// Texts with characters below it are quoted when they are written,
    pub(super) safe_from: char,
    /// and texts with this one: the escape character, or a backslash without one.
    pub(super) unsafe_above: char,
}

impl Dialect {
    /// Checks the options; `prefix` stands before their keys.
    ///
    /// # Errors
    /// An option that takes one character has none or several, or two options exclude each other.
    pub(super) fn new(options: &CsvOptions, prefix: &str) -> Result<Self> {
        let delimiter = single(&unescape_java(&options.field_delimiter), prefix, "field-delimiter")?;
        let quote = match (&options.quote_character, options.disable_quote_character) {
            (Some(_), true) => {
                return Err(Error::user(format!(
                    "'{prefix}quote-character' cannot be set when '{prefix}disable-quote-character' is true"
                )));
            }
            (None, true) => None,
            (None, false) => Some(Mark::new('"')),
            (Some(text), false) => Some(single(text, prefix, "quote-character")?),
        };
        let escape =
            options.escape_character.as_ref().map(|text| single(text, prefix, "escape-character")).transpose()?;
        let element_delimiter = single(&options.array_element_delimiter, prefix, "array-element-delimiter")?;
        let named = [
            ("field-delimiter", Some(&delimiter)),
            ("quote-character", quote.as_ref()),
            ("escape-character", escape.as_ref()),
        ];
        for (n, (key, mark)) in named.iter().enumerate() {
            let Some(mark) = mark else { continue };
            if matches!(mark.first(), b'\n' | b'\r') {
                return Err(Error::user(format!("'{prefix}{key}' cannot be a line end")));
            }
            if let Some((other, _)) = named[..n].iter().find(|(_, other)| *other == Some(mark)) {
                return Err(Error::user(format!("'{prefix}{key}' and '{prefix}{other}' are the same character")));
            }
        }
        // The rule of Jackson's CsvEncoder: the largest of delimiter, quote and line end, and one more.
        let largest = delimiter.character().max(quote.as_ref().map_or('\n', Mark::character)).max('\r');
        Ok(Self {
            unsafe_above: escape.as_ref().map_or('\\', Mark::character),
            delimiter,
            quote,
            escape,
            element_delimiter,
            null_literal: options.null_literal.clone().map(String::into_bytes),
            allow_comments: options.allow_comments,
            ignore_parse_errors: options.ignore_parse_errors,
            trim_spaces: options.trim_spaces,
            ignore_trailing: options.ignore_trailing_unmappable,
            allow_trailing_delimiter: options.allow_trailing_comma,
            fail_on_missing: options.fail_on_missing_columns,
            empty_as_null: options.empty_string_as_null,
            scientific_decimals: options.write_bigdecimal_in_scientific_notation,
            safe_from: char::from_u32(u32::from(largest) + 1).unwrap_or(char::MAX),
        })
    }
}

impl Dialect {
    /// Whether a text with this character is quoted when it is written.
    pub(super) fn is_unsafe(&self, character: char) -> bool {
        character < self.safe_from || character == self.unsafe_above
    }
}

fn single(text: &str, prefix: &str, key: &str) -> Result<Mark> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(Mark::new(character)),
        _ => Err(Error::user(format!("'{prefix}{key}' must be one character, but is '{text}'"))),
    }
}

/// Java's escapes, as `field-delimiter` may have them: `\t`, `\b`, `\n`, `\r`, `\f`, `\'`, `\"`, `\\`, `\u0001`, `\001`.
fn unescape_java(text: &str) -> String {
    let mut unescaped = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            unescaped.push(character);
            continue;
        }
        let numbered = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let tail = rest.as_str();
        let hex = tail
            .strip_prefix('u')
            .map(|hex| hex.trim_start_matches('u'))
            .and_then(|hex| Some((hex.get(..4)?, hex.get(4..)?)));
        let octal = tail.len() - tail.trim_start_matches(|digit| ('0'..='7').contains(&digit)).len();
        if let Some((digits, after)) = hex
            && let Some(character) = numbered(digits, 16)
        {
            unescaped.push(character);
            rest = after.chars();
        } else if octal > 0
            && let Some(character) = numbered(&tail[..octal.min(3)], 8)
        {
            unescaped.push(character);
            rest = tail[octal.min(3)..].chars();
        } else {
            unescaped.extend(rest.next().map(|escaped| match escaped {
                't' => '\t',
                'b' => '\u{8}',
                'n' => '\n',
                'r' => '\r',
                'f' => '\u{c}',
                other => other,
            }));
        }
    }
    unescaped
}
