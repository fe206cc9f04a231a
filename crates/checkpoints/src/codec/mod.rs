//! The binary form of a `_metadata` file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | version, little-endian as all that follows |
//! | 16 | a random number of who wrote it, so that no two writers write the same bytes |
//! | 8 | length of the body |
//! | | body |
//! | 8 | XXH3 of all bytes before |
//!
//! Every version has this envelope, so that damage is told from novelty. Within a body, numbers are LEB128 (signed ones zigzag first);
//! strings, bytes and lists begin with their length; what may be absent begins with a byte 0 or 1. A version that was once released is
//! read for ever: `golden/` holds a file of each.

mod bytes;
mod version_1;

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::{Checkpoint, Slot};

/// The first byte is no text, and a transfer as text would change the last two.
const MAGIC: [u8; 8] = *b"\x89RVRCP\r\n";
/// What a checkpoint of Apache Flink begins with.
const FLINK_MAGIC: [u8; 4] = 0x4960_672d_u32.to_be_bytes();
const VERSION: u32 = 1;
const HEADER: usize = MAGIC.len() + size_of::<u32>() + size_of::<u128>() + size_of::<u64>();
const CHECKSUM: usize = size_of::<u64>();

/// What a `_metadata` file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// A slot of a log. Its files are relative to the job's folder.
    Slot(Slot),
    /// A savepoint. Its files are beside it.
    Savepoint(Checkpoint),
}

/// Why bytes are not metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// There is less or more than there should be.
    Length { found: usize, expected: Option<usize> },
    /// It does not begin as it should.
    NoMetadata,
    /// It is Flink's.
    Flink,
    /// Its checksum is that of other bytes.
    Altered,
    /// It is of a younger program.
    Version(u32),
    /// The checksum is right and yet it cannot be read.
    Invalid(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, expected: Some(expected) } => {
                let what = if found < expected { "truncated" } else { "altered" };
                write!(f, "it is {what}: {found} bytes long and should be {expected}")
            }
            Self::Length { found, expected: None } => write!(f, "it is truncated: {found} bytes long"),
            Self::NoMetadata => f.write_str("it is altered, or no metadata of a checkpoint: it does not begin as one"),
            Self::Flink => f.write_str("it is a checkpoint of Apache Flink, whose state cannot be read"),
            Self::Altered => f.write_str("it is altered: its checksum is not that of its bytes"),
            Self::Version(version) => {
                write!(
                    f,
                    "it has version {version}, and this program reads versions up to {VERSION}: a newer Riverrun wrote it"
                )
            }
            Self::Invalid(what) => write!(f, "it cannot be read: {what}"),
        }
    }
}

/// The file's bytes, as `writer` writes them.
pub(crate) fn encode(metadata: &Metadata, writer: u128) -> Vec<u8> {
    let body = version_1::encode(metadata);
    let mut file = Vec::with_capacity(HEADER + body.len() + CHECKSUM);
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(writer.to_le_bytes());
    file.extend((body.len() as u64).to_le_bytes());
    file.extend(body);
    file.extend(xxh3_64(&file).to_le_bytes());
    file
}

/// What the file's bytes say.
pub(crate) fn decode(file: &[u8]) -> Result<Metadata, Damage> {
    if file.starts_with(&FLINK_MAGIC) {
        return Err(Damage::Flink);
    }
    let beginning = file.len().min(MAGIC.len());
    if file[..beginning] != MAGIC[..beginning] {
        return Err(Damage::NoMetadata);
    }
    let (Some(version), Some(length)) = (number(file, MAGIC.len()), number(file, HEADER - size_of::<u64>())) else {
        return Err(Damage::Length { found: file.len(), expected: None });
    };
    let expected =
        usize::try_from(u64::from_le_bytes(length)).ok().and_then(|body| body.checked_add(HEADER + CHECKSUM));
    if expected != Some(file.len()) {
        return Err(Damage::Length { found: file.len(), expected });
    }
    let (content, checksum) = file.split_at(file.len() - CHECKSUM);
    if xxh3_64(content).to_le_bytes() != checksum {
        return Err(Damage::Altered);
    }
    match u32::from_le_bytes(version) {
        1 => version_1::decode(&content[HEADER..]),
        other => Err(Damage::Version(other)),
    }
}

fn number<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests;
