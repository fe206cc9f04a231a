//! What all harnesses share: the pipeline, how it is run, and what comes out.

use std::any::Any;
use std::collections::HashMap;

use riverrun_base::{Error, Result};
use riverrun_data::Records;
use riverrun_runtime::Harness;

use super::output::{Recorder, Recording, StreamRecord};
use crate::state::count_keyed_state;
use crate::{DataStream, OutputTag, Record, StreamExecutionEnvironment};

/// Builds the pipeline in an environment, behind inputs that it adds.
type Pipeline<O> = Box<dyn Fn(&StreamExecutionEnvironment, usize) -> DataStream<O>>;
/// Reads a side output of the pipeline's last operator.
type ReadSide<O> = Box<dyn Fn(&DataStream<O>)>;

/// A pipeline, which runs once it was opened.
pub(super) struct Core<O: Record> {
    pipeline: Pipeline<O>,
    sides: Vec<ReadSide<O>>,
    /// `Recording<X>`, by the tags' names.
    recordings: HashMap<String, Box<dyn Any>>,
    parallelism: usize,
    max_parallelism: Option<usize>,
    now: i64,
    running: Option<Harness>,
    output: Recording<O>,
}

impl<O: Record> Core<O> {
    pub(super) fn new(pipeline: Pipeline<O>) -> Self {
        Self {
            pipeline,
            sides: Vec::new(),
            recordings: HashMap::new(),
            parallelism: 1,
            max_parallelism: None,
            now: 0,
            running: None,
            output: Recording::default(),
        }
    }

    pub(super) fn set_parallelism(&mut self, parallelism: usize) {
        self.parallelism = parallelism;
    }

    pub(super) fn set_max_parallelism(&mut self, max_parallelism: usize) {
        self.max_parallelism = Some(max_parallelism);
    }

    pub(super) fn output(&self) -> &Recording<O> {
        &self.output
    }

    pub(super) fn read_side<X: Record>(&mut self, tag: &OutputTag<X>) {
        let recording = Recording::<X>::default();
        self.recordings.insert(tag.id().to_owned(), Box::new(recording.clone()));
        let tag = tag.clone();
        self.sides.push(Box::new(move |stream| {
            let recording = recording.clone();
            stream.get_side_output(&tag).harness_output("Side Output", move || Box::new(Recorder(recording.clone())));
        }));
    }

    pub(super) fn take_side<X: Record>(&self, tag: &OutputTag<X>) -> Result<Vec<StreamRecord<X>>> {
        let recording = self.recordings.get(tag.id()).and_then(|recording| recording.downcast_ref::<Recording<X>>());
        let missing = || {
            Error::user(format!("the harness does not read the side output '{}'", tag.id()))
                .hint("call read_side_output() before open()")
        };
        recording.map(Recording::take_records).ok_or_else(missing)
    }

    /// Starts the pipeline anew, with empty state or that of a snapshot.
    pub(super) fn open(&mut self, snapshot: Option<&[u8]>) -> Result<()> {
        self.now = self.running.as_ref().map_or(self.now, Harness::time);
        self.running = None;
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(self.parallelism);
        if let Some(max_parallelism) = self.max_parallelism {
            env.set_max_parallelism(max_parallelism);
        }
        let stream = (self.pipeline)(&env, self.parallelism);
        self.sides.iter().for_each(|read| read(&stream));
        let output = self.output.clone();
        stream.harness_output("Output", move || Box::new(Recorder(output.clone())));
        self.running = Some(Harness::start(env.job_graph("harness")?, self.now, snapshot)?);
        Ok(())
    }

    pub(super) fn running(&mut self) -> Result<&mut Harness> {
        let closed = || Error::user("the harness is not open").hint("call open(), or initialize_state(), before");
        self.running.as_mut().ok_or_else(closed)
    }

    pub(super) fn emit<T: Record>(&mut self, input: usize, records: Records<T>) -> Result<()> {
        if records.is_empty() { Ok(()) } else { self.running()?.emit(input, records) }
    }

    pub(super) fn watermark<T: Record>(&mut self, input: usize, watermark: i64) -> Result<()> {
        self.running()?.watermark::<Records<T>>(input, watermark)
    }

    pub(super) fn status<T: Record>(&mut self, input: usize, idle: bool) -> Result<()> {
        self.running()?.status::<Records<T>>(input, idle)
    }

    pub(super) fn set_processing_time(&mut self, now: i64) -> Result<()> {
        self.now = now;
        self.running.as_mut().map_or(Ok(()), |running| running.set_time(now))
    }

    pub(super) fn processing_time(&self) -> i64 {
        self.running.as_ref().map_or(self.now, Harness::time)
    }

    /// Keyed state entries, timers of event time and of processing time.
    pub(super) fn sizes(&mut self) -> Result<(usize, usize, usize)> {
        let mut sizes = (0, 0, 0);
        for delta in self.running()?.keyed_state()? {
            let Some((entries, event, processing)) = count_keyed_state(&delta)? else { continue };
            sizes = (sizes.0 + entries, sizes.1 + event, sizes.2 + processing);
        }
        Ok(sizes)
    }
}

/// What every harness does, whatever comes into it.
macro_rules! common_methods {
    () => {
        /// How many subtasks the operators have that say nothing else: 1, unless set. It counts from the next [`Self::open`] or
        /// [`Self::initialize_state`].
        pub fn set_parallelism(&mut self, parallelism: usize) -> &mut Self {
            self.core.set_parallelism(parallelism);
            self
        }

        /// The number of key groups, as [`Self::set_parallelism`]: 128, unless set.
        pub fn set_max_parallelism(&mut self, max_parallelism: usize) -> &mut Self {
            self.core.set_max_parallelism(max_parallelism);
            self
        }

        /// Keeps what the last operator of the pipeline writes to a side output, from the next [`Self::open`] or
        /// [`Self::initialize_state`].
        pub fn read_side_output<X: Record>(&mut self, tag: &OutputTag<X>) -> &mut Self {
            self.core.read_side(tag);
            self
        }

        /// Opens the functions of the pipeline, without state; anew, if they were open. What has come out stays.
        ///
        /// # Errors
        /// The program is wrong, or a function fails.
        pub fn open(&mut self) -> Result<()> {
            self.core.open(None)
        }

        /// As [`Self::open`], with the state of a [`snapshot`](Self::snapshot): of this harness or another of the same pipeline, at the
        /// same parallelism or another.
        ///
        /// # Errors
        /// As [`Self::open`]; the snapshot is damaged, or another pipeline's; a state is of another type.
        pub fn initialize_state(&mut self, snapshot: &[u8]) -> Result<()> {
            self.core.open(Some(snapshot))
        }

        /// Takes a snapshot of all state, as a checkpoint does: what has changed since the last, and what that builds on.
        ///
        /// # Errors
        /// A function fails.
        pub fn snapshot(&mut self) -> Result<Vec<u8>> {
            self.core.running()?.snapshot(false)
        }

        /// As [`Self::snapshot`], but all state is written anew, as for a savepoint.
        ///
        /// # Errors
        /// A function fails.
        pub fn full_snapshot(&mut self) -> Result<Vec<u8>> {
            self.core.running()?.snapshot(true)
        }

        /// Sets the time of day, in epoch milliseconds, and lets timers of processing time fire that are due. It is 0 at first, and stands
        /// still; it can be set before [`Self::open`].
        ///
        /// # Errors
        /// A function fails.
        pub fn set_processing_time(&mut self, now: i64) -> Result<()> {
            self.core.set_processing_time(now)
        }

        /// The time of day, in epoch milliseconds.
        pub fn processing_time(&self) -> i64 {
            self.core.processing_time()
        }

        /// Takes out what has come: records and watermarks, in order.
        pub fn take_output(&mut self) -> Vec<StreamElement<O>> {
            self.core.output().take()
        }

        /// As [`Self::take_output`], of which only the records.
        pub fn extract_output_stream_records(&mut self) -> Vec<StreamRecord<O>> {
            self.core.output().take_records()
        }

        /// As [`Self::take_output`], of which only the values.
        pub fn extract_output_values(&mut self) -> Vec<O> {
            self.core.output().take_records().into_iter().map(|record| record.value).collect()
        }

        /// Takes out what the last operator wrote to a side output.
        ///
        /// # Errors
        /// [`Self::read_side_output`] was not called for it.
        pub fn get_side_output<X: Record>(&self, tag: &OutputTag<X>) -> Result<Vec<StreamRecord<X>>> {
            self.core.take_side(tag)
        }

        /// How many values functions keep: one for each key and state that has something for it, whatever the length of a list or map.
        /// What has a time to live counts until it is cleaned up.
        ///
        /// It is counted in a full snapshot, which functions take part in.
        ///
        /// # Errors
        /// A function fails.
        pub fn num_keyed_state_entries(&mut self) -> Result<usize> {
            Ok(self.core.sizes()?.0)
        }

        /// How many timers of event time there are; see [`Self::num_keyed_state_entries`].
        ///
        /// # Errors
        /// A function fails.
        pub fn num_event_time_timers(&mut self) -> Result<usize> {
            Ok(self.core.sizes()?.1)
        }

        /// How many timers of processing time there are; see [`Self::num_keyed_state_entries`].
        ///
        /// # Errors
        /// A function fails.
        pub fn num_processing_time_timers(&mut self) -> Result<usize> {
            Ok(self.core.sizes()?.2)
        }

        /// Ends the input where it is, and closes the functions, as an orderly stop does.
        ///
        /// # Errors
        /// A function fails.
        pub fn close(&mut self) -> Result<()> {
            self.core.running()?.end()
        }
    };
}

pub(super) use common_methods;
