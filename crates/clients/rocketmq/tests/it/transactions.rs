//! Half messages and what becomes of them.

use std::collections::HashSet;
use std::time::Duration;

use riverrun_rocketmq_client::{
    BrokerEvent, Client, Decision, HalfMessage, Message, Outcome, Producer, PullOptions, Queue,
};
use riverrun_testkit::{rocketmq, unique};
use tokio::time::timeout;

use crate::harness::{client, eventually, producer, queues, visible};

struct Case {
    client: Client,
    producer: Producer,
    queue: Queue,
}

impl Case {
    async fn new(name: &str) -> Self {
        let (client, topic) = (client(), rocketmq().topic(name, 1));
        let queue = queues(&client, &topic).await.remove(0);
        Self { producer: producer(&client), client, queue }
    }

    fn message(&self, body: &str) -> Message {
        Message::new(&*self.queue.topic, body.to_owned()).tags("t").property("p", "v")
    }

    async fn half(&self, body: &str) -> HalfMessage {
        let scan_from = self.client.max_offset(&self.queue).await.unwrap();
        self.producer.send_half(&self.queue, self.message(body), scan_from, None).await.unwrap()
    }

    /// What consumers see, once a message that is sent now is there too.
    async fn seen(&self) -> Vec<String> {
        let last = self.producer.send_to(&self.queue, self.message("last")).await.unwrap();
        let messages = visible(&self.client, &self.queue, last.queue_offset + 1).await;
        let bodies = messages.into_iter().map(|m| String::from_utf8(m.into_body().into()).unwrap());
        bodies.filter(|body| body != "last").collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_message_is_seen_when_it_is_committed_and_never_when_it_is_rolled_back() {
    let case = Case::new("halves").await;
    let (kept, dropped) = (case.half("kept").await, case.half("dropped").await);
    assert_eq!(case.seen().await, [""; 0]);
    case.client.commit(std::slice::from_ref(&kept)).await.unwrap();
    case.client.roll_back(std::slice::from_ref(&dropped)).await.unwrap();
    assert_eq!(case.seen().await, ["kept"]);
    let message = visible(&case.client, &case.queue, 1).await.into_iter().find(|m| m.body() == "kept").unwrap();
    assert_eq!(message.unique_key(), Some(kept.unique_key.as_str()));
    assert_eq!(message.prepared_transaction_offset, kept.commit_log_offset);
    assert_eq!((message.tags(), message.property("p")), (Some("t"), Some("v")));
}

#[tokio::test(flavor = "multi_thread")]
async fn committing_again_commits_what_is_missing_and_nothing_twice() {
    let case = Case::new("again").await;
    let mut halves = Vec::new();
    let scan_from = case.client.max_offset(&case.queue).await.unwrap();
    let mut pending = Vec::new();
    for n in 0..60 {
        let message = case.message(&format!("m{n:02}"));
        pending.push(case.producer.submit_half(&case.queue, message, scan_from, None).await.unwrap());
    }
    for half in pending {
        halves.push(half.await.unwrap());
    }
    // as a process that died in the middle has left it
    case.client.commit(&halves[..35]).await.unwrap();
    assert_eq!(case.client.commit_again(&halves).await.unwrap(), 25);
    assert_eq!(case.client.commit_again(&halves).await.unwrap(), 0);
    let mut seen = case.seen().await;
    seen.sort();
    assert_eq!(seen, (0..60).map(|n| format!("m{n:02}")).collect::<Vec<_>>());
    assert_eq!(case.client.commit_again(&halves).await.unwrap(), 0);

    // why it is needed
    case.client.commit(&halves[..1]).await.unwrap();
    assert_eq!(case.seen().await.len(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_keys_are_found_where_they_are() {
    let case = Case::new("keys").await;
    let mut keys = Vec::new();
    for n in 0..70 {
        keys.push(case.producer.send_to(&case.queue, case.message(&n.to_string())).await.unwrap().unique_key);
    }
    let wanted = HashSet::from([keys[9].as_str(), keys[10].as_str(), keys[69].as_str(), "another"]);
    let found = case.client.find_unique_keys("cg", &case.queue, 10, &wanted).await.unwrap();
    let expected = [(keys[10].clone(), 10), (keys[69].clone(), 69)];
    assert_eq!(found, expected.into_iter().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_another_group_is_refused_for_good() {
    let case = Case::new("foreign").await;
    let half = HalfMessage { group: "another".to_owned(), ..case.half("m").await };
    let error = case.client.commit(&[half]).await.unwrap_err();
    assert!(!error.is_retryable() && error.message().starts_with("RocketMQ refuses to end a transaction"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_asks_about_an_open_transaction_and_takes_the_answer() {
    let case = Case::new("checks").await;
    let mut events = case.client.events(100);
    let (kept, dropped) = (case.half("kept").await, case.half("dropped").await);
    let mut open = HashSet::from([kept.unique_key.clone(), dropped.unique_key.clone()]);
    while !open.is_empty() {
        // 6 s until the first question, and 5 s between them
        let event = timeout(Duration::from_secs(90), events.recv()).await.expect("a check").unwrap();
        let BrokerEvent::CheckTransaction(check) = event else { continue };
        assert_eq!(check.group(), case.producer.group());
        let decision = if check.unique_key() == kept.unique_key { Decision::Commit } else { Decision::RollBack };
        if open.remove(check.unique_key()) {
            case.client.answer_check(&check, decision).await.unwrap();
        }
    }
    assert_eq!(case.seen().await, ["kept"]);
    assert_eq!(case.client.commit_again(&[kept]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_message_cannot_be_delayed() {
    let case = Case::new("no_delay").await;
    let message = case.message("m").delay_level(1);
    let error = case.producer.send_half(&case.queue, message, 0, None).await.unwrap_err();
    assert_eq!(error.message(), "a message of a transaction cannot be delayed");
    let mut puller =
        case.client.puller(&case.queue, PullOptions { suspend: Duration::ZERO, ..PullOptions::new(unique("cg")) });
    assert_eq!(puller.pull(0).await.unwrap().outcome, Outcome::Nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_message_whose_lifetime_is_over_is_refused_and_its_copy_is_the_same_message() {
    let case = Case::new("lifetime").await;
    let (client, queue) = (&case.client, &case.queue);
    let message = case.message("m").keys(["k1", "k2"]);
    // the broker takes its transactionTimeOut at least, 6 s
    let half = case.producer.send_half(queue, message, 0, Some(Duration::from_secs(1))).await.unwrap();
    let half = std::slice::from_ref(&half);
    assert!(!client.are_expired(half).await.unwrap());
    eventually("the lifetime to be over", || async { client.are_expired(half).await.unwrap().then_some(()) }).await;
    assert!(!client.commit_in_time(half).await.unwrap());
    let error = client.commit(half).await.unwrap_err();
    assert!(!error.is_retryable() && error.message().contains("lifetime is over"), "{error}");
    assert_eq!(case.seen().await, [""; 0]);

    let stored = client.read_half(&half[0]).await.unwrap();
    let until = case.producer.broker_time(queue).await.unwrap() + 30_000;
    let again = case.producer.send_half_again(&half[0], &stored, until).await.unwrap().await.unwrap();
    assert!(again.until.unwrap() <= until && again.commit_log_offset != half[0].commit_log_offset);
    assert_eq!(client.uncommitted(half).await.unwrap().len(), 1);
    assert!(client.commit_in_time(&[again]).await.unwrap());
    assert!(client.uncommitted(half).await.unwrap().is_empty());
    assert_eq!(case.seen().await, ["m"]);
    let message = visible(client, queue, 2).await.into_iter().find(|message| message.body() == "m").unwrap();
    assert_eq!((message.unique_key(), message.keys()), (stored.unique_key(), Some("k1 k2")));
    assert_eq!((message.tags(), message.property("p")), (Some("t"), Some("v")));
    assert_eq!(message.born_timestamp, stored.born_timestamp);
}
