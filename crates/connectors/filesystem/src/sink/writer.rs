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

/// Makes the lines of files. One writer owns it.
pub(super) trait Encode: Send {
    /// What comes.
    type Batch;

    /// Hands over the lines of a batch, each without its end.
    ///
    /// # Errors
    /// A value has no such form, or the error of `append`.
    fn encode(&mut self, batch: Self::Batch, append: impl FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// Rows in a format.
pub(super) struct RowEncoder {
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
}

impl RowEncoder {
    pub(super) fn new(encoder: Box<dyn Encoder>) -> Self {
        Self { encoder, encoded: Encoded::default() }
    }
}

impl Encode for RowEncoder {
    type Batch = Batch;

    fn encode(&mut self, batch: Batch, mut append: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.encoded.clear();
        self.encoder.encode(&batch, &mut self.encoded)?;
        self.encoded.messages().try_for_each(&mut append)
    }
}

/// A subtask's writer. Its UUID is its own, so that a restarted job writes beside what it has written before.
pub(super) struct PartWriter<E> {
    /// The table that it is the sink of, for errors.
    table: Option<String>,
    folder: PathBuf,
    prefix: String,
    count: u64,
    encode: E,
    policy: RollingPolicy,
    /// Where checkpoints are taken: who commits the parts. Without them, a part is published when it is closed.
    owner: Option<Owner>,
    part: Option<Part>,
    /// Parts that wait for the barrier.
    closed: Vec<ClosedPart>,
    next_check: Instant,
}

impl<E: Encode> PartWriter<E> {
    /// Makes the folder if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn new(
        table: Option<&str>,
        folder: PathBuf,
        context: &TaskContext,
        encode: E,
        policy: RollingPolicy,
    ) -> Result<Self> {
        make_folder(&folder)?;
        Ok(Self {
            table: table.map(str::to_owned),
            folder,
            prefix: format!("part-{}-{}-", uuid(), context.subtask),
            count: 0,
            encode,
            policy,
            owner: context.job.checkpoint_interval.map(|_| Owner::of(&context.job)),
            part: None,
            closed: Vec::new(),
            next_check: Instant::now() + policy.check,
        })
    }

    fn append(&mut self, batch: E::Batch) -> Result<()> {
        let now = Instant::now();
        let Self { encode, policy, owner, part, closed, folder, prefix, count, .. } = self;
        encode.encode(batch, |line| {
            if part.as_ref().is_none_or(|part| policy.is_full(part.size())) {
                roll(part, closed, owner.is_some())?;
                let name = format!("{prefix}{count}");
                *count += 1;
                let hidden = match owner {
                    Some(owner) => owner.hidden(&name),
                    None => format!(".{name}.inprogress.{}", uuid()),
                };
                *part = Some(Part::begin(folder, &name, &hidden, now)?);
            }
            match part {
                Some(part) => part.append(line),
                None => Ok(()),
            }
        })?;
        if let Some(part) = part {
            part.touched = now;
        }
        Ok(())
    }

    fn roll(&mut self) -> Result<()> {
        roll(&mut self.part, &mut self.closed, self.owner.is_some())
    }

    fn placed(&self, error: Error) -> Error {
        match &self.table {
            Some(table) => error.with("table", table),
            None => error,
        }
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

impl<E: Encode> SinkWriter<E::Batch> for PartWriter<E> {
    fn write(&mut self, batch: E::Batch) -> Result<()> {
        self.append(batch).map_err(|error| self.placed(error))
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
                self.roll().map_err(|error| self.placed(error))
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        if self.owner.is_none() {
            return self.roll().map_err(|error| self.placed(error));
        }
        if reason == Flush::End && (self.part.is_some() || !self.closed.is_empty()) {
            let error =
                Error::internal("a part file waits for its checkpoint at the end: no barrier came behind its rows");
            return Err(self.placed(error));
        }
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        self.hand_over(checkpoint).map_err(|error| self.placed(error))
    }
}

/// Ends the part that grows; without checkpoints it gets its name.
fn roll(part: &mut Option<Part>, closed: &mut Vec<ClosedPart>, waits: bool) -> Result<()> {
    let Some(part) = part.take() else { return Ok(()) };
    let part = part.close()?;
    if !waits {
        return part.publish();
    }
    closed.push(part);
    Ok(())
}

/// Makes a folder and those above it, on disk.
fn make_folder(folder: &Path) -> Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder).map_err(|error| failed("cannot make the folder", folder, error))?;
    missing.iter().filter_map(|folder| folder.parent()).try_for_each(sync_folder)
}
