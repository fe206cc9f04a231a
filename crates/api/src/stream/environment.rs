//! Where a program begins: what its jobs are like, their sources, and their start.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::options::{OptionReader, OptionSpec};
use riverrun_base::{Error, Result, format_duration, nearest};
use riverrun_connect::Source;
use riverrun_data::Records;
use riverrun_runtime::{JobConfiguration, JobGraph, OperatorContext};

use super::blueprint::Blueprint;
use super::{DataStream, JobClient, JobExecutionResult, Settings};
use crate::Record;
use crate::sources::GeneratorSource;
use crate::watermark::{
    AlignmentGroup, NoWatermarks, SplitEventTime, TimestampAssigner, WatermarkGenerator, WatermarkStrategy,
};

/// The beginning of a program: its configuration and its streams. Clones are the same environment.
///
/// Everything that can be configured has Flink's key ([`set`](Self::set)); the methods for the common keys set these.
#[derive(Clone, Default)]
pub struct StreamExecutionEnvironment {
    pub(super) blueprint: Blueprint,
    configuration: Rc<RefCell<BTreeMap<String, String>>>,
    alignment: Rc<RefCell<HashMap<String, Arc<AlignmentGroup>>>>,
}

impl StreamExecutionEnvironment {
    /// An environment with the defaults: parallelism 1, no checkpoints.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a configuration key, as `execution.checkpointing.interval`.
    ///
    /// # Errors
    /// There is no such key, or the value is wrong; the error names the nearest key.
    pub fn set(&self, key: &str, value: impl Into<String>) -> Result<&Self> {
        let value = value.into();
        let known = |spec: &&OptionSpec| {
            spec.key == key
                || spec.older_keys.contains(&key)
                || spec.key.strip_suffix('*').is_some_and(|prefix| key.starts_with(prefix))
        };
        if !JobConfiguration::specs().any(|spec| known(&spec)) {
            let error = Error::user(format!("unknown configuration key '{key}'"));
            return Err(match nearest(key, JobConfiguration::specs().map(|spec| spec.key)) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error,
            });
        }
        // One that needs another, which is set next, is looked at when the job starts.
        if !JobConfiguration::is_of_stores(key) {
            read(&BTreeMap::from([(key.to_owned(), value.clone())]))?;
        }
        self.configuration.borrow_mut().insert(key.to_owned(), value);
        Ok(self)
    }

    fn insert(&self, key: &str, value: String) -> &Self {
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

    /// The settings of checkpoints.
    pub fn checkpoint_config(&self) -> CheckpointConfig<'_> {
        CheckpointConfig(self)
    }

    /// Restarts a failed job so many times, each time after a delay (`restart-strategy.type` = fixed-delay).
    pub fn set_fixed_delay_restart(&self, attempts: u32, delay: Duration) -> &Self {
        self.insert("restart-strategy.type", "fixed-delay".to_owned())
            .insert("restart-strategy.fixed-delay.attempts", attempts.to_string())
            .insert("restart-strategy.fixed-delay.delay", format_duration(delay))
    }

    /// Restarts a failed job never (`restart-strategy.type` = none).
    pub fn set_no_restart(&self) -> &Self {
        self.insert("restart-strategy.type", "none".to_owned())
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

    /// As [`Self::from_source`], without event time.
    pub fn add_source<T: Record>(
        &self,
        source: impl Source<Records<T>> + 'static,
        name: impl Into<String>,
    ) -> DataStream<T> {
        self.from_source::<T, NoWatermarks, _>(source, WatermarkStrategy::no_watermarks(), name)
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
        Ok(JobClient::new(graph.start()?))
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

fn read(values: &BTreeMap<String, String>) -> Result<JobConfiguration> {
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
