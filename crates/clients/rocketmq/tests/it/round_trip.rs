//! Messages sent and read back.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use riverrun_base::Kind;
use riverrun_rocketmq_client::{Compression, Filter, Message, ProducerOptions, PullOptions, SendStatus};
use riverrun_testkit::{rocketmq, unique};

use crate::harness::{client, producer, queues, read, read_as};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_read_with_all_that_was_sent() {
    let (client, topic) = (client(), rocketmq().topic("round", 2));
    for compression in [Compression::None, Compression::Zlib, Compression::Lz4, Compression::Zstd] {
        let mut options = ProducerOptions::new(unique("pg"));
        options.compression = compression;
        let producer = client.producer(options).unwrap();
        for body in ["small".to_owned(), "large and long ".repeat(2000)] {
            let before = now();
            let message = Message::new(&topic, body.clone())
                .tags("tag")
                .keys(["k1", "k2"])
                .flag(42)
                .property("shop", "süß")
                .property("empty-is-not-kept", "x");
            let receipt = producer.send(message).await.unwrap();
            assert_eq!(receipt.status, SendStatus::Ok);
            let message = read(&client, &receipt.queue, receipt.queue_offset, 1).await.remove(0);
            assert_eq!((message.topic(), &message.body()[..]), (topic.as_str(), body.as_bytes()));
            assert_eq!((message.tags(), message.keys(), message.flag), (Some("tag"), Some("k1 k2"), 42));
            assert_eq!((message.property("shop"), message.property("nothing")), (Some("süß"), None));
            assert_eq!(message.unique_key(), Some(receipt.unique_key.as_str()));
            assert_eq!((message.queue_id, message.queue_offset), (receipt.queue.id, receipt.queue_offset));
            assert!((before..=now()).contains(&message.born_timestamp), "{message:?}");
            assert!((before..=now()).contains(&message.store_timestamp), "{message:?}");
            assert!(message.born_host.ip().is_loopback() && message.store_host.ip().is_loopback());
            assert_eq!((message.reconsume_times, message.prepared_transaction_offset), (0, 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_message_comes_when_its_time_has_come() {
    let (client, topic) = (client(), rocketmq().topic("delayed", 1));
    let queue = queues(&client, &topic).await.remove(0);
    let sent = producer(&client).send_to(&queue, Message::new(&topic, "later").delay_level(1)).await.unwrap();
    let message = read(&client, &queue, 0, 1).await.remove(0);
    assert_eq!(message.unique_key(), Some(sent.unique_key.as_str()));
    assert!(message.store_timestamp - message.born_timestamp >= 900, "{message:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_sent_at_once_lie_one_behind_another() {
    let (client, topic) = (client(), rocketmq().topic("batch", 1));
    let queue = queues(&client, &topic).await.remove(1);
    let producer = producer(&client);
    producer.send_to(&queue, Message::new(&topic, "before")).await.unwrap();
    let messages: Vec<_> =
        (0..50).map(|n| Message::new(&topic, format!("m{n}")).tags(format!("t{n}")).flag(n)).collect();
    let receipt = producer.send_batch(&messages, Some(&queue)).await.unwrap();
    assert_eq!((receipt.queue_offset, &receipt.queue), (1, &queue));
    let read = read(&client, &queue, 1, 50).await;
    let found: Vec<_> = read.iter().map(|m| (m.body().to_vec(), m.tags().unwrap().to_owned(), m.flag)).collect();
    let expected: Vec<_> = (0..50).map(|n| (format!("m{n}").into_bytes(), format!("t{n}"), n)).collect();
    assert_eq!(found, expected);
    let keys: Vec<_> = read.iter().map(|m| m.unique_key().unwrap()).collect();
    assert_eq!(keys, receipt.unique_key.split(',').collect::<Vec<_>>());

    let error = producer.send_batch(&[Message::new("a", ""), Message::new("b", "")], None).await.unwrap_err();
    assert_eq!(error.message(), "messages sent at once must have the same topic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_answer_arrives_too() {
    let (client, topic) = (client(), rocketmq().topic("one_way", 1));
    let producer = producer(&client);
    for n in 0..4 {
        producer.send_one_way(Message::new(&topic, format!("m{n}"))).await.unwrap();
    }
    let mut bodies = Vec::new();
    for queue in queues(&client, &topic).await {
        bodies.extend(
            read(&client, &queue, 0, 2).await.into_iter().map(|m| String::from_utf8(m.into_body().into()).unwrap()),
        );
    }
    bodies.sort();
    assert_eq!(bodies, ["m0", "m1", "m2", "m3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_under_way_are_each_stored_once() {
    const COUNT: usize = 4000;
    let (client, topic) = (client(), rocketmq().topic("many", 2));
    let mut options = ProducerOptions::new(unique("pg"));
    options.in_flight_max = 300;
    let producer = client.producer(options).unwrap();
    // far more than may be under way, and none of them awaited before all are handed over
    let mut pending = Vec::new();
    for n in 0..COUNT {
        pending.push(producer.submit(Message::new(&topic, format!("m{n}"))).await.unwrap());
    }
    let mut receipts = Vec::new();
    for answer in pending {
        receipts.push(answer.await.unwrap());
    }
    let places: HashSet<_> = receipts.iter().map(|receipt| (receipt.queue.clone(), receipt.queue_offset)).collect();
    assert_eq!(places.len(), COUNT);
    let mut bodies = HashSet::new();
    let all = queues(&client, &topic).await;
    assert_eq!(all.len(), 4);
    for queue in &all {
        // they take turns, but one whose broker is busy is passed over
        let stored = receipts.iter().filter(|receipt| receipt.queue == *queue).count();
        assert!((COUNT / 8..COUNT / 2).contains(&stored), "{stored} in {queue}");
        bodies.extend(read(&client, queue, 0, stored).await.into_iter().map(|m| m.into_body()));
    }
    assert_eq!(bodies.len(), COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_with_the_same_hash_are_told_apart() {
    let (client, topic) = (client(), rocketmq().topic("tags", 1));
    let queue = queues(&client, &topic).await.remove(0);
    let producer = producer(&client);
    // Java's hashes of both are 2112
    for tag in ["Aa", "BB", "c", "", "Aa"] {
        producer.send_to(&queue, Message::new(&topic, format!("of {tag}")).tags(tag)).await.unwrap();
    }
    let read = |filter, count| {
        let mut options = PullOptions::new(unique("cg"));
        options.filter = filter;
        let (client, queue) = (client.clone(), queue.clone());
        async move {
            let messages = read_as(&client, &queue, 0, count, options).await;
            messages
                .into_iter()
                .map(|m| (m.queue_offset, String::from_utf8(m.into_body().into()).unwrap()))
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(read(Filter::tags("Aa"), 2).await, [(0, "of Aa".to_owned()), (4, "of Aa".to_owned())]);
    assert_eq!(read(Filter::tags("BB || c"), 2).await, [(1, "of BB".to_owned()), (2, "of c".to_owned())]);
    assert_eq!(read(Filter::tags("*"), 5).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_selects_by_properties_and_a_wrong_one_is_the_users_mistake() {
    let (client, topic) = (client(), rocketmq().topic("sql", 1));
    let queue = queues(&client, &topic).await.remove(0);
    let producer = producer(&client);
    for n in 0..10 {
        let message = Message::new(&topic, format!("m{n}")).property("n", n.to_string()).tags("t");
        producer.send_to(&queue, message).await.unwrap();
    }
    let mut options = PullOptions::new(unique("cg"));
    options.filter = Filter::Sql("n > 6 AND TAGS = 't'".to_owned());
    let found = read_as(&client, &queue, 0, 3, options.clone()).await;
    assert_eq!(found.iter().map(|m| m.queue_offset).collect::<Vec<_>>(), [7, 8, 9]);

    options.filter = Filter::Sql("n >".to_owned());
    let error = client.puller(&queue, options).pull(0).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (Kind::User, false), "{error}");
    assert_eq!(error.hint_text(), Some("correct the filter expression"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_made_by_the_first_message_and_removed_again() {
    let (client, topic) = (client(), unique("made"));
    assert!(client.route(&topic).await.unwrap().is_none());
    let receipt = producer(&client).send(Message::new(&topic, "first")).await.unwrap();
    assert_eq!(&read(&client, &receipt.queue, 0, 1).await[0].body()[..], b"first");
    assert!(client.existing_route(&topic).await.unwrap().readable().contains(&receipt.queue));
    client.delete_topic(&topic).await.unwrap();
    assert!(client.route(&topic).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let (client, topic) = (client(), rocketmq().topic("large", 1));
    let producer = producer(&client);
    let error = producer.send(Message::new(&topic, vec![0; (4 << 20) + 1])).await.unwrap_err();
    assert_eq!(error.message(), "a message of 4194305 bytes is larger than 4194304");
    let error = producer.send(Message::new(&topic, "").property("p", "x".repeat(40_000))).await.unwrap_err();
    assert!(error.message().starts_with("the properties of a message take 400"), "{error}");
    // the largest that is allowed
    let body = vec![7; 4 << 20];
    let receipt = producer.send(Message::new(&topic, body.clone())).await.unwrap();
    assert_eq!(read(&client, &receipt.queue, receipt.queue_offset, 1).await[0].body(), &body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_queue_answers_when_the_time_is_up() {
    let (client, topic) = (client(), rocketmq().topic("empty", 1));
    let queue = queues(&client, &topic).await.remove(0);
    let mut options = PullOptions::new(unique("cg"));
    options.suspend = Duration::ZERO;
    let pulled = client.puller(&queue, options).pull(0).await.unwrap();
    assert_eq!((pulled.messages.len(), pulled.next_offset, pulled.min_offset, pulled.max_offset), (0, 0, 0, 0));
}
