//! Finds the queues of a topic and where each is read from and to.
//!
//! Offsets are looked up here, once, when a queue is found, so that they are in the first checkpoint: a job that starts at the end and fails
//! before it has read anything still reads what came meanwhile. Queues that leave the route, because their broker is down, are not
//! forgotten: their readers wait for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_base::{Error, Result};
use riverrun_connect::{Discovery, SplitEnumerator, SplitId, TaskContext};
use riverrun_rocketmq_client::{Client, Queue, Route};

use crate::client::{Connection, Io};
use crate::options::Reset;
use crate::position::{Position, split, split_id};
use crate::scan::{Scan, Start, Stop};

/// How long a topic that is not there is asked for again: one that was just made takes a moment to be known.
const MISSING_LIMIT: Duration = Duration::from_secs(1);

/// The enumerator of a RocketMQ source.
pub(crate) struct RocketMqEnumerator {
    scan: Arc<Scan>,
    client: Client,
    io: Io,
    name_servers: String,
    known: BTreeSet<SplitId>,
    /// Whether the queues that are found next are the ones the job starts with.
    first: bool,
}

impl RocketMqEnumerator {
    /// Connects, and sees that the topic is there.
    ///
    /// # Errors
    /// No name server can be reached, or the topic is missing.
    pub(crate) fn open(scan: Arc<Scan>, connection: &Connection, context: &TaskContext) -> Result<Self> {
        let (client, io) = (connection.open()?, Io::new(context)?);
        let name_servers = connection.name_servers.clone();
        let enumerator = Self { scan, client, io, name_servers, known: BTreeSet::new(), first: true };
        enumerator.route().map_err(|error| was_there(error, context))?;
        Ok(enumerator)
    }

    /// The route as it is now. That the name server does not know the topic is an error, and no route without queues.
    fn route(&self) -> Result<Arc<Route>> {
        let begin = Instant::now();
        loop {
            let route = self.io.wait(self.client.refresh_route(&self.scan.topic))?;
            match route {
                Some(route) if !route.readable().is_empty() => return Ok(route),
                _ if begin.elapsed() < MISSING_LIMIT => self.io.sleep(Duration::from_millis(100))?,
                Some(_) => {
                    return Err(Error::external(format!("no queue of the topic '{}' can be read", self.scan.topic))
                        .retryable()
                        .hint("is a broker up, and the topic readable?"));
                }
                None => {
                    return Err(Error::user(format!(
                        "RocketMQ at {} has no topic '{}'",
                        self.name_servers, self.scan.topic
                    ))
                    .with("option", "topic")
                    .hint("create the topic, or correct its name; a name server that has just started knows topics when brokers have registered"));
                }
            }
        }
    }

    /// Where to read a queue from and to.
    fn position(&self, queue: &Queue) -> Result<Position> {
        let offset = self.start(queue)?;
        let (stop, until) = match self.scan.stop {
            Stop::Never => (None, None),
            Stop::Latest => (Some(self.end(queue)?), None),
            // Of a time that is not over the offset is not known yet.
            Stop::Timestamp(millis) if millis > now() => (None, Some(millis)),
            Stop::Timestamp(millis) => (Some(self.at(queue, millis)?), None),
        };
        Ok(Position { offset, stop, until })
    }

    fn start(&self, queue: &Queue) -> Result<i64> {
        match &self.scan.start {
            Start::Earliest => self.begin(queue),
            Start::Latest => self.end_or_begin(queue),
            Start::Timestamp(millis) => self.at(queue, *millis),
            Start::Group(reset) => self.committed_or(queue, *reset),
            Start::Offset(offset) => Ok(*offset),
            Start::Offsets(offsets, reset) => match offsets.get(&(queue.broker.to_string(), queue.id)) {
                Some(offset) => Ok(*offset),
                None => self.committed_or(queue, *reset),
            },
        }
    }

    fn committed_or(&self, queue: &Queue, reset: Reset) -> Result<i64> {
        let committed = self.io.wait(self.client.committed_offset(&self.scan.group, queue))?;
        match (committed, reset) {
            (Some(offset), _) => Ok(offset),
            (None, Reset::Earliest) => self.begin(queue),
            (None, Reset::Latest) => self.end_or_begin(queue),
        }
    }

    /// The end of a queue that is there when the job starts; the beginning of one that came later.
    fn end_or_begin(&self, queue: &Queue) -> Result<i64> {
        if self.first { self.end(queue) } else { self.begin(queue) }
    }

    fn begin(&self, queue: &Queue) -> Result<i64> {
        self.io.wait(self.client.min_offset(queue))
    }

    fn end(&self, queue: &Queue) -> Result<i64> {
        self.io.wait(self.client.max_offset(queue))
    }

    fn at(&self, queue: &Queue, millis: i64) -> Result<i64> {
        self.io.wait(self.client.offset_at(queue, millis))
    }
}

/// A topic that is not there when a job goes on from a checkpoint was there before: it leaves the name server with its last broker.
pub(crate) fn was_there(error: Error, context: &TaskContext) -> Error {
    if context.job.restored.is_some() && !error.is_canceled() { error.retryable() } else { error }
}

impl SplitEnumerator for RocketMqEnumerator {
    fn discover(&mut self) -> Result<Discovery> {
        // Once the job runs, what is not there may come back; the job's start was the time to find a wrong name.
        let retry = |error: Error| if self.first || error.is_canceled() { error } else { error.retryable() };
        let route = self.route().map_err(retry)?;
        let mut splits = Vec::new();
        for queue in route.readable() {
            let id = split_id(queue);
            if !self.known.contains(&id) {
                splits.push(split(id, self.position(queue).map_err(retry)?)?);
            }
        }
        self.first = false;
        self.known.extend(splits.iter().map(|split| Arc::clone(&split.id)));
        Ok(Discovery { splits, again: self.scan.discovery })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.first = self.first && known.is_empty();
        self.known.extend(known.iter().cloned());
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
