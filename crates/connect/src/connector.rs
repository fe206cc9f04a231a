//! A connector as the engine sees it, and the list of those there are.

use riverrun_base::options::OptionSpec;
use riverrun_base::{Error, Result, nearest};
use riverrun_data::DataType;

use crate::{Sink, Source, TableContext};

/// Checks a table's options and makes its source. Connects to nothing.
pub type OpenSource = fn(&TableContext) -> Result<Box<dyn Source>>;

/// Checks a table's options and makes its sink. Connects to nothing.
pub type OpenSink = fn(&TableContext) -> Result<Box<dyn Sink>>;

/// What `'connector' = '...'` names.
pub struct Connector {
    /// The name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// Its options, of source and sink together, for the reference page.
    pub options: fn() -> Vec<OptionSpec>,
    /// The metadata that columns can name.
    pub metadata: fn() -> Vec<MetadataKey>,
    /// Checks a table's options and makes its source; `None` where the connector has none. Connects to nothing.
    pub source: Option<OpenSource>,
    /// Checks a table's options and makes its sink; `None` where the connector has none. Connects to nothing.
    pub sink: Option<OpenSink>,
}

/// Something beside the record's value that a column can hold.
#[derive(Clone, Debug)]
pub struct MetadataKey {
    /// The key in `METADATA FROM '...'`.
    pub key: &'static str,
    /// Its own type; a column of another type is cast.
    pub data_type: DataType,
    /// Whether a sink can write it.
    pub writable: bool,
    /// What it is.
    pub description: &'static str,
}

/// The connectors that this build has.
#[derive(Clone, Default)]
pub struct Connectors {
    list: Vec<&'static Connector>,
    left_out: &'static [LeftOut],
}

/// A connector that there is, but not in this build.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// The connector's name.
    pub name: &'static str,
    /// The cargo feature that brings it.
    pub feature: &'static str,
}

impl Connectors {
    /// A list of connectors.
    pub fn new(connectors: Vec<&'static Connector>) -> Self {
        Self { list: connectors, left_out: &[] }
    }

    /// The same list, which tells who asks for one of these connectors how to get it.
    #[must_use]
    pub fn with_left_out(self, left_out: &'static [LeftOut]) -> Self {
        Self { left_out, ..self }
    }

    /// The connectors, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Connector> {
        self.list.iter().copied()
    }

    /// The connector of this name.
    ///
    /// # Errors
    /// There is none; the error lists what there is and the nearest name, or says which build has it.
    pub fn get(&self, name: &str) -> Result<&'static Connector> {
        self.iter().find(|connector| connector.name == name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        if let Some(LeftOut { feature, .. }) = self.left_out.iter().find(|left_out| left_out.name == name) {
            return Error::user(format!("connector '{name}' is not in this build"))
                .hint(format!("build with the cargo feature '{feature}', which is one of the default features"));
        }
        let names: Vec<&str> = self.iter().map(|connector| connector.name).collect();
        let guess =
            nearest(name, names.iter().copied()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Error::user(format!("unknown connector '{name}'"))
            .hint(format!("{guess}Available connectors: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use super::*;

    #[test]
    fn a_connector_that_was_left_out_of_the_build_is_told_from_one_there_is_not() {
        let connectors = Connectors::default().with_left_out(&[LeftOut { name: "http", feature: "http" }]);
        let words = |name: &str| match connectors.get(name) {
            Ok(_) => panic!("{name} is there"),
            Err(error) => error.to_string(),
        };
        assert!(words("http").contains("connector 'http' is not in this build"), "{}", words("http"));
        assert!(words("htp").contains("unknown connector 'htp'"), "{}", words("htp"));
    }
}
