//! The word count with a bug.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{KafkaServer, Record, temp_folder, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

/// Transactions time out after five seconds, and a restart takes ten: what was prepared before a failure must be committed at once.
#[test]
fn every_word_is_counted_once_though_the_map_throws() {
    let kafka = KafkaServer::start();
    kafka.create_topic("flink_kafka", 2);
    kafka.create_topic("flink_kafka2", 1);
    let folder = temp_folder();
    let mut job = Riverrun::builder_at(env!("CARGO_BIN_EXE_word_count"))
        .args(["--bootstrap.servers", &kafka.bootstrap(), "--bugs", "2", "--checkpoint-dir"])
        .arg(folder.path())
        .current_dir(folder.path())
        .start();
    let words = ["to", "be", "or", "not", "to", "be"];
    let lines = 200;
    for line in 0..lines {
        kafka.produce("flink_kafka", [Record::value(words.join(" ")).partition(line % 2)]);
    }
    let expected: BTreeMap<&str, u64> = [("be", 400), ("not", 200), ("or", 200), ("to", 400)].into();
    wait_until(LIMIT, "all words are counted", || {
        assert!(job.is_running(), "{:#?}", job.stderr());
        kafka.read_all("flink_kafka2").len() as u64 >= expected.values().sum::<u64>()
    });
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in kafka.read_all("flink_kafka2") {
        let (word, count) =
            record.text().split_once(":::").map(|(word, count)| (word.to_owned(), count.parse().unwrap())).unwrap();
        counts.entry(word).or_default().push(count);
    }
    for (word, total) in expected {
        assert_eq!(counts[word], (1..=total).collect::<Vec<_>>(), "{word}");
    }
    job.kill9();
}
