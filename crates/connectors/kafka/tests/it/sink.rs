//! Writing: partitions, guarantees, pressure.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use riverrun_connect::Flush;
use riverrun_data::{ChangelogMode, RowKind};
use riverrun_kafka::{KAFKA, UPSERT_KAFKA};
use riverrun_testkit::{KafkaServer, kafka, unique, wait_until};

use crate::harness::{LIMIT, Reading, batch, connector, people, sorted, task, write_all, writer};

#[test]
fn a_flush_returns_when_every_row_is_there() {
    let topic = kafka().topic("flush", 3);
    let table = people(&kafka().bootstrap(), &topic, &[]);
    let mut writer = writer(&table);
    let mut written = 0;
    for round in 1..=3 {
        for _ in 0..10 {
            let rows: Vec<String> = (written..written + 500).map(|n| format!("{n}|n{n}")).collect();
            writer.write(batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
            written += 500;
        }
        let begin = Instant::now();
        writer.flush(Flush::Barrier).unwrap();
        assert!(begin.elapsed() < LIMIT);
        assert_eq!(kafka().read_all(&topic).len(), round * 5000);
    }
    let rows = Reading::start(&table).take_exactly(15_000);
    assert_eq!(sorted(rows), sorted((0..15_000).map(|n| format!("{n}|n{n}")).collect()));
}

#[test]
fn what_was_not_flushed_is_abandoned_on_drop_without_a_hang() {
    let topic = kafka().topic("abandoned", 1);
    let table = people(&kafka().bootstrap(), &topic, &[("properties.linger.ms", "60000")]);
    let mut writer = writer(&table);
    writer.write(batch(&table, &["1|a"])).unwrap();
    let begin = Instant::now();
    drop(writer);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(kafka().read_all(&topic), []);
}

#[test]
fn lingering_rows_are_sent_by_a_flush() {
    let topic = kafka().topic("linger", 1);
    let table = people(&kafka().bootstrap(), &topic, &[("properties.linger.ms", "60000")]);
    let mut writer = writer(&table);
    writer.write(batch(&table, &["1|a"])).unwrap();
    let begin = Instant::now();
    writer.flush(Flush::Barrier).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());
    assert_eq!(kafka().read_all(&topic).len(), 1);
}

#[test]
fn without_a_guarantee_a_barrier_does_not_wait_and_the_end_does() {
    let topic = kafka().topic("none", 1);
    let table =
        people(&kafka().bootstrap(), &topic, &[("sink.delivery-guarantee", "none"), ("properties.linger.ms", "60000")]);
    let mut writer = writer(&table);
    writer.write(batch(&table, &["1|a"])).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    assert_eq!(kafka().read_all(&topic), []);
    writer.flush(Flush::End).unwrap();
    assert_eq!(kafka().read_all(&topic).len(), 1);
}

#[test]
fn a_full_buffer_slows_the_writer_down_and_loses_nothing() {
    let topic = kafka().topic("pressure", 1);
    let options = [("properties.queue.buffering.max.messages", "100"), ("properties.linger.ms", "1")];
    let table = people(&kafka().bootstrap(), &topic, &options);
    let rows: Vec<String> = (0..5000).map(|n| format!("{n}|n{n}")).collect();
    write_all(&table, batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(Reading::start(&table).take_exactly(5000), rows);
}

#[test]
fn a_writer_that_waits_ends_when_the_job_stops() {
    let mut broker = KafkaServer::start();
    let topic = broker.topic("stop", 1);
    let options = [("properties.queue.buffering.max.messages", "10")];
    let table = people(&broker.bootstrap(), &topic, &options);
    let context = task(0);
    let mut writer = connector(&table).sink.unwrap()(&table).unwrap().writer(&context).unwrap();
    broker.kill9();
    let rows: Vec<String> = (0..100).map(|n| format!("{n}|n{n}")).collect();
    let batch = batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>());
    let error = thread::scope(|scope| {
        let writing = scope.spawn(|| writer.write(batch).and_then(|()| writer.flush(Flush::Barrier)).unwrap_err());
        // The buffer holds ten, and nobody takes them.
        wait_until(LIMIT, "the buffer to be full", || context.counters.counter("numRecordsOut").get() == 10);
        context.cancellation.cancel();
        writing.join().unwrap()
    });
    assert!(error.is_canceled(), "{error}");
}

/// Kafka's murmur2, from its documentation of the record format's partitioning: the same as `Utils.murmur2` of the Java client.
fn murmur2(data: &[u8]) -> i32 {
    const M: i32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32.cast_signed() ^ i32::try_from(data.len()).unwrap();
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = i32::from_le_bytes(chunk.try_into().unwrap()).wrapping_mul(M);
        word ^= (word.cast_unsigned() >> 24).cast_signed();
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (n, byte) in rest.iter().enumerate().rev() {
        hash ^= i32::from(*byte) << (8 * n);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= (hash.cast_unsigned() >> 13).cast_signed();
    hash = hash.wrapping_mul(M);
    hash ^ (hash.cast_unsigned() >> 15).cast_signed()
}

#[test]
fn keys_go_where_the_java_client_sends_them() {
    // Values of Kafka's own test of the Java client.
    for (text, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
    }
    let topic = kafka().topic("murmur", 7);
    let options = [("format", ""), ("value.format", "csv"), ("key.format", "raw"), ("key.fields", "name")];
    let table = people(&kafka().bootstrap(), &topic, &options);
    let rows: Vec<String> = (0..200).map(|n| format!("{n}|key-{}", "x".repeat(n % 9) + &n.to_string())).collect();
    write_all(&table, batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>()));
    let records = kafka().read_all(&topic);
    assert_eq!(records.len(), 200);
    for record in records {
        let key = record.key.unwrap();
        assert_eq!(record.partition, (murmur2(&key) & 0x7fff_ffff) % 7, "{}", String::from_utf8_lossy(&key));
    }
}

#[test]
fn a_fixed_writer_writes_to_its_own_partition() {
    let topic = kafka().topic("fixed", 3);
    let table = people(&kafka().bootstrap(), &topic, &[("sink.partitioner", "fixed")]);
    let sink = connector(&table).sink.unwrap()(&table).unwrap();
    for subtask in 0..4 {
        let mut writer = sink.writer(&task(subtask)).unwrap();
        writer.write(batch(&table, &[&format!("{subtask}|a"), &format!("{subtask}|b")])).unwrap();
        writer.flush(Flush::End).unwrap();
    }
    let mut found: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for record in kafka().read_all(&topic) {
        found.entry(record.partition).or_default().push(record.text());
    }
    let rows = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found,
        BTreeMap::from([
            (0, rows(&["0,a", "0,b", "3,a", "3,b"])),
            (1, rows(&["1,a", "1,b"])),
            (2, rows(&["2,a", "2,b"]))
        ])
    );
}

#[test]
fn a_missing_topic_is_made_by_the_broker_or_is_an_error_that_says_so() {
    let topic = unique("made");
    let table = people(&kafka().bootstrap(), &topic, &[]);
    write_all(&table, batch(&table, &["1|a"]));
    assert_eq!(kafka().read_all(&topic).len(), 1);

    let strict = KafkaServer::start_with(&[("auto.create.topics.enable", "false")]);
    let begin = Instant::now();
    let error = crate::harness::try_writer(&people(&strict.bootstrap(), &topic, &[])).err().unwrap().to_string();
    assert!(error.contains(&format!("has no topic '{topic}'")), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
}

#[test]
fn kafka_takes_insertions_and_upsert_kafka_changes_without_former_content() {
    let mut table = people("127.0.0.1:1", "t", &[]);
    let plain = KAFKA.sink.unwrap()(&table).unwrap();
    assert_eq!(plain.changelog_mode(ChangelogMode::ALL), ChangelogMode::INSERT_ONLY);
    table.connector = "upsert-kafka".into();
    table.primary_key = vec![0];
    table.options.retain(|key, _| key == "topic" || key.starts_with("properties"));
    table.options.extend([("key.format".to_owned(), "csv".to_owned()), ("value.format".to_owned(), "csv".to_owned())]);
    let upsert = UPSERT_KAFKA.sink.unwrap()(&table).unwrap();
    assert_eq!(upsert.changelog_mode(ChangelogMode::ALL), ChangelogMode::UPSERT);
    assert_eq!(upsert.changelog_mode(ChangelogMode::INSERT_ONLY), ChangelogMode::INSERT_ONLY);
    assert!(!UPSERT_KAFKA.source.unwrap()(&table).unwrap().changelog_mode().contains(RowKind::UpdateBefore));
}
