//! Apache's Java client on the other side.

use std::collections::BTreeSet;

use riverrun_rocketmq_client::{Compression, Message, ProducerOptions};
use riverrun_testkit::{rocketmq, unique};

use crate::harness::{all_visible, client};

const PROGRAM: &str = include_str!("Interop.java");

/// Bodies of both programs: the first below the size from which they are compressed, the second above.
fn bodies() -> [String; 2] {
    ["small body".to_owned(), "large body, ".repeat(1000)]
}

fn java(words: &[&str]) -> String {
    rocketmq().run_java(PROGRAM, words)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_java_sends_is_read_here() {
    let (client, topic) = (client(), rocketmq().topic("from_java", 1));
    let kinds = ["ZLIB", "LZ4", "ZSTD"];
    tokio::task::block_in_place(|| java(&["send", &rocketmq().name_server(), &topic, &kinds.join(",")]));
    let mut found = Vec::new();
    for message in all_visible(&client, &topic, 8).await {
        let body = String::from_utf8(message.body().to_vec()).unwrap();
        let size = bodies().iter().position(|known| *known == body).expect("a body as it was sent");
        assert_eq!(message.property("shop"), Some("süß"));
        // with the sender's address in it, of either kind
        assert!([32, 56].contains(&message.unique_key().unwrap().len()));
        found.push(format!("{} {} {size}", message.tags().unwrap(), message.keys().unwrap()));
    }
    found.sort();
    let mut expected: Vec<_> =
        kinds.iter().flat_map(|kind| [0, 1].map(|size| format!("{kind} k1 k2 {size}"))).collect();
    // two at once
    expected.extend([0, 1].map(|size| format!("BATCH k1 k2 {size}")));
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_here_is_read_by_java() {
    let (client, topic) = (client(), rocketmq().topic("to_java", 1));
    let message =
        |tag: &str, body: String| Message::new(&topic, body).tags(tag).keys(["k1", "k2"]).property("shop", "süß");
    let kinds = [Compression::None, Compression::Zlib, Compression::Lz4, Compression::Zstd];
    let mut expected = BTreeSet::new();
    for kind in kinds {
        let mut options = ProducerOptions::new(unique("pg"));
        options.compression = kind;
        let producer = client.producer(options).unwrap();
        for (size, body) in bodies().into_iter().enumerate() {
            let tag = format!("{kind:?}{size}");
            let receipt = producer.send(message(&tag, body.clone())).await.unwrap();
            expected.insert(line(&tag, &body, &receipt.unique_key));
        }
    }
    let producer = client.producer(ProducerOptions::new(unique("pg"))).unwrap();
    let batch = bodies().map(|body| message("Batch", body));
    let receipt = producer.send_batch(&batch, None).await.unwrap();
    for (body, key) in bodies().iter().zip(receipt.unique_key.split(',')) {
        expected.insert(line("Batch", body, key));
    }
    assert_eq!(all_visible(&client, &topic, 10).await.len(), 10);
    let printed = tokio::task::block_in_place(|| java(&["read", &rocketmq().name_server(), &topic]));
    assert_eq!(printed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
}

/// As the Java program prints a message.
fn line(tag: &str, body: &str, key: &str) -> String {
    let hash = body.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
    format!("{tag} [k1 k2] süß {} {hash} {key}", body.len())
}
