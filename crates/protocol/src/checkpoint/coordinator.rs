//! The coordinator of one attempt's checkpoints. Its words and a picture are in [the module above](super).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::CheckpointSettings;
use super::events::{
    Action, CheckpointFailure, CheckpointKind, Decline, Event, FailReason, RequestError, RequestId, RequestKind,
    SlotOutcome,
};
use crate::CheckpointId;
use crate::commit::{CommitStep, Commits};

/// How many requests may wait.
const MAX_WAITING_REQUESTS: usize = 16;
/// How long it waits at most before it tries again to write a slot.
const SLOT_RETRY_MS: u64 = 10_000;

/// With what an attempt starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The slot of its takeover: its checkpoints have the numbers above.
    pub takeover: CheckpointId,
    /// The complete checkpoints that may be restored, which are all committed: its committers have recovered.
    pub live: Vec<CheckpointId>,
    /// The slots that earlier attempts have skipped.
    pub skipped: Vec<CheckpointId>,
    /// How many tasks acknowledge: numbers from 0.
    pub tasks: usize,
    /// How many sinks commit: numbers from 0.
    pub sinks: usize,
}

/// Coordinates the checkpoints of one attempt.
///
/// - A checkpoint's number is the number of its slot in the log. It is used once: numbers of aborted checkpoints are skipped, and
///   the slots are filled as skipped, so that the log has no holes and [an attempt that is over meets the slot of the one
///   after it](crate::checkpoint_log).
/// - Checkpoints complete in their order, each only when the one before is committed: so only the youngest can be uncommitted.
/// - Once a slot may have been written, its checkpoint is not aborted any more: it is tried again until its slot is known to
///   hold it or another attempt's entry. Such a try counts as a failed checkpoint, once per interval.
/// - The oldest checkpoint kept is the youngest that is committed, or older: so there is one to go back to when rows of a
///   younger one are lost.
///
/// ```
/// use riverrun_protocol::CheckpointId;
/// use riverrun_protocol::checkpoint::{Action, CheckpointCoordinator, CheckpointKind, CheckpointSettings, Event, SlotOutcome, Start};
///
/// let settings = CheckpointSettings { interval_ms: Some(1000), ..CheckpointSettings::default() };
/// let start = Start { takeover: CheckpointId(1), live: vec![], skipped: vec![], tasks: 1, sinks: 1 };
/// let mut coordinator = CheckpointCoordinator::new(settings, start, 0);
/// let two = CheckpointId(2);
///
/// assert_eq!(coordinator.next_deadline(), Some(1000));
/// assert_eq!(
///     coordinator.on(1000, Event::Tick),
///     [Action::TriggerBarriers { checkpoint: two, kind: CheckpointKind::Checkpoint }]
/// );
/// assert_eq!(
///     coordinator.on(1003, Event::Acknowledged { checkpoint: two, task: 0 }),
///     [Action::WriteSlot { checkpoint: two, after: CheckpointId(1) }]
/// );
/// assert_eq!(
///     coordinator.on(1005, Event::SlotWritten { checkpoint: two, outcome: SlotOutcome::Written }),
///     [Action::NotifyCompleted(two), Action::Commit { checkpoint: two, sink: 0 }]
/// );
/// assert_eq!(coordinator.on(1008, Event::Committed { checkpoint: two, sink: 0, visible: true }), []);
/// ```
#[derive(Clone, Debug)]
pub struct CheckpointCoordinator {
    settings: CheckpointSettings,
    tasks: usize,
    /// The number of the next checkpoint.
    next: u64,
    /// The last slot that is known to be written.
    last_slot: CheckpointId,
    /// Triggered and neither complete nor aborted.
    in_flight: BTreeMap<CheckpointId, InFlight>,
    /// What [`Action::WriteSlot`] was given out for: the oldest in flight.
    writing: Option<Writing>,
    commits: Commits,
    /// Complete checkpoints that are kept.
    kept: BTreeSet<CheckpointId>,
    /// Numbers of aborted checkpoints, whose slots are or will be skipped.
    skipped: BTreeSet<CheckpointId>,
    waiting: VecDeque<(RequestId, RequestKind)>,
    /// When the next periodic one is due.
    due_ms: Option<u64>,
    last_completion_ms: Option<u64>,
    /// Failed checkpoints since the last complete one.
    failures: u32,
    /// The checkpoint that ends the job.
    last: Option<(CheckpointId, CheckpointKind)>,
    /// Who is answered when the job has ended.
    stopper: Option<RequestId>,
    ended: bool,
}

#[derive(Clone, Debug)]
struct InFlight {
    kind: CheckpointKind,
    request: Option<RequestId>,
    triggered_ms: u64,
    /// The tasks that have not acknowledged.
    missing: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Writing {
    checkpoint: CheckpointId,
    /// When the next try is due; `None` while one is under way.
    retry_ms: Option<u64>,
    /// When an unknown outcome was last counted as a failure.
    counted_ms: Option<u64>,
}

impl CheckpointCoordinator {
    /// A coordinator that begins at this time.
    pub fn new(settings: CheckpointSettings, start: Start, now_ms: u64) -> Self {
        let due_ms = settings.effective_interval_ms().map(|interval| now_ms.saturating_add(interval));
        Self {
            tasks: start.tasks,
            next: start.takeover.0 + 1,
            last_slot: start.takeover,
            in_flight: BTreeMap::new(),
            writing: None,
            commits: Commits::new(start.sinks),
            kept: start.live.into_iter().collect(),
            skipped: start.skipped.into_iter().collect(),
            waiting: VecDeque::new(),
            due_ms,
            last_completion_ms: None,
            failures: 0,
            last: None,
            stopper: None,
            ended: false,
            settings,
        }
    }

    /// When it wants an [`Event::Tick`] at the latest; `None` as long as nothing but other events can change anything.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.ended {
            return None;
        }
        let expiry =
            self.in_flight.values().filter(|one| !one.missing.is_empty()).map(|one| self.expires_ms(one)).min();
        let retry = self.writing.and_then(|writing| writing.retry_ms);
        let periodic = if self.may_begin_periodic() { self.periodic_ms() } else { None };
        [expiry, retry, periodic].into_iter().flatten().min()
    }

    /// The checkpoints that are neither complete nor aborted.
    pub fn in_flight(&self) -> impl Iterator<Item = CheckpointId> {
        self.in_flight.keys().copied()
    }

    /// The last slot that this attempt is known to have written.
    pub fn last_slot(&self) -> CheckpointId {
        self.last_slot
    }

    /// The complete checkpoints that are kept, the last one at the end.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = CheckpointId> {
        self.kept.iter().copied()
    }

    /// Takes an event at this time, which never goes back. After [`Action::FailJob`], [`Action::Fenced`] and
    /// [`Action::Finished`] requests are refused and nothing else happens.
    pub fn on(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.ended {
            if let Event::Requested { request, .. } = event {
                actions.push(Action::Answer { request, result: Err(RequestError::Ending) });
            }
            return actions;
        }
        match event {
            Event::Tick => {}
            Event::Requested { request, kind } => self.requested(request, kind, &mut actions),
            Event::Acknowledged { checkpoint, task } => {
                if let Some(one) = self.in_flight.get_mut(&checkpoint) {
                    one.missing.remove(&task);
                }
            }
            Event::Declined { checkpoint, task, reason } => self.declined(checkpoint, task, reason, &mut actions),
            Event::SourcesExhausted => self.sources_exhausted(now_ms, &mut actions),
            Event::SlotWritten { checkpoint, outcome } => self.slot_written(now_ms, checkpoint, outcome, &mut actions),
            Event::Committed { checkpoint, sink, visible } => {
                let next = self.commits.done(CommitStep { checkpoint, sink }, visible);
                self.commit(next, &mut actions);
            }
            Event::CommitLost { checkpoint, sink, visible } => {
                if let Some(visible) = self.commits.lost(CommitStep { checkpoint, sink }, visible) {
                    self.fail(FailReason::CommitLost { checkpoint, sink, visible }, &mut actions);
                }
            }
        }
        self.expire(now_ms, &mut actions);
        self.write_next(now_ms, &mut actions);
        self.begin(now_ms, &mut actions);
        // One without tasks is acknowledged as soon as it has begun.
        self.write_next(now_ms, &mut actions);
        self.remove_old(&mut actions);
        self.finish(&mut actions);
        actions
    }

    fn requested(&mut self, request: RequestId, kind: RequestKind, actions: &mut Vec<Action>) {
        let refused = if self.last.is_some() {
            RequestError::Ending
        } else if self.waiting.len() >= MAX_WAITING_REQUESTS {
            RequestError::TooMany
        } else {
            return self.waiting.push_back((request, kind));
        };
        actions.push(Action::Answer { request, result: Err(refused) });
    }

    fn declined(&mut self, checkpoint: CheckpointId, task: usize, reason: Decline, actions: &mut Vec<Action>) {
        // Who has acknowledged cannot decline, and what all have acknowledged may be written already.
        if self.in_flight.get(&checkpoint).is_some_and(|one| one.missing.contains(&task)) {
            let cause = match reason {
                Decline::Overtaken => CheckpointFailure::Overtaken,
                Decline::Failed => CheckpointFailure::Declined { task },
            };
            self.abort(checkpoint, cause, actions);
        }
    }

    fn sources_exhausted(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.last.is_some() {
            return;
        }
        let stop = self.waiting.iter().find_map(|(request, kind)| match kind {
            RequestKind::StopWithSavepoint { drain } => Some((*request, *drain)),
            _ => None,
        });
        match stop {
            Some((request, drain)) => {
                self.waiting.retain(|(waiting, _)| *waiting != request);
                self.trigger(now_ms, CheckpointKind::StopWithSavepoint { drain }, Some(request), actions);
            }
            None => self.trigger(now_ms, CheckpointKind::Last, None, actions),
        }
    }

    fn slot_written(&mut self, now_ms: u64, checkpoint: CheckpointId, outcome: SlotOutcome, actions: &mut Vec<Action>) {
        let Some(mut writing) = self.writing.filter(|one| one.checkpoint == checkpoint && one.retry_ms.is_none())
        else {
            return;
        };
        match outcome {
            SlotOutcome::Written => self.completed(now_ms, checkpoint, actions),
            SlotOutcome::Taken => {
                self.end(actions);
                actions.push(Action::Fenced { slot: checkpoint });
            }
            SlotOutcome::Unknown => {
                let period = self.settings.effective_interval_ms().unwrap_or(self.settings.timeout_ms);
                writing.retry_ms = Some(now_ms.saturating_add(period.min(SLOT_RETRY_MS)));
                let counts = writing.counted_ms.is_none_or(|counted| now_ms.saturating_sub(counted) >= period);
                if counts {
                    writing.counted_ms = Some(now_ms);
                }
                self.writing = Some(writing);
                if counts {
                    self.count_failure(checkpoint, CheckpointFailure::SlotNotWritten, actions);
                }
            }
        }
    }

    fn completed(&mut self, now_ms: u64, checkpoint: CheckpointId, actions: &mut Vec<Action>) {
        self.writing = None;
        self.last_slot = checkpoint;
        self.last_completion_ms = Some(now_ms);
        self.failures = 0;
        self.kept.insert(checkpoint);
        actions.push(Action::NotifyCompleted(checkpoint));
        if let Some(InFlight { kind, request: Some(request), .. }) = self.in_flight.remove(&checkpoint) {
            if kind.is_last() {
                self.stopper = Some(request);
            } else {
                actions.push(Action::Answer { request, result: Ok(checkpoint) });
            }
        }
        let next = self.commits.begin(checkpoint);
        self.commit(next, actions);
    }

    fn commit(&self, step: Option<CommitStep>, actions: &mut Vec<Action>) {
        actions.extend(step.map(|CommitStep { checkpoint, sink }| Action::Commit { checkpoint, sink }));
    }

    /// Gives up what has not been acknowledged in time. What is acknowledged may be written and is never given up.
    fn expire(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let expired: Vec<CheckpointId> = self
            .in_flight
            .iter()
            .filter(|(_, one)| !one.missing.is_empty() && self.expires_ms(one) <= now_ms)
            .map(|(checkpoint, _)| *checkpoint)
            .collect();
        for checkpoint in expired {
            if !self.ended {
                self.abort(checkpoint, CheckpointFailure::Expired, actions);
            }
        }
    }

    fn expires_ms(&self, one: &InFlight) -> u64 {
        one.triggered_ms.saturating_add(self.settings.timeout_ms)
    }

    fn abort(&mut self, checkpoint: CheckpointId, cause: CheckpointFailure, actions: &mut Vec<Action>) {
        let Some(one) = self.in_flight.remove(&checkpoint) else { return };
        self.skipped.insert(checkpoint);
        actions.push(Action::Abort(checkpoint));
        if let Some(request) = one.request {
            actions.push(Action::Answer { request, result: Err(RequestError::Aborted(cause)) });
        }
        if one.kind.is_last() {
            self.fail(FailReason::LastCheckpointFailed { checkpoint, cause }, actions);
            return;
        }
        // As in Flink: an overtaken one is no failure, and a savepoint's expiry is the user's affair.
        let counts = match cause {
            CheckpointFailure::Overtaken => false,
            CheckpointFailure::Expired => !one.kind.is_savepoint(),
            CheckpointFailure::Declined { .. } | CheckpointFailure::SlotNotWritten => true,
        };
        if counts {
            self.count_failure(checkpoint, cause, actions);
        }
    }

    fn count_failure(&mut self, checkpoint: CheckpointId, last: CheckpointFailure, actions: &mut Vec<Action>) {
        self.failures = self.failures.saturating_add(1);
        if self.settings.tolerable_failures.is_some_and(|tolerable| self.failures > tolerable) {
            let failures = self.failures;
            self.fail(FailReason::TooManyFailures { failures, checkpoint, last }, actions);
        }
    }

    fn fail(&mut self, reason: FailReason, actions: &mut Vec<Action>) {
        self.end(actions);
        actions.push(Action::FailJob(reason));
    }

    /// Aborts what is certainly not complete, and refuses what waits.
    fn end(&mut self, actions: &mut Vec<Action>) {
        self.ended = true;
        let uncertain = self.writing.map(|writing| writing.checkpoint);
        let in_flight = std::mem::take(&mut self.in_flight);
        actions.extend(in_flight.keys().filter(|one| Some(**one) != uncertain).map(|one| Action::Abort(*one)));
        let running = in_flight.values().filter_map(|one| one.request).chain(self.stopper.take());
        let result = Err(RequestError::JobFailed);
        actions.extend(running.map(|request| Action::Answer { request, result }));
        self.refuse_waiting(RequestError::JobFailed, actions);
    }

    fn refuse_waiting(&mut self, error: RequestError, actions: &mut Vec<Action>) {
        actions.extend(self.waiting.drain(..).map(|(request, _)| Action::Answer { request, result: Err(error) }));
    }

    /// Writes the slot of the oldest in flight once every task has acknowledged it and the one before is committed.
    fn write_next(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.ended {
            return;
        }
        let checkpoint = match &mut self.writing {
            Some(writing) if writing.retry_ms.is_some_and(|due| due <= now_ms) => {
                writing.retry_ms = None;
                writing.checkpoint
            }
            Some(_) => return,
            None => match self.in_flight.first_key_value() {
                Some((checkpoint, one)) if one.missing.is_empty() && self.commits.current().is_none() => {
                    self.writing = Some(Writing { checkpoint: *checkpoint, retry_ms: None, counted_ms: None });
                    *checkpoint
                }
                _ => return,
            },
        };
        actions.push(Action::WriteSlot { checkpoint, after: self.last_slot });
    }

    /// Begins what was asked for, then what is due.
    fn begin(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        while !self.ended && self.last.is_none() {
            let full = self.in_flight.len() >= self.settings.effective_max_concurrent();
            let Some((request, kind)) = self.waiting.front().copied() else { break };
            if self.is_request_running() || (kind == RequestKind::Checkpoint && full) {
                return;
            }
            self.waiting.pop_front();
            let kind = match kind {
                RequestKind::Checkpoint => CheckpointKind::Checkpoint,
                RequestKind::Savepoint => CheckpointKind::Savepoint,
                RequestKind::StopWithSavepoint { drain } => CheckpointKind::StopWithSavepoint { drain },
            };
            self.trigger(now_ms, kind, Some(request), actions);
        }
        if !self.ended && self.may_begin_periodic() && self.periodic_ms().is_some_and(|due| due <= now_ms) {
            self.trigger(now_ms, CheckpointKind::Checkpoint, None, actions);
            let interval = self.settings.effective_interval_ms().unwrap_or(1);
            self.due_ms = self.due_ms.map(|due| {
                let next = due.saturating_add(interval);
                if next > now_ms { next } else { now_ms.saturating_add(interval) }
            });
        }
    }

    /// Whether tasks still wait for the barriers of what somebody has asked for: a younger one would overtake them.
    fn is_request_running(&self) -> bool {
        self.in_flight.values().any(|one| one.request.is_some() && !one.missing.is_empty())
    }

    fn may_begin_periodic(&self) -> bool {
        self.last.is_none()
            && self.waiting.is_empty()
            && !self.is_request_running()
            && self.in_flight.len() < self.settings.effective_max_concurrent()
    }

    /// When the next periodic one may begin.
    fn periodic_ms(&self) -> Option<u64> {
        let after_pause = self.last_completion_ms.map_or(0, |at| at.saturating_add(self.settings.min_pause_ms));
        self.due_ms.map(|due| due.max(after_pause))
    }

    fn trigger(&mut self, now_ms: u64, kind: CheckpointKind, request: Option<RequestId>, actions: &mut Vec<Action>) {
        let checkpoint = CheckpointId(self.next);
        self.next += 1;
        let missing = (0..self.tasks).collect();
        self.in_flight.insert(checkpoint, InFlight { kind, request, triggered_ms: now_ms, missing });
        actions.push(Action::TriggerBarriers { checkpoint, kind });
        if kind.is_last() {
            self.last = Some((checkpoint, kind));
            self.refuse_waiting(RequestError::Ending, actions);
        }
    }

    /// Removes what is older than both the youngest committed checkpoint and the youngest `num_retained`.
    fn remove_old(&mut self, actions: &mut Vec<Action>) {
        if self.ended {
            return;
        }
        let uncommitted = self.commits.current().map(|step| step.checkpoint);
        let committed = self.kept.iter().rev().find(|kept| Some(**kept) != uncommitted);
        let retained = self.kept.iter().rev().nth(self.settings.num_retained.max(1) - 1);
        let (Some(committed), Some(retained)) = (committed, retained) else { return };
        let keep_from = *committed.min(retained);
        let mut removed: BTreeSet<CheckpointId> = self.kept.range(..keep_from).copied().collect();
        removed.extend(self.skipped.range(..keep_from));
        self.kept.retain(|one| *one >= keep_from);
        self.skipped.retain(|one| *one >= keep_from);
        actions.extend(removed.into_iter().map(Action::Remove));
    }

    fn finish(&mut self, actions: &mut Vec<Action>) {
        let Some((checkpoint, kind)) = self.last else { return };
        if !self.ended && self.last_slot == checkpoint && self.commits.current().is_none() {
            self.ended = true;
            if let Some(request) = self.stopper.take() {
                actions.push(Action::Answer { request, result: Ok(checkpoint) });
            }
            actions.push(Action::Finished { checkpoint, kind });
        }
    }
}
