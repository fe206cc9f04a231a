//! The graph of a job: what a program or a plan builds, and starts.

mod body;
mod plan;
mod settings;
mod stream;
mod wire;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Sink, Source};

pub(crate) use body::{Body, Gates};
pub(crate) use plan::Plan;
pub use settings::{JobSettings, NodeSettings};
pub use stream::Stream;
pub(crate) use wire::{Ship, Wire, WireEnd};

use crate::graph::body::{InputBody, OperatorBody, SinkBody, SourceBody};
use crate::graph::wire::TypedWire;
use crate::{Attempt, Data, Exchange, JobHandle, Operator, OperatorContext, OperatorKind, SplitOperator};

/// A job that is being built: sources, operators and sinks, joined by streams. Nothing runs before [`Self::start`].
///
/// ```no_run
/// # use riverrun_runtime::*;
/// # use riverrun_connect::{Sink, Source};
/// # use riverrun_data::Batch;
/// # struct Calc;
/// # impl Operator<Batch> for Calc {
/// #     fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> riverrun_base::Result<()> { out.emit(batch) }
/// # }
/// # fn build(source: Box<dyn Source>, sink: Box<dyn Sink>) -> riverrun_base::Result<()> {
/// let mut graph = JobGraph::new("spend report", JobSettings::default());
/// let rows = graph.source(NodeSettings::named("Source: transactions"), source, None, |_: &OperatorContext| Ok(Box::new(())));
/// let rows = graph.operator(&rows, NodeSettings::named("Calc"), |_: &OperatorContext| Ok(Box::new(Calc)));
/// graph.sink(&rows, NodeSettings::named("Sink: report"), sink);
/// graph.start()?.wait()?;
/// # Ok(()) }
/// ```
pub struct JobGraph {
    pub(crate) name: String,
    pub(crate) settings: JobSettings,
    pub(crate) nodes: Vec<Node>,
}

/// A source, operator or sink. Its inputs are nodes before it, so the graph has no cycle.
pub(crate) struct Node {
    pub(crate) settings: NodeSettings,
    pub(crate) kind: OperatorKind,
    pub(crate) parallelism: usize,
    pub(crate) inputs: Vec<Input>,
    pub(crate) body: Box<dyn Body>,
}

/// A way from one node to another, kept by the latter.
pub(crate) struct Input {
    pub(crate) from: usize,
    pub(crate) ship: Ship,
    pub(crate) wire: Box<dyn Wire>,
}

impl JobGraph {
    /// A job without nodes.
    pub fn new(name: impl Into<String>, settings: JobSettings) -> Self {
        Self { name: name.into(), settings, nodes: Vec::new() }
    }

    /// The job's settings.
    pub fn settings(&self) -> &JobSettings {
        &self.settings
    }

    /// Adds a source. `split_operator` makes what works on the batches of each split, once for each subtask.
    ///
    /// The watermark of a subtask is the smallest of its splits', so that splits that are read at different speeds drop
    /// nothing. A split that brings no row for `idle_timeout` (`table.exec.source.idle-timeout`; zero is none) is left out
    /// of that; time in which the reader could bring none, as the task worked or was backpressured, hardly counts. A
    /// subtask without a split holds nobody back.
    pub fn source<B0: Data, B: Data>(
        &mut self,
        settings: NodeSettings,
        source: Box<dyn Source<B0>>,
        idle_timeout: Option<Duration>,
        split_operator: impl Fn(&OperatorContext) -> Result<Box<dyn SplitOperator<B0, B>>> + Send + Sync + 'static,
    ) -> Stream<B> {
        let parallelism = settings.parallelism.or_else(|| source.parallelism()).unwrap_or(self.settings.parallelism);
        let idle_timeout = idle_timeout.filter(|timeout| !timeout.is_zero());
        let body = SourceBody { source: Arc::from(source), idle_timeout, split_operator: Box::new(split_operator) };
        Stream::of(self.add(settings, OperatorKind::Source, parallelism, Vec::new(), Box::new(body)))
    }

    /// Adds what stands for a source in a [`Harness`](crate::Harness); it has one subtask.
    pub fn input<B: Data>(&mut self, settings: NodeSettings) -> Stream<B> {
        Stream::of(self.add(settings, OperatorKind::Source, 1, Vec::new(), Box::new(InputBody::<B>(PhantomData))))
    }

    /// Adds an operator. `factory` makes one for each subtask, in the thread that will own it.
    ///
    /// It runs in the thread of what is before it if that is one node of the same parallelism, forwarded to it.
    pub fn operator<I: Data, O: Data>(
        &mut self,
        input: &Stream<I>,
        settings: NodeSettings,
        factory: impl Fn(&OperatorContext) -> Result<Box<dyn Operator<I, O>>> + Send + Sync + 'static,
    ) -> Stream<O> {
        let parallelism = settings.parallelism.unwrap_or_else(|| self.parallelism_of(input));
        let inputs = self.inputs(input, parallelism);
        let body = OperatorBody { factory: Box::new(factory) };
        Stream::of(self.add(settings, OperatorKind::Operator, parallelism, inputs, Box::new(body)))
    }

    /// The same rows on another way to their next consumer. An exchange right after an exchange replaces it.
    pub fn exchange<B: Data>(&mut self, input: &Stream<B>, exchange: Exchange<B>) -> Stream<B> {
        let mut stream = input.clone();
        for origin in &mut stream.origins {
            origin.exchange = Some(exchange.clone());
        }
        stream
    }

    /// The rows of all streams, in any order among them.
    pub fn union<B: Data>(&mut self, streams: Vec<Stream<B>>) -> Stream<B> {
        Stream { origins: streams.into_iter().flat_map(|stream| stream.origins).collect() }
    }

    /// Adds a sink.
    pub fn sink<B: Data>(&mut self, input: &Stream<B>, settings: NodeSettings, sink: Box<dyn Sink<B>>) {
        let parallelism =
            settings.parallelism.or_else(|| sink.parallelism()).unwrap_or_else(|| self.parallelism_of(input));
        let inputs = self.inputs(input, parallelism);
        self.add(settings, OperatorKind::Sink, parallelism, inputs, Box::new(SinkBody { sink: Arc::from(sink) }));
    }

    /// Starts the job's threads. Sources, operators and sinks are opened in them; what fails there is
    /// [`Attempt::wait`]'s error.
    ///
    /// # Errors
    /// The graph is wrong (parallelism out of bounds, `Forward` between different ones, a uid used twice, a sink
    /// without input), or the operating system gives no thread. Nothing runs then.
    pub fn start(self) -> Result<JobHandle> {
        crate::job::start(self)
    }

    /// Starts one attempt, without a master: it takes no checkpoints by itself, is not restored and not restarted.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_attempt(self) -> Result<Attempt> {
        crate::job::start_attempt(Arc::new(self))
    }

    fn add(
        &mut self,
        settings: NodeSettings,
        kind: OperatorKind,
        parallelism: usize,
        inputs: Vec<Input>,
        body: Box<dyn Body>,
    ) -> usize {
        self.nodes.push(Node { settings, kind, parallelism, inputs, body });
        self.nodes.len() - 1
    }

    /// The parallelism that an operator on this stream has if it names none: that of its inputs where all are forwarded and
    /// agree, the job's otherwise.
    pub fn parallelism_of<B>(&self, stream: &Stream<B>) -> usize {
        let forwarded = |exchange: &Option<Exchange<B>>| matches!(exchange, None | Some(Exchange::Forward));
        let mut parallelisms = stream
            .origins
            .iter()
            .filter(|origin| forwarded(&origin.exchange))
            .map(|origin| self.nodes[origin.node].parallelism);
        match parallelisms.next() {
            Some(first)
                if stream.origins.iter().all(|origin| forwarded(&origin.exchange))
                    && parallelisms.all(|other| other == first) =>
            {
                first
            }
            _ => self.settings.parallelism,
        }
    }

    /// The name of a source without end whose rows come by this stream, if there is one.
    pub fn unbounded_source<B>(&self, stream: &Stream<B>) -> Option<&str> {
        let mut open: Vec<usize> = stream.origins.iter().map(|origin| origin.node).collect();
        let mut seen = vec![false; self.nodes.len()];
        while let Some(place) = open.pop() {
            let node = &self.nodes[place];
            if node.body.is_unbounded() {
                return Some(&node.settings.name);
            }
            if !std::mem::replace(&mut seen[place], true) {
                open.extend(node.inputs.iter().map(|input| input.from));
            }
        }
        None
    }

    fn inputs<B: Data>(&self, stream: &Stream<B>, parallelism: usize) -> Vec<Input> {
        let input = |origin: &stream::Origin<B>| {
            let automatic = if self.nodes[origin.node].parallelism == parallelism {
                Exchange::Forward
            } else {
                Exchange::Rebalance
            };
            let exchange = origin.exchange.clone().unwrap_or(automatic);
            Input { from: origin.node, ship: Ship::of(&exchange), wire: Box::new(TypedWire(exchange)) }
        };
        stream.origins.iter().map(input).collect()
    }
}
