//! Texts that name columns: `https://host/users/{id}?name={name}`.

use riverrun_base::{Error, Result, nearest};

use crate::url::encode_component;

/// A text with places for columns. `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Text before each column, and the column.
    parts: Vec<(String, usize)>,
    /// The text after the last column.
    rest: String,
}

impl Template {
    /// Reads a template over these columns.
    pub(crate) fn parse(text: &str, columns: &[&str], option: &'static str) -> Result<Self> {
        let bad = |why: &str| {
            Error::user(format!("'{text}' is no template: {why}"))
                .with("option", option)
                .hint("a column is written {name}, a brace as {{ or }}")
        };
        let (mut parts, mut before) = (Vec::new(), String::new());
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '{' | '}' if characters.peek() == Some(&character) => {
                    characters.next();
                    before.push(character);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match characters.next() {
                            Some('}') => break,
                            Some(character) => name.push(character),
                            None => return Err(bad("a brace is not closed")),
                        }
                    }
                    let column = columns.iter().position(|column| *column == name).ok_or_else(|| {
                        let guess = nearest(&name, columns.iter().copied());
                        let guess = guess.map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
                        Error::user(format!("the table has no column '{name}'"))
                            .with("option", option)
                            .hint(format!("{guess}Columns: {}", columns.join(", ")))
                    })?;
                    parts.push((std::mem::take(&mut before), column));
                }
                '}' => return Err(bad("a brace closes nothing")),
                character => before.push(character),
            }
        }
        Ok(Self { parts, rest: before })
    }

    /// What stands before the first column of a text whose table is not known.
    pub(crate) fn beginning_of(text: &str) -> String {
        let end = text.replace("{{", "\u{1}\u{1}").find('{').unwrap_or(text.len());
        text[..end].replace("{{", "{").replace("}}", "}")
    }

    /// The text, if it names no column.
    pub(crate) fn constant(&self) -> Option<&str> {
        self.parts.is_empty().then_some(self.rest.as_str())
    }

    /// The column, if the text is nothing else.
    pub(crate) fn single_column(&self) -> Option<usize> {
        match self.parts.as_slice() {
            [(before, column)] if before.is_empty() && self.rest.is_empty() => Some(*column),
            _ => None,
        }
    }

    /// The columns it names.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|(_, column)| *column)
    }

    /// What stands before the first column.
    pub(crate) fn beginning(&self) -> &str {
        self.parts.first().map_or(self.rest.as_str(), |(before, _)| before)
    }

    /// The text with the columns' values as they are.
    pub(crate) fn fill<'a>(&self, value: impl Fn(usize) -> &'a str) -> String {
        self.filled(value, |text, to| to.push_str(text))
    }

    /// The text with the columns' values percent-encoded; where the whole text is one column, that is a URL and stays as it is.
    pub(crate) fn fill_url<'a>(&self, value: impl Fn(usize) -> &'a str) -> String {
        match self.single_column() {
            Some(column) => value(column).to_owned(),
            None => self.filled(value, encode_component),
        }
    }

    fn filled<'a>(&self, value: impl Fn(usize) -> &'a str, append: impl Fn(&str, &mut String)) -> String {
        let mut text = String::new();
        for (before, column) in &self.parts {
            text.push_str(before);
            append(value(*column), &mut text);
        }
        text.push_str(&self.rest);
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parse(text: &str) -> Result<Template> {
        Template::parse(text, &["id", "user name"], "url")
    }

    #[test]
    fn columns_are_filled_in_as_data() {
        let values = ["a/b", "x&y=é"];
        let filled = |text: &str| parse(text).unwrap().fill_url(|column| values[column]);
        assert_eq!(filled("http://h/{id}?n={user name}"), "http://h/a%2Fb?n=x%26y%3D%C3%A9");
        assert_eq!(filled("{id}"), "a/b");
        assert_eq!(filled("http://h/{{x}}"), "http://h/{x}");
        assert_eq!(parse("v {id}").unwrap().fill(|column| values[column]), "v a/b");
        assert_eq!(parse("http://h").unwrap().constant(), Some("http://h"));
        assert_eq!(parse("http://h/{id}").unwrap().beginning(), "http://h/");
        assert_eq!(Template::beginning_of("http://h/{{x}}/{id}/"), "http://h/{x}/");
    }

    #[test]
    fn an_unknown_column_names_the_nearest() {
        let error = parse("http://h/{idd}").unwrap_err().to_string();
        assert!(error.contains("no column 'idd'") && error.contains("did you mean 'id'?"), "{error}");
        for text in ["{", "}", "{id", "a}b", "{}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
