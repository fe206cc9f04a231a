//! What a node does, with its types behind a trait: the only place where types are erased, when a job is started.

use std::any::Any;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Boundedness, Commits, Committer, Sink, Source, SplitEnumerator, TaskContext};

use crate::gate::{Gate, GateControl};
use crate::job::{ErasedInput, erase_input};
use crate::task::{Link, OperatorLink, SinkLink, SourceTask, Stepped, TaskBuild, erase, run_gate, stepped};
use crate::{Data, Operator, OperatorContext, SplitOperator};

/// A node as the job's threads see it.
pub(crate) trait Body: Send + Sync {
    /// The gates of a consumer with these numbers of channels, one for each subtask.
    fn gates(&self, channels: &[usize], capacity: usize) -> Gates;

    /// The node as a link of a chain: an erased `Box<dyn Link<I>>`.
    fn link(&self, build: &TaskBuild, node: usize) -> Result<Box<dyn Any>>;

    /// Runs the task whose head the node is, to its end.
    fn run(&self, build: &TaskBuild, node: usize) -> Result<()>;

    /// The task whose head the node is, as one that is told its steps.
    fn stepped(&self, build: Rc<TaskBuild>, node: usize) -> Result<Box<dyn Stepped>>;

    /// Where what is given to an input goes; `None` for other nodes.
    fn input(&self, build: &TaskBuild, node: usize) -> Result<Option<ErasedInput>> {
        let (_, _) = (build, node);
        Ok(None)
    }

    /// Whether the node is a source without end.
    fn is_unbounded(&self) -> bool {
        false
    }

    /// When the rows of a sink become visible by commits; never, for other nodes.
    fn commits(&self) -> Commits {
        Commits::Never
    }

    /// What commits for a sink.
    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        let _ = context;
        Err(Error::internal("a node that is no sink was asked for its committer"))
    }

    /// What finds a source's splits; `None` for other nodes.
    fn enumerator(&self, context: &TaskContext) -> Result<Option<Box<dyn SplitEnumerator>>> {
        let _ = context;
        Ok(None)
    }
}

/// The gates of one node's subtasks.
pub(crate) struct Gates {
    /// `Vec<Arc<Gate<B>>>`.
    typed: Box<dyn Any + Send + Sync>,
    pub(crate) controls: Vec<Arc<dyn GateControl>>,
}

impl Gates {
    fn new<B: Data>(channels: &[usize], capacity: usize) -> Self {
        let gates: Vec<Arc<Gate<B>>> =
            channels.iter().map(|channels| Arc::new(Gate::new(*channels, capacity))).collect();
        let controls = gates.iter().map(|gate| Arc::clone(gate) as Arc<dyn GateControl>).collect();
        Self { typed: Box::new(gates), controls }
    }

    pub(crate) fn typed<B: Data>(&self) -> Result<&[Arc<Gate<B>>]> {
        let gates = self.typed.downcast_ref::<Vec<Arc<Gate<B>>>>();
        gates.map(Vec::as_slice).ok_or_else(|| Error::internal("a stream's batches are not those its consumer takes"))
    }
}

pub(crate) type Factory<T> = Box<dyn Fn(&OperatorContext) -> Result<Box<T>> + Send + Sync>;

pub(crate) struct SourceBody<B0, B> {
    pub(crate) source: Arc<dyn Source<B0>>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) split_operator: Factory<dyn SplitOperator<B0, B>>,
}

impl<B0: Data, B: Data> Body for SourceBody<B0, B> {
    fn gates(&self, _: &[usize], _: usize) -> Gates {
        Gates::new::<B>(&[], 0)
    }

    fn link(&self, _: &TaskBuild, _: usize) -> Result<Box<dyn Any>> {
        Err(Error::internal("a source has no input"))
    }

    fn is_unbounded(&self) -> bool {
        self.source.boundedness() == Boundedness::Unbounded
    }

    fn run(&self, build: &TaskBuild, node: usize) -> Result<()> {
        let link = build.outputs::<B>(node)?;
        let context = build.enter(node);
        let split_operator = (self.split_operator)(&context)?;
        let reader = self.source.reader(&context.task_context())?;
        SourceTask::new(build, node, reader, split_operator, link, self.idle_timeout)?.run()
    }

    fn stepped(&self, _: Rc<TaskBuild>, _: usize) -> Result<Box<dyn Stepped>> {
        Err(Error::user("a harness reads no source").hint("give it the records that the source would bring"))
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Option<Box<dyn SplitEnumerator>>> {
        self.source.enumerator(context).map(Some)
    }
}

pub(crate) struct OperatorBody<I, O> {
    pub(crate) factory: Factory<dyn Operator<I, O>>,
}

impl<I: Data, O: Data> OperatorBody<I, O> {
    fn typed_link(&self, build: &TaskBuild, node: usize) -> Result<Box<dyn Link<I>>> {
        let out = build.outputs::<O>(node)?;
        let context = build.enter(node);
        let mut operator = (self.factory)(&context)?;
        if let Some(state) = build.execution.restored_operator(node, context.key_groups)? {
            operator.restore(state)?;
        }
        operator.begin()?;
        Ok(Box::new(OperatorLink::new(operator, out, build.probe(node))))
    }
}

impl<I: Data, O: Data> Body for OperatorBody<I, O> {
    fn gates(&self, channels: &[usize], capacity: usize) -> Gates {
        Gates::new::<I>(channels, capacity)
    }

    fn link(&self, build: &TaskBuild, node: usize) -> Result<Box<dyn Any>> {
        self.typed_link(build, node).map(erase)
    }

    fn run(&self, build: &TaskBuild, node: usize) -> Result<()> {
        run_gate(build, node, self.typed_link(build, node)?)
    }

    fn stepped(&self, build: Rc<TaskBuild>, node: usize) -> Result<Box<dyn Stepped>> {
        let link = self.typed_link(&build, node)?;
        stepped(build, node, link)
    }
}

pub(crate) struct SinkBody<B> {
    pub(crate) sink: Arc<dyn Sink<B>>,
}

impl<B: Data> SinkBody<B> {
    fn typed_link(&self, build: &TaskBuild, node: usize) -> Result<Box<dyn Link<B>>> {
        let mut writer = self.sink.writer(&build.enter(node).task_context())?;
        let entries = build.execution.restored_sink(node, build.subtask)?;
        if !entries.is_empty() {
            writer.restore(entries)?;
        }
        Ok(Box::new(SinkLink::new(writer, build.probe(node))))
    }
}

impl<B: Data> Body for SinkBody<B> {
    fn commits(&self) -> Commits {
        self.sink.commits()
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        self.sink.committer(context)
    }

    fn gates(&self, channels: &[usize], capacity: usize) -> Gates {
        Gates::new::<B>(channels, capacity)
    }

    fn link(&self, build: &TaskBuild, node: usize) -> Result<Box<dyn Any>> {
        self.typed_link(build, node).map(erase)
    }

    fn run(&self, build: &TaskBuild, node: usize) -> Result<()> {
        run_gate(build, node, self.typed_link(build, node)?)
    }

    fn stepped(&self, build: Rc<TaskBuild>, node: usize) -> Result<Box<dyn Stepped>> {
        let link = self.typed_link(&build, node)?;
        stepped(build, node, link)
    }
}

/// What stands for a source in a harness.
pub(crate) struct InputBody<B>(pub(crate) PhantomData<fn() -> B>);

impl<B: Data> Body for InputBody<B> {
    fn gates(&self, _: &[usize], _: usize) -> Gates {
        Gates::new::<B>(&[], 0)
    }

    fn link(&self, _: &TaskBuild, _: usize) -> Result<Box<dyn Any>> {
        Err(Error::internal("an input has no input"))
    }

    fn run(&self, _: &TaskBuild, _: usize) -> Result<()> {
        Err(Error::user("a graph with an input runs in a harness only"))
    }

    fn stepped(&self, _: Rc<TaskBuild>, _: usize) -> Result<Box<dyn Stepped>> {
        Err(Error::internal("an input takes no steps"))
    }

    fn input(&self, build: &TaskBuild, node: usize) -> Result<Option<ErasedInput>> {
        build.outputs::<B>(node).map(|link| Some(erase_input(link)))
    }
}
