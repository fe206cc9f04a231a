//! A job with an exactly-once sink, without an engine: its attempts, writers and committers.

use riverrun_base::Result;
use riverrun_connect::{Commit, Committable, Committer, JobContext, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::{KafkaServer, kafka};

use crate::harness::{batch, connector, people, task};

/// One attempt of a job.
pub(crate) struct Attempt {
    pub(crate) table: TableContext,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) job: JobContext,
}

impl Attempt {
    /// The first attempt of a job that writes `(id, name)` to a topic of the shared broker.
    pub(crate) fn first(topic: &str, prefix: &str) -> Self {
        Self::with(&kafka().bootstrap(), topic, prefix, &[])
    }

    pub(crate) fn with(bootstrap: &str, topic: &str, prefix: &str, options: &[(&str, &str)]) -> Self {
        let own = [("sink.delivery-guarantee", "exactly-once"), ("sink.transactional-id-prefix", prefix)];
        let options: Vec<_> = own.iter().chain(options).copied().collect();
        Self::of(people(bootstrap, topic, &options))
    }

    pub(crate) fn of(table: TableContext) -> Self {
        let sink = connector(&table).sink.unwrap()(&table).unwrap();
        let job = JobContext { id: "5e55".into(), operator: "sink".into(), attempt: 1, ..JobContext::default() };
        Self { table, sink, job }
    }

    /// The attempt after this one, which goes on from a checkpoint.
    pub(crate) fn next(&self, restored: Option<u64>) -> Self {
        let mut next = Self::of(self.table.clone());
        let restored = restored.map(CheckpointId);
        next.job = JobContext { attempt: self.job.attempt + 1, restored, ..self.job.clone() };
        next
    }

    pub(crate) fn context(&self, subtask: usize) -> TaskContext {
        TaskContext { job: self.job.clone(), ..task(subtask) }
    }

    pub(crate) fn writer(&self, subtask: usize) -> Writer {
        self.try_writer(subtask).unwrap()
    }

    pub(crate) fn try_writer(&self, subtask: usize) -> Result<Writer> {
        Ok(Writer { writer: self.sink.writer(&self.context(subtask))?, table: self.table.clone() })
    }

    pub(crate) fn committer(&self) -> Box<dyn Committer> {
        self.sink.committer(&self.context(0)).unwrap()
    }

    /// Recovers, as every attempt does before its writers open.
    pub(crate) fn recover(&self, committables: &[Committable]) -> Box<dyn Committer> {
        let mut committer = self.committer();
        done(committer.recover(self.job.restored, committables));
        committer
    }
}

pub(crate) struct Writer {
    pub(crate) writer: Box<dyn SinkWriter>,
    table: TableContext,
}

impl Writer {
    /// Writes the rows `n|x`.
    pub(crate) fn write(&mut self, rows: impl IntoIterator<Item = i64>) {
        self.try_write(rows).unwrap();
    }

    pub(crate) fn try_write(&mut self, rows: impl IntoIterator<Item = i64>) -> Result<()> {
        let rows: Vec<String> = rows.into_iter().map(|n| format!("{n}|x")).collect();
        self.writer.write(batch(&self.table, &rows.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    pub(crate) fn prepare(&mut self, checkpoint: u64) -> Vec<Committable> {
        self.writer.prepare(CheckpointId(checkpoint)).unwrap()
    }

    pub(crate) fn write_and_prepare(
        &mut self,
        rows: impl IntoIterator<Item = i64>,
        checkpoint: u64,
    ) -> Vec<Committable> {
        self.write(rows);
        self.prepare(checkpoint)
    }
}

#[track_caller]
pub(crate) fn done(commit: Result<Commit>) {
    match commit.unwrap() {
        Commit::Done => {}
        Commit::Lost { visible, error } => panic!("lost, visible {visible}: {error}"),
    }
}

#[track_caller]
pub(crate) fn lost(commit: Result<Commit>) -> (bool, String) {
    match commit.unwrap() {
        Commit::Done => panic!("committed"),
        Commit::Lost { visible, error } => (visible, error.to_string()),
    }
}

/// The ids of the rows that readers of committed rows see.
pub(crate) fn visible(broker: &KafkaServer, topic: &str) -> Vec<i64> {
    let number = |text: String| text.split(',').next().unwrap().parse().unwrap();
    let mut rows: Vec<i64> = broker.read_all(topic).iter().map(|record| number(record.text())).collect();
    rows.sort_unstable();
    rows
}

/// What a committable says.
pub(crate) fn field(committable: &Committable, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_slice(&committable.0).unwrap();
    value[name].to_string()
}
