//! Writes rows to one part file after the other: `part-<uuid>-<subtask>-<number>`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_connect::{Committable, Flush, SinkWriter, TaskContext};
use riverrun_data::Batch;
use riverrun_formats::{Encoded, Encoder};
use riverrun_protocol::CheckpointId;

use super::committable::PreparedPart;
use super::owner::Owner;
use super::part::{ClosedPart, Part, sync_folder, uuid};
use super::rolling::RollingPolicy;
use crate::path::failed;

/// A subtask's writer. Its UUID is its own, so that a restarted job writes beside what it has written before.
pub(super) struct PartWriter {
    table: String,
    folder: PathBuf,
    prefix: String,
    count: u64,
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
    policy: RollingPolicy,
    /// Where checkpoints are taken: who commits the parts. Without them, a part is published when it is closed.
    owner: Option<Owner>,
    part: Option<Part>,
    /// Parts that wait for the barrier.
    closed: Vec<ClosedPart>,
    next_check: Instant,
}

impl PartWriter {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn new(
        table: &str,
        folder: PathBuf,
        context: &TaskContext,
        encoder: Box<dyn Encoder>,
        policy: RollingPolicy,
    ) -> Result<Self> {
        make_folder(&folder)?;
        Ok(Self {
            table: table.to_owned(),
            folder,
            prefix: format!("part-{}-{}-", uuid(), context.subtask),
            count: 0,
            encoder,
            encoded: Encoded::default(),
            policy,
            owner: context.job.checkpoint_interval.map(|_| Owner::of(&context.job)),
            part: None,
            closed: Vec::new(),
            next_check: Instant::now() + policy.check,
        })
    }

    fn begin(&mut self, now: Instant) -> Result<Part> {
        let name = format!("{}{}", self.prefix, self.count);
        self.count += 1;
        let hidden = match &self.owner {
            Some(owner) => owner.hidden(&name),
            None => format!(".{name}.inprogress.{}", uuid()),
        };
        Part::begin(&self.folder, &name, &hidden, now)
    }

    fn append(&mut self, batch: &Batch) -> Result<()> {
        let now = Instant::now();
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        self.encoder.encode(batch, &mut encoded)?;
        for message in encoded.messages() {
            if self.part.as_ref().is_none_or(|part| self.policy.is_full(part.size())) {
                self.roll()?;
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

    /// Ends the part that grows.
    fn roll(&mut self) -> Result<()> {
        let Some(part) = self.part.take() else {
            return Ok(());
        };
        let closed = part.close()?;
        if self.owner.is_none() {
            return closed.publish();
        }
        self.closed.push(closed);
        Ok(())
    }

    /// Leaves all parts to a checkpoint. Without checkpoints there are none: they have their names.
    fn hand_over(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        self.roll()?;
        if self.closed.is_empty() {
            return Ok(Vec::new());
        }
        // The hidden names must outlive the machine too.
        sync_folder(&self.folder)?;
        let prepared = self.closed.iter().map(|part| {
            let (hidden, name, length) = part.parts();
            PreparedPart { checkpoint, hidden: hidden.to_owned(), name: name.to_owned(), length }.encode()
        });
        let prepared = prepared.collect::<Result<_>>()?;
        self.closed.drain(..).for_each(ClosedPart::hand_over);
        Ok(prepared)
    }
}

impl SinkWriter for PartWriter {
    fn write(&mut self, batch: Batch) -> Result<()> {
        self.append(&batch).map_err(|error| error.with("table", &self.table))
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
            Some(part) if self.policy.is_due(part.begun, part.touched, now) => {
                self.roll().map_err(|error| error.with("table", &self.table))
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        if self.owner.is_none() {
            return self.roll().map_err(|error| error.with("table", &self.table));
        }
        if reason == Flush::End && (self.part.is_some() || !self.closed.is_empty()) {
            let error =
                Error::internal("a part file waits for its checkpoint at the end: no barrier came behind its rows");
            return Err(error.with("table", &self.table));
        }
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        self.hand_over(checkpoint).map_err(|error| error.with("table", &self.table))
    }
}

/// Makes a folder and those above it, on disk.
fn make_folder(folder: &Path) -> Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder).map_err(|error| failed("cannot make the folder", folder, error))?;
    missing.iter().filter_map(|folder| folder.parent()).try_for_each(sync_folder)
}
