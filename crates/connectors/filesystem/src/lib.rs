//! The `filesystem` connector: tables in the files of a local folder.
//!
//! A source reads a file, the files below a folder, or those that a pattern names, once or watching for new ones. Each file is a split, whose
//! position is the offset of the next message. A sink appends part files to a folder; a part shows its name once it is complete and durable,
//! and in a job that takes checkpoints once its checkpoint is complete: exactly once.

mod options;
mod path;
mod sink;
mod source;

use riverrun_base::options::OptionSet;
use riverrun_base::{Error, Result};
use riverrun_connect::{Connector, MetadataKey, Sink, Source, TableContext};
use riverrun_formats::Format;

pub use options::{FilesystemOptions, Statistics};
pub use sink::{DefaultRollingPolicy, FileSink, FileSinkBuilder};
pub use source::{FileSource, FileSourceBuilder, TextLineInputFormat};

/// The `filesystem` connector.
pub static FILESYSTEM: Connector = Connector {
    name: "filesystem",
    description: "Reads files of a local folder, and writes part files into one.",
    options: || FilesystemOptions::specs().to_vec(),
    metadata,
    source: Some(source),
    sink: Some(sink),
};

fn metadata() -> Vec<MetadataKey> {
    source::Metadata::ALL.iter().map(|metadata| metadata.key()).collect()
}

fn source(context: &TableContext) -> Result<Box<dyn Source>> {
    let (options, format) = validate(context)?;
    Ok(Box::new(source::FilesystemSource::new(options, format, context)?))
}

fn sink(context: &TableContext) -> Result<Box<dyn Sink>> {
    let (options, format) = validate(context)?;
    Ok(Box::new(sink::FilesystemSink::new(options, format, context)?))
}

/// Reads the options of connector and format.
fn validate(context: &TableContext) -> Result<(FilesystemOptions, Box<dyn Format>)> {
    if let Some(key) = context.options.keys().find(|key| options::is_later(key)) {
        let what = format!("the option '{key}' of connector 'filesystem'");
        return Err(Error::not_supported(what).with("table", &context.name));
    }
    let mut reader = context.option_reader();
    let options: FilesystemOptions = reader.read()?;
    options.check().map_err(|error| error.with("table", &context.name))?;
    let format = riverrun_formats::open(&mut reader, "format", &options.format, context.physical_schema())?;
    reader.finish()?;
    Ok((options, format))
}
