//! A pre-committed transaction as it lies in a checkpoint.

use std::time::{Duration, SystemTime};

use riverrun_base::{Error, Result};

use crate::Committable;

const VERSION: u8 = 1;

/// The numbers before the transaction's own bytes, big endian: version, attempt, number, subtask, milliseconds since 1970.
const HEADER: usize = 1 + 8 + 8 + 4 + 8;

/// A transaction in the implementation's encoding, with its place in the order of all. It orders as it was begun, so that commits are
/// always made in the same order, and a writer's in the order of its rows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prepared {
    pub(super) attempt: u64,
    pub(super) number: u64,
    pub(super) subtask: u32,
    /// When it was begun, in milliseconds since 1970.
    begun: u64,
    pub(super) transaction: Vec<u8>,
}

impl Prepared {
    pub(super) fn new(attempt: u64, number: u64, subtask: u32, begun: SystemTime, transaction: Vec<u8>) -> Self {
        let since = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let begun = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { attempt, number, subtask, begun, transaction }
    }

    /// How long it has been open. Nothing, where the clock was set back.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        let begun = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.begun));
        begun.and_then(|begun| now.duration_since(begun).ok()).unwrap_or_default()
    }

    pub(super) fn encode(&self) -> Committable {
        let mut bytes = Vec::with_capacity(HEADER + self.transaction.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.attempt.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.subtask.to_be_bytes());
        bytes.extend_from_slice(&self.begun.to_be_bytes());
        bytes.extend_from_slice(&self.transaction);
        Committable(bytes)
    }

    /// # Errors
    /// Another version has written it, or it is no transaction.
    pub(super) fn decode(Committable(bytes): &Committable) -> Result<Self> {
        let damaged = || Error::data("a transaction in the checkpoint is cut short");
        let (version, rest) = bytes.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(Error::data(format!("a transaction in the checkpoint has the unknown version {version}"))
                .hint("restore it with the version of Riverrun that wrote it"));
        }
        let (attempt, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (number, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (subtask, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (begun, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        Ok(Self {
            attempt: u64::from_be_bytes(*attempt),
            number: u64::from_be_bytes(*number),
            subtask: u32::from_be_bytes(*subtask),
            begun: u64::from_be_bytes(*begun),
            transaction: rest.to_vec(),
        })
    }
}
