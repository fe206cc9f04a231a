//! What is written, and when it is safe.

use riverrun_connect::{Commits, Flush};
use riverrun_data::LogicalType;
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq::ROCKETMQ;
use riverrun_testkit::{RocketMqOptions, rocketmq, unique};

use crate::harness::{Beside, batch, beside, metadata, people, people_of, sorted, table, try_writer, write_all};

#[test]
fn a_barrier_passes_when_every_message_is_stored_whether_sent_one_by_one_or_many_at_a_time() {
    for (mode, many) in [("true", 5000), ("false", 200)] {
        let topic = rocketmq().topic("stored", 2);
        let table = people(&topic, &[("sink.async", mode), ("sendPendingMax", "64")]);
        assert_eq!(ROCKETMQ.sink.unwrap()(&table).unwrap().commits(), Commits::Never);
        let mut writer = try_writer(&table).unwrap();
        let rows: Vec<String> = (0..many).map(|n| format!("{n}|n{n}")).collect();
        for part in rows.chunks(97) {
            // more is written while earlier messages are under way: none of them vanishes
            writer.write(batch(&table, &part.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        }
        assert!(writer.prepare(CheckpointId(1)).unwrap().is_empty());
        let expected = sorted((0..many).map(|n| format!("{n},n{n}")).collect());
        assert_eq!(beside().bodies(&topic, many), expected);
    }
}

#[test]
fn messages_spread_over_all_queues() {
    let topic = rocketmq().topic("spread", 2);
    let table = people(&topic, &[]);
    let rows: Vec<String> = (0..400).map(|n| format!("{n}|x")).collect();
    write_all(&table, batch(&table, &rows.iter().map(String::as_str).collect::<Vec<_>>()));
    let beside = beside();
    beside.bodies(&topic, 400);
    for queue in beside.queues(&topic) {
        let count = crate::harness::wait(beside.0.max_offset(&queue)).unwrap();
        assert!((80..=120).contains(&count), "{queue}: {count}");
    }
}

#[test]
fn a_topic_that_is_not_there_is_made_on_first_use() {
    // the known connector fails with "not in assigned list"
    let topic = unique("made_on_use");
    let table = people(&topic, &[]);
    write_all(&table, batch(&table, &["1|a"]));
    assert_eq!(Beside::of(rocketmq()).bodies(&topic, 1), ["1,a"]);
}

#[test]
fn a_failed_asynchronous_send_fails_the_checkpoint() {
    let mut server = RocketMqOptions::new().brokers(1).start();
    let topic = server.topic("fails", 1);
    let table = people_of(&server, &topic, &[("retryTimes", "1"), ("sendTimeoutMs", "10000"), ("sleepTimeMs", "200")]);
    let mut writer = try_writer(&table).unwrap();
    writer.write(batch(&table, &["1|a"])).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    server.kill9_broker('a');
    let outcome = writer.write(batch(&table, &["2|b"])).and_then(|()| writer.flush(Flush::Barrier));
    let error = outcome.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[test]
fn keys_tags_and_delay_come_from_options_and_columns() {
    let beside = beside();
    let columns = [("id", LogicalType::BigInt), ("kind", LogicalType::STRING), ("name", LogicalType::STRING)];
    let write = |options: &[(&str, &str)]| {
        let topic = rocketmq().topic("columns", 1);
        let servers = rocketmq().name_server();
        let given = [("topic", topic.as_str()), ("nameServerAddress", &servers), ("format", "json")];
        let options: Vec<_> = given.iter().chain(options).copied().collect();
        let table = table(&columns, &options);
        write_all(&table, batch(&table, &["7|new|ann"]));
        beside.bodies(&topic, 1);
        let message = beside.read_all(&topic).remove(0);
        let body = String::from_utf8(message.body().to_vec()).unwrap();
        (body, message.keys().map(str::to_owned), message.tags().map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    let whole = "{\"id\":7,\"kind\":\"new\",\"name\":\"ann\"}".to_owned();
    assert_eq!(write(&[]), (whole.clone(), None, None));
    assert_eq!(write(&[("tag", "x")]), (whole.clone(), None, some("x")));
    let both = write(&[
        ("keyColumns", "id,name"),
        ("writeKeysToBody", "true"),
        ("isDynamicTag", "true"),
        ("dynamicTagColumn", "kind"),
    ]);
    assert_eq!(both, (whole, some("7 ann"), some("new")));
    let left_out = write(&[
        ("keyColumns", "id"),
        ("isDynamicTag", "true"),
        ("dynamicTagColumn", "kind"),
        ("dynamicTagColumnWriteIncluded", "false"),
    ]);
    assert_eq!(left_out, ("{\"name\":\"ann\"}".to_owned(), some("7"), some("new")));
}

#[test]
fn keys_and_tags_can_be_metadata_columns() {
    let (beside, topic) = (beside(), rocketmq().topic("written_metadata", 1));
    let mut table = people(&topic, &[]);
    table.metadata = vec![metadata("k", "keys", false), metadata("t", "tags", false)];
    write_all(&table, batch(&table, &["1|a|key 1|x", "2|b|NULL|NULL"]));
    beside.bodies(&topic, 2);
    let messages = beside.read_all(&topic);
    let mut found: Vec<_> =
        messages.iter().map(|message| (message.body().to_vec(), message.keys(), message.tags())).collect();
    found.sort();
    assert_eq!(found, [(b"1,a".to_vec(), Some("key 1"), Some("x")), (b"2,b".to_vec(), None, None)]);
}

#[test]
fn a_delayed_message_is_visible_when_its_time_has_come() {
    let (beside, topic) = (beside(), rocketmq().topic("delayed", 1));
    let table = people(&topic, &[("delayLevel", "1")]);
    let begin = std::time::Instant::now();
    write_all(&table, batch(&table, &["1|a"]));
    assert_eq!(beside.bodies(&topic, 1), ["1,a"]);
    assert!(begin.elapsed() >= std::time::Duration::from_millis(900));
}
