//! Long polls.

use std::time::{Duration, Instant};

use riverrun_rocketmq_client::{Message, Outcome, PullOptions};
use riverrun_testkit::{rocketmq, unique};
use tokio::task::JoinSet;

use crate::harness::{client, producer, queues};

#[tokio::test(flavor = "multi_thread")]
async fn polls_that_wait_keep_nobody_waiting() {
    let (client, topic) = (client(), rocketmq().topic("polls", 8));
    let queues = queues(&client, &topic).await;
    assert_eq!(queues.len(), 16);
    let mut options = PullOptions::new(unique("cg"));
    options.suspend = Duration::from_secs(30);
    let mut polls = JoinSet::new();
    for queue in &queues {
        let mut puller = client.puller(queue, options.clone());
        polls.spawn(async move { (puller.queue().clone(), puller.pull(0).await) });
    }
    // all of them are with their brokers
    for queue in &queues {
        assert_eq!(client.max_offset(queue).await.unwrap(), 0);
    }
    let producer = producer(&client);
    for queue in queues.iter().rev() {
        let begin = Instant::now();
        producer.send_to(queue, Message::new(&topic, "wake up")).await.unwrap();
        let (polled, pulled) = polls.join_next().await.unwrap().unwrap();
        assert_eq!((&polled, pulled.unwrap().outcome), (queue, Outcome::Found));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
    assert!(polls.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_given_up_leaves_the_queue_as_it_was() {
    let (client, topic) = (client(), rocketmq().topic("given_up", 1));
    let queue = queues(&client, &topic).await.remove(0);
    let mut puller = client.puller(&queue, PullOptions::new(unique("cg")));
    for _ in 0..20 {
        assert!(tokio::time::timeout(Duration::from_millis(10), puller.pull(0)).await.is_err());
    }
    producer(&client).send_to(&queue, Message::new(&topic, "m")).await.unwrap();
    assert_eq!(puller.pull(0).await.unwrap().messages.len(), 1);
}
