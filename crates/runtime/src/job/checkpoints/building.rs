//! A checkpoint while its tasks hand in their states.

use std::collections::BTreeMap;

use riverrun_base::Result;
use riverrun_checkpoints::{Checkpoint, OperatorState, SubtaskState};
use riverrun_connect::{Committable, SplitId};
use riverrun_protocol::CheckpointId;

use crate::graph::Plan;
use crate::job::checkpoints::StoredState;
use crate::job::restoration::encode_known;
use crate::{JobGraph, OperatorKind};

/// What names a node and its state.
#[derive(Clone, Debug)]
pub(crate) struct NodeIdentity {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) kind: OperatorKind,
    pub(crate) parallelism: usize,
}

impl NodeIdentity {
    /// Those of a graph's nodes.
    ///
    /// # Errors
    /// The graph is wrong.
    pub(crate) fn all(graph: &JobGraph) -> Result<Vec<Self>> {
        let plan = Plan::of(graph)?;
        let nodes = graph.nodes.iter().zip(&plan.uids).map(|(node, uid)| Self {
            uid: uid.to_string(),
            name: node.settings.name.clone(),
            kind: node.kind,
            parallelism: node.parallelism,
        });
        Ok(nodes.collect())
    }

    /// What must be the same where state is restored.
    pub(crate) fn kind_tag(&self) -> &'static str {
        match self.kind {
            OperatorKind::Source => "source",
            OperatorKind::Operator => "operator",
            OperatorKind::Sink => "sink",
        }
    }
}

/// The states of one checkpoint, as far as they have come.
#[derive(Debug)]
pub(crate) struct Building {
    pub(crate) triggered_ms: i64,
    known: BTreeMap<usize, Vec<SplitId>>,
    subtasks: BTreeMap<usize, Vec<SubtaskState>>,
    /// The bytes that were written for it.
    pub(crate) written: u64,
}

impl Building {
    /// A checkpoint whose barriers have just been sent. `known` are the splits of each source.
    pub(crate) fn new(triggered_ms: i64, known: Vec<(usize, Vec<SplitId>)>) -> Self {
        Self { triggered_ms, known: known.into_iter().collect(), subtasks: BTreeMap::new(), written: 0 }
    }

    /// Takes the states of a task; what its sinks prepared goes to `prepared`.
    pub(crate) fn add(&mut self, states: Vec<StoredState>) {
        for StoredState { node, state, written, .. } in states {
            self.written += written;
            self.subtasks.entry(node).or_default().push(state);
        }
    }

    /// The checkpoint, with what its sinks have prepared.
    pub(crate) fn finish(
        mut self,
        nodes: &[NodeIdentity],
        max_parallelism: usize,
        prepared: &BTreeMap<usize, Vec<Committable>>,
        of: Checkpoint,
    ) -> Checkpoint {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut operators = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let coordinator = self.known.remove(&index).map(|known| encode_known(&known));
            let mut subtasks = self.subtasks.remove(&index).unwrap_or_default();
            subtasks.sort_by_key(|state| state.subtask);
            let committables: Vec<Vec<u8>> =
                prepared.get(&index).into_iter().flatten().map(|committable| committable.0.clone()).collect();
            if coordinator.is_none() && subtasks.is_empty() && committables.is_empty() {
                continue;
            }
            operators.push(OperatorState {
                uid: node.uid.clone(),
                name: node.name.clone(),
                kind: node.kind_tag().to_owned(),
                parallelism: number(node.parallelism),
                max_parallelism: number(max_parallelism),
                subtasks,
                coordinator,
                committables,
            });
        }
        Checkpoint { operators, triggered_ms: self.triggered_ms, ..of }
    }
}

/// What sinks have prepared and nobody has committed: what was prepared for a checkpoint that was given up is committed with the
/// next one.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    waiting: BTreeMap<usize, Vec<(CheckpointId, Committable)>>,
    /// Of checkpoints whose slots are written, or being written.
    taken: BTreeMap<CheckpointId, BTreeMap<usize, Vec<Committable>>>,
}

impl Prepared {
    /// Takes what a task's sinks prepared.
    pub(crate) fn add(&mut self, checkpoint: CheckpointId, states: &mut [StoredState]) {
        for state in states {
            let committables = std::mem::take(&mut state.committables);
            let waiting = self.waiting.entry(state.node).or_default();
            waiting.extend(committables.into_iter().map(|bytes| (checkpoint, Committable(bytes))));
        }
    }

    /// All that a checkpoint commits, by node.
    pub(crate) fn take(&mut self, checkpoint: CheckpointId) -> &BTreeMap<usize, Vec<Committable>> {
        let waiting = &mut self.waiting;
        self.taken.entry(checkpoint).or_insert_with(|| {
            let mut taken: BTreeMap<usize, Vec<Committable>> = BTreeMap::new();
            for (node, prepared) in waiting {
                let (now, later) = std::mem::take(prepared).into_iter().partition(|(of, _)| *of <= checkpoint);
                *prepared = later;
                let now: Vec<(CheckpointId, Committable)> = now;
                taken.insert(*node, now.into_iter().map(|(_, committable)| committable).collect());
            }
            taken
        })
    }

    /// What a sink commits of a checkpoint.
    pub(crate) fn of(&self, checkpoint: CheckpointId, node: usize) -> Vec<Committable> {
        self.taken.get(&checkpoint).and_then(|taken| taken.get(&node)).cloned().unwrap_or_default()
    }

    /// A checkpoint's rows are visible in a sink.
    pub(crate) fn committed(&mut self, checkpoint: CheckpointId, node: usize) {
        if let Some(taken) = self.taken.get_mut(&checkpoint) {
            taken.remove(&node);
        }
        self.taken.retain(|of, _| *of >= checkpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(node: usize, committables: &[u8]) -> StoredState {
        StoredState {
            node,
            state: SubtaskState::default(),
            committables: committables.iter().map(|one| vec![*one]).collect(),
            written: 0,
        }
    }

    #[test]
    fn what_was_prepared_for_a_checkpoint_that_was_given_up_is_committed_with_the_next() {
        let mut prepared = Prepared::default();
        prepared.add(CheckpointId(2), &mut [state(5, &[1]), state(6, &[])]);
        prepared.add(CheckpointId(4), &mut [state(5, &[4])]);
        prepared.add(CheckpointId(3), &mut [state(5, &[2, 3])]);
        let three = prepared.take(CheckpointId(3)).clone();
        assert_eq!(three[&5], [vec![1], vec![2], vec![3]].map(Committable));
        assert_eq!(prepared.of(CheckpointId(3), 5), three[&5]);
        assert_eq!(prepared.of(CheckpointId(3), 6), []);
        prepared.committed(CheckpointId(3), 5);
        assert_eq!(prepared.take(CheckpointId(4))[&5], [Committable(vec![4])]);
    }
}
