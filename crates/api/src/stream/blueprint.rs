//! The graph of a program before it runs. A node is made when the job is, so that what is said of it later (`name`, `uid`,
//! `set_parallelism`) counts.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_runtime::{Data, Exchange, JobGraph, NodeSettings, Stream};

/// The place of a node.
pub(crate) type NodeId = usize;

/// The nodes of a program. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Blueprint(Rc<RefCell<Nodes>>);

#[derive(Default)]
struct Nodes {
    /// How many nodes earlier jobs had: their streams are not those of the next.
    spent: usize,
    nodes: Vec<Node>,
    /// What was done wrong where no error could be returned.
    mistakes: Vec<Error>,
}

struct Node {
    settings: Settings,
    make: Make,
}

/// Adds a node to the graph, behind the streams of those before it; answers its own stream, an erased `Stream<B>`.
type Make = Box<dyn FnOnce(&mut JobGraph, NodeSettings, &Made) -> Result<Box<dyn Any>>>;

/// How a node is called and run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
    pub(crate) parallelism: Option<usize>,
    pub(crate) starts_chain: bool,
    pub(crate) ends_chain: bool,
}

impl Settings {
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn node(self) -> NodeSettings {
        let mut settings = NodeSettings::named(self.name);
        if let Some(uid) = self.uid {
            settings = settings.uid(uid);
        }
        if let Some(parallelism) = self.parallelism {
            settings = settings.parallelism(parallelism);
        }
        if self.starts_chain {
            settings = settings.new_chain();
        }
        if self.ends_chain {
            settings = settings.end_chain();
        }
        settings
    }
}

/// The streams of the nodes that are made.
pub(crate) struct Made {
    /// The place of the first.
    first: NodeId,
    streams: Vec<Box<dyn Any>>,
}

impl Made {
    /// The stream out of a node.
    pub(crate) fn stream<B: Data>(&self, node: NodeId) -> Result<Stream<B>> {
        let Some(index) = node.checked_sub(self.first) else {
            return Err(Error::user("a stream is used of which a job was executed before")
                .hint("build it again from its source, or give both to one execute()"));
        };
        let stream = self.streams.get(index).and_then(|stream| stream.downcast_ref::<Stream<B>>());
        stream.cloned().ok_or_else(|| Error::internal("a stream of other records than its consumer takes"))
    }

    /// The union of several ways.
    pub(crate) fn union<B: Data>(&self, graph: &mut JobGraph, origins: &[Origin<B>]) -> Result<Stream<B>> {
        let mut streams = Vec::with_capacity(origins.len());
        for origin in origins {
            let stream = self.stream::<B>(origin.node)?;
            streams.push(match &origin.exchange {
                Some(way) => {
                    let exchange = way(graph.settings().max_parallelism);
                    graph.exchange(&stream, exchange)
                }
                None => stream,
            });
        }
        Ok(graph.union(streams))
    }
}

/// One of the nodes out of which a stream comes, and the way from there.
pub(crate) struct Origin<B> {
    pub(crate) node: NodeId,
    /// Without one, the runtime chooses.
    pub(crate) exchange: Option<Way<B>>,
}

/// Makes an exchange, for a job with so many key groups.
pub(crate) type Way<B> = Arc<dyn Fn(usize) -> Exchange<B>>;

impl<B> Clone for Origin<B> {
    fn clone(&self) -> Self {
        Self { node: self.node, exchange: self.exchange.clone() }
    }
}

impl Blueprint {
    /// Adds a node, of which `make` answers the `Stream<B>` that comes out of it; anything, if nothing does.
    pub(crate) fn add<S: 'static>(
        &self,
        settings: Settings,
        make: impl FnOnce(&mut JobGraph, NodeSettings, &Made) -> Result<S> + 'static,
    ) -> NodeId {
        self.add_erased(settings, move |graph, settings, made| {
            let stream = make(graph, settings, made)?;
            Ok(Box::new(stream) as Box<dyn Any>)
        })
    }

    /// Adds a node whose stream's type is known only when it is made.
    pub(crate) fn add_erased(
        &self,
        settings: Settings,
        make: impl FnOnce(&mut JobGraph, NodeSettings, &Made) -> Result<Box<dyn Any>> + 'static,
    ) -> NodeId {
        let mut nodes = self.0.borrow_mut();
        nodes.nodes.push(Node { settings, make: Box::new(make) });
        nodes.spent + nodes.nodes.len() - 1
    }

    /// Changes the settings of a node.
    pub(crate) fn settings(&self, node: NodeId, change: impl FnOnce(&mut Settings)) {
        let mut nodes = self.0.borrow_mut();
        let spent = nodes.spent;
        if let Some(node) = node.checked_sub(spent).and_then(|index| nodes.nodes.get_mut(index)) {
            change(&mut node.settings);
        }
    }

    /// Remembers what was done wrong; the job is refused with the first.
    pub(crate) fn mistake(&self, error: Error) {
        self.0.borrow_mut().mistakes.push(error);
    }

    /// Whether both are of one program.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Makes the nodes. Those of the next job come after.
    pub(crate) fn build(&self, graph: &mut JobGraph) -> Result<()> {
        let Nodes { spent, nodes, mistakes } = self.0.take();
        self.0.borrow_mut().spent = spent + nodes.len();
        if let Some(mistake) = mistakes.into_iter().next() {
            return Err(mistake);
        }
        if nodes.is_empty() {
            return Err(Error::user("the program has no streams").hint("add a source and a sink before execute()"));
        }
        let mut made = Made { first: spent, streams: Vec::with_capacity(nodes.len()) };
        for Node { settings, make } in nodes {
            let name = settings.name.clone();
            let stream = make(graph, settings.node(), &made).map_err(|error| error.with("operator", name))?;
            made.streams.push(stream);
        }
        Ok(())
    }
}
