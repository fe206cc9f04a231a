//! What an option is, and how a field of an option struct takes its value from what the user wrote.

use std::collections::BTreeMap;

use super::{OptionReader, OptionValue};
use crate::Result;

/// The definition of one option.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The key. `#` stands for one name inside it (`fields.#.kind`), a final `*` for any rest (`properties.*`).
    pub key: &'static str,
    /// Keys that older versions used; accepted, never shown first.
    pub older_keys: &'static [&'static str],
    /// The type's name in the reference page.
    pub type_name: &'static str,
    /// The values an enumeration takes; empty otherwise.
    pub values: &'static [&'static str],
    /// The default, as a user would write it.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether its value must never print.
    pub secret: bool,
    /// A sentence or two from the field's doc comment.
    pub description: &'static str,
}

impl OptionSpec {
    /// The text that the wildcard of this option's key stands for in `key`, if `key` matches it.
    pub(super) fn wildcard<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (before, after) = self.key.split_once('#').or_else(|| self.key.split_once('*'))?;
        let middle = key.strip_prefix(before)?.strip_suffix(after)?;
        (!middle.is_empty()).then_some(middle)
    }
}

/// A struct made by [`options!`](macro@crate::options).
pub trait OptionSet: Sized {
    /// The definitions, in the order of the fields.
    fn specs() -> &'static [OptionSpec];

    /// Reads every field; keys in `reader` are expected behind `prefix` (empty, or `csv.`).
    ///
    /// # Errors
    /// A required option is missing or a value has the wrong type; the error names the key and what it takes.
    fn read(reader: &mut OptionReader, prefix: &str) -> Result<Self>;
}

/// A type that a field of an option struct can have: a value (required, or with a default), an `Option`, or a map for a wildcard key.
pub trait OptionField: Sized {
    /// Name of the type in the reference page.
    const TYPE: &'static str;
    /// The values an enumeration takes.
    const VALUES: &'static [&'static str] = &[];
    /// Whether the field needs a value when it has no default.
    const NEEDS_VALUE: bool;
    /// Whether the value must never print.
    const SECRET: bool = false;

    /// Takes the value for `spec`.
    ///
    /// # Errors
    /// The option is missing or its value has the wrong type.
    fn take(reader: &mut OptionReader, prefix: &str, spec: &OptionSpec) -> Result<Self>;
}

impl<T: OptionValue> OptionField for T {
    const TYPE: &'static str = T::TYPE;
    const VALUES: &'static [&'static str] = T::VALUES;
    const NEEDS_VALUE: bool = true;
    const SECRET: bool = T::SECRET;

    fn take(reader: &mut OptionReader, prefix: &str, spec: &OptionSpec) -> Result<Self> {
        match reader.take(prefix, spec)? {
            Some(value) => Ok(value),
            None => match spec.default {
                Some(default) => T::parse(default),
                None => Err(reader.missing(prefix, spec)),
            },
        }
    }
}

impl<T: OptionValue> OptionField for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const VALUES: &'static [&'static str] = T::VALUES;
    const NEEDS_VALUE: bool = false;
    const SECRET: bool = T::SECRET;

    fn take(reader: &mut OptionReader, prefix: &str, spec: &OptionSpec) -> Result<Self> {
        reader.take(prefix, spec)
    }
}

impl<T: OptionValue> OptionField for BTreeMap<String, T> {
    const TYPE: &'static str = T::TYPE;
    const VALUES: &'static [&'static str] = T::VALUES;
    const NEEDS_VALUE: bool = false;
    const SECRET: bool = T::SECRET;

    fn take(reader: &mut OptionReader, prefix: &str, spec: &OptionSpec) -> Result<Self> {
        reader.take_matching(prefix, spec)
    }
}
