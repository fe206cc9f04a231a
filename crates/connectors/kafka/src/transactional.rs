//! The writer of exactly-once: all rows between two barriers in one transaction.
//!
//! A barrier leaves the transaction open, with all its rows in the brokers' logs; the committer ends it when the checkpoint is complete,
//! which the writer does not wait for. The next row begins another transaction, with another producer: see [`crate::transaction`] for why. Making a
//! producer ready takes librdkafka some hundred milliseconds, so the next one is made in the background while this one writes. An
//! interval without rows has no transaction, and keeps its producer.
//!
//! Transactions of librdkafka send what KIP-98 has, whatever the broker offers of KIP-890; the offsets of sources are in the checkpoint, so
//! nothing of KIP-447 is needed.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use riverrun_base::{Error, Kind, Result};
use riverrun_connect::{Cancellation, Committable, Flush, SinkWriter, TaskContext};
use riverrun_protocol::CheckpointId;

use crate::broker::Coordinators;
use crate::client;
use crate::output::{Producer, Target, producer, with_asker};
use crate::ring::Ring;
use crate::transaction::{Ids, Prepared, Standing};
use crate::writer::{Encode, KafkaWriter};

/// How long a producer may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// One attempt at it.
const READY_ATTEMPT: Duration = Duration::from_millis(500);

/// How long coordinators are asked about a transaction at a barrier.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// The writer of a Kafka sink with transactions.
pub(crate) struct TransactionalWriter<E> {
    rows: KafkaWriter<E>,
    coordinators: Coordinators,
    ring: Ring,
    maker: Maker,
    /// The number of the id that is written to.
    current: usize,
    /// Whether the transaction of `current` is prepared, so that another must begin before the next row.
    is_prepared: bool,
    /// Transactions that were prepared and not seen committed, by the number of their id.
    prepared: Vec<(usize, Prepared)>,
    next: Option<Next>,
}

/// What makes producers.
#[derive(Clone)]
struct Maker {
    config: ClientConfig,
    target: Arc<Target>,
    ids: Ids,
    subtask: usize,
    /// Ends the making when the job stops, or the writer.
    cancellation: Cancellation,
}

/// A producer that is being made ready, by a thread that ends with this value.
struct Next {
    number: usize,
    thread: Option<JoinHandle<Result<Producer>>>,
    stop: Cancellation,
}

impl<E: Encode> TransactionalWriter<E> {
    /// Connects, sees that the topics are there, and begins the first transaction.
    ///
    /// # Errors
    /// The brokers cannot be reached or do not allow it, or a topic is missing.
    pub(crate) fn open(
        encode: E,
        target: Arc<Target>,
        config: ClientConfig,
        ids: Ids,
        mut coordinators: Coordinators,
        context: &TaskContext,
    ) -> Result<Self> {
        let cancellation = context.cancellation.clone();
        let maker = Maker { config, target: Arc::clone(&target), ids, subtask: context.subtask, cancellation };
        let mut ring = Ring::default();
        let current = ring.take();
        // A cluster makes its log of transactions when it is first asked for a coordinator, which librdkafka would look for every half second.
        coordinators.describe(&[&maker.ids.id(maker.subtask, current)], ASK_LIMIT)?;
        let rows = KafkaWriter::open(encode, target, maker.ready(current, &maker.cancellation)?, context)?;
        let (prepared, next) = (Vec::new(), None);
        let mut writer = Self { rows, coordinators, ring, maker, current, is_prepared: false, prepared, next };
        writer.next = Some(writer.make_next(None)?);
        Ok(writer)
    }

    /// Begins a transaction where the one before is prepared.
    fn begin(&mut self) -> Result<()> {
        if !self.is_prepared {
            return Ok(());
        }
        let next = match self.next.take() {
            Some(next) => next,
            None => self.make_next(None)?,
        };
        let number = next.number;
        let former = self.rows.replace_producer(next.wait()?);
        self.current = number;
        self.is_prepared = false;
        self.next = Some(self.make_next(Some(former))?);
        Ok(())
    }

    /// Starts to make the next producer ready, and ends the former.
    fn make_next(&mut self, former: Option<Producer>) -> Result<Next> {
        let (number, stop) = (self.ring.take(), Cancellation::new());
        let (maker, stopped) = (self.maker.clone(), stop.clone());
        let make = move || {
            // This leaves its transaction as it is, for the committer.
            drop(former);
            maker.ready(number, &stopped)
        };
        let thread = std::thread::Builder::new()
            .name("riverrun-kafka-begin".into())
            .spawn(make)
            .map_err(|error| Error::external(format!("cannot start a thread: {error}")))?;
        Ok(Next { number, thread: Some(thread), stop })
    }

    /// Asks how the open transaction and those before it stand.
    fn prepare_rows(&mut self, rows: u64, witness: Option<crate::transaction::Witness>) -> Result<Prepared> {
        let id = self.maker.ids.id(self.maker.subtask, self.current);
        let ids: Vec<&str> =
            self.prepared.iter().map(|(_, prepared)| prepared.id.as_str()).chain([id.as_str()]).collect();
        let known = self.coordinators.describe(&ids, ASK_LIMIT)?;
        let ring = &mut self.ring;
        self.prepared.retain(|(number, prepared)| {
            let is_committed = prepared.standing(known.get(&prepared.id)) == Standing::Committed;
            if is_committed {
                ring.see_committed(*number);
            }
            !is_committed
        });
        let given_up = |state: &str| {
            Error::external(format!("Kafka has given up the open transaction, which is {state} now"))
                .with("transaction", &id)
                .hint("it was open for longer than 'properties.transaction.timeout.ms', or another job has the same 'sink.transactional-id-prefix'")
                .retryable()
        };
        let described = known.get(&id).ok_or_else(|| given_up("unknown"))?;
        let witness = witness.ok_or_else(|| Error::internal("records were delivered to no partition"))?;
        let prepared = Prepared::new(id.clone(), described, rows, witness);
        if prepared.standing(Some(described)) != Standing::Open {
            return Err(given_up(&described.state));
        }
        Ok(prepared)
    }
}

impl<E: Encode> SinkWriter<E::Batch> for TransactionalWriter<E> {
    fn write(&mut self, batch: E::Batch) -> Result<()> {
        self.begin()?;
        self.rows.write(batch).map_err(passing)
    }

    fn deadline(&self) -> Option<Instant> {
        self.rows.deadline()
    }

    fn tick(&mut self) -> Result<()> {
        // What is held back came after the barrier, so its transaction has begun.
        self.rows.tick().map_err(passing)
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _: CheckpointId) -> Result<Vec<Committable>> {
        if self.is_prepared {
            return Ok(Vec::new());
        }
        let (rows, witness) = self.rows.complete().map_err(passing)?;
        if rows == 0 {
            return Ok(Vec::new());
        }
        let prepared = self.prepare_rows(rows, witness)?;
        let committable = prepared.encode()?;
        self.ring.prepare(self.current);
        self.prepared.push((self.current, prepared));
        self.is_prepared = true;
        Ok(vec![committable])
    }
}

/// A broker that was away, or a transaction that timed out: the next attempt writes the rows again.
fn passing(error: Error) -> Error {
    if error.kind() == Kind::External && !error.is_canceled() { error.retryable() } else { error }
}

impl Maker {
    /// A producer with an epoch of its own, in a transaction without rows.
    fn ready(&self, number: usize, stop: &Cancellation) -> Result<Producer> {
        let id = self.ids.id(self.subtask, number);
        let mut config = self.config.clone();
        config.set("transactional.id", &id);
        let producer = producer(&config)?;
        let end = Instant::now() + READY_LIMIT;
        // librdkafka that is not connected yet looks again after half a second. The first answer may come while the connection is still being
        // made known; behind a second one, it initialises at once.
        for _ in 0..2 {
            with_asker(&producer, &self.target.bootstrap, stop, |asker| asker.metadata(self.target.topics.single()))?;
        }
        loop {
            self.cancellation.check()?;
            stop.check()?;
            let error = match producer.init_transactions(READY_ATTEMPT) {
                Ok(()) => break,
                Err(error) => error,
            };
            producer.poll(Duration::ZERO);
            let passes = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
            if !passes || Instant::now() >= end {
                return Err(self.refused(&error).with("transaction", id));
            }
        }
        producer.begin_transaction().map_err(|error| self.refused(&error).with("transaction", id))?;
        Ok(producer)
    }

    fn refused(&self, cause: &KafkaError) -> Error {
        let reason = match cause {
            KafkaError::Transaction(error) => error.string(),
            other => client::reason(other),
        };
        let error =
            Error::external(format!("Kafka at {} does not begin a transaction: {reason}", self.target.bootstrap));
        match cause.rdkafka_error_code() {
            Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => error.hint(
                "the user needs the rights to Write and to Describe transactional ids that start with 'sink.transactional-id-prefix'",
            ),
            Some(RDKafkaErrorCode::InvalidTransactionTimeout) => error.hint(
                "'properties.transaction.timeout.ms' must not be longer than the broker's transaction.max.timeout.ms",
            ),
            _ => error.retryable(),
        }
    }
}

impl Next {
    fn wait(mut self) -> Result<Producer> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(made)) => made,
            _ => Err(Error::internal("the thread that makes a producer ready has ended early")),
        }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // What it made, or failed to, is not needed.
            let _ = thread.join();
        }
    }
}
