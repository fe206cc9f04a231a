//! A source or a sink without an engine: tables from names and options, rows as texts; and a client beside it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use riverrun_base::{Error, Result};
use riverrun_connect::{
    Cancellation, Counters, Flush, MetadataColumn, Polled, SinkWriter, SourceReader, Split, SplitEnumerator, SplitId,
    TableContext, TaskContext, io_runtime,
};
use riverrun_data::{Batch, DataType, LogicalType, RowField, arrow_schema};
use riverrun_rocketmq::ROCKETMQ;
use riverrun_rocketmq_client::{
    Client, ClientOptions, Message, Outcome, ProducerOptions, PullOptions, Queue, Receipt, ReceivedMessage,
};
use riverrun_testkit::{RocketMqServer, rocketmq, unique};

/// How long any expected thing may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A table of the given columns.
pub(crate) fn table(columns: &[(&str, LogicalType)], options: &[(&str, &str)]) -> TableContext {
    TableContext {
        name: "orders".into(),
        columns: columns
            .iter()
            .map(|(name, logical)| RowField { name: (*name).into(), data_type: DataType::nullable(logical.clone()) })
            .collect(),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: ROCKETMQ.name.into(),
    }
}

/// `(id BIGINT, name STRING)` in csv, from the earliest offset, in a group of its own. An empty value removes an option.
pub(crate) fn people_of(server: &RocketMqServer, topic: &str, options: &[(&str, &str)]) -> TableContext {
    let mut table = table(&[("id", LogicalType::BigInt), ("name", LogicalType::STRING)], &[]);
    let (servers, group) = (server.name_server(), unique("cg"));
    let defaults = [
        ("nameServerAddress", servers.as_str()),
        ("topic", topic),
        ("consumerGroup", group.as_str()),
        ("format", "csv"),
        ("scanStartupMode", "earliest"),
    ];
    for (key, value) in defaults.iter().chain(options) {
        if value.is_empty() {
            table.options.remove(*key);
        } else {
            table.options.insert((*key).to_owned(), (*value).to_owned());
        }
    }
    table
}

pub(crate) fn people(topic: &str, options: &[(&str, &str)]) -> TableContext {
    people_of(rocketmq(), topic, options)
}

/// A metadata column of the type the connector gives it.
pub(crate) fn metadata(name: &str, key: &str, is_virtual: bool) -> MetadataColumn {
    let keys = (ROCKETMQ.metadata)();
    let data_type = keys.iter().find(|known| known.key == key).unwrap().data_type.clone();
    MetadataColumn { key: key.into(), name: name.into(), data_type, is_virtual }
}

pub(crate) fn task(subtask: usize) -> TaskContext {
    let mut context = TaskContext {
        task: "test".into(),
        subtask,
        parallelism: 1,
        cancellation: Cancellation::new(),
        counters: Counters::default(),
        ..TaskContext::default()
    };
    context.job.checkpoint_interval = Some(Duration::from_secs(1));
    context
}

/// A client of the same cluster, in the same runtime.
#[derive(Clone)]
pub(crate) struct Beside(pub(crate) Client);

pub(crate) fn beside() -> Beside {
    Beside::of(rocketmq())
}

/// Waits for a future.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    io_runtime().unwrap().block_on(future)
}

impl Beside {
    pub(crate) fn of(server: &RocketMqServer) -> Self {
        let _inside = io_runtime().unwrap().enter();
        Self(Client::new(ClientOptions::new(&server.name_server()).unwrap()).unwrap())
    }

    pub(crate) fn queues(&self, topic: &str) -> Vec<Queue> {
        wait(self.0.existing_route(topic)).unwrap().readable().to_vec()
    }

    /// The queue of this number of `broker-a`.
    pub(crate) fn queue(&self, topic: &str, id: i32) -> Queue {
        self.queues(topic).into_iter().find(|queue| &*queue.broker == "broker-a" && queue.id == id).unwrap()
    }

    /// Sends messages to a queue, and waits until they can be read.
    pub(crate) fn send(&self, queue: &Queue, messages: impl IntoIterator<Item = Message>) -> Vec<Receipt> {
        wait(async {
            let producer = self.0.producer(ProducerOptions::new("beside")).unwrap();
            let mut receipts = Vec::new();
            for message in messages {
                receipts.push(producer.send_to(queue, message).await.unwrap());
            }
            let end = receipts.last().map_or(0, |receipt| receipt.queue_offset + 1);
            let limit = Instant::now() + LIMIT;
            while self.0.max_offset(queue).await.unwrap() < end {
                assert!(Instant::now() < limit, "{queue} does not reach {end}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            receipts
        })
    }

    /// Sends `n,nn` for each number.
    pub(crate) fn send_people(&self, queue: &Queue, numbers: std::ops::Range<i32>) -> Vec<Receipt> {
        self.send(queue, numbers.map(|n| Message::new(&*queue.topic, format!("{n},n{n}"))))
    }

    pub(crate) fn commit(&self, group: &str, queue: &Queue, offset: i64) {
        wait(self.0.commit_offset(group, queue, offset)).unwrap();
    }

    pub(crate) fn committed(&self, group: &str, queue: &Queue) -> Option<i64> {
        wait(self.0.committed_offset(group, queue)).unwrap()
    }

    /// All messages of a topic that are visible now, queue by queue.
    pub(crate) fn read_all(&self, topic: &str) -> Vec<ReceivedMessage> {
        let mut all = Vec::new();
        for queue in self.queues(topic) {
            all.extend(wait(self.read(&queue)));
        }
        all
    }

    async fn read(&self, queue: &Queue) -> Vec<ReceivedMessage> {
        let mut options = PullOptions::new("beside");
        options.suspend = Duration::ZERO;
        let mut puller = self.0.puller(queue, options);
        let (mut offset, mut messages) = (0, Vec::new());
        loop {
            let pulled = puller.pull(offset).await.unwrap();
            assert!(pulled.outcome != Outcome::OffsetMoved || pulled.next_offset == 0, "{pulled:?}");
            messages.extend(pulled.messages);
            if pulled.next_offset >= pulled.max_offset {
                return messages;
            }
            offset = pulled.next_offset;
        }
    }

    /// The bodies of a topic, once there are so many, sorted.
    pub(crate) fn bodies(&self, topic: &str, count: usize) -> Vec<String> {
        let end = Instant::now() + LIMIT;
        loop {
            let messages = self.read_all(topic);
            if messages.len() >= count {
                let text = |message: &ReceivedMessage| String::from_utf8(message.body().to_vec()).unwrap();
                return sorted(messages.iter().map(text).collect());
            }
            assert!(Instant::now() < end, "{} of {count} messages in {topic}", messages.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A running source: one enumerator, one reader.
pub(crate) struct Reading {
    pub(crate) enumerator: Box<dyn SplitEnumerator>,
    pub(crate) reader: Box<dyn SourceReader>,
    pub(crate) context: TaskContext,
    pub(crate) finished: BTreeSet<SplitId>,
    /// Every split there is, the ended ones too: what a checkpoint knows.
    pub(crate) known: Vec<SplitId>,
}

impl Reading {
    /// Starts a source: connects, finds the splits and gives them to the reader.
    pub(crate) fn start(table: &TableContext) -> Self {
        Self::try_start(table).unwrap()
    }

    pub(crate) fn try_start(table: &TableContext) -> Result<Self> {
        let mut reading = Self::open(table, task(0))?;
        reading.discover()?;
        Ok(reading)
    }

    /// Starts a source in a job that takes no checkpoints.
    pub(crate) fn without_checkpoints(table: &TableContext) -> Self {
        let mut context = task(0);
        context.job.checkpoint_interval = None;
        let mut reading = Self::open(table, context).unwrap();
        reading.discover().unwrap();
        reading
    }

    /// Starts a source from a checkpoint: the splits it knows, and those that have not ended.
    pub(crate) fn restore(table: &TableContext, known: Vec<SplitId>, splits: Vec<Split>) -> Self {
        let mut reading = Self::open(table, task(0)).unwrap();
        reading.enumerator.restore(&known);
        reading.finished = known.iter().filter(|id| splits.iter().all(|split| split.id != **id)).cloned().collect();
        reading.known = known;
        reading.reader.add_splits(splits).unwrap();
        reading.discover().unwrap();
        reading
    }

    fn open(table: &TableContext, context: TaskContext) -> Result<Self> {
        let source = ROCKETMQ.source.unwrap()(table)?;
        let (enumerator, reader) = (source.enumerator(&context)?, source.reader(&context)?);
        Ok(Self { enumerator, reader, context, finished: BTreeSet::new(), known: Vec::new() })
    }

    /// Looks for splits, and returns the names of the new ones.
    pub(crate) fn discover(&mut self) -> Result<Vec<String>> {
        let found = self.enumerator.discover()?;
        self.known.extend(found.splits.iter().map(|split| Arc::clone(&split.id)));
        let names = found.splits.iter().map(|split| split.id.to_string()).collect();
        self.reader.add_splits(found.splits)?;
        Ok(names)
    }

    /// The next batch; `None` when every split has ended.
    pub(crate) fn next(&mut self) -> Result<Option<(SplitId, Batch)>> {
        let end = Instant::now() + LIMIT;
        loop {
            if self.finished.len() == self.known.len() {
                return Ok(None);
            }
            match self.reader.poll(Duration::from_millis(200))? {
                Polled::Rows { split, batch } => {
                    assert!(batch.num_rows() > 0, "a batch is never empty");
                    assert!(!self.finished.contains(&split), "rows of {split} after its end");
                    return Ok(Some((split, batch)));
                }
                Polled::Finished(split) => assert!(self.finished.insert(split), "a split ends once"),
                Polled::Nothing => {
                    assert!(Instant::now() < end, "nothing came within {LIMIT:?}; splits: {:?}", self.reader.splits())
                }
            }
        }
    }

    /// The next `count` rows or more.
    pub(crate) fn take(&mut self, count: usize) -> Vec<String> {
        let mut rows = Vec::new();
        while rows.len() < count {
            match self.next().unwrap() {
                Some((_, batch)) => rows.extend(texts(&batch)),
                None => panic!("the source ended after {rows:?}"),
            }
        }
        rows
    }

    /// As [`Self::take`], and sees that nothing else comes for a moment.
    pub(crate) fn take_exactly(&mut self, count: usize) -> Vec<String> {
        let rows = if count > 0 { self.take(count) } else { Vec::new() };
        assert_eq!(rows.len(), count, "{rows:?}");
        match self.reader.poll(Duration::from_millis(600)).unwrap() {
            Polled::Nothing => sorted(rows),
            other => panic!("expected nothing more, got {other:?}"),
        }
    }

    /// All rows until every split has ended.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut rows = Vec::new();
        while let Some((_, batch)) = self.next().unwrap() {
            rows.extend(texts(&batch));
        }
        sorted(rows)
    }

    /// The error that reading ends with.
    pub(crate) fn error(&mut self) -> Error {
        loop {
            match self.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the source ended without an error"),
                Err(error) => return error,
            }
        }
    }

    /// The position of a queue as a text.
    pub(crate) fn position(&self, queue: &Queue) -> String {
        let id = queue.to_string();
        let split = self.reader.splits().into_iter().find(|split| *split.id == *id).unwrap();
        String::from_utf8(split.position).unwrap()
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.context.counters.snapshot().iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
    }
}

/// Rows as texts: the columns between bars.
pub(crate) fn texts(batch: &Batch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    // Arrow formats no zone without a database of zones.
    let columns: Vec<ArrayRef> = batch.rows().columns().iter().map(without_zone).collect();
    let columns: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.as_any().downcast_ref::<TimestampMillisecondArray>() {
        Some(times) => Arc::new(times.clone().with_timezone_opt(None::<&str>)),
        None => Arc::clone(column),
    }
}

pub(crate) fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// What [`Beside::send_people`] sends, as rows, sorted.
pub(crate) fn rows(numbers: std::ops::Range<i32>) -> Vec<String> {
    sorted(numbers.map(|n| format!("{n}|n{n}")).collect())
}

pub(crate) fn try_writer(table: &TableContext) -> Result<Box<dyn SinkWriter>> {
    ROCKETMQ.sink.unwrap()(table)?.writer(&task(0))
}

/// Writes and flushes.
pub(crate) fn write_all(table: &TableContext, batch: Batch) {
    let mut writer = try_writer(table).unwrap();
    writer.write(batch).unwrap();
    writer.flush(Flush::End).unwrap();
}

/// Rows of columns that are BIGINT or STRING, and then of metadata that is STRING: `1|ann`, `2|NULL`.
pub(crate) fn batch(table: &TableContext, rows: &[&str]) -> Batch {
    let value =
        |row: &str, column: usize| Some(row.split('|').nth(column).unwrap().to_owned()).filter(|text| text != "NULL");
    let written = table.metadata.iter().filter(|column| !column.is_virtual);
    let beside = written.map(|column| RowField { name: column.name.clone(), data_type: column.data_type.clone() });
    let fields: Vec<RowField> = table.columns.iter().cloned().chain(beside).collect();
    let column = |(index, field): (usize, &RowField)| -> ArrayRef {
        let texts = rows.iter().map(|row| value(row, index));
        match field.data_type.logical {
            LogicalType::BigInt => {
                Arc::new(texts.map(|text| text.map(|text| text.parse().unwrap())).collect::<Int64Array>())
            }
            _ => Arc::new(texts.collect::<StringArray>()),
        }
    };
    let columns = fields.iter().enumerate().map(column).collect();
    Batch::insertions(RecordBatch::try_new(arrow_schema(&fields), columns).unwrap())
}
