//! Which nodes run in one task, and how tasks are joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use riverrun_base::{Error, Result};

use crate::OperatorKind;
use crate::graph::{JobGraph, Node, Ship};

/// A graph, checked and cut into chains.
pub(crate) struct Plan {
    /// For each node, where its output goes: a node, and which of that node's inputs it is.
    pub(crate) outputs: Vec<Vec<(usize, usize)>>,
    /// For each node, whether it runs in the task of its one input.
    pub(crate) chained: Vec<bool>,
    /// For each node, what names its state: the uid that it was given, else its name, with a number where several have it.
    pub(crate) uids: Vec<Arc<str>>,
}

impl Plan {
    /// # Errors
    /// The graph cannot run: see [`JobGraph::start`].
    pub(crate) fn of(graph: &JobGraph) -> Result<Self> {
        graph.settings.check()?;
        let mut uids = BTreeSet::new();
        let mut outputs = vec![Vec::new(); graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            let name = &node.settings.name;
            graph.settings.check_parallelism(&format!("'{name}'"), node.parallelism)?;
            if let Some(uid) = &node.settings.uid
                && !uids.insert(uid)
            {
                return Err(Error::user(format!("two operators have the uid '{uid}'")).with("operator", name));
            }
            if node.kind != OperatorKind::Source && node.inputs.is_empty() {
                return Err(Error::user(format!("'{name}' has no input")));
            }
            for (input, way) in node.inputs.iter().enumerate() {
                check_forward(&graph.nodes[way.from], node, way.ship)?;
                outputs[way.from].push((index, input));
            }
        }
        let chained = graph.nodes.iter().map(|node| is_chained(graph, node)).collect();
        Ok(Self { outputs, chained, uids: uids_of(graph) })
    }

    /// The nodes of the chain that starts at `head`, a node before those it feeds.
    pub(crate) fn chain(&self, head: usize) -> Vec<usize> {
        let mut nodes = vec![head];
        for next in self.chained_outputs(head) {
            nodes.extend(self.chain(next));
        }
        nodes
    }

    /// The chain as Flink writes it: `Source: t -> Calc -> (Sink: a, Filter -> Sink: b)`.
    pub(crate) fn chain_name(&self, graph: &JobGraph, head: usize) -> String {
        let name = &graph.nodes[head].settings.name;
        let branches: Vec<String> = self.chained_outputs(head).map(|next| self.chain_name(graph, next)).collect();
        match branches.as_slice() {
            [] => name.clone(),
            [branch] => format!("{name} -> {branch}"),
            _ => format!("{name} -> ({})", branches.join(", ")),
        }
    }

    /// How many channels each subtask of a node has from the inputs before `input`, and so where the channels of that
    /// one begin.
    pub(crate) fn first_channel(graph: &JobGraph, node: usize, input: usize) -> usize {
        graph.nodes[node].inputs.iter().take(input).map(|way| channels(graph, way.from, way.ship)).sum()
    }

    fn chained_outputs(&self, node: usize) -> impl Iterator<Item = usize> {
        self.outputs[node].iter().map(|(consumer, _)| *consumer).filter(|consumer| self.chained[*consumer])
    }
}

fn channels(graph: &JobGraph, from: usize, ship: Ship) -> usize {
    match ship {
        Ship::Forward => 1,
        Ship::All => graph.nodes[from].parallelism,
    }
}

fn is_chained(graph: &JobGraph, node: &Node) -> bool {
    let [input] = node.inputs.as_slice() else { return false };
    let ended = graph.nodes[input.from].settings.ends_chain;
    graph.settings.operator_chaining && node.settings.chaining && !ended && input.ship == Ship::Forward
}

fn uids_of(graph: &JobGraph) -> Vec<Arc<str>> {
    let mut taken: BTreeSet<Arc<str>> =
        graph.nodes.iter().filter_map(|node| node.settings.uid.as_deref()).map(Arc::from).collect();
    let uid = |node: &Node| match &node.settings.uid {
        Some(uid) => Arc::from(uid.as_str()),
        None => {
            let name = &node.settings.name;
            let numbered = (2..).map(|number| Arc::from(format!("{name} #{number}")));
            let free = std::iter::once(Arc::from(name.as_str())).chain(numbered).find(|uid| !taken.contains(uid));
            let uid: Arc<str> = free.unwrap_or_else(|| Arc::from(name.as_str()));
            taken.insert(Arc::clone(&uid));
            uid
        }
    };
    graph.nodes.iter().map(uid).collect()
}

fn check_forward(from: &Node, to: &Node, ship: Ship) -> Result<()> {
    if ship != Ship::Forward || from.parallelism == to.parallelism {
        return Ok(());
    }
    let (from_name, to_name) = (&from.settings.name, &to.settings.name);
    Err(Error::user(format!(
        "'{from_name}' with parallelism {} cannot forward to '{to_name}' with parallelism {}",
        from.parallelism, to.parallelism
    ))
    .hint("give both the same parallelism, or rebalance"))
}
