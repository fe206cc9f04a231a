//! Removing what is no longer needed.
//!
//! Slots go oldest first and the last one stays (see the log's rules); state files go after the slots that refer to them, when no slot
//! that stays does. A checkpoint in flight refers to files of its own and to files of the last completed one, which stays: so comparing
//! slots is enough. Whoever removes may itself be a zombie: it touches nothing that a later attempt can need.

use std::collections::BTreeSet;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_protocol::CheckpointId;

use super::{CheckpointLog, METADATA, Position, SHARED, metadata_path, numbers, references_of, slot, slot_folder};
use crate::Slot;
use crate::storage::is_temporary;

impl CheckpointLog {
    /// Removes every slot before that of a completed checkpoint, with the state files that only they refer to. `keep` is the oldest
    /// checkpoint that is retained; what the last slot restores must not be before it.
    ///
    /// # Errors
    /// The store cannot be reached, or a slot that stays cannot be read, so that nobody knows what it refers to. What is left behind
    /// then is removed by the next call. No error of this harms the log.
    pub fn remove_before(&self, keep: CheckpointId) -> Result<()> {
        let all = numbers(&*self.storage)?;
        let (gone, kept): (Vec<u64>, Vec<u64>) = all.into_iter().partition(|number| *number < keep.0);
        if gone.is_empty() {
            return Ok(());
        }
        if self.references_in(keep.0)?.is_none() {
            return Err(Error::internal(format!("slot {keep} is to be kept and holds no checkpoint")));
        }
        let needed = self.needed_by(&kept)?;
        let mut unneeded = BTreeSet::new();
        for number in &gone {
            // What a damaged slot referred to is found by the next attempt, among its leftovers.
            let references = self.references_in(*number).ok().flatten().unwrap_or_default();
            unneeded.extend(references.difference(&needed).cloned());
            self.remove_slot(*number)?;
        }
        for path in unneeded {
            self.storage.delete(&path)?;
        }
        Ok(())
    }

    /// Removes the log with all state of the job: it has ended, and nothing of it is to be retained. Only what nobody has taken over.
    ///
    /// # Errors
    /// The store cannot be reached, or another attempt has gone on.
    pub fn remove_all(&self) -> Result<()> {
        let next = self.own_next()?;
        let all = numbers(&*self.storage)?;
        if all.last().is_some_and(|last| *last >= next) {
            return Err(self.overtaken());
        }
        for number in all {
            self.remove_slot(number)?;
        }
        self.storage.delete_folder("")
    }

    /// Removes what earlier attempts left behind unfinished: state files of checkpoints that were never completed, temporary files.
    /// Called by an attempt that has taken over, before its tasks start. Returns how many files it removed.
    ///
    /// # Errors
    /// As [`Self::remove_before`].
    pub fn remove_leftovers(&self, attempt: u64) -> Result<usize> {
        let own = self.own_next()?.saturating_sub(1);
        // Nobody writes a slot below one that is taken; above it, a later attempt may be doing so.
        let slots: Vec<u64> = numbers(&*self.storage)?.into_iter().filter(|number| *number <= own).collect();
        let needed = self.needed_by(&slots)?;
        let mut removed = 0;
        for number in slots {
            let folder = slot_folder(number);
            let entries = self.storage.list(&folder)?;
            if number < own && !entries.iter().any(|entry| entry.name == METADATA) {
                removed += entries.len();
                self.storage.delete_folder(&folder)?;
                continue;
            }
            for entry in entries.iter().filter(|entry| is_temporary(&entry.name)) {
                removed += 1;
                self.storage.delete(&format!("{folder}/{}", entry.name))?;
            }
        }
        for entry in self.storage.list(SHARED)? {
            let path = format!("{SHARED}/{}", entry.name);
            let earlier = attempt_of(&entry.name).is_some_and(|writer| writer < attempt);
            if earlier && !needed.contains(&path) {
                removed += 1;
                self.storage.delete(&path)?;
            }
        }
        Ok(removed)
    }

    /// The number after the last slot, unless another attempt has gone on.
    fn own_next(&self) -> Result<u64> {
        let position = *self.position();
        match position {
            Position::Next(next) => Ok(next),
            Position::Unread => self.look(),
            Position::Lost => Err(self.overtaken()),
        }
    }

    fn overtaken(&self) -> Error {
        let message = "another attempt of the job has gone on: its checkpoints are not removed";
        Error::external(message).with("checkpoints in", self.url())
    }

    fn needed_by(&self, slots: &[u64]) -> Result<BTreeSet<String>> {
        let mut needed = BTreeSet::new();
        for number in slots {
            needed.extend(self.references_in(*number)?.unwrap_or_default().iter().cloned());
        }
        Ok(needed)
    }

    /// The files that a slot's checkpoint refers to; `None` where it holds no checkpoint.
    fn references_in(&self, number: u64) -> Result<Option<Arc<BTreeSet<String>>>> {
        if let Some(known) = self.references().get(&number) {
            return Ok(Some(known.clone()));
        }
        match slot(&*self.storage, number)? {
            Some(Ok(Slot::Completed(checkpoint))) => {
                let references = Arc::new(references_of(&checkpoint));
                self.references().insert(number, references.clone());
                Ok(Some(references))
            }
            Some(Ok(_)) | None => Ok(None),
            Some(Err(damage)) => {
                let message =
                    format!("slot {number} is damaged, so that nobody knows which state files it needs: {damage}");
                Err(Error::external(message).with("file", format!("{}/{}", self.url(), metadata_path(number))))
            }
        }
    }

    fn remove_slot(&self, number: u64) -> Result<()> {
        self.references().remove(&number);
        self.storage.delete(&metadata_path(number))?;
        self.storage.delete_folder(&slot_folder(number))
    }
}

/// The attempt that wrote a state file, temporary or not.
fn attempt_of(name: &str) -> Option<u64> {
    name.trim_start_matches('.').split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::attempt_of;

    #[test]
    fn a_state_file_tells_its_attempt() {
        for (name, attempt) in [("12-map-ff", Some(12)), (".3-map-ff.0a.tmp", Some(3)), ("readme", None)] {
            assert_eq!(attempt_of(name), attempt);
        }
    }
}
