//! Calls an async function for each record, and waits for many at a time.
//!
//! Calls run on the shared I/O runtime, each a task of a set that ends with the operator. The operator's thread starts them, and takes their
//! answers: before it starts a further one, when it has no room, and otherwise when an answer wakes it. It runs in a task of its own, as one
//! that reads from a source cannot be woken.

mod queue;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::Cancellation;
use riverrun_data::Records;
use riverrun_runtime::{
    EventTime, MAX_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest, TaskHandle,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::functions::{AsyncFunction, AsyncRetryStrategy, FnResult, RuntimeContext, at_record, function_failed};
use crate::state::{OperatorLists, decode, encode, with_lists, without_lists};
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
    lists: OperatorLists,
    wait: AsyncWait<O>,
    queue: ResultQueue<T, O>,
    /// Records of a checkpoint for which there is no room yet.
    restored: VecDeque<(T, Option<i64>)>,
    calls: JoinSet<()>,
    /// There is never more in it than records are on their way.
    answers: (UnboundedSender<Answered<O>>, UnboundedReceiver<Answered<O>>),
    task: TaskHandle,
    runtime: Handle,
    cancellation: Cancellation,
    said: VecDeque<EventTime>,
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
    Panicked(String),
}

type Answered<O> = (Place, Answer<O>);

impl<T: State, O: Record, F: AsyncFunction<T, O>> AsyncWaitOperator<T, O, F> {
    pub(crate) fn open(mut function: F, wait: AsyncWait<O>, context: &OperatorContext) -> Result<Self> {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        Ok(Self {
            function: Arc::new(function),
            lists: OperatorLists::new(context),
            queue: ResultQueue::new(wait.is_ordered),
            wait,
            restored: VecDeque::new(),
            calls: JoinSet::new(),
            answers: unbounded_channel(),
            task: context.task.clone(),
            runtime: riverrun_connect::io_runtime()?,
            cancellation: context.cancellation.clone(),
            said: VecDeque::new(),
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
        let calls = async move {
            if timeout.is_zero() {
                return Answer::Done(calls.await);
            }
            let answer = tokio::time::timeout(timeout, calls).await;
            answer.map_or(Answer::TimedOut, Answer::Done)
        };
        let (answers, task) = (self.answers.0.clone(), self.task.clone());
        let answer = async move {
            let answer = caught(calls).await.unwrap_or_else(Answer::Panicked);
            // Without a receiver the operator is gone.
            if answers.send((place, answer)).is_ok() {
                task.wake();
            }
        };
        self.calls.spawn_on(answer, &self.runtime);
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
        if self.calls.is_empty() && self.answers.1.is_empty() {
            return Err(Error::internal("a record waits for an answer that never comes"));
        }
        let (answers, cancellation) = (&mut self.answers.1, &self.cancellation);
        let answer = async {
            tokio::select! {
                biased;
                () = cancellation.canceled() => None,
                answer = answers.recv() => answer,
            }
        };
        let answer = self.task.wait_for_room(|| self.runtime.block_on(answer));
        self.answered(answer.ok_or_else(Error::canceled)?, ready)
    }

    /// Takes the answers that are there.
    fn take_answers(&mut self, ready: &mut Ready<O>) -> Result<()> {
        while let Ok(answer) = self.answers.1.try_recv() {
            self.answered(answer, ready)?;
        }
        while self.calls.try_join_next().is_some() {}
        self.queue.drain(ready);
        self.start_restored();
        Ok(())
    }

    fn answered(&mut self, (place, answer): Answered<O>, ready: &mut Ready<O>) -> Result<()> {
        let Place { number, nth } = place;
        let results = match answer {
            Answer::Done(results) => results,
            Answer::TimedOut => {
                let record = self.queue.record(number).map(|(value, _)| value.clone());
                let record = record.ok_or_else(|| Error::internal("an answer for a record that does not wait"))?;
                self.function.timeout(record)
            }
            Answer::Panicked(message) => Err(Error::data(format!("the async function panicked: {message}")).into()),
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
        out.emit(ready.results)
    }
}

/// What a future comes to, or the message of its panic.
async fn caught<R>(future: impl Future<Output = R>) -> Result<R, String> {
    let mut future = Box::pin(future);
    let polled = poll_fn(|context| {
        // After a panic it is not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    polled.await.map_err(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().map_or_else(String::new, |message| (*message).to_owned()),
    })
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
        // At once, if an answer is there.
        (!self.answers.1.is_empty()).then_some(0)
    }

    fn on_processing_time(&mut self, _: i64, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let mut ready = Ready::default();
        self.take_answers(&mut ready)?;
        self.pass_on(ready, out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let records: Vec<(T, Option<i64>)> = self.queue.records().chain(self.restored.iter().cloned()).collect();
        let lists = OperatorLists::snapshot(request, F::clone(&self.function).checkpointed())?;
        Ok(Some(Snapshot { own: Some(with_lists(Box::new(move || stored(&records)), lists)), ..Snapshot::default() }))
    }

    fn restore(&mut self, mut restored: Restored) -> Result<()> {
        let own = without_lists(&mut restored)?;
        let stored: Vec<Vec<(T, Option<i64>)>> = own.iter().map(|own| read(own)).collect::<Result<_>>()?;
        // With as many subtasks as before, each has its own again.
        let records: Vec<_> = if stored.len() == self.parallelism {
            stored.into_iter().nth(self.subtask).unwrap_or_default()
        } else {
            stored.into_iter().flatten().skip(self.subtask).step_by(self.parallelism.max(1)).collect()
        };
        self.restored = records.into();
        self.lists.restore_alone(restored, Arc::make_mut(&mut self.function).checkpointed())
    }

    fn begin(&mut self) -> Result<()> {
        self.lists.begin(Arc::make_mut(&mut self.function).checkpointed())?;
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
