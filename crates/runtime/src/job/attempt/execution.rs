//! From a graph to running threads.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use riverrun_base::{Error, Result};
use riverrun_connect::JobContext;
use riverrun_protocol::job_state::{Ending, Event};

use super::enumerator::{self, Assignments};
use super::{Attempt, AttemptEvent, Shared};
use crate::graph::{Gates, Plan};
use crate::job::Restoration;
use crate::metrics::{OperatorMetrics, Registry, TaskEntry, TaskMetrics};
use crate::task::TaskBuild;
use crate::{Clock, JobGraph, KeyGroupRange, OperatorKind, Restored};

/// Hears what happens in an attempt, from all its threads.
pub(crate) type Tell = Box<dyn Fn(AttemptEvent) + Send + Sync>;

/// What an attempt begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttemptSetup {
    /// The job, without an operator.
    pub(crate) job: JobContext,
    /// What is restored.
    pub(crate) restoration: Option<Arc<Restoration>>,
    /// Whether sources stay until the last barrier has passed.
    pub(crate) waits_for_last_barrier: bool,
    /// The time of day.
    pub(crate) clock: Clock,
}

/// An attempt while it runs, as its threads share it.
pub(crate) struct Execution {
    pub(crate) graph: Arc<JobGraph>,
    pub(crate) plan: Plan,
    job: JobContext,
    restoration: Option<Arc<Restoration>>,
    pub(crate) waits_for_last_barrier: bool,
    pub(crate) clock: Clock,
    /// The gates of each node that heads a chain and is not a source.
    pub(crate) gates: Vec<Option<Gates>>,
    /// The splits of each source.
    pub(crate) assignments: Vec<Option<Arc<Assignments>>>,
    pub(crate) shared: Arc<Shared>,
}

/// A task, as who coordinates checkpoints knows it.
pub(crate) struct TaskHandle {
    /// The task's name, without its subtask.
    pub(crate) name: String,
    pub(crate) subtask: usize,
    /// Whether it reads a source.
    pub(crate) is_source: bool,
    /// Set, the task's next snapshots are full.
    pub(crate) wants_full: Arc<AtomicBool>,
}

impl TaskHandle {
    fn of(graph: &JobGraph, spec: &TaskSpec) -> Self {
        Self {
            name: spec.name.clone(),
            subtask: spec.subtask,
            is_source: graph.nodes[spec.head].kind == OperatorKind::Source,
            wants_full: Arc::clone(&spec.wants_full),
        }
    }
}

/// A task that has not started.
pub(crate) struct TaskSpec {
    /// Its index among all tasks.
    index: usize,
    pub(crate) wants_full: Arc<AtomicBool>,
    pub(crate) head: usize,
    pub(crate) subtask: usize,
    name: String,
    thread_name: String,
    metrics: Arc<TaskMetrics>,
    operators: BTreeMap<usize, Arc<OperatorMetrics>>,
}

impl TaskSpec {
    /// What the task's thread makes its operators with.
    pub(crate) fn build(&self, execution: Arc<Execution>) -> TaskBuild {
        TaskBuild {
            execution,
            head: self.head,
            subtask: self.subtask,
            metrics: Arc::clone(&self.metrics),
            operators: self.operators.clone(),
            current: Arc::new(AtomicUsize::new(self.head)),
            task: self.index,
            wants_full: Arc::clone(&self.wants_full),
        }
    }
}

impl Execution {
    /// The job as the operator of a node is told of it.
    pub(crate) fn job_context(&self, node: usize) -> JobContext {
        JobContext { operator: Arc::clone(&self.plan.uids[node]), ..self.job.clone() }
    }

    /// What the checkpoint has of an operator, if it has anything.
    pub(crate) fn restored_operator(&self, node: usize, key_groups: KeyGroupRange) -> Result<Option<Restored>> {
        self.restoration.as_ref().map_or(Ok(None), |from| from.operator(&self.plan.uids[node], key_groups))
    }

    /// The rows that a sink's subtask had taken at the checkpoint and that were not done.
    pub(crate) fn restored_sink(&self, node: usize, subtask: usize) -> Result<Vec<Vec<u8>>> {
        let parallelism = self.graph.nodes[node].parallelism;
        self.restoration.as_ref().map_or(Ok(Vec::new()), |from| from.sink(&self.plan.uids[node], subtask, parallelism))
    }
}

/// What an attempt's threads share, and its tasks, of which none has started.
pub(crate) fn prepare(
    graph: Arc<JobGraph>,
    setup: AttemptSetup,
    tell: Tell,
) -> Result<(Arc<Execution>, Vec<TaskSpec>)> {
    let plan = Plan::of(&graph)?;
    let gates: Vec<Option<Gates>> = (0..graph.nodes.len()).map(|node| gates_of(&graph, &plan, node)).collect();
    let assignments: Vec<Option<Arc<Assignments>>> = graph
        .nodes
        .iter()
        .map(|node| (node.kind == OperatorKind::Source).then(|| Arc::new(Assignments::new(node.parallelism))))
        .collect();
    let AttemptSetup { job, restoration, waits_for_last_barrier, clock } = setup;
    if let Some(restoration) = &restoration {
        for (uid, assignments) in plan.uids.iter().zip(&assignments) {
            if let Some(assignments) = assignments {
                assignments.restore(restoration.source(uid)?)?;
            }
        }
    }
    let (specs, entries) = tasks_of(&graph, &plan, &gates);
    let shared = Arc::new(Shared::new(
        graph.name.clone(),
        gates.iter().flatten().flat_map(|gates| gates.controls.iter().cloned()).collect(),
        assignments.iter().enumerate().filter_map(|(node, assignments)| Some((node, assignments.clone()?))).collect(),
        Registry::new(entries),
        specs.len(),
        tell,
    ));
    let execution = Arc::new(Execution {
        graph,
        plan,
        job,
        restoration,
        waits_for_last_barrier,
        clock,
        gates,
        assignments,
        shared,
    });
    Ok((execution, specs))
}

/// Starts the threads of an attempt; see [`JobGraph::start`].
pub(crate) fn start(graph: Arc<JobGraph>, setup: AttemptSetup, tell: Tell) -> Result<Attempt> {
    let timeout = graph.settings.cancellation_timeout;
    let (execution, specs) = prepare(graph, setup, tell)?;
    let shared = Arc::clone(&execution.shared);
    let tasks: Vec<TaskHandle> = specs.iter().map(|spec| TaskHandle::of(&execution.graph, spec)).collect();
    let mut starter = Starter { shared: Arc::clone(&shared), threads: Vec::new(), failed: false };
    shared.on(Event::Start, None);
    for (node, assignments) in execution.assignments.iter().enumerate() {
        if let Some(assignments) = assignments {
            let (execution, assignments) = (Arc::clone(&execution), Arc::clone(assignments));
            let name = format!("{} (enumerator)", execution.graph.nodes[node].settings.name);
            starter.spawn(name, move |shared| run_enumerator(&shared, execution, node, &assignments));
        }
    }
    for spec in specs {
        let execution = Arc::clone(&execution);
        let started = starter.spawn(spec.thread_name.clone(), move |shared| run_task(&shared, execution, spec));
        if !started {
            shared.on(Event::TaskEnded(Ending::Canceled), None);
        }
    }
    drop(execution);
    let handle = Attempt::new(shared, tasks, starter.threads, timeout);
    if starter.failed {
        handle.wait()?;
        return Err(Error::internal("a job went on although one of its threads did not start"));
    }
    Ok(handle)
}

fn gates_of(graph: &JobGraph, plan: &Plan, node: usize) -> Option<Gates> {
    let of = &graph.nodes[node];
    let is_gated = of.kind != OperatorKind::Source && !plan.chained[node];
    let channels = Plan::first_channel(graph, node, of.inputs.len());
    is_gated.then(|| of.body.gates(&vec![channels; of.parallelism], graph.settings.queue_capacity))
}

/// The tasks of every chain, and their entries in the metrics.
fn tasks_of(graph: &JobGraph, plan: &Plan, gates: &[Option<Gates>]) -> (Vec<TaskSpec>, Vec<TaskEntry>) {
    let mut specs = Vec::new();
    let mut entries = Vec::new();
    for head in (0..graph.nodes.len()).filter(|node| !plan.chained[*node]) {
        let (name, parallelism) = (plan.chain_name(graph, head), graph.nodes[head].parallelism);
        let chain = plan.chain(head);
        for subtask in 0..parallelism {
            let metrics = Arc::new(TaskMetrics::default());
            let operators: BTreeMap<usize, Arc<OperatorMetrics>> =
                chain.iter().map(|node| (*node, Arc::default())).collect();
            let described = |node: &usize| {
                (
                    graph.nodes[*node].settings.name.clone(),
                    graph.nodes[*node].kind,
                    operators.get(node).cloned().unwrap_or_default(),
                )
            };
            entries.push(TaskEntry {
                name: name.clone(),
                subtask,
                parallelism,
                metrics: Arc::clone(&metrics),
                gate: gates[head].as_ref().and_then(|gates| gates.controls.get(subtask)).cloned(),
                operators: chain.iter().map(described).collect(),
                rates: Mutex::default(),
            });
            let thread_name = format!("{name} ({}/{parallelism})", subtask + 1);
            specs.push(TaskSpec {
                index: specs.len(),
                wants_full: Arc::default(),
                head,
                subtask,
                name: name.clone(),
                thread_name,
                metrics,
                operators,
            });
        }
    }
    (specs, entries)
}

/// Starts threads until one does not start.
struct Starter {
    shared: Arc<Shared>,
    threads: Vec<(usize, JoinHandle<()>)>,
    failed: bool,
}

impl Starter {
    fn spawn(&mut self, name: String, body: impl FnOnce(Arc<Shared>) + Send + 'static) -> bool {
        if self.failed {
            return false;
        }
        let thread = self.threads.len();
        self.shared.thread_started(thread, name.clone());
        let shared = Arc::clone(&self.shared);
        let run = move || {
            body(Arc::clone(&shared));
            shared.thread_ended(thread);
        };
        match std::thread::Builder::new().name(name.replace('\0', " ")).spawn(run) {
            Ok(handle) => self.threads.push((thread, handle)),
            Err(error) => {
                self.failed = true;
                let error = Error::external("the operating system gives no thread").caused_by(error).with("task", name);
                self.shared
                    .on(Event::Failed, Some(error.hint("lower the parallelism, or raise the limit of processes")));
                self.shared.thread_ended(thread);
            }
        }
        !self.failed
    }
}

fn run_task(shared: &Shared, execution: Arc<Execution>, spec: TaskSpec) {
    let TaskSpec { head, subtask, name, metrics, .. } = &spec;
    let (head, subtask) = (*head, *subtask);
    tracing::debug!(job = shared.name, task = name, subtask, "task starts");
    let build = spec.build(Arc::clone(&execution));
    let result = caught(|| execution.graph.nodes[head].body.run(&build, head));
    metrics.end();
    let result = result.map_err(|error| build.told(error));
    drop(build);
    let result = result.and(release(execution));
    tracing::debug!(job = shared.name, task = name, subtask, ?result, "task has ended");
    if result.is_ok() {
        shared.tell(AttemptEvent::TaskFinished { task: spec.index });
    }
    shared.task_ended(result);
}

fn run_enumerator(shared: &Shared, execution: Arc<Execution>, node: usize, assignments: &Assignments) {
    let name = execution.graph.nodes[node].settings.name.clone();
    let result = caught(|| enumerator::run(&execution, node, assignments));
    let result = result.and(release(execution));
    match result {
        // The job has ended, or is being stopped.
        Err(error) if error.is_canceled() && shared.cancellation.is_canceled() => {}
        Err(error) if error.is_canceled() => {
            let error = Error::internal("the enumerator says that it was canceled, but nobody canceled the job")
                .caused_by(error);
            shared.on(Event::Failed, Some(error.with("operator", name)));
        }
        Err(error) => shared.on(Event::Failed, Some(error.with("operator", name))),
        Ok(()) => {}
    }
}

/// Gives up a thread's share of what the graph holds; the last to do so drops sources and sinks.
fn release(execution: Arc<Execution>) -> Result<()> {
    caught(move || {
        drop(execution);
        Ok(())
    })
}

/// Turns a panic into an error that keeps its message.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(Error::internal(format!("panicked: {}", panic_message(&*panic)))))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
