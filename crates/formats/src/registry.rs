//! The formats by name, and how a connector opens one from a table's options.

use arrow::datatypes::SchemaRef;
use riverrun_base::options::{OptionReader, OptionSpec};
use riverrun_base::{Error, Result, nearest};
use riverrun_data::ChangelogMode;

use crate::{Decoder, Encoder};

/// A format, configured for one table.
pub trait Format: Send + Sync {
    /// The row kinds its messages can carry.
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    /// A decoder for one thread.
    ///
    /// # Errors
    /// The schema has a type that the format cannot read.
    fn decoder(&self) -> Result<Box<dyn Decoder>>;

    /// An encoder for one thread.
    ///
    /// # Errors
    /// The schema has a type that the format cannot write.
    fn encoder(&self) -> Result<Box<dyn Encoder>>;
}

/// A format by its name in `'format' = '...'`.
pub struct FormatFactory {
    /// The name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// Its options, without the name as prefix.
    pub options: fn() -> &'static [OptionSpec],
    /// Configures it: reads its options behind the prefix and checks that it can hold the schema.
    pub build: fn(options: &mut OptionReader, prefix: &str, schema: SchemaRef) -> Result<Box<dyn Format>>,
}

/// Every format there is.
pub static FORMATS: &[&FormatFactory] = &[&crate::csv::FACTORY, &crate::json::FACTORY, &crate::raw::FACTORY];

/// The format of this name.
///
/// # Errors
/// There is none; the error lists what there is and the nearest name.
pub fn factory(name: &str) -> Result<&'static FormatFactory> {
    FORMATS.iter().find(|factory| factory.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|factory| factory.name).collect();
        let guess =
            nearest(name, names.iter().copied()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Error::user(format!("unknown format '{name}'")).hint(format!("{guess}Available formats: {}", names.join(", ")))
    })
}

/// Configures the format that the option `key` names (`format`, `key.format`, `value.format`) for rows of `schema`. Its options stand behind
/// the name, and behind what `key` has before `format`: `csv.field-delimiter`, `key.csv.field-delimiter`. The caller reads `key` itself.
///
/// # Errors
/// No such format, a wrong option, or a type in the schema that the format cannot hold.
pub fn open(options: &mut OptionReader, key: &str, name: &str, schema: SchemaRef) -> Result<Box<dyn Format>> {
    let before = key.strip_suffix("format").unwrap_or_default();
    let factory = factory(name).map_err(|error| error.with("option", key))?;
    (factory.build)(options, &format!("{before}{name}."), schema)
}
