//! A part file as it lies in a checkpoint.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use riverrun_base::{Error, Result};
use riverrun_connect::Committable;
use riverrun_protocol::CheckpointId;

const VERSION: u8 = 1;

/// A file on disk that is hidden still, and the name that it is to have. Both paths are absolute and of the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PreparedPart {
    /// The checkpoint it was prepared for.
    pub checkpoint: CheckpointId,
    pub hidden: PathBuf,
    pub name: PathBuf,
    /// In bytes.
    pub length: u64,
}

impl PreparedPart {
    /// The folder of both names.
    pub(super) fn folder(&self) -> &Path {
        self.name.parent().unwrap_or(Path::new("/"))
    }

    /// Version, checkpoint, length, the length of the first path, and both paths; numbers are big endian.
    ///
    /// # Errors
    /// A path is longer than a path can be.
    pub(super) fn encode(&self) -> Result<Committable> {
        let (hidden, name) = (self.hidden.as_os_str().as_bytes(), self.name.as_os_str().as_bytes());
        let length =
            u32::try_from(hidden.len()).map_err(|error| Error::internal("a path is too long").caused_by(error))?;
        let mut bytes = Vec::with_capacity(21 + hidden.len() + name.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.checkpoint.0.to_be_bytes());
        bytes.extend_from_slice(&self.length.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(hidden);
        bytes.extend_from_slice(name);
        Ok(Committable(bytes))
    }

    /// # Errors
    /// Another version has written it, or it is no part file.
    pub(super) fn decode(Committable(bytes): &Committable) -> Result<Self> {
        if let Some(version) = bytes.first().filter(|version| **version != VERSION) {
            return Err(Error::data(format!("a part file in the checkpoint has the unknown version {version}"))
                .hint("restore it with the version of Riverrun that wrote it"));
        }
        Self::read(bytes).ok_or_else(|| Error::data("a part file in the checkpoint is cut short"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (_, rest) = bytes.split_first()?;
        let (checkpoint, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (hidden, rest) = rest.split_first_chunk()?;
        let (hidden, name) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*hidden)).ok()?)?;
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let part = Self {
            checkpoint: CheckpointId(u64::from_be_bytes(*checkpoint)),
            hidden: path(hidden),
            name: path(name),
            length: u64::from_be_bytes(*length),
        };
        let is_whole = part.name.is_absolute() && part.name.file_name().map(OsStr::len).is_some();
        is_whole.then_some(part)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_part_comes_back_and_damage_is_refused() {
        let (hidden, name) = ("/a/ä/.part-1".into(), "/a/ä/part-1".into());
        let part = PreparedPart { checkpoint: CheckpointId(300), hidden, name, length: 1 << 40 };
        let Committable(bytes) = part.encode().unwrap();
        assert_eq!(PreparedPart::decode(&Committable(bytes.clone())).unwrap(), part);
        assert_eq!(part.folder(), Path::new("/a/ä"));
        let refused = |bytes: &[u8]| PreparedPart::decode(&Committable(bytes.to_vec())).unwrap_err().to_string();
        assert!((0..21 + 14).all(|length| refused(&bytes[..length]).contains("cut short")));
        assert!(refused(&[2]).contains("unknown version 2"));
    }
}
