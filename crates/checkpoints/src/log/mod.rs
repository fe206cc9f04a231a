//! The log of one job: numbered slots, each written once, that decide which attempt goes on.
//!
//! ```text
//! <checkpoints>/<job id>/chk-1/_metadata      takeover by attempt 1, nothing restored
//!                        chk-2/_metadata      completed checkpoint
//!                        chk-3/_metadata      takeover by attempt 2, restores 2
//!                        shared/1-map-7f..    state of attempt 1
//! ```
//!
//! **One truth.** A slot is created if absent, so of two attempts that want the same number one wins. What is restored is what the last
//! slot says. An attempt that finds a number taken is a zombie: it must end, and commit nothing.
//!
//! **No gaps.** A number is only taken by who owns all numbers since its own last one. Were checkpoint 5 given up and 6 completed, the
//! next attempt, which sees 4 as the last, would take 5 and know nothing of 6. So [`CheckpointLog::write`] fills gaps with
//! [`Slot::Skipped`], and loses where one of them is taken.
//!
//! **No number twice.** Slots are removed oldest first, and never the last. A zombie that slept since the log was elsewhere can create
//! a slot that was removed. So `write` reads the numbers once more when it has created its slot, which counts only if it is the last and
//! the one known as the last before it is there ([`standing`]).
//!
//! **State files** are written before the slot that refers to them and removed after it, and carry the number of their attempt. What no
//! slot refers to and an earlier attempt wrote, nobody will ever refer to.

mod cleaning;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riverrun_base::{Error, Result};
use riverrun_protocol::CheckpointId;
use riverrun_protocol::checkpoint_log::{Standing, standing};

use crate::codec::{self, Damage, Metadata};
use crate::storage::{Created, Storage, Stores, random, unique};
use crate::{Checkpoint, Slot, StateData};

pub(crate) use state::missing;

/// The file of a slot and of a savepoint.
pub(crate) const METADATA: &str = "_metadata";
/// The folder of a job's state files.
pub(crate) const SHARED: &str = "shared";
/// State of fewer bytes lies in the metadata, as by Flink's `state.storage.fs.memory-threshold`.
const INLINE_BELOW: usize = 20 * 1024;

/// The log of one job. Its methods may be called by several threads at once.
#[derive(Debug)]
pub struct CheckpointLog {
    stores: Arc<Stores>,
    storage: Arc<dyn Storage>,
    job_id: String,
    inline_below: usize,
    position: Mutex<Position>,
    /// Which state files the checkpoints of slots refer to, as far as known.
    references: Mutex<BTreeMap<u64, Arc<BTreeSet<String>>>>,
}

/// What is known about the end of the log.
#[derive(Clone, Copy, Debug)]
enum Position {
    /// Nothing yet.
    Unread,
    /// The number after the last slot, which this log has read or written.
    Next(u64),
    /// That another has gone on, or may have: whoever wants to go on must read first.
    Lost,
}

/// What a slot holds, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotSummary {
    /// A completed checkpoint.
    Completed {
        /// The job's name.
        job_name: String,
        /// The attempt that took it.
        attempt: u64,
        /// When it was completed, in milliseconds since 1970.
        completed_ms: i64,
        /// Whether the user asked for it.
        is_savepoint: bool,
    },
    /// See [`Slot::Takeover`].
    Takeover {
        /// The attempt that began.
        attempt: u64,
        /// What it restores.
        restores: Option<CheckpointId>,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// See [`Slot::Skipped`].
    Skipped {
        /// The attempt that gave the number up.
        attempt: u64,
    },
    /// A file that cannot be read any more.
    Damaged {
        /// Why, beginning with `it is`.
        reason: String,
    },
}

impl SlotSummary {
    pub(crate) fn of(slot: &Slot) -> Self {
        match slot {
            Slot::Completed(checkpoint) => Self::Completed {
                job_name: checkpoint.job_name.clone(),
                attempt: checkpoint.attempt,
                completed_ms: checkpoint.completed_ms,
                is_savepoint: checkpoint.is_savepoint,
            },
            Slot::Takeover { attempt, restores, at_ms } => {
                Self::Takeover { attempt: *attempt, restores: *restores, at_ms: *at_ms }
            }
            Slot::Skipped { attempt } => Self::Skipped { attempt: *attempt },
        }
    }

    /// The attempt that wrote the slot; unknown where it is damaged.
    pub fn attempt(&self) -> Option<u64> {
        match self {
            Self::Completed { attempt, .. } | Self::Takeover { attempt, .. } | Self::Skipped { attempt } => {
                Some(*attempt)
            }
            Self::Damaged { .. } => None,
        }
    }
}

impl CheckpointLog {
    /// The log of the job `job_id` in the folder that `checkpoints` names. Nothing is read or written yet.
    ///
    /// # Errors
    /// The URL names no folder of a store, or the id is not one.
    pub fn open(stores: Arc<Stores>, checkpoints: &str, job_id: &str) -> Result<Self> {
        if !is_job_id(job_id) {
            return Err(Error::user(format!("'{job_id}' is no job id")).hint("a job id has 32 hexadecimal digits"));
        }
        let storage = stores.open(&format!("{checkpoints}/{job_id}"))?;
        Ok(Self {
            stores,
            storage,
            job_id: job_id.to_owned(),
            inline_below: INLINE_BELOW,
            position: Mutex::new(Position::Unread),
            references: Mutex::default(),
        })
    }

    /// Keeps state in the metadata that has fewer than so many bytes, instead of 20 KiB.
    #[must_use]
    pub fn with_inline_below(mut self, bytes: usize) -> Self {
        self.inline_below = bytes;
        self
    }

    /// The job's id.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The job's folder.
    pub fn url(&self) -> &str {
        self.storage.url()
    }

    /// The folder of a slot: what a user passes to `--from`.
    pub fn slot_url(&self, number: CheckpointId) -> String {
        format!("{}/{}", self.url(), slot_folder(number.0))
    }

    /// What the log holds, by number, ascending.
    ///
    /// # Errors
    /// The store cannot be reached. A damaged slot is no error.
    pub fn read(&self) -> Result<Vec<(CheckpointId, SlotSummary)>> {
        let slots = slots(&*self.storage)?;
        *self.position() = Position::Next(slots.last().map_or(1, |(number, _)| number + 1));
        let summary = |slot: &Result<Slot, Damage>| match slot {
            Ok(slot) => SlotSummary::of(slot),
            Err(damage) => SlotSummary::Damaged { reason: damage.to_string() },
        };
        Ok(slots.iter().map(|(number, slot)| (CheckpointId(*number), summary(slot))).collect())
    }

    /// The number of the next slot: that after the last one read or written, or after the last one there is.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub fn next_slot(&self) -> Result<CheckpointId> {
        let position = *self.position();
        match position {
            Position::Next(next) => Ok(CheckpointId(next)),
            Position::Unread | Position::Lost => Ok(CheckpointId(self.look()?)),
        }
    }

    /// Writes a slot, unless its number is taken. Numbers between the last slot and this one are given up: see
    /// [`Slot::Skipped`].
    ///
    /// [`Created::Exists`] means that another attempt has gone on, and from then on every write is answered so, until [`Self::read`]. For a
    /// takeover, read again and take the next number; for a checkpoint, this attempt is a zombie, and must end without a commit.
    ///
    /// # Errors
    /// The store cannot be reached; then the slot may or may not be written, now or later. The attempt must end; the next one reads, and
    /// finds out.
    pub fn write(&self, number: CheckpointId, slot: &Slot) -> Result<Created> {
        let localized = self.localized(slot)?;
        let slot = localized.as_ref().unwrap_or(slot);
        if let Slot::Completed(checkpoint) = slot
            && checkpoint.id != number
        {
            return Err(Error::internal(format!("checkpoint {} for slot {number}", checkpoint.id)));
        }
        let mut position = self.position();
        let expected = match *position {
            Position::Next(next) => next,
            Position::Unread => self.look()?,
            Position::Lost => return Ok(Created::Exists),
        };
        // Unless all goes well.
        *position = Position::Lost;
        if number.0 < expected {
            return Ok(Created::Exists);
        }
        for gap in expected..number.0 {
            if self.create(gap, &Slot::Skipped { attempt: slot.attempt() })? == Created::Exists {
                return Ok(Created::Exists);
            }
        }
        if self.create(number.0, slot)? == Created::Exists {
            return Ok(Created::Exists);
        }
        // What was created where others had been removed, or behind which another has gone on, does not count.
        let present = numbers(&*self.storage)?.into_iter().map(CheckpointId);
        match standing(CheckpointId(expected - 1), number, present) {
            Standing::Counts => {}
            Standing::Overtaken => return Ok(Created::Exists),
            Standing::Orphaned => {
                for orphan in expected..=number.0 {
                    self.storage.delete(&metadata_path(orphan))?;
                }
                return Ok(Created::Exists);
            }
        }
        if let Slot::Completed(checkpoint) = slot {
            self.references().insert(number.0, Arc::new(references_of(checkpoint)));
        }
        *position = Position::Next(number.0 + 1);
        Ok(Created::Written)
    }

    /// A completed checkpoint, whose files are all there. What is in them is checked when they are read.
    ///
    /// # Errors
    /// There is no such checkpoint, or it is damaged: then the error names the one before that is whole.
    pub fn load(&self, id: CheckpointId) -> Result<Checkpoint> {
        load(&*self.storage, id.0)
    }

    /// The number after the last slot in the store.
    fn look(&self) -> Result<u64> {
        Ok(last_number(&*self.storage)?.map_or(1, |last| last + 1))
    }

    fn create(&self, number: u64, slot: &Slot) -> Result<Created> {
        let bytes = codec::encode(&Metadata::Slot(slot.clone()), random());
        self.storage.create(&metadata_path(number), &bytes)
    }

    /// The slot with paths relative to the job's folder where they can be; `None` where they are already.
    fn localized(&self, slot: &Slot) -> Result<Option<Slot>> {
        let Slot::Completed(checkpoint) = slot else { return Ok(None) };
        let mut any = false;
        for file in checkpoint.stored_files() {
            if let StateData::Stored { path, .. } = &file.data {
                let absolute = is_absolute(path);
                any |= absolute;
                if !absolute && !path.starts_with("shared/") {
                    return Err(Error::internal(format!("state file '{path}' is not in the job's folder")));
                }
            }
        }
        if !any {
            return Ok(None);
        }
        let mut checkpoint = checkpoint.clone();
        let prefix = format!("{}/", self.url());
        for data in checkpoint.stored_files_mut() {
            if let StateData::Stored { path, .. } = data
                && let Some(relative) = path.strip_prefix(&prefix)
            {
                *path = relative.to_owned();
            }
        }
        Ok(Some(Slot::Completed(checkpoint)))
    }

    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn references(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<BTreeSet<String>>>> {
        self.references.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id for a new job.
pub fn new_job_id() -> String {
    unique()
}

/// What the next attempt restores: what the last slot of a log says. `None` where it starts with empty state.
///
/// # Errors
/// The slot that decides is damaged.
pub fn restore_point(slots: &[(CheckpointId, SlotSummary)]) -> Result<Option<CheckpointId>> {
    for (number, slot) in slots.iter().rev() {
        match slot {
            SlotSummary::Completed { .. } => return Ok(Some(*number)),
            SlotSummary::Takeover { restores, .. } => return Ok(*restores),
            SlotSummary::Skipped { .. } => {}
            SlotSummary::Damaged { reason } => {
                let older = slots.iter().rev().skip_while(|(other, _)| other >= number);
                let before =
                    older.filter(|(_, slot)| matches!(slot, SlotSummary::Completed { .. })).map(|(id, _)| id).next();
                let error = Error::external(format!("the last slot of the log, {number}, is damaged: {reason}"));
                return Err(match before {
                    Some(before) => error.hint(format!("checkpoint {before} is before it: restore it by --from")),
                    None => error.hint("no checkpoint is before it: start the job anew, without --resume"),
                });
            }
        }
    }
    Ok(None)
}

pub(crate) fn is_job_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(crate) fn is_absolute(path: &str) -> bool {
    path.contains("://")
}

pub(crate) fn slot_folder(number: u64) -> String {
    format!("chk-{number}")
}

/// The number of a slot's folder.
pub(crate) fn slot_number(folder: &str) -> Option<u64> {
    let number = folder.strip_prefix("chk-")?.parse().ok()?;
    (slot_folder(number) == folder).then_some(number)
}

fn metadata_path(number: u64) -> String {
    format!("{}/{METADATA}", slot_folder(number))
}

/// The numbers of a log's slots, ascending; among them may be folders without a slot.
fn numbers(storage: &dyn Storage) -> Result<Vec<u64>> {
    let entries = storage.list("")?;
    let folders = entries.iter().filter(|entry| entry.bytes.is_none());
    let mut numbers: Vec<u64> = folders.filter_map(|entry| slot_number(&entry.name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn last_number(storage: &dyn Storage) -> Result<Option<u64>> {
    for number in numbers(storage)?.into_iter().rev() {
        if storage.exists(&metadata_path(number))? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Every slot of a log.
pub(crate) fn slots(storage: &dyn Storage) -> Result<Vec<(u64, Result<Slot, Damage>)>> {
    let mut slots = Vec::new();
    for number in numbers(storage)? {
        if let Some(slot) = slot(storage, number)? {
            slots.push((number, slot));
        }
    }
    Ok(slots)
}

/// A slot; `None` where there is none.
pub(crate) fn slot(storage: &dyn Storage, number: u64) -> Result<Option<Result<Slot, Damage>>> {
    Ok(storage.read(&metadata_path(number))?.map(|bytes| match codec::decode(&bytes)? {
        Metadata::Slot(Slot::Completed(checkpoint)) if checkpoint.id.0 != number => {
            Err(Damage::Invalid("it is the metadata of a checkpoint of another number"))
        }
        Metadata::Slot(slot) => Ok(slot),
        Metadata::Savepoint(_) => Err(Damage::Invalid("it is the metadata of a savepoint")),
    }))
}

/// A completed checkpoint of the log in `storage`, whose files are all there.
pub(crate) fn load(storage: &dyn Storage, number: u64) -> Result<Checkpoint> {
    let url = format!("{}/{}", storage.url(), metadata_path(number));
    match slot(storage, number)? {
        Some(Ok(Slot::Completed(checkpoint))) => match missing(storage, SHARED, &checkpoint)? {
            None => Ok(checkpoint),
            Some((path, reason)) => {
                let error = Error::external(format!("checkpoint {number} is damaged: {reason}"));
                Err(offered(error.with("file", format!("{}/{path}", storage.url())), storage, number, None))
            }
        },
        Some(Ok(Slot::Takeover { .. } | Slot::Skipped { .. })) => {
            let error =
                Error::user(format!("slot {number} holds no checkpoint: an attempt began there, or gave one up"));
            Err(offered(error.with("file", &url), storage, number, None))
        }
        Some(Err(damage)) => {
            let error = Error::external(format!("checkpoint {number} is damaged: {damage}")).with("file", &url);
            Err(offered(error, storage, number, None))
        }
        None => {
            let error = Error::user(format!("there is no checkpoint {number}")).with("file", &url);
            Err(offered(error, storage, u64::MAX, None))
        }
    }
}

/// Offers the newest checkpoint below `below` that is whole and does not need the file `without`.
pub(crate) fn offered(error: Error, storage: &dyn Storage, below: u64, without: Option<&str>) -> Error {
    let candidates = numbers(storage).unwrap_or_default();
    let whole = |number: &u64| match slot(storage, *number) {
        Ok(Some(Ok(Slot::Completed(checkpoint)))) => {
            without.is_none_or(|path| !references_of(&checkpoint).contains(path))
                && matches!(missing(storage, SHARED, &checkpoint), Ok(None))
        }
        _ => false,
    };
    match candidates.into_iter().rev().filter(|number| *number < below).find(whole) {
        Some(number) => {
            let url = format!("{}/{}", storage.url(), slot_folder(number));
            error.hint(format!("checkpoint {number} is whole: restore it by --from {url}"))
        }
        None => error.hint("no other checkpoint in this folder is whole"),
    }
}

/// The files in the job's own folder that a checkpoint refers to.
fn references_of(checkpoint: &Checkpoint) -> BTreeSet<String> {
    let paths = checkpoint.stored_files().filter_map(|file| match &file.data {
        StateData::Stored { path, .. } if !is_absolute(path) => Some(path.clone()),
        _ => None,
    });
    paths.collect()
}
