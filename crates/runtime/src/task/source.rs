//! A task that reads splits.
//!
//! Between two polls of its reader it looks into its mailbox (splits, barriers, stop) and does what is due in its
//! chain, so a poll waits for [`POLL_WAIT`] at most. Each split has a watermark of its own; what goes down the chain is
//! their minimum.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Polled, SourceReader, Split, SplitId};
use riverrun_protocol::{CheckpointId, MAX_WATERMARK, Timestamp, WatermarkMerge};

use crate::job::{Assignments, AttemptEvent};
use crate::metrics::Waiting;
use crate::state::{Frozen, NodeState};
use crate::task::chain::earlier;
use crate::task::{AfterBarrier, AssignedSplit, Link, Mailbox, Probe, TaskBuild, pass_on};
use crate::{Barrier, Data, SplitOperator};

/// How long a poll of the reader may wait: what a barrier or a stop waits for at most.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// How long the task waits itself when a reader returns from a waiting poll at once and with nothing.
const BREATH: Duration = Duration::from_millis(1);

/// Reads the splits of one subtask of a source.
pub(crate) struct SourceTask<'a, B0, B> {
    build: &'a TaskBuild,
    probe: Probe,
    reader: Box<dyn SourceReader<B0>>,
    split_operator: Box<dyn SplitOperator<B0, B>>,
    link: Box<dyn Link<B>>,
    mailbox: Arc<Mailbox>,
    assignments: Arc<Assignments>,
    splits: HashMap<SplitId, SplitState>,
    watermarks: WatermarkMerge,
    idleness: Option<Idleness>,
    assigned: bool,
    no_more_splits: bool,
    /// Whether all splits are read and the job knows it, which comes before the last checkpoint.
    exhausted: bool,
    event_time_ended: bool,
    /// The positions in checkpoints that are not complete.
    pending: BTreeMap<CheckpointId, Vec<Split>>,
}

/// How many checkpoints that may yet complete are remembered.
const PENDING_CHECKPOINTS: usize = 32;

/// An unfinished split.
struct SplitState {
    /// Its input of the merge of watermarks.
    input: usize,
    /// When it last brought rows, on the clock of [`Idleness`].
    last_rows: Duration,
    /// The watermark that its rows allow.
    watermark: Option<Timestamp>,
}

/// Finds splits that bring nothing, on a clock of its own.
///
/// The clock goes only while the reader could have brought rows of every split: through polls that bring nothing. A poll
/// that brings rows, with the work on them and the wait for room behind it, moves it by a small part of the timeout at
/// most, so that no split is found idle before the reader has had several turns for each.
struct Idleness {
    timeout: Duration,
    /// What the clock shows.
    now: Duration,
    /// No split can be found idle before.
    next_check: Duration,
    /// When the present poll began.
    turn: Instant,
}

impl Idleness {
    fn new(timeout: Duration) -> Self {
        Self { timeout, now: Duration::ZERO, next_check: timeout, turn: Instant::now() }
    }

    /// Ends a turn in which one of `splits` splits brought rows, or none did.
    fn advance(&mut self, brought: bool, splits: usize) {
        let passed = self.turn.elapsed();
        let turns = u32::try_from(splits).unwrap_or(u32::MAX).saturating_mul(4).max(1);
        self.now += if brought { passed.min(self.timeout / turns) } else { passed };
    }
}

/// Whether a task goes on.
enum Next {
    Continue,
    Exhausted,
    Stopped,
    /// The last barrier has passed.
    Cut(CheckpointId),
}

impl<'a, B0: Data, B: Data> SourceTask<'a, B0, B> {
    pub(crate) fn new(
        build: &'a TaskBuild,
        node: usize,
        reader: Box<dyn SourceReader<B0>>,
        split_operator: Box<dyn SplitOperator<B0, B>>,
        link: Box<dyn Link<B>>,
        idle_timeout: Option<Duration>,
    ) -> Result<Self> {
        let assignments =
            build.execution.assignments[node].clone().ok_or_else(|| Error::internal("a source has no assignments"))?;
        Ok(Self {
            build,
            probe: build.probe(node),
            reader,
            split_operator,
            link,
            mailbox: assignments.mailbox(build.subtask)?,
            assignments,
            splits: HashMap::new(),
            watermarks: WatermarkMerge::new(0),
            idleness: idle_timeout.map(Idleness::new),
            assigned: false,
            no_more_splits: false,
            exhausted: false,
            event_time_ended: false,
            pending: BTreeMap::new(),
        })
    }

    /// Reads until the last split is finished, or the job stops.
    pub(crate) fn run(mut self) -> Result<()> {
        loop {
            match self.step()? {
                Next::Continue => {}
                Next::Exhausted => {
                    self.end_event_time()?;
                    return self.link.end();
                }
                Next::Stopped => return self.link.end(),
                Next::Cut(checkpoint) => {
                    self.link.end()?;
                    return self.wait_for_completion(checkpoint);
                }
            }
        }
    }

    /// Lets event time come to its end.
    fn end_event_time(&mut self) -> Result<()> {
        if self.watermarks.combined() != MAX_WATERMARK && !std::mem::replace(&mut self.event_time_ended, true) {
            self.probe.metrics.output_watermark(MAX_WATERMARK);
            self.link.watermark(MAX_WATERMARK)?;
        }
        Ok(())
    }

    /// Stays until the last checkpoint is complete, so that the reader can tell its system.
    fn wait_for_completion(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let _idle = self.build.metrics.wait(Waiting::ForInput);
        loop {
            self.mailbox.wait(None);
            let mail = self.mailbox.take()?;
            if let Some(completed) = mail.completed {
                self.completed(completed)?;
                if completed >= checkpoint {
                    return Ok(());
                }
            }
        }
    }

    fn completed(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let later = self.pending.split_off(&CheckpointId(checkpoint.0 + 1));
        let mut complete = std::mem::replace(&mut self.pending, later);
        match complete.remove(&checkpoint) {
            Some(splits) => self.reader.checkpoint_completed(&splits),
            None => Ok(()),
        }
    }

    fn barrier(&mut self, barrier: Barrier) -> Result<()> {
        let splits = self.reader.splits();
        let watermark = |split: &Split| self.splits.get(&split.id).and_then(|state| state.watermark);
        let frozen = splits.iter().map(|split| (split.clone(), watermark(split))).collect();
        let mut states = vec![NodeState { node: self.probe.node(), state: Frozen::Splits(frozen) }];
        self.pending.insert(barrier.checkpoint, splits);
        if self.pending.len() > PENDING_CHECKPOINTS {
            self.pending.pop_first();
        }
        self.link.barrier(barrier, &mut states)?;
        self.build.acknowledge(barrier, states);
        Ok(())
    }

    fn step(&mut self) -> Result<Next> {
        if self.mailbox.has_mail()
            && let Some(end) = self.read_mail()?
        {
            return Ok(end);
        }
        if self.no_more_splits && self.splits.is_empty() && !self.exhausted {
            if !self.build.execution.waits_for_last_barrier {
                return Ok(Next::Exhausted);
            }
            self.exhausted = true;
            self.end_event_time()?;
            self.build.execution.shared.tell(AttemptEvent::SourceExhausted { task: self.build.task });
        }
        let mut deadline = self.link.deadline();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.link.on_time()?;
            deadline = self.link.deadline();
        }
        if self.splits.is_empty() {
            let _idle = self.build.metrics.wait(Waiting::ForInput);
            self.mailbox.wait(deadline);
        } else if self.split_operator.waits() {
            let _idle = self.build.metrics.wait(Waiting::ForInput);
            self.mailbox.wait(earlier(Some(Instant::now() + POLL_WAIT), deadline));
        } else {
            let brought = self.poll(deadline)?;
            self.find_idle_splits(brought)?;
        }
        Ok(Next::Continue)
    }

    /// Does what the mailbox says; how the task ends, if it does.
    fn read_mail(&mut self) -> Result<Option<Next>> {
        let mail = self.mailbox.take()?;
        if let Some(checkpoint) = mail.completed {
            self.completed(checkpoint)?;
        }
        let (mut splits, mut added) = (mail.splits, 0);
        for (barrier, after, before) in mail.barriers {
            let later = splits.split_off(before.saturating_sub(added).min(splits.len()));
            added = before;
            self.add_splits(std::mem::replace(&mut splits, later))?;
            if after == (AfterBarrier::End { drain: true }) {
                self.end_event_time()?;
            }
            self.barrier(barrier)?;
            if matches!(after, AfterBarrier::End { .. }) {
                return Ok(Some(Next::Cut(barrier.checkpoint)));
            }
        }
        self.add_splits(splits)?;
        self.assigned |= mail.assigned;
        self.no_more_splits |= mail.no_more_splits;
        if self.assigned && self.splits.is_empty() && !self.no_more_splits {
            pass_on(self.watermarks.evaluate(), &mut *self.link)?;
        }
        Ok(mail.stop.then_some(Next::Stopped))
    }

    fn add_splits(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        if splits.is_empty() {
            return Ok(());
        }
        let last_rows = self.idleness.as_ref().map_or(Duration::ZERO, |idleness| idleness.now);
        let mut restored = Vec::new();
        for AssignedSplit { split, watermark } in &splits {
            let (input, changes) = self.watermarks.add();
            let state = SplitState { input, last_rows, watermark: *watermark };
            self.splits.insert(Arc::clone(&split.id), state);
            restored.extend(watermark.map(|watermark| (input, watermark)));
            pass_on(changes, &mut *self.link)?;
        }
        for (input, watermark) in restored {
            pass_on(self.watermarks.watermark(input, watermark), &mut *self.link)?;
        }
        self.reader.add_splits(splits.into_iter().map(|assigned| assigned.split).collect())
    }

    /// Asks the reader for rows; only if there are none at once does it wait for them, as that time is idle. Answers
    /// whether anything came.
    fn poll(&mut self, deadline: Option<Instant>) -> Result<bool> {
        if let Some(idleness) = &mut self.idleness {
            idleness.turn = Instant::now();
        }
        let mut polled = self.reader.poll(Duration::ZERO)?;
        if matches!(polled, Polled::Nothing) {
            let before = Instant::now();
            let end = earlier(Some(before + POLL_WAIT), deadline).unwrap_or(before);
            let _idle = self.build.metrics.wait(Waiting::ForInput);
            polled = self.reader.poll(end.saturating_duration_since(before))?;
            if matches!(polled, Polled::Nothing) && before.elapsed() < BREATH {
                self.mailbox.wait(Some(end.min(before + BREATH)));
            }
        }
        match polled {
            Polled::Rows { split, batch } => self.cut(&split, batch)?,
            Polled::Finished(split) => self.finished(&split)?,
            Polled::Nothing => return Ok(false),
        }
        Ok(true)
    }

    fn cut(&mut self, split: &SplitId, batch: B0) -> Result<()> {
        let (limit, rows) = (self.build.execution.graph.settings.source_batch_rows.max(1), batch.num_rows());
        if rows <= limit {
            return self.rows(split, batch);
        }
        (0..rows).step_by(limit).try_for_each(|offset| self.rows(split, batch.slice(offset, limit.min(rows - offset))))
    }

    fn rows(&mut self, split: &SplitId, batch: B0) -> Result<()> {
        let state = self.splits.get_mut(split).ok_or_else(|| not_mine(split, "returned rows"))?;
        let input = state.input;
        if let Some(idleness) = &self.idleness {
            state.last_rows = idleness.now;
        }
        if self.watermarks.is_idle(input) {
            pass_on(self.watermarks.active(input), &mut *self.link)?;
        }
        let metrics = &self.probe.metrics;
        metrics.records_in.add(batch.num_rows());
        metrics.bytes_in.add(batch.num_bytes());
        let (batch, watermark) = self.split_operator.apply(split, batch)?;
        let rows = batch.num_rows();
        if rows > 0 {
            metrics.records_out.add(rows);
            self.link.emit(batch)?;
        }
        if let Some(watermark) = watermark {
            if let Some(state) = self.splits.get_mut(split) {
                state.watermark = state.watermark.max(Some(watermark));
            }
            pass_on(self.watermarks.watermark(input, watermark), &mut *self.link)?;
            self.probe.metrics.output_watermark(self.watermarks.combined());
        }
        Ok(())
    }

    fn finished(&mut self, split: &SplitId) -> Result<()> {
        let state = self.splits.remove(split).ok_or_else(|| not_mine(split, "finished"))?;
        self.assignments.finished(self.build.subtask, split)?;
        let changes = self.watermarks.ended(state.input);
        if self.splits.is_empty() && self.no_more_splits {
            return Ok(());
        }
        pass_on(changes, &mut *self.link)
    }

    fn find_idle_splits(&mut self, brought: bool) -> Result<()> {
        let Some(idleness) = &mut self.idleness else { return Ok(()) };
        idleness.advance(brought, self.splits.len());
        if idleness.now < idleness.next_check {
            return Ok(());
        }
        let (now, timeout) = (idleness.now, idleness.timeout);
        idleness.next_check = now + timeout;
        for split in self.splits.values() {
            let due = split.last_rows + timeout;
            if due > now {
                idleness.next_check = idleness.next_check.min(due);
            } else if !self.watermarks.is_idle(split.input) {
                pass_on(self.watermarks.idle(split.input), &mut *self.link)?;
            }
        }
        Ok(())
    }
}

fn not_mine(split: &SplitId, did: &str) -> Error {
    Error::internal(format!("the source's reader {did} of split '{split}', which it does not have"))
}
