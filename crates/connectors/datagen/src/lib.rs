//! The `datagen` connector: tables made of random values and sequences, at an exact rate.
//!
//! The rows are numbered from 0 and dealt out to as many splits as there are readers: row `n` belongs to split `n mod splits`. A random value
//! depends on the split's seed, the column and the row's number only, so a split is resumed from a row's number and goes on as if it had never
//! stopped; times follow the clock. A sequence's value is its start plus the row's number, so the readers neither repeat nor leave out one.

mod columns;
mod options;
mod position;
mod random;
mod schedule;
mod source;
mod values;

use riverrun_base::Result;
use riverrun_base::options::OptionSet;
use riverrun_connect::{Connector, Source, TableContext};

pub use options::{DatagenOptions, Kind};

/// The `datagen` connector.
pub static DATAGEN: Connector = Connector {
    name: "datagen",
    description: "Makes rows of random values and sequences, at a chosen rate.",
    options: || DatagenOptions::specs().to_vec(),
    metadata: Vec::new,
    source: Some(source),
    sink: None,
};

fn source(context: &TableContext) -> Result<Box<dyn Source>> {
    let mut reader = context.option_reader();
    let options: DatagenOptions = reader.read()?;
    reader.finish()?;
    let table = |error: riverrun_base::Error| error.with("table", &context.name);
    Ok(Box::new(source::DatagenSource::new(options, &context.columns, context.physical_schema()).map_err(table)?))
}

#[cfg(test)]
mod tests;
