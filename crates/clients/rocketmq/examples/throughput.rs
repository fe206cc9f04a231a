//! How many messages a CPU second sends and reads, next to Apache's Java client on the same broker in the same run.
//!
//! `cargo run --release -p riverrun-rocketmq-client --example throughput [MESSAGES] [ROUNDS]` starts a broker of its own with a topic
//! of four queues. In each round both clients send so many messages of 100 bytes, each with a tag and a key, asynchronously with at most 256 under
//! way, and read as many back, every queue by a task (a thread in Java) of its own. It prints the medians of the rounds. CPU time is that of the client's
//! process alone, system calls included. Java's virtual machine, with its default compilers, does every round twice and counts the second: it is
//! started and warm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "an example that cannot go on stops")]

use std::time::Instant;

use riverrun_rocketmq_client::{Client, ClientOptions, Message, ProducerOptions, PullOptions};
use riverrun_testkit::RocketMqOptions;
use tokio::task::JoinSet;

const QUEUES: u32 = 4;
const BODY: [u8; 100] = [b'x'; 100];
const WAYS: [&str; 4] = ["send, Java", "send, ours", "pull, Java", "pull, ours"];

/// Seconds and CPU seconds.
type Measured = [f64; 2];

#[tokio::main]
async fn main() {
    let number =
        |index: usize, default: usize| std::env::args().nth(index).map_or(default, |text| text.parse().unwrap());
    let (messages, rounds) = (number(1, 200_000), number(2, 3));
    // on a busy machine a broker otherwise sends back what it does not get to in 200 ms, and Java gives up on it
    let patient = [("waitTimeMillsInSendQueue", "10000"), ("osPageCacheBusyTimeOutMills", "10000")];
    let options =
        patient.into_iter().fold(RocketMqOptions::new().brokers(1), |all, (key, value)| all.setting(key, value));
    let server = options.start();
    let client = Client::new(ClientOptions::new(&server.name_server()).unwrap()).unwrap();
    let mut results = vec![Vec::new(); WAYS.len()];
    for round in 0..rounds {
        let topics = ["java", "ours"].map(|who| server.topic(&format!("throughput_{who}_{round}"), QUEUES));
        let words = [server.name_server(), topics[0].clone(), messages.to_string()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let printed = server.run_java_with(&["-Xmx512m"], include_str!("Throughput.java"), &words);
        let [send, pull] = java_results(&printed);
        results[0].push(send);
        results[1].push(measured(|| send_all(&client, &topics[1], messages)).await);
        results[2].push(pull);
        wait_until_visible(&client, &topics[1], messages).await;
        results[3].push(measured(|| pull_all(&client, &topics[1], messages)).await);
    }
    println!("{messages} messages of {} bytes, {QUEUES} queues, {rounds} rounds", BODY.len());
    println!("{:<12}{:>14}{:>20}{:>18}", "", "messages/s", "messages/CPU s", "of Java's");
    #[allow(clippy::cast_precision_loss, reason = "a count for display")]
    let messages = messages as f64;
    for (index, way) in WAYS.iter().enumerate() {
        let [seconds, cpu] = [0, 1].map(|column| median(&results[index], column));
        let ratio = median(&results[index / 2 * 2], 1) / cpu;
        println!("{way:<12}{:>14.0}{:>20.0}{ratio:>17.2}x", messages / seconds, messages / cpu);
    }
}

async fn send_all(client: &Client, topic: &str, messages: usize) {
    let mut options = ProducerOptions::new("throughput");
    options.in_flight_max = 256;
    let producer = client.producer(options).unwrap();
    let mut pending = Vec::with_capacity(messages);
    for n in 0..messages {
        let message = Message::new(topic, &BODY[..]).tags("tag").keys([n.to_string()]);
        pending.push(producer.submit(message).await.unwrap());
    }
    for answer in pending {
        answer.await.unwrap();
    }
}

/// Queues are built behind the log.
async fn wait_until_visible(client: &Client, topic: &str, messages: usize) {
    let route = client.existing_route(topic).await.unwrap();
    let mut visible = 0;
    while visible < i64::try_from(messages).unwrap() {
        visible = 0;
        for queue in route.readable() {
            visible += client.max_offset(queue).await.unwrap();
        }
    }
}

async fn pull_all(client: &Client, topic: &str, messages: usize) {
    let mut tasks = JoinSet::new();
    for queue in client.existing_route(topic).await.unwrap().readable() {
        let end = client.max_offset(queue).await.unwrap();
        let mut puller = client.puller(queue, PullOptions::new("throughput"));
        tasks.spawn(async move {
            let (mut offset, mut count, mut bytes) = (0, 0, 0);
            while offset < end {
                let pulled = puller.pull(offset).await.unwrap();
                for message in &pulled.messages {
                    count += 1;
                    bytes +=
                        message.body().len() + message.tags().map_or(0, str::len) + message.keys().map_or(0, str::len);
                }
                offset = pulled.next_offset;
            }
            assert!(bytes > count * BODY.len());
            count
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), messages);
}

async fn measured<F: Future<Output = ()>>(work: impl Fn() -> F) -> Measured {
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    work().await;
    [begin.elapsed().as_secs_f64(), cpu_seconds() - cpu]
}

/// What this process has used, in steps of a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// The lines `send SECONDS CPU` and `pull SECONDS CPU`.
fn java_results(printed: &str) -> [Measured; 2] {
    ["send ", "pull "].map(|name| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)).expect("a line of results");
        let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        [numbers[0], numbers[1]]
    })
}

fn median(results: &[Measured], column: usize) -> f64 {
    let mut values: Vec<f64> = results.iter().map(|result| result[column]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
