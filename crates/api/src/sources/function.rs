//! Sources of a program's own, in a few lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TaskContext,
};
use riverrun_data::Records;

use crate::functions::{FnResult, function_failed};
use crate::{Record, State};

/// A source of one's own: it is asked for records, and says where to read on. That position is in the checkpoints, so that after a failure
/// the records behind it come again, and none is lost.
///
/// ```
/// use std::time::Duration;
/// use riverrun::functions::FnResult;
/// use riverrun::prelude::*;
/// use riverrun::sources::{InputStatus, SourceFunction, SourceOutput};
///
/// /// The numbers below a limit.
/// #[derive(Clone)]
/// struct Below(u64);
///
/// impl SourceFunction for Below {
///     type Out = u64;
///     type Position = u64;
///
///     fn poll(&mut self, next: &mut u64, _wait: Duration, out: &mut SourceOutput<'_, u64>) -> FnResult<InputStatus> {
///         if *next == self.0 {
///             return Ok(InputStatus::EndOfInput);
///         }
///         out.collect(*next);
///         *next += 1;
///         Ok(InputStatus::MoreAvailable)
///     }
/// }
///
/// let env = StreamExecutionEnvironment::new();
/// assert_eq!(env.add_source(Below(3), "numbers").execute_and_collect("below")?, [0, 1, 2]);
/// # Ok::<(), riverrun::Error>(())
/// ```
///
/// In place of Flink's `run`, which a source stays in, `poll` is called again and again: so a checkpoint needs no lock, and a job that ends
/// needs no `cancel`.
pub trait SourceFunction: Clone + Send + Sync + 'static {
    /// The records.
    type Out: Record;
    /// Where to read on: state, so a field that is added later has a default.
    type Position: State + Default;

    /// The parts that can be read independently, each by where it begins; one, unless this says otherwise. Asked once, when the job starts
    /// without a checkpoint. Each part is read by a clone of the function.
    ///
    /// # Errors
    /// The job fails with this error.
    fn splits(&self, parallelism: usize) -> FnResult<Vec<Self::Position>> {
        let _ = parallelism;
        Ok(vec![Self::Position::default()])
    }

    /// How many subtasks read; one, unless this says otherwise. `None` for as many as the job has.
    fn parallelism(&self) -> Option<usize> {
        Some(1)
    }

    /// Called once for each part, before it is polled: the place to connect.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, position: &mut Self::Position) -> FnResult {
        let _ = position;
        Ok(())
    }

    /// Collects the next records, at most some thousand, and moves the position behind them. Without any it may wait, for `wait` at most: as long
    /// as it waits no checkpoint begins.
    ///
    /// # Errors
    /// The job fails with this error, and goes on where the last checkpoint says.
    fn poll(
        &mut self,
        position: &mut Self::Position,
        wait: Duration,
        out: &mut SourceOutput<'_, Self::Out>,
    ) -> FnResult<InputStatus>;

    /// A checkpoint is complete that holds this position: whoever has sent the records before it need not keep them.
    ///
    /// # Errors
    /// The job fails with this error.
    fn checkpoint_completed(&mut self, position: &Self::Position) -> FnResult {
        let _ = position;
        Ok(())
    }
}

/// Whether a source has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputStatus {
    /// It is asked again at once.
    MoreAvailable,
    /// It is asked again soon.
    NothingAvailable,
    /// It has ended.
    EndOfInput,
}

/// Takes the records of a source.
pub struct SourceOutput<'a, T>(&'a mut Records<T>);

impl<T> SourceOutput<'_, T> {
    /// Adds a record.
    #[inline]
    pub fn collect(&mut self, record: T) {
        self.0.push(record, None);
    }

    /// Adds a record with its event time, in epoch milliseconds.
    #[inline]
    pub fn collect_with_timestamp(&mut self, record: T, timestamp: i64) {
        self.0.push(record, Some(timestamp));
    }
}

/// A [`SourceFunction`] as a source, for [`from_source`](crate::StreamExecutionEnvironment::from_source): with event time.
#[derive(Clone, Debug)]
pub struct FunctionSource<F>(pub F);

impl<F: SourceFunction> Source<Records<F::Out>> for FunctionSource<F> {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn parallelism(&self) -> Option<usize> {
        self.0.parallelism()
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        let parallelism = context.parallelism.max(1);
        Ok(Box::new(Parts { function: self.0.clone(), parallelism, known: false }))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader<Records<F::Out>>>> {
        Ok(Box::new(Reader { function: self.0.clone(), parts: VecDeque::new() }))
    }
}

struct Parts<F> {
    function: F,
    parallelism: usize,
    known: bool,
}

impl<F: SourceFunction> SplitEnumerator for Parts<F> {
    fn discover(&mut self) -> Result<Discovery> {
        if std::mem::replace(&mut self.known, true) {
            return Ok(Discovery::default());
        }
        let positions = self.function.splits(self.parallelism).map_err(function_failed)?;
        let split = |(index, position): (usize, F::Position)| {
            Ok(Split { id: index.to_string().into(), position: encoded(&position)? })
        };
        Ok(Discovery { splits: positions.into_iter().enumerate().map(split).collect::<Result<_>>()?, again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.known = !known.is_empty();
    }
}

struct Reader<F: SourceFunction> {
    function: F,
    /// The first is read next.
    parts: VecDeque<Part<F>>,
}

struct Part<F: SourceFunction> {
    id: SplitId,
    function: F,
    position: F::Position,
    /// The same, as checkpoints hold it: what cannot be stored is an error of the poll.
    encoded: Vec<u8>,
    ended: bool,
}

impl<F: SourceFunction> Part<F> {
    fn poll(&mut self, wait: Duration) -> Result<Option<Polled<Records<F::Out>>>> {
        if self.ended {
            return Ok(Some(Polled::Finished(Arc::clone(&self.id))));
        }
        let mut batch = Records::default();
        let status = self.function.poll(&mut self.position, wait, &mut SourceOutput(&mut batch));
        let status = status.map_err(function_failed).and_then(|status| {
            self.encoded = encoded(&self.position)?;
            Ok(status)
        });
        self.ended = status.map_err(|error| error.with("split", &self.id))? == InputStatus::EndOfInput;
        Ok(match (batch.is_empty(), self.ended) {
            (false, _) => Some(Polled::Rows { split: Arc::clone(&self.id), batch }),
            (true, true) => Some(Polled::Finished(Arc::clone(&self.id))),
            (true, false) => None,
        })
    }
}

impl<F: SourceFunction> SourceReader<Records<F::Out>> for Reader<F> {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for Split { id, position: encoded } in splits {
            let mut function = self.function.clone();
            let mut position = decoded(&encoded)?;
            function.open(&mut position).map_err(|error| function_failed(error).with("split", &id))?;
            self.parts.push_back(Part { id, function, position, encoded, ended: false });
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled<Records<F::Out>>> {
        for turn in 0..=self.parts.len() {
            // When none has records at once, one of them waits.
            let wait = if turn < self.parts.len() { Duration::ZERO } else { wait };
            if turn == self.parts.len() && wait.is_zero() {
                break;
            }
            let Some(part) = self.parts.front_mut() else { break };
            let polled = part.poll(wait)?;
            if let Some(Polled::Finished(_)) = &polled {
                self.parts.pop_front();
            } else {
                self.parts.rotate_left(1);
            }
            if let Some(polled) = polled {
                return Ok(polled);
            }
        }
        Ok(Polled::Nothing)
    }

    fn splits(&self) -> Vec<Split> {
        let split = |part: &Part<F>| Split { id: Arc::clone(&part.id), position: part.encoded.clone() };
        self.parts.iter().map(split).collect()
    }

    fn checkpoint_completed(&mut self, splits: &[Split]) -> Result<()> {
        for split in splits {
            if let Some(part) = self.parts.iter_mut().find(|part| part.id == split.id) {
                let position = decoded(&split.position)?;
                part.function
                    .checkpoint_completed(&position)
                    .map_err(|error| function_failed(error).with("split", &split.id))?;
            }
        }
        Ok(())
    }
}

fn encoded<P: State>(position: &P) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(position).map_err(|error| {
        Error::user(format!("a position of type {} cannot be stored", std::any::type_name::<P>())).caused_by(error)
    })
}

fn decoded<P: State>(bytes: &[u8]) -> Result<P> {
    rmp_serde::from_slice(bytes).map_err(|error| {
        Error::user(format!("a stored position cannot be read as {}", std::any::type_name::<P>()))
            .caused_by(error)
            .hint("a field that is new needs #[serde(default)]; for another type, give the source another uid")
    })
}
