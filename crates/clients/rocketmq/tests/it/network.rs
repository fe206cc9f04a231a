//! A network that fails between the client and a broker.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use riverrun_rocketmq_client::{
    Client, ClientOptions, HalfMessage, Message, Outcome, Producer, ProducerOptions, PullOptions, Queue,
};
use riverrun_testkit::tcp::{Proxy, Server};
use riverrun_testkit::{rocketmq, unique};
use tokio::time::timeout;

use crate::harness::{LIMIT, client, eventually, queues, read, visible};

/// A topic with one queue on a broker that is reached through a proxy: by a name server that says so.
struct Case {
    proxy: Proxy,
    _name_server: Server,
    client: Client,
    producer: Producer,
    queue: Queue,
}

impl Case {
    fn new(name: &str, retries: u32) -> Self {
        let topic = rocketmq().topic(name, 1);
        let proxy = Proxy::to(rocketmq().broker('a').parse().unwrap());
        let route = format!(
            r#"{{"brokerDatas":[{{"brokerAddrs":{{"0":"{}"}},"brokerName":"broker-a","cluster":"riverrun"}}],
            "queueDatas":[{{"brokerName":"broker-a","perm":6,"readQueueNums":1,"writeQueueNums":1,"topicSysFlag":0}}]}}"#,
            proxy.address()
        );
        let name_server = Server::new(move |stream| tell(stream, &route));
        let mut options = ClientOptions::new(&name_server.address().to_string()).unwrap();
        options.request_timeout = Duration::from_secs(1);
        let client = Client::new(options).unwrap();
        let mut options = ProducerOptions::new(unique("pg"));
        options.send_timeout = Duration::from_secs(1);
        options.retries = retries;
        let producer = client.producer(options).unwrap();
        Self { proxy, _name_server: name_server, client, producer, queue: Queue::new(&topic, "broker-a", 0) }
    }

    fn message(&self, body: impl Into<String>) -> Message {
        Message::new(&*self.queue.topic, body.into())
    }

    async fn half(&self, body: &str, scan_from: i64) -> HalfMessage {
        self.producer.send_half(&self.queue, self.message(body), scan_from, None).await.unwrap()
    }
}

/// Answers every request with this body.
fn tell(mut stream: TcpStream, body: &str) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        if stream.read_exact(&mut request).is_err() {
            return;
        }
        let opaque = i32::from_be_bytes(request[9..13].try_into().unwrap());
        let header = format!(r#"{{"code":0,"flag":1,"language":"JAVA","opaque":{opaque},"version":477}}"#);
        let size = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
        let answer =
            [&size(4 + header.len() + body.len())[..], &size(header.len()), header.as_bytes(), body.as_bytes()];
        if stream.write_all(&answer.concat()).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_not_carried_out_twice() {
    let case = Case::new("lost_answer", 3);
    let mut halves = Vec::new();
    for n in 0..10 {
        halves.push(case.half(&format!("m{n}"), 0).await);
    }
    case.proxy.hold_answers();
    let error = case.client.commit(&halves).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    // the broker has done it, at the latest now
    visible(&client(), &case.queue, 10).await;
    case.proxy.cut();
    case.proxy.heal();
    let committed = eventually("the broker to answer", || async { case.client.commit_again(&halves).await.ok() }).await;
    assert_eq!(committed, 0);
    assert_eq!(case.producer.send_to(&case.queue, case.message("next")).await.unwrap().queue_offset, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_and_reading_go_on_over_an_interruption() {
    let case = Case::new("interrupted", 50);
    let reading = {
        let (client, queue) = (case.client.clone(), case.queue.clone());
        tokio::spawn(async move { read(&client, &queue, 0, 300).await })
    };
    let mut pending = Vec::new();
    for n in 0..300 {
        pending.push(case.producer.submit(case.message(format!("m{n}"))).await.unwrap());
        match n {
            100 => case.proxy.cut(),
            200 => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                case.proxy.heal();
            }
            _ => {}
        }
    }
    let mut places = Vec::new();
    for answer in pending {
        places.push(answer.await.unwrap().queue_offset);
    }
    reading.await.unwrap();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_went_silent_is_noticed_by_who_waits_longer() {
    let case = Case::new("silent", 0);
    let mut options = PullOptions::new(unique("cg"));
    options.suspend = Duration::from_secs(60);
    let mut puller = case.client.puller(&case.queue, options);
    assert_eq!(case.client.max_offset(&case.queue).await.unwrap(), 0);
    let polling = tokio::spawn(async move {
        let begin = Instant::now();
        let error = puller.pull(0).await.unwrap_err();
        (error, begin.elapsed(), puller)
    });
    // it is with the broker
    assert_eq!(case.client.max_offset(&case.queue).await.unwrap(), 0);
    case.proxy.hold();
    let error = case.client.max_offset(&case.queue).await.unwrap_err();
    assert!(error.is_retryable() && error.message().ends_with("did not answer in time"), "{error}");
    let (error, took, mut puller) = polling.await.unwrap();
    assert!(error.is_retryable() && took < Duration::from_secs(20), "{took:?}: {error}");
    assert!(error.message().contains("nothing came from it"), "{error}");
    case.proxy.heal();
    case.producer.send_to(&case.queue, case.message("m")).await.unwrap();
    let pulled = timeout(LIMIT, async {
        loop {
            match puller.pull(0).await {
                Ok(pulled) => break pulled,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    });
    assert_eq!(pulled.await.unwrap().outcome, Outcome::Found);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_messages_than_may_be_under_way_wait_no_longer_than_allowed() {
    let case = Case::new("clogged", 0);
    let mut options = ProducerOptions::new(unique("pg"));
    options.send_timeout = Duration::from_millis(200);
    options.in_flight_max = 5;
    options.retries = 0;
    let producer = case.client.producer(options).unwrap();
    producer.send(case.message("all is well")).await.unwrap();
    case.proxy.hold();
    let mut pending = Vec::new();
    let begin = Instant::now();
    let error = loop {
        match producer.submit(case.message("held")).await {
            Ok(answer) => pending.push(answer),
            Err(error) => break error,
        }
    };
    assert_eq!(pending.len(), 5);
    assert_eq!(error.message(), "5 messages are under way, and RocketMQ answers none of them");
    assert!(error.is_retryable() && begin.elapsed() < Duration::from_secs(5));
    for answer in pending {
        assert!(answer.await.unwrap_err().is_retryable());
    }
    case.proxy.heal();
    eventually("messages to be taken", || async { producer.send(case.message("well again")).await.ok() }).await;
    assert!(!queues(&client(), &case.queue.topic).await.is_empty());
}
