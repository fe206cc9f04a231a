//! One attempt: sources, channels, sink writers and the coordinator, with everything between them delayed, repeated or lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::systems::{Content, Environment, Mutation, Slot, Txn};
use crate::CheckpointId;
use crate::alignment::{self, BarrierAlignment};
use crate::checkpoint::{
    Action, CheckpointCoordinator, CheckpointKind, CheckpointSettings, Decline, Event, FailReason, RequestId,
    RequestKind, SlotOutcome, Start,
};
use crate::checkpoint_log::{LogEntry, Takeover};
use crate::job_master::{AttemptEnd, Failure};

/// How many elements a channel holds.
const CHANNEL: usize = 4;

/// The shape of a job: the same in all its attempts.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) sinks: usize,
    pub(super) writers: usize,
    pub(super) settings: CheckpointSettings,
}

enum Element {
    Row(usize),
    Barrier(CheckpointId),
}

struct Source {
    position: usize,
    triggers: VecDeque<(CheckpointId, CheckpointKind)>,
    ended: bool,
}

struct Writer {
    sink: usize,
    channels: Vec<VecDeque<Element>>,
    blocked: Vec<bool>,
    alignment: BarrierAlignment,
    open: Option<Txn>,
    /// What was prepared for each barrier: goes with every acknowledgement.
    prepared: Vec<(CheckpointId, Txn)>,
}

#[derive(Clone)]
struct Message {
    event: Event,
    position: Option<(CheckpointId, usize, usize)>,
    prepared: (usize, Vec<(CheckpointId, Txn)>),
}

/// A slot being written, the skipped ones before it first.
struct SlotWrite {
    checkpoint: CheckpointId,
    after: CheckpointId,
    next: CheckpointId,
    /// Whether all are created, and it is to be found out whether that counts.
    created: bool,
}

/// A committer at work. All go by the same order, so that what the first has lost no other makes visible.
#[derive(Clone)]
pub(super) struct CommitCall {
    txns: Vec<Txn>,
    at: usize,
    visible: bool,
    lost: bool,
}

pub(super) enum Committed {
    Done { visible: bool },
    Lost { visible: bool },
    Unreachable,
}

impl CommitCall {
    pub(super) fn new(txns: Vec<Txn>) -> Self {
        Self { txns, at: 0, visible: false, lost: false }
    }

    pub(super) fn step(&mut self, env: &mut Environment) -> Option<Committed> {
        let Some(txn) = self.txns.get(self.at).copied() else {
            let visible = self.visible;
            return Some(if self.lost { Committed::Lost { visible } } else { Committed::Done { visible } });
        };
        if env.fault(40) {
            return Some(Committed::Unreachable);
        }
        // Where nothing is visible, and something lost, nothing must become visible any more.
        if self.lost && !self.visible {
            self.visible |= env.abort(txn);
        } else if env.commit(txn) {
            self.visible = true;
        } else {
            self.lost = true;
        }
        self.at += 1;
        // It is done, and the answer does not arrive.
        env.fault(40).then_some(Committed::Unreachable)
    }
}

pub(super) struct Attempt {
    pub(super) number: u64,
    coordinator: CheckpointCoordinator,
    shape: Shape,
    sources: Vec<Source>,
    writers: Vec<Writer>,
    inbox: Vec<Message>,
    /// By checkpoint and source.
    positions: BTreeMap<(CheckpointId, usize), usize>,
    /// By barrier and writer.
    handed_over: BTreeMap<(CheckpointId, usize), Txn>,
    contents: BTreeMap<CheckpointId, Content>,
    slot_write: Option<SlotWrite>,
    last_slot_write: CheckpointId,
    commit: Option<(CheckpointId, usize, CommitCall)>,
    /// Before what everything is to be removed.
    pub(super) keep_from: Option<CheckpointId>,
    pub(super) falls_asleep: bool,
    reported_exhausted: bool,
    next_request: u64,
    open_requests: BTreeSet<RequestId>,
    coordinator_ended: bool,
    pub(super) end: Option<AttemptEnd>,
}

impl Attempt {
    pub(super) fn new(takeover: &Takeover, restored: Option<&Content>, shape: &Shape, env: &Environment) -> Self {
        let sources: Vec<Source> = (0..env.input.len())
            .map(|source| Source {
                position: restored.map_or(0, |content| content.positions[source]),
                triggers: VecDeque::new(),
                ended: false,
            })
            .collect();
        let writers = (0..shape.sinks * shape.writers).map(|writer| Writer {
            sink: writer / shape.writers,
            channels: sources.iter().map(|_| VecDeque::new()).collect(),
            blocked: vec![false; sources.len()],
            alignment: BarrierAlignment::new(sources.len()),
            open: None,
            prepared: Vec::new(),
        });
        let writers: Vec<Writer> = writers.collect();
        let start = Start {
            takeover: takeover.slot,
            live: takeover.live.clone(),
            skipped: takeover.skipped.clone(),
            tasks: sources.len() + writers.len(),
            sinks: shape.sinks,
        };
        Self {
            number: takeover.attempt,
            coordinator: CheckpointCoordinator::new(shape.settings.clone(), start, env.now_ms),
            shape: shape.clone(),
            sources,
            writers,
            inbox: Vec::new(),
            positions: BTreeMap::new(),
            handed_over: BTreeMap::new(),
            contents: BTreeMap::new(),
            slot_write: None,
            last_slot_write: takeover.slot,
            commit: None,
            keep_from: None,
            falls_asleep: false,
            reported_exhausted: false,
            next_request: 0,
            open_requests: BTreeSet::new(),
            coordinator_ended: false,
            end: None,
        }
    }

    /// Takes one step of those that can be taken; `false` if none could.
    pub(super) fn step(&mut self, env: &mut Environment) -> bool {
        if self.end.is_some() {
            return false;
        }
        if env.fault(700) {
            self.fail(env);
            return true;
        }
        let first = env.random.below(16);
        (0..16).any(|offset| match (first + offset) % 16 {
            0..=2 => self.read(env),
            3..=7 => self.write(env),
            8..=10 => self.deliver(env),
            11 => self.write_slot(env),
            12 => self.commit(env),
            13 => self.exhausted(env),
            14 => offset == 0 && self.tick(env),
            _ => offset == 0 && self.request(env),
        })
    }

    pub(super) fn last_slot(&self) -> CheckpointId {
        self.coordinator.last_slot()
    }

    /// A stop by the user.
    pub(super) fn stop(&mut self, env: &mut Environment) {
        let drain = env.random.below(2) == 0;
        self.ask(env, RequestKind::StopWithSavepoint { drain });
    }

    /// What goes on though the attempt is over: a write that is under way, and a committer that was not told.
    pub(super) fn abandon(&mut self, env: &mut Environment) -> Option<CommitCall> {
        env.abort_open(self.number);
        self.abandon_write(env);
        self.commit.take().map(|(_, _, call)| call).filter(|_| env.random.below(2) == 0)
    }

    pub(super) fn abandon_write(&mut self, env: &mut Environment) {
        if let Some(write) = self.slot_write.take()
            && !write.created
            && env.random.below(2) == 0
        {
            let held = self.held(&write);
            env.delayed.push((write.next, held));
        }
    }

    fn fail(&mut self, env: &mut Environment) {
        self.end.get_or_insert(AttemptEnd::Failed(failure(env)));
    }

    fn read(&mut self, env: &mut Environment) -> bool {
        let number = env.random.below(self.sources.len());
        let source = &mut self.sources[number];
        if source.ended || self.writers.iter().any(|writer| writer.channels[number].len() >= CHANNEL) {
            return false;
        }
        if env.random.below(4) == 0
            && let Some((checkpoint, kind)) = source.triggers.pop_front()
        {
            source.ended = kind.is_last();
            let position = source.position;
            for writer in &mut self.writers {
                writer.channels[number].push_back(Element::Barrier(checkpoint));
            }
            let message = Message {
                event: Event::Acknowledged { checkpoint, task: number },
                position: Some((checkpoint, number, position)),
                prepared: (0, Vec::new()),
            };
            self.send(env, message);
            return true;
        }
        if source.position == env.input[number] {
            return false;
        }
        let row = source.position;
        source.position += 1;
        for (index, writer) in self.writers.iter_mut().enumerate() {
            if index % self.shape.writers == row % self.shape.writers {
                writer.channels[number].push_back(Element::Row(row));
            }
        }
        true
    }

    fn write(&mut self, env: &mut Environment) -> bool {
        let index = env.random.below(self.writers.len());
        let writer = &mut self.writers[index];
        let first = env.random.below(writer.channels.len());
        let channels = writer.channels.len();
        let found = (0..channels)
            .map(|offset| (first + offset) % channels)
            .find(|channel| !writer.blocked[*channel] && !writer.channels[*channel].is_empty());
        let Some(channel) = found else { return false };
        match writer.channels[channel].pop_front() {
            Some(Element::Row(row)) => {
                let sink = writer.sink;
                let txn = *writer.open.get_or_insert_with(|| env.begin(sink, self.number));
                if !env.write(txn, (channel, row)) {
                    self.fail(env);
                }
            }
            Some(Element::Barrier(checkpoint)) => {
                let actions = writer.alignment.barrier(channel, checkpoint);
                for action in actions {
                    self.aligned(index, action, env);
                }
            }
            None => {}
        }
        true
    }

    fn aligned(&mut self, index: usize, action: alignment::Action, env: &mut Environment) {
        let task = self.sources.len() + index;
        let writer = &mut self.writers[index];
        let (event, prepared) = match action {
            alignment::Action::Block(channel) => {
                writer.blocked[channel] = true;
                return;
            }
            alignment::Action::UnblockAll => {
                writer.blocked.fill(false);
                return;
            }
            alignment::Action::Abort(checkpoint) => {
                (Event::Declined { checkpoint, task, reason: Decline::Overtaken }, Vec::new())
            }
            alignment::Action::Complete(checkpoint) => {
                if let Some(txn) = writer.open.take() {
                    if !env.prepare(txn) {
                        return self.fail(env);
                    }
                    writer.prepared.push((checkpoint, txn));
                }
                if env.fault(30) {
                    (Event::Declined { checkpoint, task, reason: Decline::Failed }, Vec::new())
                } else {
                    (Event::Acknowledged { checkpoint, task }, writer.prepared.clone())
                }
            }
        };
        self.send(env, Message { event, position: None, prepared: (index, prepared) });
    }

    fn send(&mut self, env: &mut Environment, message: Message) {
        if env.fault(60) {
            return;
        }
        if env.fault(20) {
            self.inbox.push(message.clone());
        }
        self.inbox.push(message);
    }

    fn deliver(&mut self, env: &mut Environment) -> bool {
        if self.inbox.is_empty() {
            return false;
        }
        let nth = env.random.below(self.inbox.len());
        let message = self.inbox.swap_remove(nth);
        if let Some((checkpoint, source, position)) = message.position {
            self.positions.insert((checkpoint, source), position);
        }
        let (writer, prepared) = message.prepared;
        for (barrier, txn) in prepared {
            self.handed_over.insert((barrier, writer), txn);
        }
        self.take(env, message.event);
        true
    }

    fn exhausted(&mut self, env: &mut Environment) -> bool {
        let exhausted = self.sources.iter().zip(&env.input).all(|(source, rows)| source.position == *rows);
        if self.reported_exhausted || !exhausted {
            return false;
        }
        self.reported_exhausted = true;
        self.take(env, Event::SourcesExhausted);
        true
    }

    fn tick(&mut self, env: &mut Environment) -> bool {
        let due = self.coordinator.next_deadline().is_some_and(|due| due <= env.now_ms);
        if due {
            self.take(env, Event::Tick);
            if self.end.is_none() && self.coordinator.next_deadline().is_some_and(|due| due <= env.now_ms) {
                env.violated("the coordinator wants a tick again that has just been given");
            }
        }
        due
    }

    fn request(&mut self, env: &mut Environment) -> bool {
        let asks = env.fault(20);
        if asks {
            let kind = if env.random.below(2) == 0 { RequestKind::Savepoint } else { RequestKind::Checkpoint };
            self.ask(env, kind);
        }
        asks
    }

    fn ask(&mut self, env: &mut Environment, kind: RequestKind) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.open_requests.insert(request);
        self.take(env, Event::Requested { request, kind });
    }

    fn take(&mut self, env: &mut Environment, event: Event) {
        let over = self.coordinator_ended;
        for action in self.coordinator.on(env.now_ms, event) {
            if over && !matches!(action, Action::Answer { .. }) {
                env.violated(format!("{action:?} after the end"));
            }
            self.coordinator_ended |=
                matches!(action, Action::FailJob(_) | Action::Fenced { .. } | Action::Finished { .. });
            self.carry_out(env, action);
        }
        if self.coordinator_ended && !self.open_requests.is_empty() {
            env.violated(format!("not answered: {:?}", self.open_requests));
        }
    }

    fn carry_out(&mut self, env: &mut Environment, action: Action) {
        match action {
            Action::TriggerBarriers { checkpoint, kind } => {
                for source in &mut self.sources {
                    source.triggers.push_back((checkpoint, kind));
                }
            }
            Action::WriteSlot { checkpoint, after } => self.begin_slot_write(env, checkpoint, after),
            Action::Abort(checkpoint) => {
                env.saw("aborted");
                if env.has_completed(checkpoint, self.number) {
                    env.violated(format!("{checkpoint} is complete, and aborted"));
                }
            }
            Action::NotifyCompleted(checkpoint) => {
                env.saw("completed");
                if !env.has_completed(checkpoint, self.number) {
                    env.violated(format!("{checkpoint} is called complete and is not in the log"));
                }
                for writer in &mut self.writers {
                    writer.prepared.retain(|(barrier, _)| *barrier > checkpoint);
                }
                if env.mutation == Mutation::RemoveEagerly {
                    self.keep_from = Some(checkpoint);
                }
            }
            Action::Commit { checkpoint, sink } => {
                if self.commit.is_some() {
                    env.violated("two commits at a time");
                }
                let txns = self.contents[&checkpoint].committables[sink].clone();
                self.commit = Some((checkpoint, sink, CommitCall::new(txns)));
            }
            Action::Remove(checkpoint) => {
                let keep_from = self.coordinator.kept().next();
                if keep_from.is_none_or(|keep_from| checkpoint >= keep_from) {
                    env.violated(format!("{checkpoint} is removed, and {keep_from:?} is the oldest that is kept"));
                }
                self.keep_from = keep_from;
            }
            Action::Answer { request, .. } => {
                if !self.open_requests.remove(&request) {
                    env.violated(format!("{request:?} is answered twice"));
                }
            }
            Action::FailJob(reason) => {
                let failure = failure(env);
                self.end = Some(match reason {
                    FailReason::CommitLost { checkpoint, visible, .. } => {
                        let visible = visible && env.mutation != Mutation::RollBackVisible;
                        AttemptEnd::CommitLost { checkpoint, visible, failure }
                    }
                    _ => AttemptEnd::Failed(failure),
                });
            }
            Action::Fenced { .. } => {
                env.saw("fenced");
                self.end = Some(AttemptEnd::Fenced);
            }
            Action::Finished { kind, .. } => {
                let finished = kind == CheckpointKind::Last;
                env.saw(if finished { "finished" } else { "stopped" });
                if let Some(missing) = env.missing().filter(|_| finished) {
                    env.violated(format!("finished, and not visible once: {missing:?}"));
                }
                self.end = Some(if finished { AttemptEnd::Finished } else { AttemptEnd::Stopped });
            }
        }
    }

    fn begin_slot_write(&mut self, env: &mut Environment, checkpoint: CheckpointId, after: CheckpointId) {
        if self.slot_write.is_some() || checkpoint < self.last_slot_write {
            env.violated(format!("slot {checkpoint} is written after {}", self.last_slot_write));
        }
        self.last_slot_write = checkpoint;
        if !self.contents.contains_key(&checkpoint) {
            let first = if env.mutation == Mutation::ForgetAborted { checkpoint } else { CheckpointId(after.0 + 1) };
            let mut committables = vec![Vec::new(); self.shape.sinks];
            for ((_, writer), txn) in self.handed_over.range((first, 0)..=(checkpoint, usize::MAX)) {
                committables[self.writers[*writer].sink].push(*txn);
            }
            let positions: Vec<usize> = (0..self.sources.len())
                .filter_map(|source| self.positions.get(&(checkpoint, source)).copied())
                .collect();
            if positions.len() != self.sources.len() {
                env.violated(format!("{checkpoint} is written without all positions"));
            }
            self.contents.insert(checkpoint, Content { positions, committables });
        }
        let next = match env.mutation {
            Mutation::LeaveHoles => checkpoint,
            _ => CheckpointId(after.0 + 1),
        };
        self.slot_write = Some(SlotWrite { checkpoint, after, next, created: false });
        if env.mutation == Mutation::CommitBeforeSlot {
            for txn in self.contents[&checkpoint].committables.clone().into_iter().flatten() {
                env.commit(txn);
            }
        }
    }

    fn held(&self, write: &SlotWrite) -> Slot {
        let attempt = self.number;
        if write.next == write.checkpoint {
            let content = self.contents.get(&write.checkpoint).cloned();
            Slot { entry: LogEntry::Completed { attempt }, content }
        } else {
            Slot { entry: LogEntry::Skipped { attempt }, content: None }
        }
    }

    fn write_slot(&mut self, env: &mut Environment) -> bool {
        let Some(mut write) = self.slot_write.take() else { return false };
        let checkpoint = write.checkpoint;
        let outcome = if write.created {
            if env.counts(write.after, checkpoint) { SlotOutcome::Written } else { SlotOutcome::Taken }
        } else {
            match self.create(env, &write) {
                SlotOutcome::Written
                    if write.next < checkpoint
                        && env.mutation == Mutation::TrustPredecessor
                        && !env.counts(write.after, write.next) =>
                {
                    SlotOutcome::Taken
                }
                SlotOutcome::Written if write.next < checkpoint => {
                    env.saw("skipped");
                    write.next = CheckpointId(write.next.0 + 1);
                    self.slot_write = Some(write);
                    return true;
                }
                SlotOutcome::Written => {
                    write.created = true;
                    self.slot_write = Some(write);
                    self.falls_asleep = env.fault(40);
                    return true;
                }
                outcome => outcome,
            }
        };
        let outcome = match (outcome, env.mutation) {
            (SlotOutcome::Taken, Mutation::IgnoreFencing) | (SlotOutcome::Unknown, Mutation::TrustUnknown) => {
                SlotOutcome::Written
            }
            (outcome, _) => outcome,
        };
        self.take(env, Event::SlotWritten { checkpoint, outcome });
        true
    }

    fn create(&self, env: &mut Environment, write: &SlotWrite) -> SlotOutcome {
        let held = self.held(write);
        if env.fault(40) {
            // The request is lost, or arrives later.
            if env.random.below(2) == 0 {
                env.delayed.push((write.next, held));
            }
            SlotOutcome::Unknown
        } else if env.create(write.next, held.clone()) != held {
            SlotOutcome::Taken
        } else if env.fault(40) {
            // It is written, and the answer is lost; something on the way may repeat the request.
            if env.random.below(2) == 0 {
                env.delayed.push((write.next, held));
            }
            SlotOutcome::Unknown
        } else {
            SlotOutcome::Written
        }
    }

    fn commit(&mut self, env: &mut Environment) -> bool {
        let Some((checkpoint, sink, mut call)) = self.commit.take() else { return false };
        match call.step(env) {
            None => self.commit = Some((checkpoint, sink, call)),
            Some(Committed::Done { visible }) => {
                let event = Event::Committed { checkpoint, sink, visible };
                if env.fault(10) {
                    self.inbox.push(Message { event, position: None, prepared: (0, Vec::new()) });
                }
                self.take(env, event);
            }
            Some(Committed::Lost { visible }) => self.take(env, Event::CommitLost { checkpoint, sink, visible }),
            Some(Committed::Unreachable) => self.fail(env),
        }
        true
    }
}

pub(super) fn failure(env: &mut Environment) -> Failure {
    Failure { recoverable: true, random: env.random.fraction() }
}
