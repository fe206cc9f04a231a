//! Transactions: what readers see and when.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use riverrun_base::Kind;
use riverrun_connect::{Commits, Committable, JobContext};
use riverrun_data::LogicalType;
use riverrun_kafka::UPSERT_KAFKA;
use riverrun_protocol::CheckpointId;
use riverrun_testkit::{KafkaServer, kafka, unique};

use crate::harness::{Reading, batch, table};
use crate::transactions::{Attempt, done, field, visible};

#[test]
fn rows_are_visible_when_their_checkpoint_is_committed_and_not_before() {
    let topic = kafka().topic("tx_visible", 3);
    let attempt = Attempt::first(&topic, &topic);
    assert_eq!(attempt.sink.commits(), Commits::Always);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    let first = writer.write_and_prepare(0..30, 1);
    let second = writer.write_and_prepare(30..40, 2);
    // Half of a third.
    writer.write(40..45);
    assert!(visible(kafka(), &topic).is_empty());
    for _ in 0..2 {
        // The second time changes nothing.
        done(committer.commit(CheckpointId(1), &first));
        assert_eq!(visible(kafka(), &topic), (0..30).collect::<Vec<_>>());
    }
    done(committer.commit(CheckpointId(2), &second));
    done(committer.commit(CheckpointId(1), &first));
    assert_eq!(visible(kafka(), &topic), (0..40).collect::<Vec<_>>());
    drop(writer);
    assert_eq!(visible(kafka(), &topic), (0..40).collect::<Vec<_>>());
}

#[test]
fn an_interval_without_rows_has_no_transaction() {
    let topic = kafka().topic("tx_empty", 1);
    let attempt = Attempt::first(&topic, &topic);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    assert!(writer.prepare(1).is_empty());
    let second = writer.write_and_prepare(0..3, 2);
    assert_eq!(second.len(), 1);
    assert!(writer.prepare(3).is_empty());
    done(committer.commit(CheckpointId(2), &second));
    done(committer.commit(CheckpointId(3), &[]));
    assert!(writer.prepare(4).is_empty());
    let fifth = writer.write_and_prepare(3..5, 5);
    done(committer.commit(CheckpointId(5), &fifth));
    assert_eq!(visible(kafka(), &topic), (0..5).collect::<Vec<_>>());
}

#[test]
fn a_few_ids_go_round_and_each_transaction_has_an_epoch_of_its_own() {
    let topic = kafka().topic("tx_ring", 1);
    let attempt = Attempt::first(&topic, &topic);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    let mut all: Vec<Committable> = Vec::new();
    for checkpoint in 0..12 {
        let prepared = writer.write_and_prepare([i64::try_from(checkpoint).unwrap()], checkpoint);
        done(committer.commit(CheckpointId(checkpoint), &prepared));
        all.extend(prepared);
    }
    let ids: BTreeSet<String> = all.iter().map(|one| field(one, "id")).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    let epochs: BTreeSet<(String, String)> =
        all.iter().map(|one| (field(one, "producer"), field(one, "epoch"))).collect();
    assert_eq!(epochs.len(), 12, "{epochs:?}");
    // What a savepoint of long ago holds is committed, though its ids were used again since.
    done(committer.commit(CheckpointId(0), &all[..1]));
    done(attempt.next(Some(0)).committer().recover(Some(CheckpointId(0)), &all[..1]));
    assert_eq!(visible(kafka(), &topic), (0..12).collect::<Vec<_>>());
}

#[test]
fn nothing_is_used_again_while_checkpoints_fail() {
    let topic = kafka().topic("tx_failing", 1);
    let attempt = Attempt::first(&topic, &topic);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    let mut held = Vec::new();
    for checkpoint in 0..6 {
        held.extend(writer.write_and_prepare([i64::try_from(checkpoint).unwrap()], checkpoint));
    }
    assert!(visible(kafka(), &topic).is_empty());
    done(committer.commit(CheckpointId(6), &held));
    assert_eq!(visible(kafka(), &topic), (0..6).collect::<Vec<_>>());
}

#[test]
fn a_row_that_is_refused_fails_its_checkpoint() {
    let topic = unique("tx_large");
    kafka().create_topic_with(&topic, 1, &[("max.message.bytes", "2000")]);
    let attempt = Attempt::first(&topic, &topic);
    let _committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    writer.write(0..3);
    let large = format!("1|{}", "x".repeat(5000));
    let written = writer.writer.write(batch(&attempt.table, &[&large]));
    let error = written.and_then(|()| writer.writer.prepare(CheckpointId(1)).map(drop)).unwrap_err();
    assert_eq!(error.kind(), Kind::Data, "{error}");
    drop(writer);
    let _committer = attempt.next(None).recover(&[]);
    assert!(visible(kafka(), &topic).is_empty());
}

#[test]
fn an_upsert_table_writes_what_it_holds_back_before_the_barrier() {
    let topic = kafka().topic("tx_upsert", 2);
    let options = [
        ("properties.bootstrap.servers", kafka().bootstrap()),
        ("topic", topic.clone()),
        ("key.format", "csv".into()),
        ("value.format", "csv".into()),
        ("sink.delivery-guarantee", "exactly-once".into()),
        ("sink.transactional-id-prefix", topic.clone()),
        ("sink.buffer-flush.max-rows", "100".into()),
        ("sink.buffer-flush.interval", "1 h".into()),
    ];
    let options: Vec<(&str, &str)> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let columns = [("id", LogicalType::BigInt), ("name", LogicalType::STRING)];
    let mut upsert = table(&UPSERT_KAFKA, &columns, &options);
    upsert.primary_key = vec![0];
    let attempt = Attempt::of(upsert);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    writer.writer.write(batch(&attempt.table, &["+U1|ann", "+U2|bob", "+U1|amy"])).unwrap();
    let first = writer.prepare(1);
    writer.writer.write(batch(&attempt.table, &["-D2|NULL"])).unwrap();
    done(committer.commit(CheckpointId(1), &first));
    let texts = || {
        let mut texts: Vec<String> = kafka().read_all(&topic).iter().map(|record| record.text()).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts(), ["1,amy", "2,bob"]);
    let second = writer.prepare(2);
    done(committer.commit(CheckpointId(2), &second));
    assert_eq!(texts(), ["1,amy", "2,bob", "<null>"]);
}

#[test]
fn timeouts_that_cannot_work_are_refused_before_the_first_row() {
    let topic = kafka().topic("tx_timeout", 1);
    let refused = |timeout: &str, interval: u64| {
        let options = [("properties.transaction.timeout.ms", timeout)];
        let mut attempt = Attempt::with(&kafka().bootstrap(), &topic, &topic, &options);
        attempt.job.checkpoint_interval = Some(Duration::from_secs(interval));
        let committer = attempt.sink.committer(&attempt.context(0)).err();
        assert_eq!(committer.is_some(), attempt.try_writer(0).is_err());
        committer.map(|error| (error.kind(), error.to_string()))
    };
    // The broker allows 15 minutes.
    let (kind, error) = refused("3600000", 10).unwrap();
    assert_eq!(kind, Kind::User);
    assert!(
        error.contains("transaction.max.timeout.ms") && error.contains("3600s") && error.contains("900s"),
        "{error}"
    );
    let (kind, error) = refused("60000", 60).unwrap();
    assert_eq!(kind, Kind::User);
    assert!(error.contains("properties.transaction.timeout.ms"), "{error}");
    assert_eq!(refused("5000", 1), None);
}

#[test]
fn a_broker_that_is_not_there_is_an_error_within_seconds() {
    let attempt = Attempt::with("127.0.0.1:1", "t", "p", &[]);
    let begin = Instant::now();
    for error in [attempt.sink.committer(&attempt.context(0)).err(), attempt.try_writer(0).err()] {
        let error = error.unwrap();
        assert!(error.is_retryable() && error.to_string().contains("127.0.0.1:1"), "{error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
}

#[test]
fn users_who_log_in_commit_too() {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                username=\"alice\" password=\"alice-secret\" user_alice=\"alice-secret\";";
    let broker = KafkaServer::start_with(&[
        ("listener.security.protocol.map", "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
        ("listener.name.plaintext.plain.sasl.jaas.config", jaas),
    ]);
    let login = |password: &'static str| {
        [
            ("properties.security.protocol", "SASL_PLAINTEXT"),
            ("properties.sasl.mechanism", "PLAIN"),
            ("properties.sasl.username", "alice"),
            ("properties.sasl.password", password),
            ("properties.isolation.level", "read_committed"),
        ]
    };
    let attempt = Attempt::with(&broker.bootstrap(), "tx_sasl", "sasl", &login("alice-secret")[..4]);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    let prepared = writer.write_and_prepare(0..3, 1);
    done(committer.commit(CheckpointId(1), &prepared));
    let source = crate::harness::people(&broker.bootstrap(), "tx_sasl", &login("alice-secret"));
    assert_eq!(Reading::start(&source).take_exactly(3), ["0|x", "1|x", "2|x"]);

    let attempt = Attempt::with(&broker.bootstrap(), "tx_sasl", "sasl", &login("wrong")[..4]);
    let error = attempt.sink.committer(&attempt.context(0)).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("refuses the login") && !text.contains("wrong"), "{text}");
    assert!(!error.is_retryable());
}

#[test]
fn sinks_of_one_job_may_have_the_same_prefix() {
    let topic = kafka().topic("tx_siblings", 1);
    let attempt = Attempt::first(&topic, &topic);
    let mut sibling = Attempt::first(&topic, &topic);
    sibling.job = JobContext { operator: "other".into(), ..sibling.job };
    let _committers = (attempt.recover(&[]), sibling.recover(&[]));
    let (mut writer, mut other) = (attempt.writer(0), sibling.writer(0));
    let (first, second) = (writer.write_and_prepare(0..2, 1), other.write_and_prepare(2..4, 1));
    drop((writer, other));
    // Each recovers without harm to what the other has not committed yet.
    let _committer = attempt.next(Some(1)).recover(&first);
    assert_eq!(visible(kafka(), &topic), [0, 1]);
    let _committer = sibling.next(Some(1)).recover(&second);
    assert_eq!(visible(kafka(), &topic), [0, 1, 2, 3]);
}
