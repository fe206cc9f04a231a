//! The `print` and `blackhole` connectors: sinks that show a stream, and that swallow one.

mod blackhole;
mod options;
mod sink;
mod text;

use riverrun_base::Result;
use riverrun_base::options::OptionSet;
use riverrun_connect::{Connector, Sink, TableContext};

pub use options::{BlackholeOptions, PrintOptions};

/// The `print` connector.
pub static PRINT: Connector = Connector {
    name: "print",
    description: "Writes every row to standard output or standard error, as Flink does.",
    options: || PrintOptions::specs().to_vec(),
    metadata: Vec::new,
    source: None,
    sink: Some(print),
};

/// The `blackhole` connector.
pub static BLACKHOLE: Connector = Connector {
    name: "blackhole",
    description: "Takes every row and forgets it.",
    options: || BlackholeOptions::specs().to_vec(),
    metadata: Vec::new,
    source: None,
    sink: Some(blackhole),
};

fn print(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader = context.option_reader();
    let options: PrintOptions = reader.read()?;
    reader.finish()?;
    let sink = sink::PrintSink::new(options, &context.columns).map_err(|error| error.with("table", &context.name))?;
    Ok(Box::new(sink))
}

fn blackhole(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader = context.option_reader();
    let _: BlackholeOptions = reader.read()?;
    reader.finish()?;
    Ok(Box::new(blackhole::BlackholeSink))
}

#[cfg(test)]
mod tests;
