//! Bodies without a format, and what is beside them.

use riverrun_data::LogicalType;
use riverrun_rocketmq_client::Message;
use riverrun_testkit::{rocketmq, unique};

use crate::harness::{Reading, batch, beside, metadata, table, write_all};

#[test]
fn the_tables_of_the_known_documentation_run_unchanged() {
    let (servers, topic, group) = (rocketmq().name_server(), rocketmq().topic("user_behavior", 1), unique("behavior"));
    let columns =
        [("user_id", LogicalType::BigInt), ("item_id", LogicalType::BigInt), ("behavior", LogicalType::STRING)];
    let sink = table(
        &columns,
        &[("topic", &topic), ("produceGroup", "behavior_produce_group"), ("nameServerAddress", &servers)],
    );
    write_all(&sink, batch(&sink, &["1|10|buy", "2|20|pv", "3|NULL|fav"]));
    assert_eq!(beside().bodies(&topic, 3), ["1\u{1}10\u{1}buy", "2\u{1}20\u{1}pv", "3\u{1}\u{1}fav"]);
    let mut source = table(
        &columns,
        &[
            ("topic", &topic),
            ("consumerGroup", &group),
            ("nameServerAddress", &servers),
            ("scanStartupMode", "earliest"),
        ],
    );
    source.metadata = vec![metadata("topic", "topic", true)];
    let expected = ["1|10|buy|", "2|20|pv|", "3|NULL|fav|"].map(|row| format!("{row}{topic}"));
    assert_eq!(Reading::start(&source).take_exactly(3), expected);
}

#[test]
fn lines_that_do_not_fit_are_left_out_and_counted_or_told_with_their_place() {
    let (beside, topic) = (beside(), rocketmq().topic("lines", 1));
    let queue = beside.queue(&topic, 0);
    beside.send(&queue, ["1|a", "2|b\n3", "4|c|d\n\n5|e"].map(|body| Message::new(&topic, body)));
    let source = |check: &str| {
        let mut table = table(
            &[("id", LogicalType::BigInt), ("name", LogicalType::STRING)],
            &[
                ("topic", &topic),
                ("consumerGroup", "lines"),
                ("nameServerAddress", &rocketmq().name_server()),
                ("startMessageOffset", "0"),
                ("fieldDelimiter", "|"),
                ("lengthCheck", check),
            ],
        );
        table.metadata = vec![metadata("offset", "queue-offset", true)];
        Reading::start(&table)
    };
    let mut none = source("NONE");
    assert_eq!(none.take_exactly(4), ["1|a|0", "2|b|1", "4|c|2", "5|e|2"]);
    assert_eq!(none.counter("numRecordsInErrors"), 1);
    assert_eq!(source("PAD").take_exactly(5), ["1|a|0", "2|b|1", "3|NULL|1", "4|c|2", "5|e|2"]);
    assert_eq!(source("SKIP").take_exactly(3), ["1|a|0", "2|b|1", "5|e|2"]);
    let error = source("EXCEPTION").error().to_string();
    assert!(error.contains("has 1 fields") && error.contains("offset: 1") && error.contains("lengthCheck"), "{error}");
}

#[test]
fn one_binary_column_is_the_raw_body() {
    let (beside, topic) = (beside(), rocketmq().topic("raw", 1));
    beside.send(&beside.queue(&topic, 0), [Message::new(&topic, vec![0, 1, 255, b'\n'])]);
    let source = table(
        &[("body", LogicalType::BYTES)],
        &[
            ("topic", &topic),
            ("consumerGroup", "raw"),
            ("nameServerAddress", &rocketmq().name_server()),
            ("scanStartupMode", "earliest"),
        ],
    );
    assert_eq!(Reading::start(&source).take_exactly(1), ["0001ff0a"]);
}

#[test]
fn metadata_are_what_the_message_and_its_place_say() {
    let (beside, topic) = (beside(), rocketmq().topic("metadata", 2));
    let queue = beside.queue(&topic, 1);
    let message = Message::new(&topic, "7,n7").tags("t").keys(["k1", "k2"]).property("p", "v");
    let receipt = beside.send(&queue, [message, Message::new(&topic, "8,n8")]).remove(0);
    let stored = beside.read_all(&topic).remove(0);
    let mut source = crate::harness::people(&topic, &[]);
    let keys =
        ["broker", "queue-id", "queue-offset", "keys", "tags", "message-id", "born-timestamp", "store-timestamp"];
    source.metadata = keys.iter().map(|key| metadata(key, key, true)).collect();
    source.metadata.push(metadata("all", "properties", true));
    let rows = Reading::start(&source).take_exactly(2);
    let fields: Vec<&str> = rows[0].split('|').collect();
    let id = receipt.unique_key;
    assert_eq!(fields[..8], ["7", "n7", "broker-a", "1", "0", "k1 k2", "t", id.as_str()]);
    assert!(fields[10].contains("p: v"), "{fields:?}");
    assert!(rows[1].starts_with("8|n8|broker-a|1|1|NULL|NULL|"), "{rows:?}");
    assert!(stored.store_timestamp > 1_700_000_000_000);
}
