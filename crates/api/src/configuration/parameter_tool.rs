//! A program's own parameters.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use riverrun_base::{Error, Result, nearest};

/// A program's own parameters, from the command line, a properties file or a map.
///
/// ```
/// use riverrun::ParameterTool;
///
/// let parameters = ParameterTool::from_args(["--pages", "6", "--topic=clicks", "--event-time"])?;
/// assert_eq!(parameters.get_int("pages", 10)?, 6);
/// assert_eq!(parameters.get_required("topic")?, "clicks");
/// assert!(parameters.has("event-time"));
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterTool(BTreeMap<String, Option<String>>);

impl ParameterTool {
    /// The parameters of this process: see [`Self::from_args`].
    ///
    /// # Errors
    /// An argument is none of these forms.
    pub fn from_command_line() -> Result<Self> {
        Self::from_args(std::env::args().skip(1))
    }

    /// Reads `--key value`, `-key value`, `--key=value` and, without a value, `--key`. What begins with a hyphen is a value only if it is a number.
    /// The last of several with the same key holds.
    ///
    /// # Errors
    /// An argument is none of these forms.
    pub fn from_args<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        let mut arguments = arguments.into_iter().map(Into::into).peekable();
        while let Some(argument) = arguments.next() {
            let key = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
            let key = key.filter(|key| !key.is_empty() && !key.starts_with('=')).ok_or_else(|| {
                Error::user(format!("the argument '{argument}' is no parameter")).hint("write --key value, or --key")
            })?;
            if let Some((key, value)) = key.split_once('=') {
                parameters.insert(key.to_owned(), Some(value.to_owned()));
                continue;
            }
            let is_value = |next: &String| !next.starts_with('-') || next.parse::<f64>().is_ok();
            let value = arguments.next_if(is_value);
            parameters.insert(key.to_owned(), value);
        }
        Ok(Self(parameters))
    }

    /// Reads a properties file: lines `key=value` or `key: value`, and comments behind `#` or `!`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn from_properties_file(file: impl AsRef<Path>) -> Result<Self> {
        let text = std::fs::read_to_string(file.as_ref()).map_err(|error| {
            Error::user("cannot read the properties").caused_by(error).with("file", file.as_ref().display())
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        let pair = |line: &str| match line.split_once(['=', ':']) {
            Some((key, value)) => (key.trim().to_owned(), Some(value.trim().to_owned())),
            None => (line.to_owned(), None),
        };
        Ok(Self(lines.map(pair).collect()))
    }

    /// Parameters and their values.
    pub fn from_map<K: Into<String>, V: Into<String>>(parameters: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(parameters.into_iter().map(|(key, value)| (key.into(), Some(value.into()))).collect())
    }

    /// These parameters and those of another, which hold over these.
    #[must_use]
    pub fn merge_with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether a parameter is given, with a value or without.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The value of a parameter, if it has one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Option::as_deref)
    }

    /// The value of a parameter, or this one.
    pub fn get_or<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.get(key).unwrap_or(default)
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// It is not given, or has no value; the error names the nearest that is given.
    pub fn get_required(&self, key: &str) -> Result<&str> {
        if let Some(value) = self.get(key) {
            return Ok(value);
        }
        if self.has(key) {
            return Err(
                Error::user(format!("the parameter '--{key}' has no value")).hint(format!("write --{key} VALUE"))
            );
        }
        let error = Error::user(format!("the parameter '--{key}' is missing"));
        Err(match nearest(key, self.0.keys().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean '--{key}' where you wrote '--{near}'?")),
            None => error.hint(format!("add --{key} VALUE")),
        })
    }

    /// The value of a parameter as another type, if the parameter is given.
    ///
    /// # Errors
    /// It has no value, or one that is none of this type.
    pub fn parse<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<Option<T>> {
        if !self.has(key) {
            return Ok(None);
        }
        let text = self.get_required(key)?;
        text.parse().map(Some).map_err(|error: T::Err| {
            Error::user(format!("the parameter '--{key}' is '{text}', which cannot be used: {error}"))
        })
    }

    /// A whole number of 32 bits, or this one where the parameter is not given.
    ///
    /// # Errors
    /// The value is none.
    pub fn get_int(&self, key: &str, default: i32) -> Result<i32> {
        Ok(self.parse(key)?.unwrap_or(default))
    }

    /// A whole number of 64 bits, or this one where the parameter is not given.
    ///
    /// # Errors
    /// The value is none.
    pub fn get_long(&self, key: &str, default: i64) -> Result<i64> {
        Ok(self.parse(key)?.unwrap_or(default))
    }

    /// A number, or this one where the parameter is not given.
    ///
    /// # Errors
    /// The value is none.
    pub fn get_double(&self, key: &str, default: f64) -> Result<f64> {
        Ok(self.parse(key)?.unwrap_or(default))
    }

    /// `true` or `false`, or this one where the parameter is not given. A parameter without a value is `true`.
    ///
    /// # Errors
    /// The value is neither.
    pub fn get_boolean(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(self.has(key) || default),
            Some(text) => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(Error::user(format!("the parameter '--{key}' is '{text}', and neither true nor false"))),
            },
        }
    }

    /// All parameters, those without a value with an empty one.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default())).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(arguments: &[&str]) -> ParameterTool {
        ParameterTool::from_args(arguments.iter().copied()).unwrap()
    }

    #[test]
    fn every_form_of_a_parameter_is_read() {
        let parameters = of(&["--a", "1", "-b", "two words", "--c=x=y", "--flag", "--d", "-5", "-last"]);
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("b"), Some("two words"));
        assert_eq!(parameters.get("c"), Some("x=y"));
        assert_eq!(parameters.get_int("d", 0).unwrap(), -5);
        assert!(parameters.has("flag") && parameters.get("flag").is_none() && parameters.has("last"));
        assert!(parameters.get_boolean("flag", false).unwrap() && !parameters.get_boolean("other", false).unwrap());
        assert_eq!(parameters.get_or("other", "default"), "default");
        assert_eq!(parameters.merge_with(of(&["--a", "2"])).get("a"), Some("2"));
        for wrong in ["value", "--", "-", "--=x"] {
            let error = ParameterTool::from_args([wrong]).unwrap_err().to_string();
            assert!(error.contains(&format!("'{wrong}'")) && error.contains("--key value"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_by_name() {
        let parameters = of(&["--toppic", "clicks", "--pages", "six", "--empty"]);
        let error = parameters.get_required("topic").unwrap_err().to_string();
        assert!(error.contains("'--topic' is missing") && error.contains("'--toppic'"), "{error}");
        assert!(parameters.get_required("empty").unwrap_err().to_string().contains("has no value"));
        let error = parameters.get_int("pages", 1).unwrap_err().to_string();
        assert!(error.contains("'--pages' is 'six'") && error.contains("invalid digit"), "{error}");
        assert!(parameters.get_boolean("pages", true).unwrap_err().to_string().contains("neither true nor false"));
    }

    #[test]
    fn properties_are_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job.properties");
        std::fs::write(&file, "# a comment\nbootstrap.servers = a:1,b:2\n\nurl: jdbc:x\nflag\n").unwrap();
        let parameters = ParameterTool::from_properties_file(&file).unwrap();
        assert_eq!(parameters.get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(parameters.get("url"), Some("jdbc:x"));
        assert!(parameters.has("flag"));
        let error = ParameterTool::from_properties_file(folder.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }
}
