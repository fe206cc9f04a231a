//! Typed records: what programs in Rust read and write.

use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Flush, Polled, Sink, Source, SourceReader, TaskContext};
use riverrun_data::Records;
use riverrun_kafka::{
    BoxError, ConsumerRecord, DeliveryGuarantee, JsonDeserializationSchema, JsonSerializationSchema, KafkaPartitioner,
    KafkaRecordSerializationSchema, KafkaSink, KafkaSource, OffsetResetStrategy, OffsetsInitializer, RecordCollector,
    SimpleStringSchema,
};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::{Record, kafka, unique};

use crate::harness::{LIMIT, task};
use crate::transactions::done;

/// All records of a bounded source, with their times.
fn read<T: 'static>(source: &impl Source<Records<T>>) -> Result<Vec<(T, Option<i64>)>> {
    read_with(source, &task(0))
}

fn read_with<T: 'static>(source: &impl Source<Records<T>>, context: &TaskContext) -> Result<Vec<(T, Option<i64>)>> {
    let splits = source.enumerator(context)?.discover()?.splits;
    let mut reader: Box<dyn SourceReader<Records<T>>> = source.reader(context)?;
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

fn values(records: Vec<(String, Option<i64>)>) -> Vec<String> {
    let mut values: Vec<String> = records.into_iter().map(|(value, _)| value).collect();
    values.sort();
    values
}

#[test]
fn what_a_sink_writes_a_source_reads_with_its_key_and_time() {
    let topic = kafka().topic("typed", 3);
    let serializer = KafkaRecordSerializationSchema::builder()
        .set_topic(&topic)
        .set_key_serialization_schema(|(page, _): &(String, u64)| page.clone())
        .set_value_serialization_schema(JsonSerializationSchema)
        .set_partitioner(KafkaPartitioner::by(|(_, count): &(String, u64), partitions| {
            i32::try_from(*count).unwrap() % partitions
        }))
        .build()
        .unwrap();
    let sink = KafkaSink::builder().set_bootstrap_servers(kafka().bootstrap()).set_record_serializer(serializer);
    let mut writer = sink.build().unwrap().writer(&task(0)).unwrap();
    let clicks: Vec<(String, u64)> = (0..300).map(|n| (format!("/page{}", n % 7), n)).collect();
    let times: Vec<i64> = (0..300).map(|n| 1_700_000_000_000 + n).collect();
    writer.write(Records::with_timestamps(clicks.clone(), times.clone())).unwrap();
    writer.flush(Flush::End).unwrap();

    let source = KafkaSource::builder().set_bootstrap_servers(kafka().bootstrap()).set_topics([&topic]);
    let source = source.set_bounded(OffsetsInitializer::latest());
    let json = JsonDeserializationSchema::<(String, u64)>::new();
    let mut found = read(&source.clone().set_value_only_deserializer(json).build().unwrap()).unwrap();
    found.sort_by_key(|((_, count), _)| *count);
    let expected: Vec<_> = clicks.into_iter().zip(times).map(|(click, time)| (click, Some(time))).collect();
    assert_eq!(found, expected);

    let whole = |record: &ConsumerRecord<'_>, out: &mut RecordCollector<'_, (String, i32, u64)>| {
        let (_, count): (String, u64) = serde_json::from_slice(record.value().ok_or("no value")?)?;
        let key = String::from_utf8(record.key().ok_or("no key")?.to_vec())?;
        // Any number of records from one.
        (0..count % 2).for_each(|_| out.collect((key.clone(), record.partition(), count)));
        Ok::<_, BoxError>(())
    };
    let found = read(&source.set_deserializer(whole).build().unwrap()).unwrap();
    assert_eq!(found.len(), 150);
    assert!(found.iter().all(|((key, partition, count), _)| {
        *key == format!("/page{}", count % 7) && u64::try_from(*partition).unwrap() == count % 3 && count % 2 == 1
    }));
}

#[test]
fn a_bad_record_fails_with_its_place_or_is_left_out_and_counted() {
    let topic = kafka().topic("typed_bad", 1);
    kafka().produce(&topic, [Record::value("1"), Record::value("x"), Record::tombstone("k"), Record::value("3")]);
    let number = |message: &[u8]| -> std::result::Result<i64, BoxError> { Ok(std::str::from_utf8(message)?.parse()?) };
    let source = KafkaSource::builder()
        .set_bootstrap_servers(kafka().bootstrap())
        .set_topics([&topic])
        .set_bounded(OffsetsInitializer::latest())
        .set_value_only_deserializer(number);
    let error = read(&source.clone().build().unwrap()).unwrap_err().to_string();
    for part in ["cannot be read", "invalid digit", &format!("topic: {topic}"), "partition: 0", "offset: 1"] {
        assert!(error.contains(part), "{error}");
    }
    let context = task(0);
    let found = read_with(&source.set_ignore_parse_errors(true).build().unwrap(), &context).unwrap();
    assert_eq!(found.into_iter().map(|(number, _)| number).collect::<Vec<_>>(), [1, 3]);
    let counters = context.counters.snapshot();
    assert!(
        counters.contains(&("numRecordsInErrors", 1)) && counters.contains(&("numRecordsInNull", 1)),
        "{counters:?}"
    );
}

#[test]
fn reading_starts_where_the_initializer_says() {
    let (topic, group) = (kafka().topic("typed_start", 2), unique("typed_group"));
    let records = (0..10).map(|n| Record::value(n.to_string()).partition(n % 2).timestamp_ms(1_000_000 + i64::from(n)));
    kafka().produce(&topic, records);
    kafka().commit(&group, &topic, &[(0, 4)]);
    let starting = |offsets: OffsetsInitializer| {
        let source = KafkaSource::builder()
            .set_bootstrap_servers(kafka().bootstrap())
            .set_topic_pattern(topic.as_str())
            .set_group_id(&group)
            .set_starting_offsets(offsets)
            .set_bounded(OffsetsInitializer::latest())
            .set_value_only_deserializer(SimpleStringSchema);
        read(&source.build()?).map(values)
    };
    assert_eq!(starting(OffsetsInitializer::earliest()).unwrap().len(), 10);
    assert_eq!(starting(OffsetsInitializer::latest()).unwrap(), [""; 0]);
    assert_eq!(starting(OffsetsInitializer::timestamp(1_000_007)).unwrap(), ["7", "8", "9"]);
    // Partition 1 has no committed offset.
    let committed = |reset| starting(OffsetsInitializer::committed_offsets(reset));
    assert_eq!(committed(OffsetResetStrategy::Earliest).unwrap(), ["1", "3", "5", "7", "8", "9"]);
    assert_eq!(committed(OffsetResetStrategy::Latest).unwrap(), ["8"]);
    let error: Error = committed(OffsetResetStrategy::None).unwrap_err();
    assert!(error.to_string().contains(&format!("{topic}-1")), "{error}");
    let given = OffsetsInitializer::offsets([((topic.clone(), 1), 4)]);
    assert_eq!(starting(given).unwrap(), ["8", "9"]);
}

#[test]
fn in_transactions_records_are_visible_when_their_checkpoint_is_committed() {
    let topic = kafka().topic("typed_tx", 1);
    let serializer = KafkaRecordSerializationSchema::builder()
        .set_topic(&topic)
        .set_value_serialization_schema(SimpleStringSchema)
        .build()
        .unwrap();
    let sink = KafkaSink::builder()
        .set_bootstrap_servers(kafka().bootstrap())
        .set_delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
        .set_transactional_id_prefix(&topic)
        .set_record_serializer(serializer)
        .build()
        .unwrap();
    let mut committer = sink.committer(&task(0)).unwrap();
    done(committer.recover(None, &[]));
    let mut writer = sink.writer(&task(0)).unwrap();
    let words = |words: &[&str]| Records::from(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    writer.write(words(&["a", "b"])).unwrap();
    let first = writer.prepare(CheckpointId(1)).unwrap();
    writer.write(words(&["c"])).unwrap();
    assert_eq!(kafka().read_all(&topic).len(), 0);
    done(committer.commit(CheckpointId(1), &first));
    let visible: Vec<String> = kafka().read_all(&topic).iter().map(|record| record.text()).collect();
    assert_eq!(visible, ["a", "b"]);
}
