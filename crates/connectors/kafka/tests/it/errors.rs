//! What a user is told, and how soon.

use std::time::{Duration, Instant};

use riverrun_base::{Error, Kind};
use riverrun_testkit::{Record, kafka, tcp, unique};

use crate::harness::{Reading, batch, people, try_writer};

fn source_error(bootstrap: &str, topic: &str, options: &[(&str, &str)]) -> (Error, Duration) {
    let begin = Instant::now();
    let error = Reading::try_start(&people(bootstrap, topic, options)).err().expect("the source must not start");
    (error, begin.elapsed())
}

fn sink_error(bootstrap: &str, topic: &str) -> (Error, Duration) {
    let begin = Instant::now();
    let error = try_writer(&people(bootstrap, topic, &[])).err().expect("the sink must not start");
    (error, begin.elapsed())
}

#[test]
fn a_broker_that_refuses_connections_is_an_error_within_seconds() {
    let address = tcp::nobody().to_string();
    for (error, took) in [source_error(&address, "t", &[]), sink_error(&address, "t")] {
        let text = error.to_string();
        assert!(
            text.contains(&format!("cannot reach Kafka at {address}")) && text.contains("Connection refused"),
            "{text}"
        );
        assert!(text.contains("properties.bootstrap.servers") && text.contains("table: orders"), "{text}");
        assert!(error.is_retryable() && error.kind() == Kind::External);
        assert!(took < Duration::from_secs(5), "it took {took:?}");
    }
}

#[test]
fn a_host_that_does_not_exist_is_an_error_that_names_it() {
    let (error, took) = source_error("no-such-host.invalid:9092", "t", &[]);
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

#[test]
fn a_server_that_never_answers_is_an_error_within_ten_seconds() {
    let silent = tcp::Server::silent();
    let (error, took) = source_error(&silent.address().to_string(), "t", &[]);
    assert!(error.to_string().contains("cannot reach Kafka at"), "{error}");
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

#[test]
fn a_missing_topic_is_an_error_that_names_the_nearest() {
    let topic = kafka().topic("transactions", 1);
    let wrong = topic.replacen("transactions", "transaction", 1);
    let (error, took) = source_error(&kafka().bootstrap(), &wrong, &[]);
    assert_eq!(error.kind(), Kind::User);
    let text = error.to_string();
    assert!(text.contains(&format!("has no topic '{wrong}'")) && text.contains("did you mean 'transaction"), "{text}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert_eq!(kafka().partitions(&wrong), None, "asking for a topic must not make it");
}

#[test]
fn an_invalid_topic_name_is_the_users_mistake() {
    let (error, _) = source_error(&kafka().bootstrap(), "not a topic!", &[]);
    assert!(error.kind() == Kind::User && error.to_string().contains("'not a topic!'"), "{error}");
}

#[test]
fn a_record_that_cannot_be_read_names_topic_partition_offset_and_column() {
    let topic = kafka().topic("bad", 2);
    kafka().produce(&topic, ["1,a", "2,b", "x3,c", "4,d"].map(|line| Record::value(line).partition(1)));
    let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, &[]));
    let error = reading.error();
    assert_eq!(error.kind(), Kind::Data);
    let text = error.to_string();
    for part in ["offset: 2", "partition: 1", &format!("topic: {topic}"), "id", "x3"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    // Nothing is counted as read, so a restart meets the record again.
    assert!(reading.positions().contains(&format!("{topic}-1 {{}}")), "{:?}", reading.positions());
}

#[test]
fn ignored_parse_errors_are_counted_and_the_position_moves_past_them() {
    let topic = kafka().topic("ignored", 1);
    let row = |n: i32| format!("{{\"id\":{n},\"name\":\"n\"}}");
    kafka().produce_lines(&topic, [row(1), "?".into(), row(3), "{".into()]);
    let mut reading = Reading::start(&people(
        &kafka().bootstrap(),
        &topic,
        &[("format", "json"), ("json.ignore-parse-errors", "true")],
    ));
    assert_eq!(reading.take_exactly(2), ["1|n", "3|n"]);
    assert_eq!(reading.counter("numRecordsInErrors"), 2);
    assert_eq!(reading.positions(), [format!("{topic}-0 {{\"offset\":4}}")]);
    // A batch of nothing but errors gives no rows, and is not returned.
    kafka().produce_lines(&topic, ["!"]);
    reading.expect_silence();
    kafka().produce_lines(&topic, [row(5)]);
    assert_eq!(reading.take_exactly(1), ["5|n"]);
}

#[test]
fn a_record_that_is_too_large_is_refused_with_its_topic_and_reason() {
    let topic = unique("large");
    kafka().create_topic_with(&topic, 1, &[("max.message.bytes", "2000")]);
    let large = format!("1|{}", "x".repeat(5000));
    let refused = |options: &[(&str, &str)]| {
        let table = people(&kafka().bootstrap(), &topic, options);
        let mut writer = try_writer(&table).unwrap();
        let written = writer.write(batch(&table, &[&large]));
        written.and_then(|()| writer.flush(riverrun_connect::Flush::Barrier)).unwrap_err()
    };
    // By the broker, and by the client itself.
    for options in [&[][..], &[("properties.max.request.size", "3000")]] {
        let error = refused(options);
        let text = error.to_string();
        assert!(
            text.contains("did not take a record")
                && text.contains("large")
                && text.contains(&format!("topic: {topic}")),
            "{text}"
        );
        assert_eq!(error.kind(), Kind::Data);
    }
}
