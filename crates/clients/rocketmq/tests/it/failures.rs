//! Brokers and name servers that die and come back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use riverrun_rocketmq_client::{Client, ClientOptions, Message, ProducerOptions, Queue};
use riverrun_testkit::{RocketMqServer, unique};

use crate::harness::{LIMIT, client_of, eventually, producer, queues, read};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_a_broker_is_killed_under_load() {
    let mut server = RocketMqServer::start();
    let (client, topic) = (client_of(&server), server.topic("killed", 2));
    let queues = queues(&client, &topic).await;
    let mut options = ProducerOptions::new(unique("pg"));
    options.in_flight_max = 200;
    let producer = client.producer(options).unwrap();
    let (stop, stored) = (AtomicBool::new(false), AtomicUsize::new(0));
    let send = async {
        let mut places: HashMap<Queue, Vec<(i64, String)>> = HashMap::new();
        let mut pending = Vec::new();
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            pending.push(producer.submit(Message::new(&topic, format!("m{n}"))).await.unwrap());
            if pending.len() == 200 {
                for answer in pending.drain(..) {
                    let receipt = answer.await.expect("another broker takes it");
                    places.entry(receipt.queue).or_default().push((receipt.queue_offset, receipt.unique_key));
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        for answer in pending {
            answer.await.unwrap();
        }
        places
    };
    let kill = async {
        let go_on = |more: usize| {
            let goal = stored.load(Ordering::Relaxed) + more;
            let stored = &stored;
            eventually("messages to be stored", move || async move {
                (stored.load(Ordering::Relaxed) >= goal).then_some(())
            })
        };
        go_on(1000).await;
        server = tokio::task::block_in_place(|| {
            server.kill9_broker('b');
            server
        });
        go_on(1000).await;
        server = tokio::task::block_in_place(|| {
            server.restart();
            server
        });
        go_on(1000).await;
        stop.store(true, Ordering::Relaxed);
        server
    };
    let (places, server) = tokio::join!(send, kill);
    assert_eq!(places.len(), queues.len(), "both brokers were used");
    for (queue, places) in places {
        let last = places.iter().map(|(offset, _)| *offset).max().unwrap();
        let messages = read(&client, &queue, 0, usize::try_from(last + 1).unwrap()).await;
        let keys: HashMap<i64, &str> = messages.iter().map(|m| (m.queue_offset, m.unique_key().unwrap())).collect();
        for (offset, key) in &places {
            assert_eq!(keys.get(offset), Some(&key.as_str()), "{queue} @ {offset}");
        }
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_and_a_writer_of_one_queue_go_on_when_its_broker_is_back() {
    let mut server = RocketMqServer::start();
    let (client, topic) = (client_of(&server), server.topic("one_queue", 1));
    let queue = queues(&client, &topic).await.remove(0);
    assert_eq!(&*queue.broker, "broker-a");
    let producer = producer(&client);
    let reading = {
        let (client, queue) = (client.clone(), queue.clone());
        tokio::spawn(async move { read(&client, &queue, 0, 100).await })
    };
    for n in 0..50 {
        producer.send_to(&queue, Message::new(&topic, format!("m{n}"))).await.unwrap();
    }
    server = tokio::task::block_in_place(|| {
        server.kill9_broker('a');
        server
    });
    let begin = Instant::now();
    let error = producer.send_to(&queue, Message::new(&topic, "nobody is there")).await.unwrap_err();
    assert!(error.is_retryable() && begin.elapsed() < Duration::from_secs(30), "{error}");
    let _server = tokio::task::block_in_place(|| {
        server.restart();
        server
    });
    for n in 50..100 {
        let sent = eventually("the broker to take messages", || async {
            producer.send_to(&queue, Message::new(&topic, format!("m{n}"))).await.ok()
        });
        assert_eq!(sent.await.queue_offset, n);
    }
    let bodies: Vec<_> = reading.await.unwrap().into_iter().map(|m| m.into_body()).collect();
    assert_eq!(bodies, (0..100).map(|n| format!("m{n}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_can_be_used_while_the_name_server_is_away() {
    let mut server = RocketMqServer::start();
    let mut options = ClientOptions::new(&server.name_server()).unwrap();
    options.route_interval = Duration::from_millis(200);
    let client = Client::new(options).unwrap();
    let topic = server.topic("known", 1);
    let producer = producer(&client);
    producer.send(Message::new(&topic, "m0")).await.unwrap();
    server = tokio::task::block_in_place(|| {
        server.kill9_name_server();
        server
    });
    let begin = Instant::now();
    let error = client.refresh_route(&topic).await.unwrap_err();
    assert!(error.is_retryable() && error.message().starts_with("no name server answers"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    for n in 1..20 {
        producer.send(Message::new(&topic, format!("m{n}"))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut count = 0;
    for queue in client.existing_route(&topic).await.unwrap().readable() {
        count += read(&client, queue, 0, 10).await.len();
    }
    assert_eq!(count, 20);
    let server = tokio::task::block_in_place(|| {
        server.restart();
        server
    });
    // it has forgotten everything, and is told again by the brokers
    eventually("the name server to know the topic again", || async {
        client.refresh_route(&topic).await.ok().flatten().filter(|route| route.writable().len() == 2)
    })
    .await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_server_is_asked_when_the_first_is_away() {
    let server = riverrun_testkit::rocketmq();
    let topic = server.topic("second", 1);
    let silent = riverrun_testkit::tcp::Server::silent();
    let closing = riverrun_testkit::tcp::Server::closing();
    let list = format!("127.0.0.1:1;{};{};{}", silent.address(), closing.address(), server.name_server());
    for _ in 0..4 {
        // each client begins with any of them
        let mut options = ClientOptions::new(&list).unwrap();
        options.request_timeout = Duration::from_millis(500);
        let client = Client::new(options).unwrap();
        let begin = Instant::now();
        assert_eq!(client.existing_route(&topic).await.unwrap().readable().len(), 2);
        assert!(begin.elapsed() < LIMIT);
        // and remembers who has answered
        let begin = Instant::now();
        client.refresh_route(&topic).await.unwrap();
        assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_committed_once_though_the_broker_is_killed_while_they_are() {
    let mut server = RocketMqServer::start();
    let (client, topic) = (client_of(&server), server.topic("killed_commit", 1));
    let queue = queues(&client, &topic).await.remove(0);
    let producer = producer(&client);
    let mut pending = Vec::new();
    for n in 0..500 {
        pending.push(producer.submit_half(&queue, Message::new(&topic, format!("m{n}")), 0, None).await.unwrap());
    }
    let mut halves = Vec::new();
    for half in pending {
        halves.push(half.await.unwrap());
    }
    let committing = {
        let (client, halves) = (client.clone(), halves.clone());
        tokio::spawn(async move { client.commit(&halves).await })
    };
    eventually("some to be visible", || async { client.max_offset(&queue).await.ok().filter(|end| *end > 20) }).await;
    let _server = tokio::task::block_in_place(|| {
        server.kill9_broker('a');
        server.restart();
        server
    });
    // it was faster than the kill, or it was not
    let _ = committing.await.unwrap();
    eventually("the broker to answer", || async { client.commit_again(&halves).await.ok() }).await;
    assert_eq!(client.commit_again(&halves).await.unwrap(), 0);
    let end = client.max_offset(&queue).await.unwrap();
    let messages = read(&client, &queue, 0, usize::try_from(end).unwrap()).await;
    let mut bodies: Vec<_> = messages.into_iter().map(|m| m.into_body()).collect();
    assert_eq!(bodies.len(), 500);
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 500);
}
