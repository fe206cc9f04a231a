//! Bytes to batches and back.
//!
//! A format is configured once from a table's options ([`open`]) and makes decoders and encoders, each owned by one thread. Both work on
//! many messages at a time: a decoder appends to Arrow builders without building rows, an encoder writes into one buffer.

mod decode;
mod encode;
mod registry;

pub use decode::{DecodeError, Decoded, Decoder};
pub use encode::{Encoded, Encoder};
pub use registry::{FORMATS, Format, FormatFactory, factory, open};
