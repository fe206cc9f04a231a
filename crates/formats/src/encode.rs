//! What an encoder promises.

use riverrun_base::Result;
use riverrun_data::Batch;

/// Encoded messages, one behind the other in one buffer that is reused.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// The bytes of all messages.
    pub bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    pub ends: Vec<usize>,
}

impl Encoded {
    /// Forgets the messages and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The messages in order.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let start = |n: usize| n.checked_sub(1).and_then(|before| self.ends.get(before).copied()).unwrap_or(0);
        self.ends.iter().enumerate().map(move |(n, end)| &self.bytes[start(n)..*end])
    }
}

/// Writes rows as messages. One thread owns it.
pub trait Encoder: Send {
    /// Appends one message for each row of `batch` to `out`, whatever the row's kind unless the format encodes kinds.
    ///
    /// # Errors
    /// A value that the format cannot hold; the error names the column.
    fn encode(&mut self, batch: &Batch, out: &mut Encoded) -> Result<()>;
}
