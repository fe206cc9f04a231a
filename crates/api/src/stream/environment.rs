//! Where a program begins: what its jobs are like, their sources, and their start.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::options::OptionReader;
use riverrun_base::{Result, format_duration};
use riverrun_connect::Source;
use riverrun_data::Records;
use riverrun_runtime::{JobConfiguration, JobGraph, OperatorContext};

use super::blueprint::Blueprint;
use super::signals::Signals;
use super::{DataStream, JobClient, JobExecutionResult, Settings};
use crate::Record;
use crate::sources::{GeneratorSource, IntoSource, SocketTextStream};
use crate::watermark::{
    AlignmentGroup, NoWatermarks, SplitEventTime, TimestampAssigner, WatermarkGenerator, WatermarkStrategy,
};

/// The beginning of a program: its configuration and its streams. Clones are the same environment.
///
/// Everything that can be configured has Flink's key ([`set`](Self::set)); the methods for the common keys set these.
#[derive(Clone, Default)]
pub struct StreamExecutionEnvironment {
    pub(crate) blueprint: Blueprint,
    pub(crate) configuration: Rc<RefCell<BTreeMap<String, String>>>,
    alignment: Rc<RefCell<HashMap<String, Arc<AlignmentGroup>>>>,
    pub(super) stops_on_signals: Rc<Cell<bool>>,
}

impl StreamExecutionEnvironment {
    /// An environment with the defaults: parallelism 1, no checkpoints.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn insert(&self, key: &str, value: String) -> &Self {
        self.configuration.borrow_mut().insert(key.to_owned(), value);
        self
    }

    /// How many subtasks operators have that say nothing else (`parallelism.default`).
    pub fn set_parallelism(&self, parallelism: usize) -> &Self {
        self.insert("parallelism.default", parallelism.to_string())
    }

    /// The number of key groups, and so the largest parallelism (`pipeline.max-parallelism`).
    pub fn set_max_parallelism(&self, max_parallelism: usize) -> &Self {
        self.insert("pipeline.max-parallelism", max_parallelism.to_string())
    }

    /// Gives every operator a thread of its own (`pipeline.operator-chaining.enabled` = false).
    pub fn disable_operator_chaining(&self) -> &Self {
        self.insert("pipeline.operator-chaining.enabled", "false".to_owned())
    }

    /// Takes a checkpoint so often (`execution.checkpointing.interval`). A job that takes checkpoints is restarted after a failure, unless
    /// its restart strategy says otherwise.
    pub fn enable_checkpointing(&self, interval: Duration) -> &Self {
        self.insert("execution.checkpointing.interval", format_duration(interval))
    }

    /// How long records wait for others to travel with (`execution.buffer-timeout.interval`). They never do, so only zero makes a difference:
    /// each record travels alone. It costs speed, and serves where a function is so slow that barriers would wait long behind a batch.
    pub fn set_buffer_timeout(&self, timeout: Duration) -> &Self {
        self.insert("execution.buffer-timeout.interval", format_duration(timeout))
    }

    /// The settings of checkpoints.
    pub fn checkpoint_config(&self) -> CheckpointConfig<'_> {
        CheckpointConfig(self)
    }

    /// The numbers from `from` to `to`, both included, dealt out to the source's subtasks.
    pub fn from_sequence(&self, from: i64, to: i64) -> DataStream<i64> {
        let count = u64::try_from(i128::from(to) - i128::from(from) + 1).unwrap_or(0);
        let source = GeneratorSource::new(move |index| from.wrapping_add_unsigned(index)).count(count);
        self.from_source(source, WatermarkStrategy::no_watermarks(), "Sequence Source")
    }

    /// The elements of a collection, in order, read by one subtask.
    pub fn from_collection<T: Record + Sync>(&self, elements: impl Into<Vec<T>>) -> DataStream<T> {
        let elements: Arc<[T]> = elements.into().into();
        let count = elements.len() as u64;
        let element = move |index: u64| elements[usize::try_from(index).unwrap_or(usize::MAX)].clone();
        let source = GeneratorSource::new(element).count(count).parallelism(1);
        self.from_source(source, WatermarkStrategy::no_watermarks(), "Collection Source")
    }

    /// The records of a source, with event time as the strategy says.
    pub fn from_source<T, G, A>(
        &self,
        source: impl Source<Records<T>> + 'static,
        strategy: WatermarkStrategy<T, G, A>,
        name: impl Into<String>,
    ) -> DataStream<T>
    where
        T: Record,
        G: WatermarkGenerator<T>,
        A: TimestampAssigner<T>,
    {
        let WatermarkStrategy { generator, assigner, idleness, alignment, .. } = strategy;
        let alignment = alignment.map(|alignment| {
            let group = Arc::clone(self.alignment.borrow_mut().entry(alignment.group).or_default());
            (group, i64::try_from(alignment.max_drift.as_millis()).unwrap_or(i64::MAX))
        });
        let node =
            self.blueprint.add(Settings::named(format!("Source: {}", name.into())), move |graph, settings, _| {
                let make = move |_: &OperatorContext| {
                    let event_time = SplitEventTime::new(generator.clone(), assigner.clone(), alignment.clone());
                    Ok(Box::new(event_time) as Box<dyn riverrun_runtime::SplitOperator<Records<T>>>)
                };
                Ok(graph.source::<Records<T>, Records<T>>(settings, Box::new(source), idleness, make))
            });
        DataStream::of(self.clone(), node)
    }

    /// The records of a source without event time: one's own, a [`SourceFunction`](crate::sources::SourceFunction), or a connector's.
    pub fn add_source<T: Record, Kind>(
        &self,
        source: impl IntoSource<T, Kind>,
        name: impl Into<String>,
    ) -> DataStream<T> {
        self.from_source::<T, NoWatermarks, _>(source.into_source(), WatermarkStrategy::no_watermarks(), name)
    }

    /// The lines of text that come from a TCP connection, until the other side closes it: to try things out. After a failure the lines that were
    /// under way are gone.
    pub fn socket_text_stream(&self, host: impl Into<String>, port: u16) -> DataStream<String> {
        self.add_source(SocketTextStream::new(host.into(), port), "Socket Stream")
    }

    /// The lines of a file, of every file below a folder, or of those that a pattern with `*`, `**`, `?` and `[...]` names; until their end.
    #[cfg(feature = "filesystem")]
    pub fn read_text_file(&self, path: impl Into<String>) -> DataStream<String> {
        use crate::connectors::filesystem::{FileSource, TextLineInputFormat};
        match FileSource::for_record_stream_format(TextLineInputFormat, path).build() {
            Ok(source) => self.add_source(source, "Text File"),
            Err(error) => {
                self.blueprint.mistake(error);
                self.from_collection(Vec::new())
            }
        }
    }

    /// Runs what was built since the last job, and waits until it has ended.
    ///
    /// # Errors
    /// The program or its configuration is wrong (nothing has run then), or the job failed: the error is the first cause, with the
    /// operator.
    pub fn execute(&self, name: impl Into<String>) -> Result<JobExecutionResult> {
        self.execute_async(name)?.wait()
    }

    /// Starts what was built since the last job.
    ///
    /// # Errors
    /// The program or its configuration is wrong; nothing runs then.
    pub fn execute_async(&self, name: impl Into<String>) -> Result<JobClient> {
        let graph = self.job_graph(name)?;
        let signals = self.stops_on_signals.get().then(Signals::catch).transpose()?;
        let job = graph.start()?;
        let watched = signals.map(|signals| signals.watch(job.control()));
        Ok(JobClient::new(job, watched))
    }

    /// The graph of what was built since the last job.
    pub(crate) fn job_graph(&self, name: impl Into<String>) -> Result<JobGraph> {
        let configuration = read(&self.configuration.borrow())?;
        let name = configuration.name().map_or_else(|| name.into(), str::to_owned);
        let mut graph = JobGraph::new(name, configuration.settings());
        self.blueprint.build(&mut graph)?;
        Ok(graph)
    }
}

pub(super) fn read(values: &BTreeMap<String, String>) -> Result<JobConfiguration> {
    let mut reader = OptionReader::new("the job", values.clone());
    let configuration = JobConfiguration::read(&mut reader)?;
    reader.finish()?;
    Ok(configuration)
}

/// The settings of checkpoints, each of which sets its configuration key.
pub struct CheckpointConfig<'a>(&'a StreamExecutionEnvironment);

impl CheckpointConfig<'_> {
    /// The folder of checkpoints (`execution.checkpointing.dir`): a path, or a URI with the scheme `file`, `hdfs` or `s3`.
    pub fn set_checkpoint_storage(&self, directory: impl Into<String>) -> &Self {
        self.insert("execution.checkpointing.dir", directory.into())
    }

    /// How long none begins after one has ended (`execution.checkpointing.min-pause`).
    pub fn set_min_pause_between_checkpoints(&self, pause: Duration) -> &Self {
        self.insert("execution.checkpointing.min-pause", format_duration(pause))
    }

    /// How long one may take (`execution.checkpointing.timeout`).
    pub fn set_checkpoint_timeout(&self, timeout: Duration) -> &Self {
        self.insert("execution.checkpointing.timeout", format_duration(timeout))
    }

    /// How many may fail in a row (`execution.checkpointing.tolerable-failed-checkpoints`).
    pub fn set_tolerable_checkpoint_failure_number(&self, failures: u32) -> &Self {
        self.insert("execution.checkpointing.tolerable-failed-checkpoints", failures.to_string())
    }

    /// Keeps the checkpoints of a job that is canceled
    /// (`execution.checkpointing.externalized-checkpoint-retention` = RETAIN_ON_CANCELLATION).
    pub fn retain_on_cancellation(&self) -> &Self {
        self.insert("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION".to_owned())
    }

    fn insert(&self, key: &str, value: String) -> &Self {
        self.0.insert(key, value);
        self
    }
}
