use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_testkit::{Consumed, KafkaServer, Record, kafka, unique};

const LIMIT: Duration = Duration::from_secs(30);

fn texts(records: &[Consumed]) -> Vec<String> {
    records.iter().map(Consumed::text).collect()
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let topic = kafka().topic("record", 2);
    let record = Record::value("v").key("k").partition(1).timestamp_ms(1_234).header("h", "x");
    kafka().produce(&topic, [record, Record::tombstone("k").partition(1).timestamp_ms(5)]);
    let expected = |offset, timestamp_ms, value: Option<&str>, headers: &[(&str, &str)]| Consumed {
        partition: 1,
        offset,
        timestamp_ms: Some(timestamp_ms),
        key: Some(b"k".to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        headers: headers.iter().map(|(key, value)| ((*key).to_owned(), Some(value.as_bytes().to_vec()))).collect(),
    };
    assert_eq!(kafka().read_all(&topic), [expected(0, 1_234, Some("v"), &[("h", "x")]), expected(1, 5, None, &[])]);
}

#[test]
fn a_topic_grows_and_goes() {
    let topic = kafka().topic("growing", 1);
    kafka().add_partitions(&topic, 3);
    assert_eq!(kafka().partitions(&topic), Some(3));
    kafka().delete_topic(&topic);
    riverrun_testkit::wait_until(LIMIT, "the topic to go", || kafka().partitions(&topic).is_none());
}

#[test]
fn offsets_of_a_group_are_set_and_seen() {
    let (topic, group) = (kafka().topic("offsets", 2), unique("group"));
    kafka().produce(&topic, [Record::value("a").partition(0), Record::value("b").partition(0)]);
    assert_eq!(kafka().committed(&group, &topic), BTreeMap::new());
    kafka().commit(&group, &topic, &[(0, 1)]);
    assert_eq!(kafka().committed(&group, &topic), BTreeMap::from([(0, 1)]));
}

#[test]
#[should_panic(expected = "read 1 records")]
fn waiting_for_records_has_a_limit() {
    let topic = kafka().topic("short", 1);
    kafka().produce_lines(&topic, ["only"]);
    let _ = kafka().read(&topic, 2, Duration::from_millis(500));
}

#[test]
fn records_survive_kill_and_restart_on_the_same_port() {
    let mut broker = KafkaServer::start();
    let bootstrap = broker.bootstrap();
    let topic = broker.topic("t", 1);
    broker.produce_lines(&topic, ["before"]);
    broker.kill9();
    broker.restart();
    assert_eq!(broker.bootstrap(), bootstrap);
    broker.produce_lines(&topic, ["after"]);
    assert_eq!(texts(&broker.read(&topic, 2, LIMIT)), ["before", "after"]);
}

#[test]
fn clients_reach_a_broker_through_its_proxy() {
    let (broker, proxy) = KafkaServer::start_behind_proxy();
    let topic = broker.topic("t", 1);
    broker.produce_lines(&topic, ["one"]);
    proxy.cut();
    proxy.heal();
    assert_eq!(texts(&broker.read(&topic, 1, LIMIT)), ["one"]);
}
