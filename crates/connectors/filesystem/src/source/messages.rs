//! The messages of a byte stream, chunk by chunk, without a copy of each.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use riverrun_base::{Error, Result};

/// So much is read at a time.
pub(super) const CHUNK: usize = 1 << 20;
/// The longest message.
const LONGEST: usize = 256 << 20;

/// Reads a stream into one buffer, which holds whole messages and the beginning of the next.
pub(super) struct Messages<R> {
    stream: R,
    /// Its length is what can be held, `filled` of it hold bytes.
    buffer: Vec<u8>,
    filled: usize,
    /// The offset in the stream of the buffer's first byte.
    offset: u64,
    /// How much of the buffer the messages found take, with what separates them.
    split: usize,
    found: Vec<Range<usize>>,
    /// How many of the messages found were taken.
    taken: usize,
    ended: bool,
    /// The longest message there may be.
    longest: usize,
}

impl<R: Read> Messages<R> {
    /// Reads a stream whose first byte has this offset, in chunks of `chunk` bytes.
    pub(super) fn new(stream: R, offset: u64, chunk: usize) -> Self {
        let buffer = vec![0; chunk.max(1)];
        Self {
            stream,
            buffer,
            filled: 0,
            offset,
            split: 0,
            found: Vec::new(),
            taken: 0,
            ended: false,
            longest: LONGEST,
        }
    }

    /// Finds the next messages once all are taken; false where there are no more.
    ///
    /// # Errors
    /// The stream cannot be read, or `split`, which is [`Decoder::split`](riverrun_formats::Decoder::split), finds no end of a message.
    pub(super) fn find(
        &mut self,
        split: impl Fn(&[u8], bool, &mut Vec<Range<usize>>) -> Result<usize>,
    ) -> Result<bool> {
        while self.taken == self.found.len() {
            if self.ended {
                return Ok(false);
            }
            self.refill()?;
            self.found.clear();
            self.taken = 0;
            self.split = split(&self.buffer[..self.filled], self.ended, &mut self.found)?;
            if self.split == 0 && self.filled == self.buffer.len() && !self.ended {
                self.grow()?;
            }
        }
        Ok(true)
    }

    /// The next messages, at most `most`; they stay until they are taken.
    pub(super) fn next(&self, most: usize) -> Vec<&[u8]> {
        let messages = self.found.get(self.taken..).unwrap_or_default().iter().take(most);
        messages.map(|message| &self.buffer[message.clone()]).collect()
    }

    /// Takes the next `count` messages.
    pub(super) fn take(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.found.len());
    }

    /// The offset in the stream of the message that is `ahead` of the next; behind the last that was found, of what follows it.
    pub(super) fn offset(&self, ahead: usize) -> u64 {
        let start = self.found.get(self.taken + ahead).map_or(self.split, |message| message.start);
        self.offset + start as u64
    }

    /// Moves what was not split to the front, and fills up.
    fn refill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.split..self.filled, 0);
        self.filled -= self.split;
        self.offset += self.split as u64;
        self.split = 0;
        while self.filled < self.buffer.len() && !self.ended {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::external("cannot read the file").caused_by(error)),
            }
        }
        Ok(())
    }

    fn grow(&mut self) -> Result<()> {
        if self.buffer.len() >= self.longest {
            return Err(Error::data(format!("a message does not end within {} bytes", self.longest))
                .hint("is the format the right one, and does every quote end?"));
        }
        self.buffer.resize(self.buffer.len() * 2, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use riverrun_base::options::OptionReader;
    use riverrun_data::{DataType, LogicalType, RowField, arrow_schema};

    use riverrun_formats::Decoder;

    use super::*;

    fn decoder() -> Box<dyn Decoder> {
        let text = |name: &str| RowField { name: name.into(), data_type: DataType::nullable(LogicalType::STRING) };
        let mut options =
            OptionReader::new("t", BTreeMap::from([("csv.allow-comments".to_owned(), "true".to_owned())]));
        let format = riverrun_formats::open(&mut options, "format", "csv", arrow_schema(&[text("a"), text("b")]));
        format.unwrap().decoder().unwrap()
    }

    /// A stream that gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(buffer.len());
            self.0.read(&mut buffer[..count])
        }
    }

    /// All messages from an offset, and the offset of each, taken `most` at a time.
    fn all(bytes: &[u8], offset: usize, chunk: usize, piece: usize, most: usize) -> Vec<(u64, Vec<u8>)> {
        let decoder = decoder();
        let mut messages = Messages::new(Slow(&bytes[offset..], piece), offset as u64, chunk);
        let mut all = Vec::new();
        while messages.find(|bytes, end, found| decoder.split(bytes, end, found)).unwrap() {
            let next: Vec<Vec<u8>> = messages.next(most).into_iter().map(<[u8]>::to_vec).collect();
            let offsets = (0..next.len()).map(|ahead| messages.offset(ahead)).collect::<Vec<_>>();
            messages.take(next.len());
            all.extend(offsets.into_iter().zip(next));
        }
        assert_eq!(messages.offset(0), bytes.len() as u64);
        all
    }

    fn lines() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            4 => "[a-c]{0,6},[a-c]{0,40}",
            2 => "\"[a-c\n,\r]{0,6}(\"\")?\",[a-c]{0,6}",
            1 => "#[a-c]{0,6}",
            1 => Just(String::new()),
        ];
        (prop::collection::vec((line, prop_oneof![Just("\n"), Just("\r\n")]), 0..20), any::<bool>()).prop_map(
            |(lines, end)| {
                let mut text: String = lines.iter().flat_map(|(line, end)| [line.as_str(), *end]).collect();
                if !end {
                    text.truncate(text.trim_end_matches(['\r', '\n']).len());
                }
                text
            },
        )
    }

    proptest! {
        #[test]
        fn messages_do_not_depend_on_chunks(text in lines(), chunk in 1usize..80, piece in 1usize..30, most in 1usize..5) {
            let whole = all(text.as_bytes(), 0, 1 << 16, usize::MAX, usize::MAX);
            prop_assert_eq!(&all(text.as_bytes(), 0, chunk, piece, most), &whole);
        }

        #[test]
        fn reading_on_at_any_message_finds_the_rest(text in lines(), chunk in 1usize..80) {
            let whole = all(text.as_bytes(), 0, 1 << 16, usize::MAX, usize::MAX);
            for (n, (offset, _)) in whole.iter().enumerate() {
                let rest = all(text.as_bytes(), usize::try_from(*offset).unwrap(), chunk, usize::MAX, 3);
                prop_assert_eq!(&rest[..], &whole[n..]);
            }
        }
    }

    #[test]
    fn a_message_that_never_ends_is_an_error_and_not_all_memory() {
        let mut messages = Messages::new(std::io::repeat(b'a'), 0, 10);
        messages.longest = 1000;
        let decoder = decoder();
        let found = messages.find(|bytes, end, found| decoder.split(bytes, end, found));
        assert!(found.unwrap_err().to_string().contains("does not end within"));
    }
}
