//! Calls an async function for each record, and waits for many at a time.
//!
//! Calls run on the shared I/O runtime, each a task of a set that ends with the operator. The operator's thread starts them, and takes their
//! answers: before it starts a further one, when it has no room, and otherwise each millisecond while there are some on their way.

mod queue;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::Cancellation;
use riverrun_data::Records;
use riverrun_runtime::{
    Clock, EventTime, MAX_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest,
};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use crate::functions::{AsyncFunction, AsyncRetryStrategy, FnResult, RuntimeContext, at_record, function_failed};
use crate::state::{decode, encode};
use crate::{Record, State};
use queue::{Ready, ResultQueue};

/// How an [`AsyncWaitOperator`] waits.
#[derive(Clone)]
pub(crate) struct AsyncWait<O> {
    pub(crate) is_ordered: bool,
    /// For all calls for a record together; zero is without end.
    pub(crate) timeout: Duration,
    /// How many records may be on their way.
    pub(crate) capacity: usize,
    pub(crate) retry: AsyncRetryStrategy<O>,
}

/// Calls an [`AsyncFunction`].
pub(crate) struct AsyncWaitOperator<T, O, F> {
    function: Arc<F>,
    wait: AsyncWait<O>,
    queue: ResultQueue<T, O>,
    /// Records of a checkpoint for which there is no room yet.
    restored: VecDeque<(T, Option<i64>)>,
    calls: JoinSet<(Place, Answer<O>)>,
    runtime: Handle,
    cancellation: Cancellation,
    said: VecDeque<EventTime>,
    clock: Clock,
    /// When to look for answers.
    due: Option<i64>,
    /// How many records came before.
    seen: u64,
    subtask: usize,
    parallelism: usize,
}

/// Which record a call is for.
#[derive(Clone, Copy)]
struct Place {
    /// Its number in the queue.
    number: u64,
    /// The how manieth of the subtask it is.
    nth: u64,
}

/// The first byte of the state.
const VERSION: u8 = 1;

/// What came of the calls for a record.
enum Answer<O> {
    Done(FnResult<Vec<O>>),
    TimedOut,
}

impl<T: State, O: Record, F: AsyncFunction<T, O>> AsyncWaitOperator<T, O, F> {
    pub(crate) fn open(mut function: F, wait: AsyncWait<O>, context: &OperatorContext) -> Result<Self> {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        Ok(Self {
            function: Arc::new(function),
            queue: ResultQueue::new(wait.is_ordered),
            wait,
            restored: VecDeque::new(),
            calls: JoinSet::new(),
            runtime: riverrun_connect::io_runtime()?,
            cancellation: context.cancellation.clone(),
            said: VecDeque::new(),
            clock: context.clock.clone(),
            due: None,
            seen: 0,
            subtask: context.subtask,
            parallelism: context.parallelism,
        })
    }

    /// Starts the calls for a record, for which there is room.
    fn start(&mut self, value: T, timestamp: Option<i64>) {
        self.seen += 1;
        let place = Place { number: self.queue.push(value.clone(), timestamp), nth: self.seen };
        let calls = call(Arc::clone(&self.function), value, self.wait.retry.clone());
        let timeout = self.wait.timeout;
        let answer = async move {
            if timeout.is_zero() {
                return (place, Answer::Done(calls.await));
            }
            let answer = tokio::time::timeout(timeout, calls).await;
            (place, answer.map_or(Answer::TimedOut, Answer::Done))
        };
        self.calls.spawn_on(answer, &self.runtime);
        self.due.get_or_insert_with(|| self.clock.now() + 1);
    }

    /// Starts the calls for records of a checkpoint, while there is room.
    fn start_restored(&mut self) {
        while self.queue.len() < self.wait.capacity
            && let Some((value, timestamp)) = self.restored.pop_front()
        {
            self.start(value, timestamp);
        }
    }

    /// Waits until no more than `most` records are on their way. What is ready goes on before each wait.
    fn wait_until(&mut self, most: usize, ready: &mut Ready<O>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.take_answers(ready)?;
        while self.queue.len() + self.restored.len() > most {
            self.pass_on(std::mem::take(ready), out)?;
            self.wait_for_one(ready)?;
            self.take_answers(ready)?;
        }
        Ok(())
    }

    /// Waits for an answer.
    fn wait_for_one(&mut self, ready: &mut Ready<O>) -> Result<()> {
        let (calls, cancellation) = (&mut self.calls, &self.cancellation);
        let answer = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancellation.canceled() => Err(Error::canceled()),
                answer = calls.join_next() => Ok(answer),
            }
        })?;
        match answer {
            Some(answer) => self.answered(answer, ready),
            None => Err(Error::internal("a record waits for an answer that never comes")),
        }
    }

    /// Takes the answers that are there.
    fn take_answers(&mut self, ready: &mut Ready<O>) -> Result<()> {
        while let Some(answer) = self.calls.try_join_next() {
            self.answered(answer, ready)?;
        }
        self.queue.drain(ready);
        self.start_restored();
        Ok(())
    }

    fn answered(&mut self, answer: Result<(Place, Answer<O>), JoinError>, ready: &mut Ready<O>) -> Result<()> {
        let (Place { number, nth }, answer) =
            answer.map_err(|error| Error::data("the async function ended early").caused_by(error))?;
        let results = match answer {
            Answer::Done(results) => results,
            Answer::TimedOut => {
                let record = self.queue.record(number).map(|(value, _)| value.clone());
                let record = record.ok_or_else(|| Error::internal("an answer for a record that does not wait"))?;
                self.function.timeout(record)
            }
        };
        match results {
            Ok(results) => self.queue.complete(number, results, ready),
            Err(error) => {
                let timestamp = self.queue.record(number).and_then(|(_, timestamp)| timestamp);
                return Err(at_record(error, self.subtask, nth, timestamp));
            }
        }
        self.queue.drain(ready);
        Ok(())
    }

    /// Passes results on; what is to be said behind them is said after the operator's call.
    fn pass_on(&mut self, ready: Ready<O>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        self.said.extend(ready.said);
        self.due = (self.queue.len() > 0).then(|| self.clock.now() + 1);
        out.emit(ready.results)
    }
}

/// The calls for a record, one after another as the retry strategy says.
async fn call<T: Clone, O: Record, F: AsyncFunction<T, O>>(
    function: Arc<F>,
    value: T,
    retry: AsyncRetryStrategy<O>,
) -> FnResult<Vec<O>> {
    let mut calls = 1;
    loop {
        let answer = Arc::clone(&function).async_invoke(value.clone()).await;
        match retry.next(calls, &answer) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return answer,
        }
        calls += 1;
    }
}

fn stored<T: State>(records: &Vec<(T, Option<i64>)>) -> Result<Vec<u8>> {
    let mut bytes = vec![VERSION];
    encode(records, &mut bytes)?;
    Ok(bytes)
}

fn read<T: State>(stored: &[u8]) -> Result<Vec<(T, Option<i64>)>> {
    match stored.split_first() {
        Some((&VERSION, records)) => decode(records),
        _ => Err(Error::data("the records of async I/O in a checkpoint have an unknown version")
            .hint("restore them with the version of Riverrun that wrote them")),
    }
}

impl<T, O, F> Operator<Records<T>, Records<O>> for AsyncWaitOperator<T, O, F>
where
    T: State,
    O: Record,
    F: AsyncFunction<T, O>,
{
    fn process(&mut self, batch: Records<T>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let mut ready = Ready::default();
        for (value, timestamp) in batch {
            if self.queue.len() + self.restored.len() >= self.wait.capacity {
                self.wait_until(self.wait.capacity.saturating_sub(1), &mut ready, out)?;
            }
            self.start(value, timestamp);
        }
        self.take_answers(&mut ready)?;
        self.pass_on(ready, out)
    }

    fn watermark(&mut self, watermark: i64, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let mut ready = Ready::default();
        if watermark == MAX_WATERMARK {
            self.wait_until(0, &mut ready, out)?;
        } else {
            // Behind the records of a checkpoint.
            self.wait_until(self.wait.capacity, &mut ready, out)?;
            self.queue.say(EventTime::Watermark(watermark));
            self.queue.drain(&mut ready);
        }
        self.pass_on(ready, out)
    }

    fn makes_event_time(&self) -> bool {
        true
    }

    fn input_status(&mut self, idle: bool) {
        self.queue.say(if idle { EventTime::Idle } else { EventTime::Active });
        let mut ready = Ready::default();
        self.queue.drain(&mut ready);
        // A record that had its answer has gone on with it: there are no results here.
        self.said.extend(ready.said);
    }

    fn next_event_time(&mut self) -> Option<EventTime> {
        self.said.pop_front()
    }

    fn deadline(&self) -> Option<i64> {
        self.due
    }

    fn on_processing_time(&mut self, _: i64, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let mut ready = Ready::default();
        self.take_answers(&mut ready)?;
        self.pass_on(ready, out)
    }

    fn snapshot(&mut self, _: SnapshotRequest) -> Result<Option<Snapshot>> {
        let records: Vec<(T, Option<i64>)> = self.queue.records().chain(self.restored.iter().cloned()).collect();
        Ok(Some(Snapshot { own: Some(Box::new(move || stored(&records))), ..Snapshot::default() }))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        let stored: Vec<Vec<(T, Option<i64>)>> = restored.own.iter().map(|own| read(own)).collect::<Result<_>>()?;
        // With as many subtasks as before, each has its own again.
        let records: Vec<_> = if stored.len() == self.parallelism {
            stored.into_iter().nth(self.subtask).unwrap_or_default()
        } else {
            stored.into_iter().flatten().skip(self.subtask).step_by(self.parallelism.max(1)).collect()
        };
        self.restored = records.into();
        self.start_restored();
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let mut ready = Ready::default();
        self.wait_until(0, &mut ready, out)?;
        self.pass_on(ready, out)?;
        self.function.close().map_err(function_failed)
    }
}
