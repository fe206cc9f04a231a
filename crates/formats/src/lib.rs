//! Bytes to batches and back.
//!
//! A format is configured once from a table's options ([`open`]) and makes decoders and encoders, each owned by one thread. Both work on
//! many messages at a time: a decoder appends to columns without building rows, an encoder writes into one buffer.
//!
//! A format is a folder: `mod` says what it reads and writes and where it differs from Flink's, `options` has its options, `decoder` and
//! `encoder` do the work, `tests` hold every decision. What decoders share is in `rows`; text forms are in [`text`]. Programs in Rust, whose
//! records are typed, have [`DeserializationSchema`] and [`SerializationSchema`] instead.

mod csv;
mod decode;
mod encode;
mod json;
mod lines;
mod raw;
mod registry;
mod rows;
#[cfg(test)]
mod testing;
pub mod text;
mod typed;

pub use decode::{DecodeError, Decoded, Decoder};
pub use encode::{Encoded, Encoder};
pub use lines::split_lines;
pub use registry::{FORMATS, Format, FormatFactory, factory, open};
pub use typed::{
    BoxError, DeserializationSchema, JsonDeserializationSchema, JsonSerializationSchema, SerializationSchema,
    SimpleStringSchema,
};
