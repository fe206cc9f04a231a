//! The committer: gives part files their names when their checkpoint is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use riverrun_base::{Error, Result};
use riverrun_connect::{Commit, Committable, Committer};
use riverrun_protocol::CheckpointId;

use super::committable::PreparedPart;
use super::owner::{Owner, remove};
use super::part::sync_folder;
use crate::path::failed;

/// Renames what is hidden still. It looks at all parts of a call before it touches one.
///
/// What has its name may be taken away from then on: whoever reads the folder may move or remove it. So that this does not look like
/// a loss when a commit is repeated, a small hidden file of the folder holds the last checkpoint whose parts all got their names.
pub(super) struct PartCommitter {
    table: Option<String>,
    folder: PathBuf,
    owner: Owner,
}

/// What has become of a prepared part.
enum State {
    Hidden,
    /// It has its name, or had it.
    Published,
    /// It was removed before it got its name; or it was taken away, or changed, after it got it in a call that was cut short.
    Missing,
    /// A file of another length.
    Altered(u64),
}

impl PartCommitter {
    pub(super) fn new(table: Option<&str>, folder: PathBuf, owner: Owner) -> Self {
        Self { table: table.map(str::to_owned), folder, owner }
    }

    fn take_over(&self, restored: Option<CheckpointId>, parts: &[PreparedPart]) -> Result<Commit> {
        if restored.is_none() {
            // A job that begins anew counts its checkpoints anew.
            self.owner.forget_committed(&self.folder)?;
        }
        let committed = publish(parts)?;
        if matches!(committed, Commit::Done) {
            for folder in folders(parts).into_iter().chain([&*self.folder]) {
                self.owner.remove_earlier(folder)?;
            }
        }
        Ok(committed)
    }

    fn place(&self, committed: Result<Commit>) -> Result<Commit> {
        let place = |error: Error| match &self.table {
            Some(table) => error.with("table", table),
            None => error,
        };
        match committed {
            Ok(Commit::Done) => Ok(Commit::Done),
            Ok(Commit::Lost { visible, error }) => Ok(Commit::Lost { visible, error: place(error) }),
            Err(error) => Err(place(error)),
        }
    }
}

impl Committer for PartCommitter {
    fn recover(&mut self, restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        self.place(decoded(committables).and_then(|parts| self.take_over(restored, &parts)))
    }

    fn commit(&mut self, _checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        self.place(decoded(committables).and_then(|parts| publish(&parts)))
    }
}

fn decoded(committables: &[Committable]) -> Result<Vec<PreparedPart>> {
    committables.iter().map(PreparedPart::decode).collect()
}

/// Gives all parts their names, or none where one is lost and no other has its name yet.
fn publish(parts: &[PreparedPart]) -> Result<Commit> {
    let states = parts.iter().map(state).collect::<Result<Vec<_>>>()?;
    let lost = parts.iter().zip(&states).find_map(|(part, state)| loss(part, state));
    if let Some(error) = lost {
        // What is missing may have been seen; so may what was published.
        let visible = states.iter().any(|state| matches!(state, State::Published | State::Missing));
        if !visible {
            parts.iter().try_for_each(|part| remove(&part.hidden))?;
        }
        return Ok(Commit::Lost { visible, error });
    }
    for (part, _) in parts.iter().zip(&states).filter(|(_, state)| matches!(state, State::Hidden)) {
        rename(part)?;
    }
    for folder in folders(parts) {
        sync_folder(folder)?;
    }
    note(parts)?;
    Ok(Commit::Done)
}

fn folders(parts: &[PreparedPart]) -> BTreeSet<&Path> {
    parts.iter().map(PreparedPart::folder).collect()
}

fn state(part: &PreparedPart) -> Result<State> {
    if let Some(length) = length(&part.hidden)? {
        return Ok(if length == part.length { State::Hidden } else { State::Altered(length) });
    }
    if length(&part.name)? == Some(part.length) {
        return Ok(State::Published);
    }
    let owner = Owner::of_file(&part.hidden);
    let committed = owner.map(|owner| owner.committed(part.folder())).transpose()?.flatten();
    Ok(if committed >= Some(part.checkpoint) { State::Published } else { State::Missing })
}

/// Writes down that these have their names, for the jobs that prepared them.
fn note(parts: &[PreparedPart]) -> Result<()> {
    let mut last: BTreeMap<(&Path, Owner), CheckpointId> = BTreeMap::new();
    for part in parts {
        if let Some(owner) = Owner::of_file(&part.hidden) {
            let last = last.entry((part.folder(), owner)).or_insert(part.checkpoint);
            *last = part.checkpoint.max(*last);
        }
    }
    for ((folder, owner), last) in last {
        if owner.committed(folder)?.is_none_or(|known| known < last) {
            owner.set_committed(folder, last)?;
        }
    }
    Ok(())
}

/// The length of a file; `None` if there is none.
fn length(path: &Path) -> Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("cannot look at the file", path, error)),
    }
}

/// The error of a part that cannot get its name.
fn loss(part: &PreparedPart, state: &State) -> Option<Error> {
    let error = match state {
        State::Hidden | State::Published => return None,
        State::Altered(length) => {
            Error::external(format!("a part file has {length} bytes and had {} at its checkpoint", part.length))
                .hint("files that begin with '.part-' belong to a running job: leave them to it")
        }
        State::Missing => Error::external(
            "a part file is gone: neither the hidden file is there, nor the one with its name, as it was written",
        )
        .hint("put it back if it was moved; files that begin with '.part-' belong to a running job: leave them to it"),
    };
    Some(
        error
            .with("path", part.name.display())
            .with("hidden", part.hidden.display())
            .with("checkpoint", part.checkpoint),
    )
}

fn rename(part: &PreparedPart) -> Result<()> {
    match fs::rename(&part.hidden, &part.name) {
        // Another attempt was faster.
        Err(error) if error.kind() == ErrorKind::NotFound && length(&part.name)? == Some(part.length) => Ok(()),
        Err(error) => Err(failed("cannot rename to", &part.name, error)),
        Ok(()) => Ok(()),
    }
}
