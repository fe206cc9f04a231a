//! Typed records: what programs in Rust read and write.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use riverrun_base::Result;
use riverrun_connect::{Commits, Flush, Polled, Sink, Source};
use riverrun_data::Records;
use riverrun_formats::BoxError;
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq::{
    DefaultTopicSelector, KeyValueDeserializationSchema, Message, OffsetResetStrategy, ReceivedMessage, RocketMQConfig,
    RocketMqSink, RocketMqSource, SimpleKeyValueDeserializationSchema, SimpleKeyValueSerializationSchema,
    SimpleStringDeserializationSchema, SimpleTopicSelector,
};
use riverrun_testkit::{rocketmq, unique};

use crate::harness::{LIMIT, beside, task};
use crate::transactions::done;

fn properties(topic: &str, group: &str) -> Vec<(&'static str, String)> {
    vec![
        (RocketMQConfig::NAME_SERVER_ADDR, rocketmq().name_server()),
        (RocketMQConfig::CONSUMER_GROUP, group.to_owned()),
        (RocketMQConfig::CONSUMER_TOPIC, topic.to_owned()),
        (RocketMQConfig::PRODUCER_GROUP, group.to_owned()),
    ]
}

/// All records of a bounded source, with their times.
pub(crate) fn read<T: 'static>(source: &impl Source<Records<T>>) -> Result<Vec<(T, Option<i64>)>> {
    let context = task(0);
    let splits = source.enumerator(&context)?.discover()?.splits;
    let mut reader = source.reader(&context)?;
    let (mut open, mut records, end) = (splits.len(), Vec::new(), Instant::now() + LIMIT);
    reader.add_splits(splits)?;
    while open > 0 {
        match reader.poll(Duration::from_millis(200))? {
            Polled::Rows { batch, .. } => records.extend(batch),
            Polled::Finished(_) => open -= 1,
            Polled::Nothing => assert!(Instant::now() < end, "nothing came within {LIMIT:?}"),
        }
    }
    Ok(records)
}

fn values<T: Ord>(records: Vec<(T, Option<i64>)>) -> Vec<T> {
    let mut values: Vec<T> = records.into_iter().map(|(value, _)| value).collect();
    values.sort();
    values
}

fn write<T>(sink: &impl Sink<Records<T>>, values: Vec<T>) {
    let mut writer = sink.writer(&task(0)).unwrap();
    writer.write(Records::from(values)).unwrap();
    writer.flush(Flush::Barrier).unwrap();
}

fn person(id: i32) -> BTreeMap<String, String> {
    [("id", id.to_string()), ("address", format!("{id} High Street, Hubei"))]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
}

#[test]
fn what_a_sink_writes_a_source_reads_with_its_key_and_time() {
    let (topic, group) = (rocketmq().topic("typed", 2), unique("typed"));
    let sink = RocketMqSink::with_schema(
        SimpleKeyValueSerializationSchema::new("id", "address"),
        DefaultTopicSelector::new(&topic).with_tag("people"),
        properties(&topic, &group),
    )
    .unwrap()
    .with_batch_flush_on_checkpoint(true);
    write(&sink, (0..20).map(person).collect());
    write(&sink.clone().with_async(true), (20..300).map(person).collect());
    beside().bodies(&topic, 300);
    let source =
        RocketMqSource::new(SimpleKeyValueDeserializationSchema::new("id", "address"), properties(&topic, &group))
            .unwrap()
            .set_start_from_earliest()
            .set_bounded_at_end();
    let found = read(&source).unwrap();
    assert!(found.iter().all(|(_, time)| time.is_some_and(|time| time > 1_700_000_000_000)));
    let mut expected: Vec<_> = (0..300).map(person).collect();
    expected.sort();
    assert_eq!(values(found), expected);

    let tag = |message: &ReceivedMessage| Ok::<_, BoxError>(message.tags().map(str::to_owned));
    let source = RocketMqSource::new(tag, properties(&topic, &group)).unwrap().set_start_from_earliest();
    assert_eq!(values(read(&source.set_bounded_at_end()).unwrap()), vec!["people"; 300]);
}

#[test]
fn a_stream_of_messages_or_of_anything_can_be_written() {
    let (one, other, group) = (rocketmq().topic("typed_one", 1), rocketmq().topic("typed_other", 1), unique("typed"));
    let sink = RocketMqSink::new(properties("t", &group)).unwrap();
    let message =
        |topic: &str, body: &str| Message::new(topic, body.to_owned()).tags("x").keys(["k"]).property("p", "v");
    write(&sink, vec![message(&one, "a"), message(&other, "b")]);
    let into = one.clone();
    let by_closure = RocketMqSink::with_serializer(
        move |n: u32| Ok::<_, BoxError>(Message::new(&into, n.to_string())),
        properties("t", &group),
    );
    write(&by_closure.unwrap(), vec![7]);
    let selected = RocketMqSink::with_schema(
        SimpleKeyValueSerializationSchema::default(),
        SimpleTopicSelector::new("to", one.as_str(), "tag", "none"),
        properties("t", &group),
    )
    .unwrap();
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    write(&selected, vec![map(&[("value", "c")]), map(&[("value", "d"), ("to", &other), ("tag", "y")])]);
    assert_eq!(beside().bodies(&one, 3), ["7", "a", "c"]);
    assert_eq!(beside().bodies(&other, 2), ["b", "d"]);
    let mut tags: Vec<_> = beside().read_all(&other).iter().map(|m| m.tags().unwrap_or_default().to_owned()).collect();
    tags.sort();
    assert_eq!(tags, ["x", "y"]);
}

#[test]
fn reading_starts_where_the_program_says() {
    let (beside, topic, group) = (beside(), rocketmq().topic("typed_start", 2), unique("typed_start"));
    let (first, second) = (beside.queue(&topic, 0), beside.queue(&topic, 1));
    beside.send(&first, (0..5).map(|n| Message::new(&topic, n.to_string())));
    beside.send(&second, (5..9).map(|n| Message::new(&topic, n.to_string())));
    beside.commit(&group, &first, 3);
    let source = || RocketMqSource::new(SimpleStringDeserializationSchema, properties(&topic, &group)).unwrap();
    let found = |source: RocketMqSource<String, _>| values(read(&source.set_bounded_at_end()).unwrap());
    assert_eq!(found(source().set_start_from_earliest()).len(), 9);
    assert_eq!(found(source().set_start_from_latest()), [""; 0]);
    assert_eq!(found(source().set_start_from_timestamp(0)).len(), 9);
    assert_eq!(found(source()), ["3", "4"], "the group's offsets, and else the end");
    let earliest = source().set_start_from_group_offsets(OffsetResetStrategy::Earliest);
    assert_eq!(found(earliest), ["3", "4", "5", "6", "7", "8"]);
    assert_eq!(found(source().set_start_from_specific_offsets([(second, 2)])), ["3", "4", "7", "8"]);
}

#[test]
fn properties_are_those_of_the_known_connector_and_others_are_refused() {
    let source = |more: &[(&'static str, &str)]| {
        let mut all = properties("t", "g");
        all.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        RocketMqSource::<String, _>::new(SimpleStringDeserializationSchema, all).err().map(|error| error.to_string())
    };
    assert_eq!(source(&[("consumer.pull.thread.pool.size", "20"), ("consumer.batch.size", "64")]), None);
    assert_eq!(source(&[("consumer.delay.when.message.not.found", "10"), ("nameserver.poll.interval", "1000")]), None);
    assert!(source(&[("consumer.tga", "x")]).unwrap().contains("did you mean 'consumer.tag'?"));
    assert!(source(&[("consumer.tag", "x"), ("consumer.sql", "y = 1")]).unwrap().contains("not both"));
    assert!(source(&[("access.key", "x")]).unwrap().contains("go together"));
    let missing = RocketMqSink::new([("producer.group", "g")]).err().unwrap().to_string();
    assert!(missing.contains("nameserver.address"), "{missing}");
}

#[test]
fn a_message_that_cannot_be_read_fails_with_its_place() {
    #[derive(Clone)]
    struct Numbers;
    impl KeyValueDeserializationSchema<i64> for Numbers {
        fn deserialize_key_and_value(
            &mut self,
            _: Option<&[u8]>,
            value: &[u8],
        ) -> std::result::Result<Option<i64>, BoxError> {
            Ok(Some(std::str::from_utf8(value)?.parse()?))
        }
    }
    let (beside, topic) = (beside(), rocketmq().topic("typed_bad", 1));
    beside.send(&beside.queue(&topic, 0), ["1", "x"].map(|body| Message::new(&topic, body)));
    let source = RocketMqSource::new(Numbers, properties(&topic, "g")).unwrap().set_start_from_earliest();
    let error = read(&source.set_bounded_at_end()).unwrap_err().to_string();
    for part in ["cannot be read", "invalid digit", &format!("{topic}/broker-a/0"), "offset: 1"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn in_transactions_records_are_visible_when_their_checkpoint_is_committed() {
    let (topic, group) = (rocketmq().topic("typed_tx", 1), unique("typed_tx"));
    let sink = RocketMqSink::new(properties(&topic, &group)).unwrap().with_exactly_once(true);
    assert_eq!(sink.commits(), Commits::Always);
    let mut committer = sink.committer(&task(0)).unwrap();
    let mut writer = sink.writer(&task(0)).unwrap();
    writer.write(Records::from(vec![Message::new(&topic, "a"), Message::new(&topic, "b")])).unwrap();
    let prepared = writer.prepare(CheckpointId(1)).unwrap();
    assert_eq!(beside().read_all(&topic).len(), 0);
    done(committer.commit(CheckpointId(1), &prepared));
    assert_eq!(beside().bodies(&topic, 2), ["a", "b"]);
    let nameless = RocketMqSink::new([("nameserver.address", "h:1")]).unwrap().with_exactly_once(true);
    assert!(nameless.committer(&task(0)).err().unwrap().to_string().contains("producer.group"));
}
