//! The sink of a table: at least once, where every send is answered before a barrier passes; exactly once, by transactions.

use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{ChangelogMode, RowKind};
use riverrun_rocketmq_client::{Client, DELAY_LEVEL_MAX, ProducerOptions, check_topic};

use crate::client::{Connection, Io};
use crate::columns::Columns;
use crate::committer::RocketMqCommitter;
use crate::encode::{RowEncoder, Writing};
use crate::enumerator::was_there;
use crate::metadata::Written;
use crate::options::{Guarantee, TableOptions, check_parallelism};
use crate::output::Output;
use crate::table::{Table, connection};
use crate::transactional::TransactionalWriter;
use crate::writer::{Encode, RocketMqWriter};

/// The sink of a table, checked.
struct TableSink {
    table: Table,
    writing: Writing,
    parallelism: Option<usize>,
    sending: Sending,
}

/// How messages are sent.
#[derive(Clone)]
pub(crate) struct Sending {
    pub(crate) connection: Connection,
    /// The group; one of the writer's own without it.
    pub(crate) group: Option<String>,
    pub(crate) retries: u32,
    pub(crate) timeout: Duration,
    pub(crate) pending_max: usize,
    pub(crate) transaction_messages_max: usize,
    pub(crate) is_async: bool,
    pub(crate) guarantee: Guarantee,
}

/// Checks a table.
///
/// # Errors
/// The user's mistakes.
pub(crate) fn open(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader = context.option_reader();
    let options: TableOptions = reader.read()?;
    let columns = Columns::written(context.columns.clone(), &options)?;
    let table = Table::new(context, &options, columns, &mut reader)?;
    reader.finish()?;
    check_parallelism("sink.parallelism", options.sink_parallelism)?;
    check_topic(&options.topic).map_err(|error| error.with("option", "topic"))?;
    let written = Written::of(context)?;
    for (metadata, column, option) in [
        (written.keys, !table.columns.keys.is_empty(), "keyColumns"),
        (written.tags, table.columns.tag.is_some(), "dynamicTagColumn"),
    ] {
        if metadata.is_some() && column {
            return Err(Error::user(format!("a metadata column and '{option}' say the same")).hint("keep one of them"));
        }
    }
    let delay_level = u8::try_from(options.delay_level).ok().filter(|level| *level <= DELAY_LEVEL_MAX);
    let delay_level = delay_level.ok_or_else(|| {
        Error::user(format!("the delay level {} is not one of 0 to {DELAY_LEVEL_MAX}", options.delay_level))
            .with("option", "delayLevel")
    })?;
    let tag = options.tag.clone().filter(|tag| tag != "*").unwrap_or_default();
    let writing = Writing { topic: options.topic.clone(), tag, delay_level, written };
    let sending = Sending {
        connection: connection(&options)?,
        group: options.producer_group.clone().filter(|group| !group.is_empty()),
        retries: options.retries,
        timeout: Duration::from_millis(options.send_timeout.max(1)),
        pending_max: options.pending_max,
        transaction_messages_max: options.transaction_messages_max,
        is_async: options.is_async,
        guarantee: options.guarantee,
    };
    sending.check(delay_level > 0)?;
    Ok(Box::new(TableSink { table, writing, parallelism: options.sink_parallelism, sending }))
}

impl Sending {
    /// Whether the settings go together.
    ///
    /// # Errors
    /// They do not.
    pub(crate) fn check(&self, delays: bool) -> Result<()> {
        if self.guarantee != Guarantee::ExactlyOnce {
            return Ok(());
        }
        if self.group.is_none() {
            return Err(Error::user("'exactly-once' needs a producer group, which brokers ask about transactions")
                .hint("set 'producerGroup' ('producer.group' in programs) to a name that no other program has"));
        }
        if delays {
            return Err(Error::user("a message of a transaction cannot be delayed")
                .hint("remove 'delayLevel', or 'sink.delivery-guarantee' = 'exactly-once'"));
        }
        Ok(())
    }

    /// When rows become visible.
    pub(crate) fn commits(&self) -> Commits {
        if self.guarantee == Guarantee::ExactlyOnce { Commits::Always } else { Commits::Never }
    }

    /// A writer of what `encode` makes. Of a topic that is known by name it is seen that it can be written.
    ///
    /// # Errors
    /// No name server can be reached, or there is no such topic.
    pub(crate) fn writer<E: Encode + 'static>(
        &self,
        encode: E,
        topic: Option<&str>,
        context: &TaskContext,
    ) -> Result<Box<dyn SinkWriter<E::Batch>>> {
        let (client, io) = (self.connection.open()?, Io::new(context)?);
        let group = self.group.clone().unwrap_or_else(|| format!("riverrun-{}", client.id().replace('@', "-")));
        let mut options = ProducerOptions::new(group);
        (options.retries, options.send_timeout) = (self.retries, self.timeout);
        options.in_flight_max = self.pending_max.max(1);
        let producer = {
            let _inside = io.handle.enter();
            client.producer(options)?
        };
        let is_exactly_once = self.guarantee == Guarantee::ExactlyOnce;
        if let Some(topic) = topic {
            let checked = io.wait(check_writable(&client, topic, is_exactly_once));
            checked.map_err(|error| was_there(error, context))?;
        }
        if is_exactly_once {
            let limits = (self.pending_max, self.transaction_messages_max);
            return Ok(Box::new(TransactionalWriter::new(encode, producer, io, limits, context)));
        }
        let output = Output::new(producer, io, self.is_async, self.pending_max, context);
        Ok(Box::new(RocketMqWriter { encode, output, waits: self.guarantee != Guarantee::None }))
    }

    /// What commits transactions.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        Ok(Box::new(RocketMqCommitter::open(&self.connection, context)?))
    }
}

/// The topic by which brokers are known that make topics on first use.
const NEW_TOPIC: &str = "TBW102";

/// Whether the topic is there, or will be made on first use. Half messages are for queues that are there.
async fn check_writable(client: &Client, topic: &str, must_exist: bool) -> Result<()> {
    let is_there = client.refresh_route(topic).await?.is_some();
    if is_there || !must_exist && client.refresh_route(NEW_TOPIC).await?.is_some() {
        return Ok(());
    }
    client.existing_route(topic).await.map(drop).map_err(|error| error.with("option", "topic"))
}

impl Sink for TableSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        let own = self.table.body.changelog_mode();
        let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
        let both: Vec<RowKind> =
            kinds.into_iter().filter(|kind| own.contains(*kind) && query.contains(*kind)).collect();
        ChangelogMode::of(&both)
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let writer = RowEncoder::new(&self.table, self.writing.clone())
            .and_then(|rows| self.sending.writer(rows, Some(&self.writing.topic), context));
        writer.map_err(|error| error.with("table", &self.table.name))
    }

    fn commits(&self) -> Commits {
        self.sending.commits()
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        self.sending.committer(context).map_err(|error| error.with("table", &self.table.name))
    }
}
