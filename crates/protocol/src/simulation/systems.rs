//! What outlives every process: the log's store, the systems behind the sinks, and what is known of the truth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Random;
use crate::CheckpointId;
use crate::checkpoint_log::{CheckpointLog, LogEntry, Standing, standing};

/// A row: its source, and its place there.
pub(super) type Row = (usize, usize);
/// A transaction: its sink, and its number there.
pub(super) type Txn = (usize, usize);

/// What a careless engine would do. The invariants must notice each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    None,
    /// Commits when all tasks have acknowledged, before the slot is written.
    CommitBeforeSlot,
    /// Takes a slot that another attempt has for written.
    IgnoreFencing,
    /// Takes a slot whose outcome is unknown for written.
    TrustUnknown,
    /// Counts whatever slot it could create.
    TrustCreation,
    /// Counts a slot if the one before it is there, and removes it if not.
    TrustPredecessor,
    /// Leaves the slots of aborted checkpoints absent.
    LeaveHoles,
    /// Forgets what was prepared for aborted checkpoints.
    ForgetAborted,
    /// Commits nothing on recovery.
    SkipRecovery,
    /// Leaves alone on recovery what was prepared and is not in the checkpoint.
    SkipAborts,
    /// Goes back to the checkpoint before although rows of the lost one are visible.
    RollBackVisible,
    /// Keeps only the last checkpoint, committed or not.
    RemoveEagerly,
}

/// What a completed checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// By source, how many rows lie before the barrier.
    pub(super) positions: Vec<usize>,
    /// By sink, in the order of barriers.
    pub(super) committables: Vec<Vec<Txn>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) entry: LogEntry,
    pub(super) content: Option<Content>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TxnState {
    Open,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) state: TxnState,
    attempt: u64,
    rows: Vec<Row>,
    /// When it was begun, in events of the world.
    begun: u64,
}

/// The system behind a sink.
#[derive(Default)]
pub(super) struct System {
    pub(super) transactions: Vec<Transaction>,
    unresolved: BTreeSet<usize>,
    pub(super) visible: BTreeMap<Row, u32>,
    /// When the committer of an attempt last gave up what earlier ones had left.
    recovered: BTreeMap<u64, u64>,
}

/// What processes share.
pub(super) struct Environment {
    pub(super) random: Random,
    pub(super) mutation: Mutation,
    pub(super) now_ms: u64,
    pub(super) steps: u64,
    /// Whether anything still goes wrong.
    pub(super) chaos: bool,
    /// By how much less goes wrong than could.
    calm: usize,
    /// Whether systems give transactions up.
    pub(super) timeouts: bool,
    log: BTreeMap<CheckpointId, Slot>,
    /// What every slot held first.
    history: BTreeMap<CheckpointId, Slot>,
    /// Transactions that a completed checkpoint holds.
    durable: BTreeSet<Txn>,
    /// Writes of slots that arrive at any time, whatever became of the writer.
    pub(super) delayed: Vec<(CheckpointId, Slot)>,
    pub(super) systems: Vec<System>,
    /// The rows of each source.
    pub(super) input: Vec<usize>,
    pub(super) violation: Option<String>,
    /// Whether the log was removed, as the job has ended.
    pub(super) removed: bool,
    /// What has become of the log lately, for whoever looks into a violation.
    pub(super) notes: VecDeque<String>,
    /// How often what has happened: a simulation in which nothing does proves nothing.
    pub(super) seen: BTreeMap<&'static str, u64>,
}

impl Environment {
    pub(super) fn new(mut random: Random, mutation: Mutation, input: Vec<usize>, sinks: usize, timeouts: bool) -> Self {
        let calm = [1, 3, 10][random.below(3)];
        Self {
            random,
            mutation,
            now_ms: 0,
            steps: 0,
            chaos: true,
            calm,
            timeouts,
            log: BTreeMap::new(),
            history: BTreeMap::new(),
            durable: BTreeSet::new(),
            delayed: Vec::new(),
            systems: (0..sinks).map(|_| System::default()).collect(),
            input,
            violation: None,
            removed: false,
            notes: VecDeque::new(),
            seen: BTreeMap::new(),
        }
    }

    pub(super) fn violated(&mut self, what: impl Into<String>) {
        if self.violation.is_none() {
            self.violation = Some(what.into());
        }
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.notes.len() == 24 {
            self.notes.pop_front();
        }
        self.notes.push_back(format!("step {}: {}", self.steps, what()));
    }

    pub(super) fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Whether something goes wrong that does so once in `often` times, or less often where the world is calmer.
    pub(super) fn fault(&mut self, often: usize) -> bool {
        self.chaos && self.random.below(often * self.calm) == 0
    }

    pub(super) fn read_log(&self) -> CheckpointLog {
        CheckpointLog::new(self.log.iter().map(|(slot, held)| (*slot, held.entry)))
    }

    pub(super) fn content(&self, checkpoint: CheckpointId) -> Option<Content> {
        self.log.get(&checkpoint).and_then(|slot| slot.content.clone())
    }

    /// Whether this attempt has written this slot.
    pub(super) fn has_completed(&self, checkpoint: CheckpointId, attempt: u64) -> bool {
        self.history.get(&checkpoint).is_some_and(|slot| slot.entry == LogEntry::Completed { attempt })
    }

    pub(super) fn is_free(&self, slot: CheckpointId) -> bool {
        !self.log.contains_key(&slot)
    }

    /// Creates a slot if it is absent: what it holds then.
    pub(super) fn create(&mut self, slot: CheckpointId, held: Slot) -> Slot {
        let free = self.is_free(slot);
        self.note(|| format!("slot {slot} {} {:?}", if free { "is" } else { "is not" }, held.entry));
        if let Some(present) = self.log.get(&slot) {
            return present.clone();
        }
        match self.history.get(&slot) {
            Some(before) if *before != held => self.saw("slot of another written again"),
            Some(_) => self.saw("own slot written again"),
            None => {
                if let Some(content) = &held.content {
                    self.durable.extend(content.committables.iter().flatten().copied());
                }
                self.history.insert(slot, held.clone());
            }
        }
        self.log.insert(slot, held.clone());
        held
    }

    /// Whether a slot that was created behind this known one counts, by the numbers that there are now.
    pub(super) fn counts(&mut self, known: CheckpointId, slot: CheckpointId) -> bool {
        let standing = match self.mutation {
            Mutation::TrustCreation => Standing::Counts,
            Mutation::TrustPredecessor if self.log.contains_key(&CheckpointId(slot.0 - 1)) => Standing::Counts,
            Mutation::TrustPredecessor if slot.0 > 1 => Standing::Orphaned,
            _ => standing(known, slot, self.log.keys().copied()),
        };
        self.note(|| format!("slot {slot}: {standing:?}"));
        match standing {
            Standing::Counts => {}
            Standing::Overtaken => self.saw("overtaken"),
            Standing::Orphaned => {
                self.saw("orphaned");
                self.log.retain(|other, _| *other <= known || *other > slot);
            }
        }
        standing == Standing::Counts
    }

    /// Removes the oldest slot before this one; `false` if there is none.
    pub(super) fn remove_one_before(&mut self, keep: CheckpointId) -> bool {
        let oldest = self.log.keys().next().copied().filter(|oldest| *oldest < keep);
        if let Some(oldest) = oldest {
            self.note(|| format!("slot {oldest} is removed, before {keep}"));
            self.log.remove(&oldest);
        }
        oldest.is_some()
    }

    pub(super) fn forget(&mut self, slot: CheckpointId) {
        self.log.remove(&slot);
    }

    /// Removes the log of a job that has ended.
    pub(super) fn remove_all(&mut self) {
        self.saw("log removed");
        self.note(|| "the log is removed".into());
        self.log.clear();
        // No slot could tell what arrives now from a new beginning.
        self.delayed.clear();
        self.removed = true;
    }

    pub(super) fn begin(&mut self, sink: usize, attempt: u64) -> Txn {
        let system = &mut self.systems[sink];
        let number = system.transactions.len();
        let begun = self.steps;
        system.transactions.push(Transaction { state: TxnState::Open, attempt, rows: Vec::new(), begun });
        system.unresolved.insert(number);
        (sink, number)
    }

    /// Writes a row; `false` if the transaction is not open any more.
    pub(super) fn write(&mut self, (sink, number): Txn, row: Row) -> bool {
        let transaction = &mut self.systems[sink].transactions[number];
        transaction.rows.push(row);
        transaction.state == TxnState::Open
    }

    pub(super) fn prepare(&mut self, (sink, number): Txn) -> bool {
        let transaction = &mut self.systems[sink].transactions[number];
        let open = transaction.state == TxnState::Open;
        if open {
            transaction.state = TxnState::Prepared;
        }
        open
    }

    /// Commits a prepared transaction, now or before: whether its rows are visible.
    pub(super) fn commit(&mut self, txn: Txn) -> bool {
        if !self.durable.contains(&txn) {
            self.violated(format!("transaction {txn:?} is committed and in no checkpoint"));
        }
        let (sink, number) = txn;
        let system = &mut self.systems[sink];
        let transaction = &mut system.transactions[number];
        if transaction.state == TxnState::Prepared {
            transaction.state = TxnState::Committed;
            system.unresolved.remove(&number);
            for row in std::mem::take(&mut transaction.rows) {
                let times = system.visible.entry(row).or_default();
                *times += 1;
                if *times > 1 {
                    let attempt = transaction.attempt;
                    self.violation.get_or_insert(format!("row {row:?} is twice in sink {sink}, by attempt {attempt}"));
                }
            }
        }
        self.systems[sink].transactions[number].state == TxnState::Committed
    }

    /// Gives a transaction up: whether its rows are visible all the same.
    pub(super) fn abort(&mut self, (sink, number): Txn) -> bool {
        let system = &mut self.systems[sink];
        let transaction = &mut system.transactions[number];
        if matches!(transaction.state, TxnState::Open | TxnState::Prepared) {
            transaction.state = TxnState::Aborted;
            system.unresolved.remove(&number);
        }
        transaction.state == TxnState::Committed
    }

    /// Gives up what attempts before this one have left in a sink.
    pub(super) fn abort_left(&mut self, sink: usize, attempt: u64) {
        let (skip, steps) = (self.mutation == Mutation::SkipAborts, self.steps);
        let system = &mut self.systems[sink];
        system.recovered.insert(attempt, steps);
        let left: Vec<usize> = system.unresolved.iter().copied().collect();
        for number in left {
            if system.transactions[number].attempt < attempt && !skip {
                system.transactions[number].state = TxnState::Aborted;
                system.unresolved.remove(&number);
            }
        }
    }

    /// What an attempt that ends in order, or without its process, takes back: what it has not prepared.
    pub(super) fn abort_open(&mut self, attempt: u64) {
        for system in &mut self.systems {
            let left: Vec<usize> = system.unresolved.iter().copied().collect();
            for number in left {
                let transaction = &mut system.transactions[number];
                if transaction.attempt == attempt && transaction.state == TxnState::Open {
                    transaction.state = TxnState::Aborted;
                    system.unresolved.remove(&number);
                }
            }
        }
    }

    /// A system gives some transaction up, as it has waited too long.
    pub(super) fn time_out(&mut self) {
        let sink = self.random.below(self.systems.len());
        let unresolved = &self.systems[sink].unresolved;
        if !unresolved.is_empty() {
            let nth = self.random.below(unresolved.len());
            if let Some(number) = self.systems[sink].unresolved.iter().nth(nth).copied() {
                self.abort((sink, number));
            }
        }
    }

    /// Every system has waited too long.
    pub(super) fn time_out_all(&mut self) {
        for system in &mut self.systems {
            for number in std::mem::take(&mut system.unresolved) {
                system.transactions[number].state = TxnState::Aborted;
            }
        }
    }

    /// How many rows are not visible exactly once, and the first of them with its sink.
    pub(super) fn missing(&self) -> Option<(usize, (usize, Row))> {
        let rows = || self.input.iter().enumerate().flat_map(|(source, rows)| (0..*rows).map(move |row| (source, row)));
        let mut missing = self.systems.iter().enumerate().flat_map(|(sink, system)| {
            rows().filter(|row| system.visible.get(row) != Some(&1)).map(move |row| (sink, row))
        });
        let first = missing.next()?;
        Some((1 + missing.count(), first))
    }

    /// At the end: every transaction is resolved, but for what an attempt began when a later one had recovered already. That
    /// belongs to nobody, and only its system's timeout or the next run ends it.
    pub(super) fn check_resolved(&mut self) {
        let mut found = None;
        for (sink, system) in self.systems.iter().enumerate() {
            for number in &system.unresolved {
                let left = &system.transactions[*number];
                let after = system.recovered.range(left.attempt + 1..).any(|(_, recovered)| *recovered <= left.begun);
                if !after {
                    found = Some(format!(
                        "transaction {number} of sink {sink} is left {:?}, by attempt {}",
                        left.state, left.attempt
                    ));
                }
            }
        }
        if let Some(found) = found {
            self.violated(found);
        }
    }
}
