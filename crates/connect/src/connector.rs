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
pub struct Connectors(Vec<&'static Connector>);

impl Connectors {
    /// A list of connectors.
    pub fn new(connectors: Vec<&'static Connector>) -> Self {
        Self(connectors)
    }

    /// The connectors, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Connector> {
        self.0.iter().copied()
    }

    /// The connector of this name.
    ///
    /// # Errors
    /// There is none; the error lists what there is and the nearest name.
    pub fn get(&self, name: &str) -> Result<&'static Connector> {
        self.iter().find(|connector| connector.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.iter().map(|connector| connector.name).collect();
            let guess =
                nearest(name, names.iter().copied()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
            Error::user(format!("unknown connector '{name}'"))
                .hint(format!("{guess}Available connectors: {}", names.join(", ")))
        })
    }
}
