//! Writes rows to one part file after the other: `part-<uuid>-<subtask>-<number>`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_connect::{Flush, SinkWriter};
use riverrun_data::Batch;
use riverrun_formats::{Encoded, Encoder};

use super::part::{Part, sync_folder, uuid};
use super::rolling::RollingPolicy;
use crate::path::failed;

/// A subtask's writer. Its UUID is its own, so that a restarted job writes beside what it has written before.
pub(super) struct PartWriter {
    folder: PathBuf,
    prefix: String,
    count: u64,
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
    policy: RollingPolicy,
    part: Option<Part>,
    next_check: Instant,
}

impl PartWriter {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// It cannot be made, or is a file.
    pub(super) fn new(folder: &Path, subtask: usize, encoder: Box<dyn Encoder>, policy: RollingPolicy) -> Result<Self> {
        let folder = std::path::absolute(folder).map_err(|error| failed("cannot resolve a path", folder, error))?;
        if folder.is_file() {
            let error = Error::user("the path of a sink is a folder, and this is a file");
            return Err(error.with("path", folder.display()).with("option", "path"));
        }
        fs::create_dir_all(&folder).map_err(|error| failed("cannot make the folder", &folder, error))?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        let prefix = format!("part-{}-{subtask}-", uuid());
        let next_check = Instant::now() + policy.check;
        Ok(Self { folder, prefix, count: 0, encoder, encoded: Encoded::default(), policy, part: None, next_check })
    }

    fn begin(&mut self, now: Instant) -> Result<Part> {
        let name = format!("{}{}", self.prefix, self.count);
        self.count += 1;
        Part::begin(&self.folder, &name, now)
    }

    fn complete(&mut self) -> Result<()> {
        self.part.take().map_or(Ok(()), Part::complete)
    }
}

impl SinkWriter for PartWriter {
    fn write(&mut self, batch: Batch) -> Result<()> {
        let now = Instant::now();
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        self.encoder.encode(&batch, &mut encoded)?;
        for message in encoded.messages() {
            if self.part.as_ref().is_none_or(|part| self.policy.is_full(part.size())) {
                self.complete()?;
                self.part = Some(self.begin(now)?);
            }
            if let Some(part) = &mut self.part {
                part.append(message)?;
            }
        }
        if let Some(part) = &mut self.part {
            part.touched = now;
        }
        self.encoded = encoded;
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.part.is_some().then_some(self.next_check)
    }

    fn tick(&mut self) -> Result<()> {
        let now = Instant::now();
        if now < self.next_check {
            return Ok(());
        }
        self.next_check = now + self.policy.check;
        match &self.part {
            Some(part) if self.policy.is_due(part.begun, part.touched, now) => self.complete(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, _reason: Flush) -> Result<()> {
        self.complete()
    }
}
