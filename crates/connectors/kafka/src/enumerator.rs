//! Finds the partitions of a table and where each is read from and to.
//!
//! Offsets are looked up here, once, when a partition is found, so that they are in the first checkpoint: a job that starts at the end and
//! fails before it has read anything still reads what came meanwhile. Only the beginning is left to the reader, which costs no question.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use riverrun_base::{Error, Kind, Result, nearest};
use riverrun_connect::{Cancellation, Discovery, SplitEnumerator, SplitId, TaskContext};

use crate::client::{self, Asker, Consumer, ConsumerEvents};
use crate::position::{Position, split, split_id};
use crate::scan::{Reset, Start, Stop, Topics};

/// How long a topic that is not there is asked for again: one that was just made takes a moment to be known.
const MISSING_LIMIT: Duration = Duration::from_secs(1);

/// Topics of Kafka itself, which a pattern never means.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// A partition of a topic.
type Partition = (String, i32);

/// What a source reads.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// The topics.
    pub(crate) topics: Topics,
    /// Where the first partitions are read from.
    pub(crate) start: Start,
    /// Where every partition ends.
    pub(crate) stop: Stop,
    /// What to do without a position.
    pub(crate) reset: Reset,
    /// How often to look for partitions; `None` for once.
    pub(crate) discovery: Option<Duration>,
    /// The consumer group of the user.
    pub(crate) group: Option<String>,
    /// The brokers, for errors.
    pub(crate) bootstrap: String,
}

impl Scan {
    /// Whether offsets of the consumer group are looked up.
    pub(crate) fn asks_group(&self) -> bool {
        self.group.is_some()
            && (matches!(self.start, Start::Committed | Start::Offsets(_)) || self.stop == Stop::Committed)
    }
}

/// The enumerator of a Kafka source.
pub(crate) struct KafkaEnumerator {
    scan: Arc<Scan>,
    consumer: Consumer,
    cancellation: Cancellation,
    known: BTreeSet<SplitId>,
    /// Whether the partitions that are found next are the ones the job starts with.
    first: bool,
}

impl KafkaEnumerator {
    /// Connects, and sees that the topics are there.
    ///
    /// # Errors
    /// The brokers cannot be reached, or a topic is missing.
    pub(crate) fn open(scan: Arc<Scan>, config: &ClientConfig, context: &TaskContext) -> Result<Self> {
        let enumerator = Self {
            scan,
            consumer: client::consumer(config)?,
            cancellation: context.cancellation.clone(),
            known: BTreeSet::new(),
            first: true,
        };
        enumerator.partitions()?;
        Ok(enumerator)
    }

    fn with_asker<T>(&self, use_it: impl FnOnce(&Asker<'_, ConsumerEvents>) -> Result<T>) -> Result<T> {
        let serve = || client::serve(&self.consumer);
        use_it(&client::asker(&self.consumer, &self.scan.bootstrap, &self.cancellation, &serve))
    }

    /// Every partition of the table that there is now.
    fn partitions(&self) -> Result<Vec<Partition>> {
        let mut partitions = Vec::new();
        match &self.scan.topics {
            Topics::List(names) => {
                for name in names {
                    let count = self.topic(name)?;
                    partitions.extend((0..count).map(|partition| (name.clone(), partition)));
                }
            }
            Topics::Any => return Err(Error::internal("a source of any topic")),
            Topics::Pattern { text, .. } => {
                let all = self.with_asker(|asker| asker.metadata(None))?;
                for topic in all.topics() {
                    if self.scan.topics.contains(topic.name()) && !INTERNAL.contains(&topic.name()) {
                        partitions.extend((0..count(topic)?).map(|partition| (topic.name().to_owned(), partition)));
                    }
                }
                if partitions.is_empty() {
                    if self.scan.discovery.is_none() {
                        return Err(Error::user(format!("no topic matches '{text}'"))
                            .with("option", "topic-pattern")
                            .hint(topics_there(all.topics())));
                    }
                    tracing::warn!(target: "riverrun_kafka", "no topic matches '{text}' yet");
                }
            }
        }
        Ok(partitions)
    }

    /// How many partitions a topic has.
    fn topic(&self, name: &str) -> Result<i32> {
        let begin = Instant::now();
        loop {
            let metadata = self.with_asker(|asker| asker.metadata(Some(name)))?;
            let topic = metadata.topics().first().ok_or_else(|| Error::internal("the brokers' answer has no topic"))?;
            let code = topic.error().map(RDKafkaErrorCode::from);
            match code {
                None if !topic.partitions().is_empty() => return count(topic),
                None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::LeaderNotAvailable)
                    if begin.elapsed() < MISSING_LIMIT =>
                {
                    self.cancellation.sleep(Duration::from_millis(100))?;
                }
                None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => return Err(self.missing(name)),
                Some(code) => return Err(refused_topic(name, code)),
            }
        }
    }

    fn missing(&self, name: &str) -> Error {
        let error =
            Error::user(format!("Kafka at {} has no topic '{name}'", self.scan.bootstrap)).with("option", "topic");
        // When topics cannot be listed either, the error is told without them.
        match self.with_asker(|asker| asker.metadata(None)) {
            Ok(all) => {
                let names = all.topics().iter().map(MetadataTopic::name);
                let guess = nearest(name, names).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
                error.hint(format!("{guess}{}", topics_there(all.topics())))
            }
            Err(_) => error,
        }
    }

    /// Where to read these partitions from and to.
    fn positions(&self, partitions: Vec<Partition>) -> Result<Vec<(Partition, Position)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let starts = if self.first { self.starts(&partitions)? } else { BTreeMap::new() };
        let stops = self.stops(&partitions)?;
        let position = |partition: &Partition| Position {
            offset: starts.get(partition).copied(),
            stop: stops.get(partition).copied(),
        };
        Ok(partitions.into_iter().map(|partition| (partition.clone(), position(&partition))).collect())
    }

    /// Explicit offsets to start at; the beginning where there is none.
    fn starts(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>> {
        match &self.scan.start {
            Start::Earliest => Ok(BTreeMap::new()),
            Start::Latest => self.ends(partitions),
            Start::Timestamp(millis) => self.at_time(partitions, *millis),
            Start::Committed => self.committed_or_reset(partitions),
            Start::Offsets(offsets) => {
                let (given, others): (Vec<_>, Vec<_>) =
                    partitions.iter().cloned().partition(|at| offsets.contains_key(at));
                let mut starts = if others.is_empty() || self.scan.group.is_none() {
                    BTreeMap::new()
                } else {
                    self.committed_or_reset(&others)?
                };
                starts.extend(given.into_iter().filter_map(|at| Some((at.clone(), *offsets.get(&at)?))));
                Ok(starts)
            }
        }
    }

    fn committed_or_reset(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>> {
        let mut offsets = self.committed(partitions)?;
        let others: Vec<Partition> =
            partitions.iter().filter(|partition| !offsets.contains_key(*partition)).cloned().collect();
        match self.scan.reset {
            _ if others.is_empty() => {}
            Reset::Earliest => {}
            Reset::Latest => offsets.extend(self.ends(&others)?),
            Reset::Fail => {
                return Err(self.uncommitted(&others).hint(
                    "to start anyway, set 'properties.auto.offset.reset' to 'earliest' or 'latest', or another 'scan.startup.mode'",
                ));
            }
        }
        Ok(offsets)
    }

    /// The first offsets that are not read.
    fn stops(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>> {
        match &self.scan.stop {
            Stop::Never => Ok(BTreeMap::new()),
            Stop::Latest => self.ends(partitions),
            Stop::Timestamp(millis) => self.at_time(partitions, *millis),
            Stop::Offsets(offsets) => {
                Ok(partitions.iter().map(|at| (at.clone(), offsets.get(at).copied().unwrap_or(0))).collect())
            }
            Stop::Committed => {
                let offsets = self.committed(partitions)?;
                let others: Vec<Partition> =
                    partitions.iter().filter(|partition| !offsets.contains_key(*partition)).cloned().collect();
                if others.is_empty() {
                    Ok(offsets)
                } else {
                    Err(self.uncommitted(&others).hint("set another 'scan.bounded.mode'"))
                }
            }
        }
    }

    fn uncommitted(&self, partitions: &[Partition]) -> Error {
        let names: Vec<String> = partitions.iter().map(|(topic, partition)| format!("{topic}-{partition}")).collect();
        let group = self.scan.group.as_deref().unwrap_or_default();
        Error::user(format!("the consumer group '{group}' has committed no offset for {}", names.join(", ")))
            .with("option", "properties.group.id")
    }

    fn ends(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>> {
        self.lookup("tell the ends of partitions", partitions, Offset::End, |consumer, list, timeout| {
            consumer.offsets_for_times(list, timeout)
        })
    }

    fn at_time(&self, partitions: &[Partition], millis: i64) -> Result<BTreeMap<Partition, i64>> {
        // The ends first: a record that comes between the two questions is then found by the second.
        let mut offsets = self.ends(partitions)?;
        let times = Offset::Offset(millis.max(0));
        offsets.extend(self.lookup("tell offsets by time", partitions, times, |consumer, list, timeout| {
            consumer.offsets_for_times(list, timeout)
        })?);
        Ok(offsets)
    }

    fn committed(&self, partitions: &[Partition]) -> Result<BTreeMap<Partition, i64>> {
        self.lookup("tell the committed offsets", partitions, Offset::Invalid, |consumer, list, timeout| {
            consumer.committed_offsets(list, timeout)
        })
    }

    /// Asks for an offset of each partition; those without one are left out.
    fn lookup(
        &self,
        what: &str,
        partitions: &[Partition],
        offset: Offset,
        question: impl Fn(&Consumer, TopicPartitionList, Duration) -> KafkaResult<TopicPartitionList>,
    ) -> Result<BTreeMap<Partition, i64>> {
        let answer = self.with_asker(|asker| {
            asker.ask(what, |timeout| {
                let mut list = TopicPartitionList::with_capacity(partitions.len());
                for (topic, partition) in partitions {
                    list.add_partition_offset(topic, *partition, offset)?;
                }
                // Looking for leaders and asking them are two rounds.
                let list = question(&self.consumer, list, timeout * 4)?;
                list.elements().iter().try_for_each(|element| element.error())?;
                Ok::<_, KafkaError>(list)
            })
        })?;
        let found = |offset: Offset| if let Offset::Offset(number) = offset { Some(number) } else { None };
        Ok(answer
            .elements()
            .iter()
            .filter_map(|element| Some(((element.topic().to_owned(), element.partition()), found(element.offset())?)))
            .collect())
    }
}

impl SplitEnumerator for KafkaEnumerator {
    fn discover(&mut self) -> Result<Discovery> {
        // Once the job runs, a topic that is not there may come back; the job's start was the time to find a wrong name.
        let retry = |error: Error| if self.first || error.kind() == Kind::Canceled { error } else { error.retryable() };
        let mut found = self.partitions().map_err(retry)?;
        found.retain(|(topic, partition)| !self.known.contains(&split_id(topic, *partition)));
        let positions = self.positions(found).map_err(retry)?;
        self.first = false;
        let splits: Vec<_> = positions
            .into_iter()
            .map(|((topic, partition), position)| split(split_id(&topic, partition), position))
            .collect();
        self.known.extend(splits.iter().map(|split| Arc::clone(&split.id)));
        Ok(Discovery { splits, again: self.scan.discovery })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.first = self.first && known.is_empty();
        self.known.extend(known.iter().cloned());
    }
}

fn count(topic: &MetadataTopic) -> Result<i32> {
    if let Some(code) = topic.error().map(RDKafkaErrorCode::from)
        && code != RDKafkaErrorCode::LeaderNotAvailable
    {
        return Err(refused_topic(topic.name(), code));
    }
    i32::try_from(topic.partitions().len()).map_err(|_| Error::internal("more partitions than Kafka can have"))
}

/// The error of a topic that the brokers do not let us use.
pub(crate) fn refused_topic(topic: &str, code: RDKafkaErrorCode) -> Error {
    let error = Error::external(format!("Kafka refuses the topic '{topic}': {code}"));
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            error.hint("the user of 'properties.sasl.*' needs the right to read it")
        }
        RDKafkaErrorCode::InvalidTopic => {
            Error::user(format!("'{topic}' is not a valid name of a topic")).with("option", "topic")
        }
        code if client::passes(code) => error.retryable(),
        _ => error,
    }
}

/// The topics there are, for a hint.
fn topics_there(topics: &[MetadataTopic]) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = topics.iter().map(MetadataTopic::name).filter(|name| !INTERNAL.contains(name)).collect();
    match names.len() {
        0 => "it has no topics".into(),
        count if count > SHOWN => format!(
            "it has {count} topics, among them {}",
            names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ")
        ),
        _ => format!("its topics are: {}", names.join(", ")),
    }
}
