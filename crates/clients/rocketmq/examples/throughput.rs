//! How many messages a CPU second sends and reads, next to Apache's Java client on the same broker in the same run.
//!
//! `cargo run --release -p riverrun-rocketmq-client --example throughput [MESSAGES] [ROUNDS] [RIVERRUN]` starts a broker of its own with topics
//! of four queues. In each round both clients send so many messages of 100 bytes, each with a tag and a key, asynchronously with at most 256 under
//! way, and read as many back, every queue by a task (a thread in Java) of its own. With the program `riverrun` also the connector does both: one
//! script reads the topic to nowhere, another writes as many generated rows, whole processes with their start. It prints a Markdown table of the
//! rounds and their medians. CPU time is that of the client's process alone, system calls included. Java's virtual machine, with its default
//! compilers, does every round twice and counts the second: it is started and warm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "an example that cannot go on stops")]

use std::process::Command;
use std::time::{Duration, Instant};

use riverrun_rocketmq_client::{Client, ClientOptions, Message, ProducerOptions, PullOptions};
use riverrun_testkit::RocketMqOptions;
use tokio::task::JoinSet;

const QUEUES: u32 = 4;
const BODY: [u8; 100] = [b'x'; 100];

/// What is measured, and what it is compared with.
const WAYS: [(&str, usize); 6] = [
    ("send, Java's client", 0),
    ("send, our client", 0),
    ("pull, Java's client", 2),
    ("pull, our client", 2),
    ("datagen to a topic, riverrun", 0),
    ("a topic to nowhere, riverrun", 2),
];

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
    let riverrun = std::env::args().nth(3);
    let mut results = vec![Vec::new(); if riverrun.is_some() { WAYS.len() } else { 4 }];
    for round in 0..rounds {
        let topics = ["java", "ours", "sink"].map(|who| server.topic(&format!("throughput_{who}_{round}"), QUEUES));
        let words = [server.name_server(), topics[0].clone(), messages.to_string()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let printed = server.run_java_with(&["-Xmx512m"], include_str!("Throughput.java"), &words);
        let [send, pull] = java_results(&printed);
        results[0].push(send);
        results[1].push(measured(|| send_all(&client, &topics[1], messages)).await);
        results[2].push(pull);
        wait_until_visible(&client, &topics[1], messages).await;
        results[3].push(measured(|| pull_all(&client, &topics[1], messages)).await);
        if let Some(riverrun) = &riverrun {
            results[4].push(measured_script(riverrun, &sink_script(&server.name_server(), &topics[2], messages)));
            results[5].push(measured_script(riverrun, &source_script(&server.name_server(), &topics[1])));
            wait_until_visible(&client, &topics[2], messages).await;
        }
    }
    println!("{messages} messages of {} bytes, {QUEUES} queues; messages per second / per CPU second\n", BODY.len());
    let columns: String = (1..=rounds).map(|round| format!(" round {round} |")).collect();
    println!("| |{columns} median | of Java's, per CPU second |\n|---|{}---|---|", "---|".repeat(rounds));
    #[allow(clippy::cast_precision_loss, reason = "a count for display")]
    let rate = |seconds: f64| messages as f64 / seconds;
    for ((way, base), taken) in WAYS.iter().zip(&results) {
        let cell = |[seconds, cpu]: Measured| format!(" {:.0} / {:.0} |", rate(seconds), rate(cpu));
        let rounds: String = taken.iter().map(|measured| cell(*measured)).collect();
        let medians = [median(taken, 0), median(taken, 1)];
        println!("| {way} |{rounds}{} {:.2}x |", cell(medians), median(&results[*base], 1) / medians[1]);
    }
}

/// Reads a topic, up to where it ends now.
fn source_script(servers: &str, topic: &str) -> String {
    format!(
        "CREATE TABLE messages (body BYTES) WITH ('connector' = 'rocketmq', 'topic' = '{topic}', 'nameServerAddress' = '{servers}',
          'consumerGroup' = 'throughput', 'scanStartupMode' = 'earliest', 'scan.bounded.mode' = 'latest-offset');
        CREATE TABLE nowhere (body BYTES) WITH ('connector' = 'blackhole');
        INSERT INTO nowhere SELECT body FROM messages;"
    )
}

/// Writes so many rows of as many bytes.
fn sink_script(servers: &str, topic: &str, messages: usize) -> String {
    format!(
        "CREATE TABLE source (body STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '{messages}', 'fields.body.length' = '{}');
        CREATE TABLE messages (body STRING) WITH ('connector' = 'rocketmq', 'topic' = '{topic}', 'nameServerAddress' = '{servers}',
          'format' = 'raw', 'tag' = 'tag');
        INSERT INTO messages SELECT body FROM source;",
        BODY.len()
    )
}

/// A process of `riverrun` from its start to its end.
fn measured_script(riverrun: &str, script: &str) -> Measured {
    let folder = riverrun_testkit::temp_folder();
    std::fs::write(folder.path().join("job.sql"), script).unwrap();
    let (begin, cpu) = (Instant::now(), cpu_seconds(CHILDREN));
    let mut command = Command::new(riverrun);
    command.args(["run", "job.sql"]).current_dir(folder.path()).env("TERM", "dumb");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [begin.elapsed().as_secs_f64(), cpu_seconds(CHILDREN) - cpu]
}

async fn send_all(client: &Client, topic: &str, messages: usize) {
    let mut options = ProducerOptions::new("throughput");
    options.in_flight_max = 256;
    // a busy machine is no reason to fail
    options.send_timeout = Duration::from_secs(30);
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
    let (begin, cpu) = (Instant::now(), cpu_seconds(OWN));
    work().await;
    [begin.elapsed().as_secs_f64(), cpu_seconds(OWN) - cpu]
}

/// Where a process's times stand, user's and system's: its own, and those of children that have ended.
const OWN: [usize; 2] = [11, 12];
const CHILDREN: [usize; 2] = [13, 14];

/// What was used, in steps of a hundredth.
fn cpu_seconds(of: [usize; 2]) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    of.iter().map(|field| fields[*field].parse::<f64>().unwrap()).sum::<f64>() / 100.0
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
