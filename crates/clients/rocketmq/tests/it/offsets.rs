//! Offsets of queues and groups.

use std::time::Duration;

use riverrun_rocketmq_client::{Message, Outcome, PullOptions};
use riverrun_testkit::{rocketmq, unique};

use crate::harness::{client, eventually, producer, queues, visible};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_has_no_offset_and_then_the_one_that_was_stored() {
    let (client, topic, group) = (client(), rocketmq().topic("groups", 1), unique("cg"));
    let queue = queues(&client, &topic).await.remove(0);
    assert_eq!(client.committed_offset(&group, &queue).await.unwrap(), None);
    producer(&client).send_to(&queue, Message::new(&topic, "m")).await.unwrap();
    assert_eq!(client.committed_offset(&group, &queue).await.unwrap(), None);
    for offset in [0, 1] {
        client.commit_offset(&group, &queue, offset).await.unwrap();
        assert_eq!(client.committed_offset(&group, &queue).await.unwrap(), Some(offset));
    }
    let other = queues(&client, &topic).await.remove(1);
    assert_eq!(client.committed_offset(&group, &other).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_last_and_the_offset_of_a_time() {
    let (client, topic) = (client(), rocketmq().topic("times", 1));
    let queue = queues(&client, &topic).await.remove(0);
    assert_eq!((client.min_offset(&queue).await.unwrap(), client.max_offset(&queue).await.unwrap()), (0, 0));
    assert_eq!(client.offset_at(&queue, 1).await.unwrap(), 0);
    let producer = producer(&client);
    for n in 0..5 {
        producer.send_to(&queue, Message::new(&topic, format!("m{n}"))).await.unwrap();
        // so that each has a time of its own
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let messages = visible(&client, &queue, 5).await;
    assert_eq!((client.min_offset(&queue).await.unwrap(), client.max_offset(&queue).await.unwrap()), (0, 5));
    for message in &messages {
        let time = message.store_timestamp;
        assert_eq!(client.offset_at(&queue, time).await.unwrap(), message.queue_offset);
        assert_eq!(client.offset_at(&queue, time - 1).await.unwrap(), message.queue_offset);
    }
    assert_eq!(client.offset_at(&queue, 0).await.unwrap(), 0);
    assert_eq!(client.offset_at(&queue, messages[4].store_timestamp + 3_600_000).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_not_there_says_which_is() {
    let (client, topic) = (client(), rocketmq().topic("moved", 1));
    let queue = queues(&client, &topic).await.remove(0);
    producer(&client).send_to(&queue, Message::new(&topic, "m")).await.unwrap();
    visible(&client, &queue, 1).await;
    let mut puller = client.puller(&queue, PullOptions::new(unique("cg")));
    let pulled = puller.pull(100).await.unwrap();
    assert_eq!((pulled.outcome, pulled.next_offset, pulled.max_offset), (Outcome::OffsetMoved, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_added_is_in_the_route_soon() {
    let (client, topic) = (client(), unique("growing"));
    client.create_topic(&topic, 1).await.unwrap();
    let count = |count: usize| {
        let (client, topic) = (client.clone(), topic.clone());
        move || {
            let (client, topic) = (client.clone(), topic.clone());
            async move {
                let route = client.refresh_route(&topic).await.unwrap()?;
                (route.readable().len() == count && route.writable().len() == count).then_some(())
            }
        }
    };
    eventually("one queue on each broker", count(2)).await;
    client.create_topic(&topic, 3).await.unwrap();
    eventually("three queues on each broker", count(6)).await;
    // known without asking
    assert_eq!(client.existing_route(&topic).await.unwrap().readable().len(), 6);
}
