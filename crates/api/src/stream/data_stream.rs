//! A stream of records.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_connect::Sink;
use riverrun_data::Records;
use riverrun_runtime::{Exchange, Operator, OperatorContext, key_group};

use super::{KeyedStream, Listeners, MainOutput, NodeId, Origin, OutputTag, Settings, SideOutput, Sided, Way};
use crate::functions::{
    BoxError, Collector, FilterFunction, FlatMapFunction, KeyByRef, KeySelector, MapFunction, ProcessFunction,
    SelectedKey,
};
use crate::operators::{
    FilterClosure, FilterOperator, FlatMapClosure, FlatMapOperator, MainOnly, MapClosure, MapOperator, ProcessOperator,
    TryMapClosure,
};
use crate::sinks::{CollectSink, DiscardingSink, PrintSink};
use crate::{Key, Record, StreamExecutionEnvironment};

/// A stream of records, as it comes out of an operator. A clone of it that is consumed too gets every record too.
///
/// Closures are called by one thread for each subtask, each with a clone of its own of what the closure holds.
#[derive(Clone)]
pub struct DataStream<T: Record> {
    pub(crate) env: StreamExecutionEnvironment,
    /// What `name` and the like speak of; none behind a union or an exchange.
    node: Option<NodeId>,
    pub(crate) origins: Vec<Origin<Records<T>>>,
    /// The operator that this is the main output of, if it has others.
    sided: Option<(NodeId, Listeners)>,
}

/// A factory of an operator with side outputs: it is told which of them are read.
pub(super) type SidedFactory<I, O> =
    Box<dyn Fn(&OperatorContext, Arc<[Arc<str>]>) -> Result<Box<dyn Operator<I, Sided<O>>>> + Send + Sync>;

impl<T: Record> DataStream<T> {
    pub(crate) fn of(env: StreamExecutionEnvironment, node: NodeId) -> Self {
        Self { env, node: Some(node), origins: vec![Origin { node, exchange: None }], sided: None }
    }

    pub(super) fn mistake(&self, error: Error) {
        self.env.blueprint.mistake(error);
    }

    /// Adds an operator behind these ways.
    pub(super) fn operator_behind<I: riverrun_runtime::Data, O: Record>(
        env: &StreamExecutionEnvironment,
        origins: Vec<Origin<I>>,
        settings: Settings,
        factory: impl Fn(&OperatorContext) -> Result<Box<dyn Operator<I, Records<O>>>> + Send + Sync + 'static,
    ) -> DataStream<O> {
        let node = env.blueprint.add(settings, move |graph, settings, made| {
            let input = made.union(graph, &origins)?;
            Ok(graph.operator(&input, settings, factory))
        });
        DataStream::of(env.clone(), node)
    }

    /// Adds an operator with side outputs behind these ways. The main output is told from the others only where others are read.
    pub(super) fn sided_operator_behind<I: riverrun_runtime::Data, O: Record>(
        env: &StreamExecutionEnvironment,
        origins: Vec<Origin<I>>,
        settings: Settings,
        factory: SidedFactory<I, O>,
    ) -> DataStream<O> {
        let listeners = Listeners::default();
        let read = listeners.clone();
        let node = env.blueprint.add_erased(settings, move |graph, settings, made| {
            let input = made.union(graph, &origins)?;
            let read = read.ids();
            Ok(if read.is_empty() {
                let main = move |context: &OperatorContext| {
                    let operator = factory(context, Arc::clone(&read))?;
                    Ok(Box::new(MainOnly(operator)) as Box<dyn Operator<I, Records<O>>>)
                };
                Box::new(graph.operator(&input, settings, main))
            } else {
                let sided = move |context: &OperatorContext| factory(context, Arc::clone(&read));
                Box::new(graph.operator(&input, settings, sided))
            })
        });
        let read = listeners.clone();
        let main = env.blueprint.add(Settings::named("Main Output"), move |graph, settings, made| {
            if read.ids().is_empty() {
                return made.stream::<Records<O>>(node);
            }
            let sided = made.stream::<Sided<O>>(node)?;
            Ok(graph.operator(&sided, settings, |_: &OperatorContext| Ok(Box::new(MainOutput))))
        });
        DataStream {
            env: env.clone(),
            node: Some(node),
            origins: vec![Origin { node: main, exchange: None }],
            sided: Some((node, listeners)),
        }
    }

    /// Adds an operator behind this stream.
    pub(super) fn operator<O: Record>(
        self,
        name: &str,
        factory: impl Fn(&OperatorContext) -> Result<Box<dyn Operator<Records<T>, Records<O>>>> + Send + Sync + 'static,
    ) -> DataStream<O> {
        Self::operator_behind(&self.env, self.origins, Settings::named(name), factory)
    }

    /// One result for each record.
    pub fn map<O: Record>(self, function: impl FnMut(T) -> O + Clone + Send + Sync + 'static) -> DataStream<O> {
        self.map_with(MapClosure(function))
    }

    /// One result for each record, by a closure that can fail, which fails the job.
    pub fn try_map<O: Record, E: Into<BoxError> + 'static>(
        self,
        function: impl FnMut(T) -> Result<O, E> + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.map_with(TryMapClosure(function))
    }

    /// One result for each record, by a rich function.
    pub fn map_with<O: Record>(self, function: impl MapFunction<T, O>) -> DataStream<O> {
        self.operator("Map", move |context| Ok(Box::new(MapOperator::open(function.clone(), context)?)))
    }

    /// The records of which the closure says yes.
    pub fn filter(self, function: impl FnMut(&T) -> bool + Clone + Send + Sync + 'static) -> DataStream<T> {
        self.filter_with(FilterClosure(function))
    }

    /// The records of which a rich function says yes.
    pub fn filter_with(self, function: impl FilterFunction<T>) -> DataStream<T> {
        self.operator("Filter", move |context| Ok(Box::new(FilterOperator::open(function.clone(), context)?)))
    }

    /// Any number of results for each record.
    pub fn flat_map<O: Record>(
        self,
        function: impl FnMut(T, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.flat_map_with(FlatMapClosure(function))
    }

    /// Any number of results for each record, by a rich function.
    pub fn flat_map_with<O: Record>(self, function: impl FlatMapFunction<T, O>) -> DataStream<O> {
        self.operator("Flat Map", move |context| Ok(Box::new(FlatMapOperator::open(function.clone(), context)?)))
    }

    /// Results by a function that sees event time and can write to side outputs.
    pub fn process<O: Record>(self, function: impl ProcessFunction<T, O>) -> DataStream<O> {
        let factory: SidedFactory<_, O> =
            Box::new(move |context, read| Ok(Box::new(ProcessOperator::open(function.clone(), context, read)?)));
        Self::sided_operator_behind(&self.env, self.origins, Settings::named("Process"), factory)
    }

    /// What the operator wrote under a tag. Nothing is kept of tags that nobody asks for.
    pub fn get_side_output<X: Record>(&self, tag: &OutputTag<X>) -> DataStream<X> {
        let id: Arc<str> = tag.id().into();
        let of = match &self.sided {
            Some((node, listeners)) => {
                listeners.add(Arc::clone(&id));
                *node
            }
            None => {
                self.mistake(
                    Error::user(format!("a side output '{id}' is asked for of an operator that has none"))
                        .hint("ask the stream that process() or a window answers, before any other operator"),
                );
                usize::MAX
            }
        };
        let settings = Settings::named(format!("Side Output: {id}"));
        let node = self.env.blueprint.add(settings, move |graph, settings, made| {
            let sided = made.stream::<Sided<T>>(of)?;
            let factory = move |_: &OperatorContext| {
                Ok(Box::new(SideOutput(Arc::clone(&id))) as Box<dyn Operator<Sided<T>, Records<X>>>)
            };
            Ok(graph.operator(&sided, settings, factory))
        });
        DataStream::of(self.env.clone(), node)
    }

    /// The records of this stream and others, in any order among them.
    pub fn union(mut self, others: impl IntoIterator<Item = DataStream<T>>) -> DataStream<T> {
        for other in others {
            if !self.env.blueprint.is_same(&other.env.blueprint) {
                self.mistake(Error::user("a union of streams of two environments"));
            }
            self.origins.extend(other.origins);
        }
        self.node = None;
        self.sided = None;
        self
    }

    /// Deals the records out by a key. Those of equal keys go to the same subtask, in order; it keeps state for each key.
    ///
    /// The closure is called where a record is dealt out, and again where it comes in. A key that would have to be cloned for that is better
    /// found by [`Self::key_by_ref`].
    pub fn key_by<K: Key, S>(self, selector: S) -> KeyedStream<T, K, S>
    where
        S: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        self.keyed(selector)
    }

    /// As [`Self::key_by`], by a key that lies in the record, as text does: it is cloned only when it is new.
    ///
    /// ```
    /// use riverrun::prelude::*;
    ///
    /// let env = StreamExecutionEnvironment::new();
    /// let clicks = env.from_collection([("/a".to_owned(), 1), ("/b".to_owned(), 1), ("/a".to_owned(), 1)]);
    /// let counts = clicks.key_by_ref(|(page, _)| page.as_str()).sum(|(_, count)| count);
    /// assert_eq!(counts.execute_and_collect("counts")?.last(), Some(&("/a".to_owned(), 2)));
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    pub fn key_by_ref<Q, F>(self, selector: F) -> KeyedStream<T, Q::Owned, KeyByRef<F, Q>>
    where
        Q: ToOwned<Owned: Key> + Hash + Eq + ?Sized + 'static,
        F: Fn(&T) -> &Q + Clone + Send + Sync + 'static,
    {
        self.keyed(KeyByRef::new(selector))
    }

    fn keyed<K: Key, S: KeySelector<T, K>>(self, selector: S) -> KeyedStream<T, K, S> {
        let by = selector.clone();
        let keyed = self.exchanged(Arc::new(move |max_parallelism| {
            let selector = by.clone();
            Exchange::hash(move |batch: &Records<T>, groups: &mut Vec<u32>| {
                let group = |value| key_group(selector.select(value).key_hash(), max_parallelism);
                groups.extend(batch.values().iter().map(group));
                Ok(())
            })
        }));
        KeyedStream::new(keyed, selector)
    }

    pub(super) fn exchanged(mut self, way: Way<Records<T>>) -> DataStream<T> {
        for origin in &mut self.origins {
            origin.exchange = Some(Arc::clone(&way));
        }
        self.node = None;
        self.sided = None;
        self
    }

    /// Batch by batch to one subtask after another.
    pub fn rebalance(self) -> DataStream<T> {
        self.exchanged(Arc::new(|_| Exchange::Rebalance))
    }

    /// As [`Self::rebalance`], but each producer serves only its share of the subtasks.
    pub fn rescale(self) -> DataStream<T> {
        self.exchanged(Arc::new(|_| Exchange::Rescale))
    }

    /// Each record to a subtask by chance.
    pub fn shuffle(self) -> DataStream<T> {
        self.directed(|_: &T, subtasks| fastrand::usize(..subtasks.max(1)))
    }

    /// Every record to every subtask.
    pub fn broadcast(self) -> DataStream<T> {
        self.exchanged(Arc::new(|_| Exchange::Broadcast))
    }

    /// Every record to the first subtask.
    pub fn global(self) -> DataStream<T> {
        self.exchanged(Arc::new(|_| Exchange::Global))
    }

    /// To the subtask of the same index; both sides must have the same parallelism.
    pub fn forward(self) -> DataStream<T> {
        self.exchanged(Arc::new(|_| Exchange::Forward))
    }

    /// Each record to the subtask that `partitioner` names for its key, of as many as its second argument says.
    pub fn partition_custom<K>(
        self,
        partitioner: impl Fn(&K, usize) -> usize + Clone + Send + Sync + 'static,
        selector: impl Fn(&T) -> K + Clone + Send + Sync + 'static,
    ) -> DataStream<T> {
        self.directed(move |value, subtasks| partitioner(&selector(value), subtasks))
    }

    fn directed(self, direct: impl Fn(&T, usize) -> usize + Clone + Send + Sync + 'static) -> DataStream<T> {
        self.exchanged(Arc::new(move |_| {
            let direct = direct.clone();
            Exchange::Directed(Arc::new(move |batch: &Records<T>, subtasks, targets| {
                for value in batch.values() {
                    let target = direct(value, subtasks);
                    let target = u32::try_from(target).ok().filter(|_| target < subtasks);
                    targets.push(target.ok_or_else(|| {
                        Error::user("a partitioner names a subtask that there is not").with("subtasks", subtasks)
                    })?);
                }
                Ok(())
            }))
        }))
    }

    /// Names the operator, for metrics, logs and errors.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.setting("name", |settings| settings.name = name)
    }

    /// The name under which the operator's state is stored, unique in the job. Without it, the state finds its operator by its name, and its
    /// place among those of the same name.
    #[must_use]
    pub fn uid(self, uid: impl Into<String>) -> Self {
        let uid = uid.into();
        self.setting("uid", |settings| settings.uid = Some(uid))
    }

    /// How many subtasks the operator has.
    #[must_use]
    pub fn set_parallelism(self, parallelism: usize) -> Self {
        self.setting("set_parallelism", |settings| settings.parallelism = Some(parallelism))
    }

    /// Gives the operator and what follows it a thread of its own, away from what is before it.
    #[must_use]
    pub fn start_new_chain(self) -> Self {
        self.setting("start_new_chain", |settings| settings.starts_chain = true)
    }

    /// Gives the operator a thread of its own, away from what is before and behind it.
    #[must_use]
    pub fn disable_chaining(self) -> Self {
        self.setting("disable_chaining", |settings| {
            settings.starts_chain = true;
            settings.ends_chain = true;
        })
    }

    fn setting(self, method: &str, change: impl FnOnce(&mut Settings)) -> Self {
        match self.node {
            Some(node) => self.env.blueprint.settings(node, change),
            None => self.mistake(
                Error::user(format!("{method}() is called behind a union, key_by() or another exchange"))
                    .hint("call it on what an operator answers"),
            ),
        }
        self
    }

    /// Writes the records to a sink.
    pub fn sink_to(self, sink: impl Sink<Records<T>> + 'static) -> DataStreamSink {
        let origins = self.origins;
        let node = self.env.blueprint.add(Settings::named("Sink: Writer"), move |graph, settings, made| {
            let input = made.union(graph, &origins)?;
            graph.sink(&input, settings, Box::new(sink));
            Ok(())
        });
        DataStreamSink { env: self.env, node }
    }

    /// Prints the records to standard output, a line each: text as it is, anything else as `{:?}` shows it. With more than one subtask, the
    /// number of the subtask stands before it, counted from 1.
    pub fn print(self) -> DataStreamSink
    where
        T: Debug,
    {
        self.sink_to(PrintSink::default()).name("Sink: Print to Std. Out")
    }

    /// Takes the records and forgets them.
    pub fn discard(self) -> DataStreamSink {
        self.sink_to(DiscardingSink).name("Sink: Discard")
    }

    /// Runs the program, and answers the records of this stream when it has ended, in any order. For bounded input that fits into memory.
    ///
    /// # Errors
    /// As [`StreamExecutionEnvironment::execute`].
    pub fn execute_and_collect(self, name: impl Into<String>) -> Result<Vec<T>> {
        let env = self.env.clone();
        let sink = CollectSink::default();
        let collected = sink.clone();
        self.sink_to(sink).name("Sink: Collect");
        env.execute(name)?;
        Ok(collected.take())
    }

    /// The environment that the stream belongs to.
    pub fn execution_environment(&self) -> &StreamExecutionEnvironment {
        &self.env
    }
}

/// The end of a stream, to name it and to say how it runs.
pub struct DataStreamSink {
    env: StreamExecutionEnvironment,
    node: NodeId,
}

impl DataStreamSink {
    /// Names the sink, for metrics, logs and errors.
    #[must_use = "the sink is there all the same"]
    fn setting(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.env.blueprint.settings(self.node, change);
        self
    }

    /// Names the sink, for metrics, logs and errors.
    #[allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "the sink is there all the same")]
    pub fn name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.setting(|settings| settings.name = name)
    }

    /// The name under which the sink's state is stored, unique in the job.
    #[allow(clippy::return_self_not_must_use, reason = "the sink is there all the same")]
    pub fn uid(self, uid: impl Into<String>) -> Self {
        let uid = uid.into();
        self.setting(|settings| settings.uid = Some(uid))
    }

    /// How many writers there are.
    #[allow(clippy::return_self_not_must_use, reason = "the sink is there all the same")]
    pub fn set_parallelism(self, parallelism: usize) -> Self {
        self.setting(|settings| settings.parallelism = Some(parallelism))
    }

    /// Gives the writers threads of their own.
    #[allow(clippy::return_self_not_must_use, reason = "the sink is there all the same")]
    pub fn disable_chaining(self) -> Self {
        self.setting(|settings| settings.starts_chain = true)
    }
}
