//! Reads files, one after the other.

use std::collections::VecDeque;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Counter, Polled, SourceReader, Split, SplitId, TaskContext};
use riverrun_data::Batch;
use riverrun_formats::{DecodeError, Decoded, Decoder};

use super::file::{self, FileInfo};
use super::messages::{CHUNK, Messages};
use super::metadata::Metadata;

/// The most messages of a batch.
const BATCH: usize = 4096;

/// Where a file is read on: a version, then eight bytes, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The offset of the next message in the (decompressed) file.
    pub offset: u64,
}

impl Position {
    const VERSION: u8 = 1;

    /// The begin of a file.
    pub(super) const START: Self = Self { offset: 0 };

    pub(super) fn encode(self) -> Vec<u8> {
        std::iter::once(Self::VERSION).chain(self.offset.to_le_bytes()).collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&Self::VERSION, offset)) => offset.try_into().ok().map(u64::from_le_bytes),
            _ => None,
        }
        .map(|offset| Self { offset })
        .ok_or_else(|| Error::internal(format!("a file position of {} bytes cannot be read", bytes.len())))
    }
}

/// Finds the messages of files, and turns them into batches. One reader owns it.
pub(super) trait Decode: Send {
    /// What comes out.
    type Batch;

    /// As [`Decoder::split`].
    ///
    /// # Errors
    /// The bytes cannot be split.
    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize>;

    /// What messages of a file become; `None` where that is nothing.
    ///
    /// # Errors
    /// The first message that cannot be read, by its number among these.
    fn decode(&mut self, messages: &[&[u8]], file: &FileInfo) -> Result<Option<Self::Batch>, DecodeError>;
}

/// Turns messages into rows, with the metadata columns behind.
pub(super) struct RowDecoder {
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) schema: SchemaRef,
    pub(super) metadata: Vec<Metadata>,
    /// Messages that their format left out.
    pub(super) skipped: Counter,
}

impl Decode for RowDecoder {
    type Batch = Batch;

    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize> {
        self.decoder.split(bytes, end, messages)
    }

    fn decode(&mut self, messages: &[&[u8]], file: &FileInfo) -> Result<Option<Batch>, DecodeError> {
        let decoded = self.decoder.decode(messages)?;
        self.skipped.add(decoded.skipped);
        if decoded.rows.num_rows() == 0 {
            return Ok(None);
        }
        self.batch(decoded, file).map(Some).map_err(|error| DecodeError { message: 0, error })
    }
}

impl RowDecoder {
    /// Adds the metadata columns.
    fn batch(&self, decoded: Decoded, file: &FileInfo) -> Result<Batch> {
        let count = decoded.rows.num_rows();
        let rows = if self.metadata.is_empty() {
            decoded.rows
        } else {
            let metadata = self.metadata.iter().map(|metadata| metadata.values(file, count));
            let columns = decoded.rows.columns().iter().cloned().chain(metadata).collect();
            RecordBatch::try_new(Arc::clone(&self.schema), columns)
                .map_err(|error| Error::internal("metadata columns do not fit the rows").caused_by(error))?
        };
        match decoded.kinds {
            None => Ok(Batch::insertions(rows)),
            Some(kinds) => Batch::with_kinds(rows, kinds),
        }
    }
}

/// Reads files in the order in which they were added.
pub(super) struct FileReader<D> {
    decode: D,
    cancellation: Cancellation,
    /// The file that is read.
    open: Option<OpenFile>,
    /// Those that follow.
    waiting: VecDeque<(SplitId, Position)>,
}

struct OpenFile {
    split: SplitId,
    info: FileInfo,
    messages: Messages<Box<dyn Read + Send>>,
}

impl<D: Decode> FileReader<D> {
    pub(super) fn new(decode: D, context: &TaskContext) -> Self {
        Self { decode, cancellation: context.cancellation.clone(), open: None, waiting: VecDeque::new() }
    }

    /// What the next messages of the open file become; `None` at its end.
    fn read(&mut self, open: &mut OpenFile) -> Result<Option<D::Batch>> {
        loop {
            self.cancellation.check()?;
            let decode = &self.decode;
            let found = open.messages.find(|bytes, end, found| decode.split(bytes, end, found));
            if !found.map_err(|error| located(error, open, 0))? {
                return Ok(None);
            }
            let messages = open.messages.next(BATCH);
            let count = messages.len();
            let decoded = self.decode.decode(&messages, &open.info);
            let decoded = decoded.map_err(|failed| located(failed.error, open, failed.message))?;
            open.messages.take(count);
            if decoded.is_some() {
                return Ok(decoded);
            }
        }
    }
}

/// Adds where the message stands that is `ahead` of the next.
fn located(error: Error, open: &OpenFile, ahead: usize) -> Error {
    let error = match file::line(&open.info.path, open.messages.offset(ahead)) {
        Ok(line) => error.with("line", line),
        // The file is gone; its path is all there is to say.
        Err(_) => error,
    };
    error.with("path", &open.info.path)
}

impl<D: Decode> SourceReader<D::Batch> for FileReader<D> {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let position = Position::decode(&split.position).map_err(|error| error.with("path", &split.id))?;
            self.waiting.push_back((split.id, position));
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled<D::Batch>> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.waiting.front() {
                None => {
                    self.cancellation.sleep(wait)?;
                    return Ok(Polled::Nothing);
                }
                Some((split, position)) => {
                    let (bytes, info) = file::open(split, position.offset)?;
                    let messages = Messages::new(bytes, position.offset, CHUNK);
                    let open = OpenFile { split: Arc::clone(split), info, messages };
                    self.waiting.pop_front();
                    open
                }
            },
        };
        let split = Arc::clone(&open.split);
        match self.read(&mut open)? {
            None => Ok(Polled::Finished(split)),
            Some(batch) => {
                self.open = Some(open);
                Ok(Polled::Rows { split, batch })
            }
        }
    }

    fn splits(&self) -> Vec<Split> {
        let open = self.open.iter().map(|open| {
            let position = Position { offset: open.messages.offset(0) };
            Split { id: Arc::clone(&open.split), position: position.encode() }
        });
        let waiting = self.waiting.iter();
        open.chain(waiting.map(|(id, position)| Split { id: Arc::clone(id), position: position.encode() })).collect()
    }
}
