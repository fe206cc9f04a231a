//! A job that runs in the thread of its caller, which says what comes, and when: for tests of operators and pipelines.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_checkpoints::{Checkpoint, StateData, StateFile, SubtaskState};
use riverrun_protocol::{CheckpointId, Timestamp};

use super::attempt::{AttemptSetup, prepare};
use super::checkpoints::{Building, Chain, NodeIdentity, StoredState, check_fit};
use super::restoration::{Restoration, encode_entries, overlapping};
use super::{AttemptEvent, Execution};
use crate::state::{Frozen, NodeState};
use crate::task::{Link, Stepped, TaskBuild};
use crate::{Barrier, Clock, Data, JobGraph, KeyGroupRange, OperatorKind};

/// A graph whose tasks take their steps one after another in the caller's thread. It does what a job does, exchanges and the alignment of
/// barriers among it, but for threads, and for sources, in whose place it has [inputs](JobGraph::input). Sinks write, and commit nothing.
///
/// What is given to it has gone as far as it goes when a call returns. Time stands still until it is [set](Self::set_time).
///
/// After an error the harness is of no more use.
pub struct Harness {
    inputs: Vec<Input>,
    tasks: Vec<(Rc<TaskBuild>, Box<dyn Stepped>)>,
    execution: Arc<Execution>,
    nodes: Vec<NodeIdentity>,
    chains: BTreeMap<(usize, usize), Chain>,
    now: Arc<AtomicI64>,
    frozen: Arc<Mutex<Vec<Acknowledged>>>,
    wants_full: Vec<Arc<AtomicBool>>,
    snapshots: u64,
    has_ended: bool,
}

/// A subtask's index, and what it froze.
type Acknowledged = (usize, Vec<NodeState>);

/// Where what is given to an input goes.
struct Input {
    build: Rc<TaskBuild>,
    /// `Box<dyn Link<B>>`.
    typed: Box<dyn Any>,
    control: fn(&mut dyn Any) -> Result<&mut dyn Control>,
}

/// What is said to an input, whatever it takes.
pub(crate) trait Control {
    fn due(&self) -> bool;
    fn on_time(&mut self) -> Result<()>;
    fn barrier(&mut self, barrier: Barrier, states: &mut Vec<NodeState>) -> Result<()>;
    fn end(&mut self) -> Result<()>;
}

impl<B> Control for Box<dyn Link<B>> {
    fn due(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= Instant::now())
    }

    fn on_time(&mut self) -> Result<()> {
        (**self).on_time()
    }

    fn barrier(&mut self, barrier: Barrier, states: &mut Vec<NodeState>) -> Result<()> {
        (**self).barrier(barrier, states)
    }

    fn end(&mut self) -> Result<()> {
        (**self).end()
    }
}

/// So many times something can be due at one time before it is taken for a bug.
const MOST_DUE: usize = 1_000_000;
/// Queues that never are full.
const UNBOUNDED: usize = 1 << 32;

impl Harness {
    /// Makes the tasks of a graph, at a time of day (epoch milliseconds), with empty state or that of a [snapshot](Self::snapshot) of the
    /// same graph, at whatever parallelism.
    ///
    /// # Errors
    /// The graph is wrong, or has a source; an operator cannot be made; the snapshot is damaged, or another program's.
    pub fn start(mut graph: JobGraph, now: Timestamp, snapshot: Option<&[u8]>) -> Result<Self> {
        graph.settings.queue_capacity = UNBOUNDED;
        let (nodes, max_parallelism) = (NodeIdentity::all(&graph)?, graph.settings.max_parallelism);
        let checkpoint = snapshot.map(Checkpoint::from_bytes).transpose()?;
        let mut chains = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.kind == OperatorKind::Operator) {
            for subtask in 0..node.parallelism {
                let range = KeyGroupRange::of_subtask(subtask, node.parallelism, max_parallelism);
                let state = checkpoint.as_ref().and_then(|checkpoint| checkpoint.operator(&node.uid));
                let files = state.map_or_else(Vec::new, |state| overlapping(state, range));
                let files = files.into_iter().map(|(range, files)| (range, files.to_vec())).collect();
                chains.insert((index, subtask), Chain::new(range, files));
            }
        }
        let restoration = match checkpoint {
            Some(checkpoint) => {
                check_fit(&checkpoint, &nodes, max_parallelism, false)?;
                Some(Arc::new(Restoration { checkpoint: Arc::new(checkpoint), open: Box::new(read_inline) }))
            }
            None => None,
        };
        let (now, frozen) = (Arc::new(AtomicI64::new(now)), Arc::new(Mutex::new(Vec::new())));
        let clock = Clock::Manual(Arc::clone(&now));
        let acknowledged = Arc::clone(&frozen);
        let tell = Box::new(move |event| {
            if let AttemptEvent::Acknowledged { subtask, states, .. } = event {
                acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push((subtask, states));
            }
        });
        let setup = AttemptSetup { restoration, clock, ..AttemptSetup::default() };
        let (execution, specs) = prepare(Arc::new(graph), setup, tell)?;
        let (mut inputs, mut tasks, mut wants_full) = (Vec::new(), Vec::new(), Vec::new());
        for spec in &specs {
            let build = Rc::new(spec.build(Arc::clone(&execution)));
            wants_full.push(Arc::clone(&spec.wants_full));
            let body = &execution.graph.nodes[spec.head].body;
            let told = |error| build.told(error);
            match body.input(&build, spec.head).map_err(told)? {
                Some((typed, control)) => inputs.push(Input { build, typed, control }),
                None => {
                    let task = body.stepped(Rc::clone(&build), spec.head).map_err(told)?;
                    tasks.push((build, task));
                }
            }
        }
        let (snapshots, has_ended) = (0, false);
        let mut harness =
            Self { inputs, tasks, execution, nodes, chains, now, frozen, wants_full, snapshots, has_ended };
        harness.run()?;
        Ok(harness)
    }

    /// Gives a batch to an input, counted in the order in which inputs were added to the graph.
    ///
    /// # Errors
    /// An operator fails: the error names it. There is no such input, it takes other batches, or has ended.
    pub fn emit<B: Data>(&mut self, input: usize, batch: B) -> Result<()> {
        self.on_link::<B>(input, |link| link.emit(batch))
    }

    /// Lets the event time of an input go on.
    ///
    /// # Errors
    /// As [`Self::emit`].
    pub fn watermark<B: Data>(&mut self, input: usize, watermark: Timestamp) -> Result<()> {
        self.on_link::<B>(input, |link| link.watermark(watermark))
    }

    /// Lets an input be idle, or go on.
    ///
    /// # Errors
    /// As [`Self::emit`].
    pub fn status<B: Data>(&mut self, input: usize, idle: bool) -> Result<()> {
        self.on_link::<B>(input, |link| link.status(idle))
    }

    /// The time of day, in epoch milliseconds.
    pub fn time(&self) -> Timestamp {
        self.now.load(Ordering::Acquire)
    }

    /// Sets the time of day, in epoch milliseconds, and lets all do what is due then.
    ///
    /// # Errors
    /// An operator fails: the error names it.
    pub fn set_time(&mut self, now: Timestamp) -> Result<()> {
        self.now.store(now, Ordering::Release);
        self.run()
    }

    /// Takes a snapshot of all state, as the bytes of a savepoint. With `full` every operator writes all of its state; otherwise the
    /// snapshot holds what it has changed since the last one, and what that builds on.
    ///
    /// # Errors
    /// An operator fails: the error names it.
    pub fn snapshot(&mut self, full: bool) -> Result<Vec<u8>> {
        Ok(self.checkpoint(full)?.to_bytes())
    }

    /// For each subtask of an operator that has state of keys, all of it, as [`Delta::bytes`](crate::Delta::bytes) of a full snapshot.
    ///
    /// # Errors
    /// An operator fails: the error names it.
    pub fn keyed_state(&mut self) -> Result<Vec<Vec<u8>>> {
        let subtasks = self.checkpoint(true)?.operators.into_iter().flat_map(|operator| operator.subtasks);
        let last = subtasks.filter_map(|mut subtask| subtask.keyed.pop()?.files.pop());
        last.map(|file| read_inline(&file)).collect()
    }

    fn checkpoint(&mut self, full: bool) -> Result<Checkpoint> {
        self.check_open()?;
        self.snapshots += 1;
        let id = CheckpointId(self.snapshots);
        self.wants_full.iter().for_each(|wants| wants.store(full, Ordering::Release));
        for input in 0..self.inputs.len() {
            let mut states = Vec::new();
            self.on_control(input, |control| control.barrier(Barrier { checkpoint: id }, &mut states))?;
            self.frozen.lock().unwrap_or_else(PoisonError::into_inner).push((0, states));
            self.run()?;
        }
        let frozen = std::mem::take(&mut *self.frozen.lock().unwrap_or_else(PoisonError::into_inner));
        let mut building = Building::new(self.time(), Vec::new());
        for (subtask, states) in frozen {
            let stored = states.into_iter().map(|state| self.store(subtask, state));
            building.add(stored.collect::<Result<_>>()?);
        }
        let of = Checkpoint {
            id,
            job_id: String::new(),
            job_name: self.execution.graph.name.clone(),
            attempt: 1,
            triggered_ms: 0,
            completed_ms: self.time(),
            is_savepoint: true,
            operators: Vec::new(),
        };
        let max_parallelism = self.execution.graph.settings.max_parallelism;
        Ok(building.finish(&self.nodes, max_parallelism, &BTreeMap::new(), of))
    }

    /// Ends all inputs; event time is where it is.
    ///
    /// # Errors
    /// As [`Self::emit`].
    pub fn end(&mut self) -> Result<()> {
        self.check_open()?;
        (0..self.inputs.len()).try_for_each(|input| self.on_control(input, |control| control.end()))?;
        self.has_ended = true;
        self.run()
    }

    fn check_open(&self) -> Result<()> {
        if self.has_ended { Err(Error::user("the harness has ended")) } else { Ok(()) }
    }

    fn on_link<B: Data>(&mut self, input: usize, call: impl FnOnce(&mut dyn Link<B>) -> Result<()>) -> Result<()> {
        self.check_open()?;
        let count = self.inputs.len();
        let no_input = || Error::user(format!("there is no input {input}, but {count}, counted from 0"));
        let Input { build, typed, .. } = self.inputs.get_mut(input).ok_or_else(no_input)?;
        let link = typed.downcast_mut::<Box<dyn Link<B>>>();
        let link = link.ok_or_else(|| Error::user(format!("the input {input} takes other batches")))?;
        call(&mut **link).map_err(|error| build.told(error))?;
        self.run()
    }

    fn on_control<T>(&mut self, input: usize, call: impl FnOnce(&mut dyn Control) -> Result<T>) -> Result<T> {
        let Input { build, typed, control } = &mut self.inputs[input];
        call(control(&mut **typed)?).map_err(|error| build.told(error))
    }

    /// Lets all take steps until there is nothing to do.
    fn run(&mut self) -> Result<()> {
        for _ in 0..MOST_DUE {
            let mut worked = false;
            for input in 0..self.inputs.len() {
                worked |= !self.has_ended
                    && self.on_control(input, |control| {
                        let due = control.due();
                        if due { control.on_time().map(|()| true) } else { Ok(false) }
                    })?;
            }
            for (build, task) in &mut self.tasks {
                while task.try_step().map_err(|error| build.told(error))? {
                    worked = true;
                }
            }
            if !worked {
                return Ok(());
            }
        }
        Err(Error::user("operators have always something to do at the same time of day")
            .hint("a timer that is due sets another that is due"))
    }

    fn store(&mut self, subtask: usize, NodeState { node, state: frozen }: NodeState) -> Result<StoredState> {
        let mut state = SubtaskState { subtask: u32::try_from(subtask).unwrap_or(u32::MAX), ..SubtaskState::default() };
        match frozen {
            Frozen::Splits(_) => return Err(Error::internal("a harness has no splits")),
            Frozen::Sink { entries, .. } => state.own = Some(encode_entries(&entries)),
            Frozen::Operator(snapshot) => {
                state.watermark = snapshot.watermark;
                let delta = snapshot.delta.map(|freeze| freeze()).transpose()?;
                let delta = delta.map(|delta| StateFile { data: StateData::Inline(delta.bytes), rows: delta.rows });
                let chain = self.chains.get_mut(&(node, subtask));
                let chain = chain.ok_or_else(|| Error::internal("state of an operator that nobody knows"))?;
                chain.push(delta, snapshot.suffices);
                state.keyed = chain.files();
                state.own = snapshot.own.map(|freeze| freeze()).transpose()?;
            }
        }
        Ok(StoredState { node, state, committables: Vec::new(), written: 0 })
    }
}

/// An input's link, of which the batches are told.
pub(crate) type ErasedInput = (Box<dyn Any>, fn(&mut dyn Any) -> Result<&mut dyn Control>);

/// Hides what an input takes.
pub(crate) fn erase_input<B: Data>(link: Box<dyn Link<B>>) -> ErasedInput {
    (Box::new(link), control_of::<B>)
}

fn control_of<B: Data>(typed: &mut dyn Any) -> Result<&mut dyn Control> {
    match typed.downcast_mut::<Box<dyn Link<B>>>() {
        Some(link) => Ok(link),
        None => Err(Error::internal("an input is of another type")),
    }
}

fn read_inline(file: &StateFile) -> Result<Vec<u8>> {
    match &file.data {
        StateData::Inline(bytes) => Ok(bytes.clone()),
        StateData::Stored { path, .. } => {
            Err(Error::user("the snapshot is that of a job, whose state lies in files").with("file", path))
        }
    }
}
