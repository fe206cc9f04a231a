//! A source with positions, an operator with state and a sink with transactions, all of which fail now and then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Commit, Commits, Committable, Committer, Discovery, Flush, Polled, Sink, SinkWriter, Source,
    SourceReader, Split, SplitEnumerator, SplitId, TaskContext,
};
use riverrun_data::ChangelogMode;
use riverrun_runtime::{
    CheckpointId, Delta, KeyGroupRange, Operator, OperatorContext, Restored, Snapshot, SnapshotRequest, key_group,
};

use super::{Out, Row, Rows};

/// Fails at random, so often in all.
#[derive(Clone)]
pub struct Chaos(Arc<Mutex<(fastrand::Rng, usize)>>);

impl Chaos {
    pub fn new(seed: u64, failures: usize) -> Self {
        Self(Arc::new(Mutex::new((fastrand::Rng::with_seed(seed), failures))))
    }

    /// Fails one in `odds` times.
    pub fn strike(&self, odds: u32, place: &str) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.1 > 0 && state.0.u32(0..odds) == 0 {
            state.1 -= 1;
            return Err(Error::external(format!("chaos {place}")));
        }
        Ok(())
    }

    fn below(&self, bound: u64) -> u64 {
        self.0.lock().unwrap().0.u64(0..bound)
    }
}

/// Splits of rows 0, 1, 2, ... whose keys are the value modulo 7; half of the splits are found a little later.
#[derive(Clone)]
pub struct Numbers {
    pub splits: usize,
    pub rows: u64,
    pub chaos: Chaos,
}

/// The row of a split.
pub fn number(split: usize, value: u64) -> Row {
    Row { key: value % 7, time: value as i64, value: split as u64 * 1_000_000 + value }
}

impl Source<Rows> for Numbers {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        self.chaos.strike(20, "in an enumerator")?;
        let ids: VecDeque<SplitId> = (0..self.splits).map(|split| split.to_string().into()).collect();
        Ok(Box::new(NumbersEnumerator { ids, round: 0 }))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader<Rows>>> {
        self.chaos.strike(20, "in opening a reader")?;
        Ok(Box::new(NumbersReader { source: self.clone(), open: VecDeque::new() }))
    }
}

struct NumbersEnumerator {
    ids: VecDeque<SplitId>,
    round: usize,
}

impl SplitEnumerator for NumbersEnumerator {
    fn discover(&mut self) -> Result<Discovery> {
        self.round += 1;
        let count = if self.round < 3 { self.ids.len() / 2 } else { self.ids.len() };
        let splits = self.ids.drain(..count).map(|id| Split { id, position: 0u64.to_le_bytes().to_vec() }).collect();
        Ok(Discovery { splits, again: (self.round < 3).then_some(Duration::from_millis(8)) })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.ids.retain(|id| !known.contains(id));
    }
}

struct NumbersReader {
    source: Numbers,
    open: VecDeque<(SplitId, u64)>,
}

impl SourceReader<Rows> for NumbersReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.open.extend(splits.into_iter().map(|split| {
            let position = u64::from_le_bytes(split.position.as_slice().try_into().unwrap());
            (split.id, position)
        }));
        Ok(())
    }

    fn poll(&mut self, _: Duration) -> Result<Polled<Rows>> {
        let Some((id, next)) = self.open.pop_front() else { return Ok(Polled::Nothing) };
        if next == self.source.rows {
            return Ok(Polled::Finished(id));
        }
        self.source.chaos.strike(300, "in a reader")?;
        std::thread::sleep(Duration::from_micros(self.source.chaos.below(400)));
        let end = self.source.rows.min(next + 1 + self.source.chaos.below(30));
        let split: usize = id.parse().unwrap();
        let batch = Rows((next..end).map(|value| number(split, value)).collect());
        self.open.push_back((Arc::clone(&id), end));
        Ok(Polled::Rows { split: id, batch })
    }

    fn splits(&self) -> Vec<Split> {
        let split = |(id, next): &(SplitId, u64)| Split { id: Arc::clone(id), position: next.to_le_bytes().to_vec() };
        self.open.iter().map(split).collect()
    }
}

/// Counts the rows of each key, and gives each row the count in place of its time.
pub struct RunningCounts {
    counts: BTreeMap<u64, i64>,
    dirty: BTreeSet<u64>,
    has_all: bool,
    chaos: Chaos,
}

pub fn hash(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl RunningCounts {
    pub fn new(chaos: &Chaos) -> Self {
        Self { counts: BTreeMap::new(), dirty: BTreeSet::new(), has_all: true, chaos: chaos.clone() }
    }
}

impl Operator<Rows> for RunningCounts {
    fn process(&mut self, mut batch: Rows, out: Out<'_>) -> Result<()> {
        for row in &mut batch.0 {
            let count = self.counts.entry(row.key).or_insert(0);
            *count += 1;
            self.dirty.insert(row.key);
            row.time = *count;
        }
        self.chaos.strike(400, "in an operator")?;
        out.emit(batch)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let full = request.full || std::mem::take(&mut self.has_all);
        let dirty = std::mem::take(&mut self.dirty);
        let rows: Vec<(u64, i64)> = self
            .counts
            .iter()
            .filter(|(key, _)| full || dirty.contains(key))
            .map(|(key, count)| (*key, *count))
            .collect();
        if rows.is_empty() && !full {
            return Ok(Some(Snapshot::default()));
        }
        let freeze = move || {
            let bytes =
                rows.iter().flat_map(|(key, count)| [key.to_le_bytes(), count.to_le_bytes()].concat()).collect();
            Ok(Delta { bytes, rows: rows.len() as u64 })
        };
        Ok(Some(Snapshot { delta: Some(Box::new(freeze)), suffices: full.then_some(1), ..Snapshot::default() }))
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        self.has_all = false;
        for chain in state.chains {
            for delta in chain.deltas {
                for row in delta.chunks_exact(16) {
                    let key = u64::from_le_bytes(row[..8].try_into().unwrap());
                    if is_in(chain.key_groups, key) {
                        self.counts.insert(key, i64::from_le_bytes(row[8..].try_into().unwrap()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_in(range: KeyGroupRange, key: u64) -> bool {
    range.contains(key_group(hash(key), 128))
}

pub fn running_counts(chaos: &Chaos) -> impl Fn(&OperatorContext) -> super::Made + Send + Sync + 'static {
    let chaos = chaos.clone();
    move |_| Ok(Box::new(RunningCounts::new(&chaos)))
}

/// What is outside of the job: visible rows, and transactions.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<LedgerState>>);

#[derive(Default)]
struct LedgerState {
    visible: Vec<Row>,
    prepared: BTreeMap<Vec<u8>, Vec<Row>>,
    committed: BTreeSet<Vec<u8>>,
    next: u64,
}

impl Ledger {
    pub fn visible(&self) -> Vec<Row> {
        self.state().visible.clone()
    }

    pub fn prepared(&self) -> usize {
        self.state().prepared.len()
    }

    /// What a system with timeouts does: gives a prepared transaction up.
    pub fn lose_one(&self) -> bool {
        self.state().prepared.pop_first().is_some()
    }

    fn state(&self) -> MutexGuard<'_, LedgerState> {
        self.0.lock().unwrap()
    }
}

/// A sink into a ledger.
#[derive(Clone)]
pub struct LedgerSink {
    pub ledger: Ledger,
    pub chaos: Chaos,
}

impl Sink<Rows> for LedgerSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn commits(&self) -> Commits {
        Commits::Always
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter<Rows>>> {
        self.chaos.strike(20, "in opening a writer")?;
        Ok(Box::new(LedgerWriter { sink: self.clone(), open: Vec::new() }))
    }

    fn committer(&self, _: &TaskContext) -> Result<Box<dyn Committer>> {
        self.chaos.strike(20, "in opening a committer")?;
        Ok(Box::new(self.clone()))
    }
}

struct LedgerWriter {
    sink: LedgerSink,
    open: Vec<Row>,
}

impl SinkWriter<Rows> for LedgerWriter {
    fn write(&mut self, batch: Rows) -> Result<()> {
        self.open.extend(batch.0);
        self.sink.chaos.strike(400, "in a writer")
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        assert!(self.open.is_empty(), "rows behind the last barrier");
        Ok(())
    }

    fn prepare(&mut self, _: CheckpointId) -> Result<Vec<Committable>> {
        if self.open.is_empty() {
            return Ok(Vec::new());
        }
        let mut state = self.sink.ledger.state();
        state.next += 1;
        let id = state.next.to_le_bytes().to_vec();
        state.prepared.insert(id.clone(), std::mem::take(&mut self.open));
        drop(state);
        self.sink.chaos.strike(40, "behind a prepare")?;
        Ok(vec![Committable(id)])
    }
}

impl Committer for LedgerSink {
    fn recover(&mut self, restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let commit = self.commit(restored.unwrap_or(CheckpointId(0)), committables)?;
        self.ledger.state().prepared.clear();
        Ok(commit)
    }

    fn commit(&mut self, checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        let mut visible = false;
        for Committable(id) in committables {
            self.chaos.strike(30, "before a commit")?;
            let mut state = self.ledger.state();
            if let Some(rows) = state.prepared.remove(id) {
                state.visible.extend(rows);
                state.committed.insert(id.clone());
            } else if !state.committed.contains(id) {
                let error = Error::external(format!("a transaction of checkpoint {checkpoint} is gone"));
                return Ok(Commit::Lost { visible, error });
            }
            visible = true;
            drop(state);
            self.chaos.strike(30, "behind a commit")?;
        }
        Ok(Commit::Done)
    }
}
