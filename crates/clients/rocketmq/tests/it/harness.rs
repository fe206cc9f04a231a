//! What the tests share: clients of a cluster, and the whole contents of a topic.

use std::future::Future;
use std::time::{Duration, Instant};

use riverrun_rocketmq_client::{
    Client, ClientOptions, Outcome, Producer, ProducerOptions, PullOptions, Queue, ReceivedMessage,
};
use riverrun_testkit::{RocketMqServer, rocketmq, unique};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn client() -> Client {
    client_of(rocketmq())
}

pub(crate) fn client_of(server: &RocketMqServer) -> Client {
    Client::new(ClientOptions::new(&server.name_server()).unwrap()).unwrap()
}

pub(crate) fn producer(client: &Client) -> Producer {
    client.producer(ProducerOptions::new(unique("pg"))).unwrap()
}

pub(crate) async fn queues(client: &Client, topic: &str) -> Vec<Queue> {
    client.existing_route(topic).await.unwrap().readable().to_vec()
}

/// Asks again until there is a value; what fails in a way that may pass is asked again too.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < end, "waited {LIMIT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `count` messages of a queue, from `offset` on; over failures that may pass.
pub(crate) async fn read(client: &Client, queue: &Queue, offset: i64, count: usize) -> Vec<ReceivedMessage> {
    let mut options = PullOptions::new(unique("cg"));
    options.suspend = Duration::from_secs(2);
    read_as(client, queue, offset, count, options).await
}

pub(crate) async fn read_as(
    client: &Client,
    queue: &Queue,
    mut offset: i64,
    count: usize,
    options: PullOptions,
) -> Vec<ReceivedMessage> {
    let mut puller = client.puller(queue, options);
    let mut messages = Vec::new();
    let end = Instant::now() + LIMIT;
    while messages.len() < count {
        assert!(Instant::now() < end, "{} of {count} messages in {queue} at {offset}", messages.len());
        match puller.pull(offset).await {
            Ok(pulled) => {
                assert_ne!(pulled.outcome, Outcome::OffsetMoved, "{pulled:?}");
                offset = pulled.next_offset;
                messages.extend(pulled.messages);
            }
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    messages
}

/// All that is visible in a queue now, once at least `count` messages are.
pub(crate) async fn visible(client: &Client, queue: &Queue, count: i64) -> Vec<ReceivedMessage> {
    let end = eventually("messages to be visible", || async move {
        client.max_offset(queue).await.ok().filter(|end| *end >= count)
    })
    .await;
    if end == 0 { Vec::new() } else { read(client, queue, 0, usize::try_from(end).unwrap()).await }
}

/// All messages of a topic, once there are `count`.
pub(crate) async fn all_visible(client: &Client, topic: &str, count: i64) -> Vec<ReceivedMessage> {
    let queues = queues(client, topic).await;
    eventually("all messages to be visible", || async {
        let mut total = 0;
        for queue in &queues {
            total += client.max_offset(queue).await.ok()?;
        }
        (total >= count).then_some(())
    })
    .await;
    let mut messages = Vec::new();
    for queue in &queues {
        messages.extend(visible(client, queue, 0).await);
    }
    messages
}
