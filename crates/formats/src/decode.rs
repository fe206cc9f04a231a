//! What a decoder promises.

use std::ops::Range;

use arrow::array::RecordBatch;
use riverrun_base::{Error, Result};
use riverrun_data::RowKind;

/// The rows of some messages.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The rows, in the schema the format was opened with.
    pub rows: RecordBatch,
    /// What each row does; `None` where every row is an insertion.
    pub kinds: Option<Vec<RowKind>>,
    /// The index of the message each row came from; `None` where row n came from message n.
    pub messages: Option<Vec<u32>>,
    /// How many messages were skipped because they could not be read (`ignore-parse-errors`).
    pub skipped: u64,
}

/// A message that cannot be read.
#[derive(Debug)]
pub struct DecodeError {
    /// Its index in the slice given to [`Decoder::decode`].
    pub message: usize,
    /// What is wrong, with the column in its context. The connector adds topic and offset, or path and line.
    pub error: Error,
}

/// Reads messages into rows. One thread owns it.
pub trait Decoder: Send {
    /// Finds the messages in a piece of a byte stream (a file); appends their ranges without their separators and returns how many bytes
    /// were consumed. Bytes behind that belong to a message that has not ended yet: the caller passes them again with what follows.
    /// With `end`, nothing follows, and a last message without separator counts.
    ///
    /// # Errors
    /// The bytes cannot be split, for example in a quoted field that never ends.
    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize>;

    /// Reads all `messages`, in order.
    ///
    /// # Errors
    /// The first message that cannot be read, unless the format was told to skip such. Nothing is returned then.
    fn decode(&mut self, messages: &[&[u8]]) -> Result<Decoded, DecodeError>;
}
