//! When a checkpoint's barrier has arrived on every channel of a task.
//!
//! A barrier cuts every channel into rows before and after it. The rows after it must wait until it has arrived on all
//! channels, or the snapshot would hold some of them (Chandy and Lamport; Flink's aligned checkpoints). A channel that
//! has ended counts as arrived, since no row follows there. A younger checkpoint ends the alignment of an older one; a
//! barrier of an older one is stale.

/// The number of a checkpoint; a younger one has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId(pub u64);

impl std::fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the owner of the channels does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take nothing from this channel for now.
    Block(usize),
    /// The barrier has arrived everywhere: pass it on.
    Complete(CheckpointId),
    /// This checkpoint will not complete here.
    Abort(CheckpointId),
    /// Take from every channel again.
    UnblockAll,
}

/// Aligns the barriers of a fixed number of channels.
///
/// ```
/// use riverrun_protocol::alignment::{Action, BarrierAlignment, CheckpointId};
///
/// let mut alignment = BarrierAlignment::new(2);
/// assert_eq!(alignment.barrier(0, CheckpointId(1)), [Action::Block(0)]);
/// assert_eq!(alignment.barrier(1, CheckpointId(1)), [Action::Complete(CheckpointId(1)), Action::UnblockAll]);
/// ```
#[derive(Clone, Debug)]
pub struct BarrierAlignment {
    channels: Vec<Channel>,
    /// The checkpoint being aligned.
    current: Option<CheckpointId>,
    /// The youngest checkpoint that was completed or aborted here.
    last: Option<CheckpointId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    arrived: bool,
    ended: bool,
}

impl BarrierAlignment {
    /// An alignment of `channels` channels, none of which has ended.
    pub fn new(channels: usize) -> Self {
        Self { channels: vec![Channel::default(); channels], current: None, last: None }
    }

    /// The checkpoint being aligned: some channels are blocked for it.
    pub fn current(&self) -> Option<CheckpointId> {
        self.current
    }

    /// A barrier has come out of a channel. No action means that it is stale.
    pub fn barrier(&mut self, channel: usize, checkpoint: CheckpointId) -> Vec<Action> {
        let newest = self.current.or(self.last);
        let stale = newest.is_some_and(|newest| checkpoint < newest) || self.last == Some(checkpoint);
        if stale || channel >= self.channels.len() {
            return Vec::new();
        }
        let mut actions = Vec::new();
        if let Some(older) = self.current.filter(|current| *current != checkpoint) {
            self.close(older);
            actions.extend([Action::Abort(older), Action::UnblockAll]);
        }
        self.current = Some(checkpoint);
        self.channels[channel].arrived = true;
        if self.has_arrived_everywhere() {
            self.close(checkpoint);
            let blocked = self.channels.len() > 1;
            actions.push(Action::Complete(checkpoint));
            actions.extend(blocked.then_some(Action::UnblockAll));
        } else {
            actions.push(Action::Block(channel));
        }
        actions
    }

    /// A channel has ended.
    pub fn ended(&mut self, channel: usize) -> Vec<Action> {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.ended = true;
        }
        match self.current {
            Some(checkpoint) if self.has_arrived_everywhere() => {
                self.close(checkpoint);
                vec![Action::Complete(checkpoint), Action::UnblockAll]
            }
            _ => Vec::new(),
        }
    }

    fn has_arrived_everywhere(&self) -> bool {
        self.channels.iter().all(|channel| channel.arrived || channel.ended)
    }

    fn close(&mut self, checkpoint: CheckpointId) {
        self.last = Some(checkpoint);
        self.current = None;
        for channel in &mut self.channels {
            channel.arrived = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::simulation::Random;

    const ONE: CheckpointId = CheckpointId(1);
    const TWO: CheckpointId = CheckpointId(2);

    #[test]
    fn a_barrier_is_complete_when_it_has_arrived_on_every_channel() {
        let mut alignment = BarrierAlignment::new(3);
        assert_eq!(alignment.barrier(2, ONE), [Action::Block(2)]);
        assert_eq!(alignment.barrier(0, ONE), [Action::Block(0)]);
        assert_eq!(alignment.current(), Some(ONE));
        assert_eq!(alignment.barrier(1, ONE), [Action::Complete(ONE), Action::UnblockAll]);
        assert_eq!(alignment.current(), None);
    }

    #[test]
    fn one_channel_needs_no_alignment() {
        assert_eq!(BarrierAlignment::new(1).barrier(0, ONE), [Action::Complete(ONE)]);
    }

    #[test]
    fn an_ended_channel_counts_as_arrived() {
        let mut alignment = BarrierAlignment::new(3);
        assert_eq!(alignment.ended(0), []);
        assert_eq!(alignment.barrier(1, ONE), [Action::Block(1)]);
        assert_eq!(alignment.ended(2), [Action::Complete(ONE), Action::UnblockAll]);
        assert_eq!(alignment.barrier(1, TWO), [Action::Complete(TWO), Action::UnblockAll]);
    }

    #[test]
    fn a_younger_checkpoint_aborts_the_older_whose_barriers_are_stale_then() {
        let mut alignment = BarrierAlignment::new(2);
        alignment.barrier(0, ONE);
        assert_eq!(alignment.barrier(1, TWO), [Action::Abort(ONE), Action::UnblockAll, Action::Block(1)]);
        assert_eq!(alignment.barrier(0, ONE), []);
        assert_eq!(alignment.barrier(0, TWO), [Action::Complete(TWO), Action::UnblockAll]);
        assert_eq!(alignment.barrier(0, TWO), []);
    }

    /// Channels with random elements, taken in random order: the rows taken before a barrier completes are, on each
    /// channel, exactly those before its barrier; and everything is taken in the end, so no channel stays blocked.
    #[test]
    fn in_any_order_exactly_the_rows_before_the_barrier_are_taken_before_it() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let count = 1 + random.below(4);
            // An element is the barrier of a checkpoint, or a row with the first checkpoint after it.
            let mut queues: Vec<VecDeque<Result<CheckpointId, u64>>> = vec![VecDeque::new(); count];
            for queue in &mut queues {
                let ends_after = random.below(6) as u64;
                for checkpoint in 1..=ends_after {
                    queue.extend((0..random.below(4)).map(|_| Err(checkpoint)));
                    // A channel misses a checkpoint that was aborted upstream, for the sake of a younger one.
                    if checkpoint == ends_after || random.below(8) > 0 {
                        queue.push_back(Ok(CheckpointId(checkpoint)));
                    }
                }
            }
            let mut alignment = BarrierAlignment::new(count);
            let mut blocked = vec![false; count];
            let mut ended = vec![false; count];
            let mut completed: Option<CheckpointId> = None;
            let mut youngest_row = 0;
            while !ended.iter().all(|ended| *ended) {
                let open: Vec<usize> = (0..count).filter(|channel| !blocked[*channel] && !ended[*channel]).collect();
                assert!(!open.is_empty(), "seed {seed}: every channel waits for another");
                let channel = open[random.below(open.len())];
                let actions = match queues[channel].pop_front() {
                    Some(Ok(checkpoint)) => alignment.barrier(channel, checkpoint),
                    Some(Err(before)) => {
                        assert!(
                            completed.is_none_or(|completed| completed.0 < before),
                            "seed {seed}: a row of before {completed:?} comes after it"
                        );
                        youngest_row = youngest_row.max(before);
                        Vec::new()
                    }
                    None => {
                        ended[channel] = true;
                        alignment.ended(channel)
                    }
                };
                for action in actions {
                    match action {
                        Action::Block(channel) => blocked[channel] = true,
                        Action::Complete(checkpoint) => {
                            assert!(completed < Some(checkpoint), "seed {seed}");
                            assert!(
                                youngest_row <= checkpoint.0,
                                "seed {seed}: a row of after {checkpoint} came before it"
                            );
                            completed = Some(checkpoint);
                        }
                        Action::Abort(checkpoint) => assert!(completed < Some(checkpoint), "seed {seed}"),
                        Action::UnblockAll => blocked.fill(false),
                    }
                }
            }
            assert_eq!(alignment.current(), None, "seed {seed}: a barrier neither completed nor aborted");
        }
    }
}
