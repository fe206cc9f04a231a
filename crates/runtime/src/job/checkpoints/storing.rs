//! The thread that writes checkpoints: the states of tasks as they come, slots, and savepoints.
//!
//! It takes one thing after another, in the order in which the job master asks, so the chains of deltas grow in the order of barriers,
//! also through checkpoints that are given up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use riverrun_base::{Error, Result};
use riverrun_checkpoints::{Checkpoint, CheckpointLog, Created, Slot, StateFile, SubtaskState};
use riverrun_protocol::CheckpointId;

use crate::crash::crash_point;
use crate::job::attempt::caught;
use crate::job::checkpoints::Chain;
use crate::job::restoration::{encode_entries, encode_splits};
use crate::state::{Frozen, NodeState};

/// What the thread reports.
#[derive(Debug)]
pub(crate) enum StoreEvent {
    /// The states that a task froze are durable.
    Stored { checkpoint: CheckpointId, task: usize, states: Vec<StoredState> },
    /// They are not.
    NotStored { checkpoint: CheckpointId, task: usize, error: Error },
    /// How it went to write the slot of a checkpoint; `false` if another attempt has it.
    SlotWritten { checkpoint: CheckpointId, written: Result<bool> },
    /// Where a savepoint lies.
    SavepointWritten { checkpoint: CheckpointId, path: Result<String> },
}

/// What a checkpoint has of a node's subtask.
#[derive(Debug)]
pub(crate) struct StoredState {
    pub(crate) node: usize,
    pub(crate) state: SubtaskState,
    /// What commits a sink's rows.
    pub(crate) committables: Vec<Vec<u8>>,
    /// The bytes that were written for it, into files or metadata.
    pub(crate) written: u64,
}

enum Command {
    Store { checkpoint: CheckpointId, task: usize, subtask: usize, states: Vec<NodeState>, wants_full: Arc<AtomicBool> },
    WriteSlot(Box<Checkpoint>),
    WriteSavepoint { directory: String, checkpoint: Box<Checkpoint> },
    RemoveBefore(CheckpointId),
}

/// The thread. Dropped, it ends after what it is at.
pub(crate) struct Storing {
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    stops: Arc<AtomicBool>,
}

impl Storing {
    /// Starts the thread. `chains` are those of the operators' subtasks, by node and subtask.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        log: Arc<CheckpointLog>,
        attempt: u64,
        chains: BTreeMap<(usize, usize), Chain>,
        report: impl Fn(StoreEvent) + Send + 'static,
    ) -> Result<Self> {
        let (commands, received) = channel();
        let stops = Arc::new(AtomicBool::new(false));
        let worker = Worker { log, attempt, chains, stops: Arc::clone(&stops) };
        let run = move || worker.run(&received, &report);
        let thread = std::thread::Builder::new().name("checkpoints".to_owned()).spawn(run);
        let thread =
            thread.map_err(|error| Error::external("the operating system gives no thread").caused_by(error))?;
        Ok(Self { commands: Some(commands), thread: Some(thread), stops })
    }

    /// Stores what a task froze.
    pub(crate) fn store(
        &self,
        checkpoint: CheckpointId,
        task: usize,
        subtask: usize,
        states: Vec<NodeState>,
        wants_full: &Arc<AtomicBool>,
    ) {
        self.send(Command::Store { checkpoint, task, subtask, states, wants_full: Arc::clone(wants_full) });
    }

    /// Writes a checkpoint's slot, if nobody else has it.
    pub(crate) fn write_slot(&self, checkpoint: Checkpoint) {
        self.send(Command::WriteSlot(Box::new(checkpoint)));
    }

    /// Writes a checkpoint as a savepoint.
    pub(crate) fn write_savepoint(&self, directory: String, checkpoint: Checkpoint) {
        self.send(Command::WriteSavepoint { directory, checkpoint: Box::new(checkpoint) });
    }

    /// Removes the checkpoints before one, and the files that no later one needs.
    pub(crate) fn remove_before(&self, oldest: CheckpointId) {
        self.send(Command::RemoveBefore(oldest));
    }

    fn send(&self, command: Command) {
        // The thread ends only when this is dropped, or with a panic, which it reports itself.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        self.commands = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that stores checkpoints panicked while it ended");
        }
    }
}

struct Worker {
    log: Arc<CheckpointLog>,
    attempt: u64,
    chains: BTreeMap<(usize, usize), Chain>,
    stops: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self, commands: &Receiver<Command>, report: &impl Fn(StoreEvent)) {
        while let Ok(command) = commands.recv() {
            if self.stops.load(Ordering::Relaxed) {
                return;
            }
            match command {
                Command::Store { checkpoint, task, subtask, states, wants_full } => {
                    report(match caught(|| self.store(checkpoint, subtask, states)) {
                        Ok(states) => StoreEvent::Stored { checkpoint, task, states },
                        Err(error) => {
                            wants_full.store(true, Ordering::Release);
                            StoreEvent::NotStored { checkpoint, task, error }
                        }
                    });
                }
                Command::WriteSlot(checkpoint) => {
                    let id = checkpoint.id;
                    crash_point("before-slot");
                    let written = caught(|| self.log.write(id, &Slot::Completed(*checkpoint)));
                    let written = written.map(|created| created == Created::Written);
                    report(StoreEvent::SlotWritten { checkpoint: id, written });
                }
                Command::WriteSavepoint { directory, checkpoint } => {
                    let path = caught(|| self.log.write_savepoint(&directory, &checkpoint));
                    report(StoreEvent::SavepointWritten { checkpoint: checkpoint.id, path });
                }
                Command::RemoveBefore(oldest) => {
                    // What is left behind costs room and nothing else.
                    if let Err(error) = caught(|| self.log.remove_before(oldest)) {
                        tracing::warn!(%oldest, %error, "old checkpoints could not be removed");
                    }
                }
            }
        }
    }

    /// Stores all states that a task froze, even if one of them fails, as the chains must not miss the others.
    fn store(&mut self, checkpoint: CheckpointId, subtask: usize, states: Vec<NodeState>) -> Result<Vec<StoredState>> {
        let results: Vec<Result<StoredState>> = states
            .into_iter()
            .map(|NodeState { node, state }| self.store_node(checkpoint, node, subtask, state))
            .collect();
        results.into_iter().collect()
    }

    fn store_node(
        &mut self,
        checkpoint: CheckpointId,
        node: usize,
        subtask: usize,
        frozen: Frozen,
    ) -> Result<StoredState> {
        let mut state = SubtaskState { subtask: u32::try_from(subtask).unwrap_or(u32::MAX), ..SubtaskState::default() };
        let mut committables = Vec::new();
        let mut written = 0;
        match frozen {
            Frozen::Splits(splits) => state.own = Some(encode_splits(&splits)),
            Frozen::Sink { committables: prepared, entries } => {
                committables = prepared.into_iter().map(|one| one.0).collect();
                state.own = (!entries.is_empty()).then(|| encode_entries(&entries));
            }
            Frozen::Operator(snapshot) => {
                state.watermark = snapshot.watermark;
                let chain = self.chains.get_mut(&(node, subtask));
                let chain = chain.ok_or_else(|| Error::internal("state of an operator that nobody knows"))?;
                let hint = format!("{checkpoint}-{node}-{subtask}");
                let stored =
                    snapshot.delta.map(|freeze| store_delta(&self.log, self.attempt, freeze, &hint)).transpose();
                let delta = stored.inspect_err(|_| chain.lose())?;
                written = delta.as_ref().map_or(0, StateFile::bytes);
                if !chain.push(delta, snapshot.suffices) {
                    return Err(Error::external("state that changed before this checkpoint could not be stored"));
                }
                state.keyed = chain.files();
                state.own = snapshot.own.map(|freeze| freeze()).transpose()?;
            }
        }
        written += state.own.as_ref().map_or(0, Vec::len) as u64;
        Ok(StoredState { node, state, committables, written })
    }
}

fn store_delta(log: &CheckpointLog, attempt: u64, freeze: crate::Freeze, hint: &str) -> Result<StateFile> {
    let delta = freeze()?;
    log.store_state(attempt, hint, delta.bytes, delta.rows)
}
