//! What a user wrote in `WITH (...)`, read by several parties and refused where nobody read it.

use std::collections::BTreeMap;

use super::{OptionSet, OptionSpec, OptionValue};
use crate::{Error, Result, nearest};

/// The options a user wrote, and which of them have been read.
#[derive(Debug)]
pub struct OptionReader {
    owner: String,
    values: BTreeMap<String, Written>,
    known: Vec<String>,
}

#[derive(Debug)]
struct Written {
    text: String,
    read: bool,
}

impl OptionReader {
    /// Starts on what the user wrote; `owner` says in errors whose options they are (`connector 'kafka'`).
    pub fn new(owner: impl Into<String>, values: BTreeMap<String, String>) -> Self {
        let values = values.into_iter().map(|(key, text)| (key, Written { text, read: false })).collect();
        Self { owner: owner.into(), values, known: Vec::new() }
    }

    /// Reads a set of options.
    ///
    /// # Errors
    /// A required option is missing or a value has the wrong type.
    pub fn read<T: OptionSet>(&mut self) -> Result<T> {
        self.read_under("")
    }

    /// Reads a set of options whose keys stand behind a prefix, such as `csv.`.
    ///
    /// # Errors
    /// As [`OptionReader::read`].
    pub fn read_under<T: OptionSet>(&mut self, prefix: &str) -> Result<T> {
        self.known.extend(T::specs().iter().map(|spec| format!("{prefix}{}", spec.key)));
        T::read(self, prefix)
    }

    /// The text of one key, without marking it as read.
    pub fn peek(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|written| written.text.as_str())
    }

    /// Refuses every option that nobody has read.
    ///
    /// # Errors
    /// Names the unknown options with the nearest known one, and lists what is supported.
    pub fn finish(self) -> Result<()> {
        let unknown: Vec<&str> =
            self.values.iter().filter(|(_, written)| !written.read).map(|(key, _)| key.as_str()).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let mut supported = self.known.clone();
        supported.sort();
        supported.dedup();
        let guess = nearest(first, supported.iter().map(String::as_str))
            .map(|near| format!("did you mean '{near}'? "))
            .unwrap_or_default();
        Err(Error::user(format!("Unsupported options found for {}: {}", self.owner, unknown.join(", ")))
            .hint(format!("{guess}Supported options: {}", supported.join(", "))))
    }

    /// Takes and reads the value of `spec`, under its key or an older one.
    pub(super) fn take<T: OptionValue>(&mut self, prefix: &str, spec: &OptionSpec) -> Result<Option<T>> {
        for key in std::iter::once(&spec.key).chain(spec.older_keys) {
            let key = format!("{prefix}{key}");
            if let Some(written) = self.values.get_mut(&key) {
                written.read = true;
                return T::parse(&written.text)
                    .map(Some)
                    .map_err(|error| error.with("option", &key).with("of", &self.owner));
            }
        }
        Ok(None)
    }

    /// Takes every value whose key matches the wildcard of `spec`, by what the wildcard stands for.
    pub(super) fn take_matching<T: OptionValue>(
        &mut self,
        prefix: &str,
        spec: &OptionSpec,
    ) -> Result<BTreeMap<String, T>> {
        let mut found = BTreeMap::new();
        for (key, written) in &mut self.values {
            let Some(name) = key.strip_prefix(prefix).and_then(|rest| spec.wildcard(rest)) else { continue };
            if written.read {
                continue;
            }
            written.read = true;
            let value = T::parse(&written.text).map_err(|error| error.with("option", key).with("of", &self.owner))?;
            found.insert(name.to_owned(), value);
        }
        Ok(found)
    }

    pub(super) fn missing(&self, prefix: &str, spec: &OptionSpec) -> Error {
        let key = format!("{prefix}{}", spec.key);
        Error::user(format!("missing required option '{key}' for {}", self.owner))
            .hint(format!("add '{key}' = '...': {}", spec.description))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Secret;

    crate::option_enum! {
        /// Where to start.
        pub(crate) enum Start {
            /// At the first record.
            "earliest-offset" => Earliest,
            /// At the end.
            "latest-offset" => Latest,
        }
    }

    crate::options! {
        /// Options of a test.
        pub(crate) struct TestOptions {
            /// Where it lies.
            "path" => path: String,
            /// Where to start.
            "scan.startup.mode" | "startup" => start: Start = "earliest-offset",
            /// The password.
            "password" => password: Option<Secret>,
            /// Kind of a field.
            "fields.#.kind" => kinds: BTreeMap<String, String>,
        }
    }

    fn reader(pairs: &[(&str, &str)]) -> OptionReader {
        OptionReader::new("connector 'test'", pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn defaults_older_keys_and_wildcards_are_read() {
        let mut r = reader(&[
            ("path", "/tmp"),
            ("startup", "latest-offset"),
            ("fields.a.b.kind", "random"),
            ("password", "pw"),
        ]);
        let options: TestOptions = r.read().unwrap();
        assert_eq!((options.path.as_str(), options.start), ("/tmp", Start::Latest));
        assert_eq!(options.kinds["a.b"], "random");
        assert_eq!(format!("{:?}", options.password), "Some(******)");
        r.finish().unwrap();
        let options: TestOptions = reader(&[("path", "x")]).read().unwrap();
        assert_eq!(options.start, Start::Earliest);
    }

    #[test]
    fn a_missing_option_says_how_to_add_it() {
        let error = reader(&[]).read::<TestOptions>().unwrap_err().to_string();
        assert_eq!(error, "missing required option 'path' for connector 'test'; add 'path' = '...': Where it lies.");
    }

    #[test]
    fn an_unknown_option_names_the_nearest_and_lists_all() {
        let mut r = reader(&[("path", "x"), ("pasword", "x")]);
        r.read::<TestOptions>().unwrap();
        let error = r.finish().unwrap_err().to_string();
        assert!(
            error.starts_with(
                "Unsupported options found for connector 'test': pasword; did you mean 'password'? Supported options: "
            ),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_value_names_the_option_and_what_it_takes() {
        let error = reader(&[("path", "x"), ("startup", "now")]).read::<TestOptions>().unwrap_err().to_string();
        assert_eq!(error, "'now' is not one of earliest-offset, latest-offset (option: startup, of: connector 'test')");
    }

    #[test]
    fn definitions_carry_type_default_and_text() {
        let spec = TestOptions::specs()[1];
        assert_eq!(
            (spec.key, spec.type_name, spec.default, spec.required),
            ("scan.startup.mode", "Enum", Some("earliest-offset"), false)
        );
        assert_eq!(spec.values, ["earliest-offset", "latest-offset"]);
        assert_eq!(spec.description, "Where to start.");
        assert!(TestOptions::specs()[0].required && TestOptions::specs()[2].secret);
    }
}
