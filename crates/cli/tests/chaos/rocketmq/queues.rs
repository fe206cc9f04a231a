//! Queues of a running job: a broker that joins, brokers that are away, watermarks of queues of which one is ahead and others are silent.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_rocketmq_client::{Message, Queue};
use riverrun_testkit::{RocketMqServer, TempFolder, temp_folder, unique, wait_until};

use super::{Cluster, start};
use crate::{LONG, run_for};

impl Cluster {
    fn queues(&self, topic: &str, broker: &str) -> Vec<Queue> {
        let route = self.runtime.block_on(self.client.refresh_route(topic)).unwrap().unwrap();
        route.readable().iter().filter(|queue| &*queue.broker == broker).cloned().collect()
    }

    /// Sends bodies to these queues in turn.
    fn send(&self, queues: &[Queue], bodies: impl IntoIterator<Item = String>) {
        self.runtime.block_on(async {
            for (queue, body) in queues.iter().cycle().zip(bodies) {
                self.producer.send_to(queue, Message::new(&*queue.topic, body)).await.unwrap();
            }
        });
    }
}

fn folder_with(script: &str) -> TempFolder {
    let folder = temp_folder();
    std::fs::write(folder.path().join("job.sql"), script).unwrap();
    folder
}

/// A broker joins the topic while the job runs. It goes away for a time, then the other, which has the sink's topic: every message is there once.
fn brokers_that_join_and_go_away(away: Duration) {
    let _turn = crate::turn();
    let mut server = RocketMqServer::start();
    // both topics are made where the second broker is not
    server.kill9_broker('b');
    let (from, copy) = (server.topic("joined", 2), server.topic("joined_copy", 1));
    let folder = temp_folder();
    let script = format!(
        "SET 'pipeline.name' = 'queues';
SET 'execution.checkpointing.interval' = '200 ms';
SET 'execution.checkpointing.tolerable-failed-checkpoints' = '3';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '1000';
SET 'restart-strategy.fixed-delay.delay' = '200 ms';
CREATE TABLE numbers (id BIGINT) WITH (
  'connector' = 'rocketmq', 'topic' = '{from}', 'nameServerAddress' = '{servers}', 'consumerGroup' = 'queues',
  'scanStartupMode' = 'latest', 'partitionDiscoveryIntervalMs' = '300', 'format' = 'csv');
CREATE TABLE copy (id BIGINT) WITH (
  'connector' = 'rocketmq', 'topic' = '{copy}', 'nameServerAddress' = '{servers}', 'producerGroup' = '{group}', 'format' = 'csv',
  'sink.delivery-guarantee' = 'exactly-once');
INSERT INTO copy SELECT id FROM numbers;
",
        servers = server.name_server(),
        group = unique("pg"),
    );
    std::fs::write(folder.path().join("job.sql"), script).unwrap();
    let mut cluster = Cluster::new(server);
    let (mut job, mut sent) = (start(&folder, None), 0);
    let ids = |sent: &mut u64, count: u64| {
        let from = *sent;
        *sent += count;
        (from..*sent).map(|id| id.to_string())
    };
    let of_a = cluster.queues(&from, "broker-a");
    assert_eq!((of_a.len(), cluster.queues(&from, "broker-b").len()), (2, 0));
    // it reads from the end: what is sent before it looks is not read
    wait_until(LONG, "the job to read", || {
        assert!(job.is_running(), "{:#?}", job.stderr());
        cluster.send(&of_a, ["-1".to_owned()]);
        !cluster.visible(&copy).is_empty()
    });
    let arrived = |cluster: &Cluster, sent: u64| {
        let mut found = cluster.visible(&copy);
        found.remove("-1");
        found.len() as u64 >= sent
    };
    cluster.send(&of_a, ids(&mut sent, 100));
    wait_until(LONG, "the first broker's messages", || arrived(&cluster, sent));

    cluster.server.restart();
    cluster.server.create_topic(&from, 2);
    let of_b = cluster.queues(&from, "broker-b");
    cluster.send(&of_b, ids(&mut sent, 100));
    wait_until(LONG, "the second broker's messages", || arrived(&cluster, sent));

    cluster.server.kill9_broker('b');
    cluster.send(&of_a, ids(&mut sent, 50));
    wait_until(LONG, "the first broker's messages without the second", || arrived(&cluster, sent));
    run_for(&mut job, away);
    cluster.server.restart();
    cluster.send(&of_b, ids(&mut sent, 50));
    wait_until(LONG, "the second broker's messages again", || arrived(&cluster, sent));

    // under way to a sink whose broker is not there
    cluster.send(&of_b, ids(&mut sent, 50));
    cluster.server.kill9_broker('a');
    cluster.send(&of_b, ids(&mut sent, 50));
    run_for(&mut job, away);
    assert!(job.is_running(), "{:#?}", job.stderr());
    cluster.server.restart();
    cluster.send(&of_a, ids(&mut sent, 50));
    wait_until(LONG, "all messages", || arrived(&cluster, sent));
    job.interrupt();
    let ended = job.wait(LONG);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let mut found = cluster.visible(&copy);
    found.remove("-1");
    assert_eq!(found, (0..sent).map(|id| (id.to_string(), 1)).collect::<BTreeMap<_, _>>());
}

#[test]
fn a_broker_joins_a_running_job_and_brokers_go_away_and_come_back() {
    brokers_that_join_and_go_away(Duration::from_secs(5));
}

#[test]
#[ignore = "long: brokers are away for more than a minute each"]
fn brokers_are_away_for_a_minute() {
    brokers_that_join_and_go_away(Duration::from_secs(70));
}

fn windows(cluster: &Cluster, from: &str, to: &str, more: &str, settings: &str) -> TempFolder {
    folder_with(&format!(
        "{settings}
CREATE TABLE events (id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'rocketmq', 'topic' = '{from}', 'nameServerAddress' = '{servers}', 'consumerGroup' = 'queues',
  'scanStartupMode' = 'earliest', 'format' = 'csv'{more});
CREATE TABLE counts (starts TIMESTAMP(3), n BIGINT) WITH (
  'connector' = 'rocketmq', 'topic' = '{to}', 'nameServerAddress' = '{servers}', 'format' = 'csv');
INSERT INTO counts SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end;
",
        servers = cluster.server.name_server(),
    ))
}

/// An event of this second.
fn event(second: u64) -> String {
    format!("{second},2026-01-01 00:{:02}:{:02}", second / 60, second % 60)
}

#[test]
fn each_queue_has_its_own_watermark_and_a_silent_one_holds_nobody_back() {
    let _turn = crate::turn();
    let cluster = Cluster::new(RocketMqServer::start());
    let (from, to) = (cluster.server.topic("events", 2), cluster.server.topic("counts", 1));
    // one queue is far ahead of the other; nothing of the other is late
    let queues = cluster.queues(&from, "broker-a");
    cluster.send(&queues[..1], (0..600).map(event));
    cluster.send(&queues[1..], (0..600).map(event));
    let bounded = windows(&cluster, &from, &to, ", 'scan.bounded.mode' = 'latest-offset'", "");
    let ended = start(&bounded, None).wait(LONG);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    wait_until(LONG, "every window", || cluster.visible(&to).len() >= 60);
    let counts = cluster.visible(&to);
    assert!(counts.len() == 60 && counts.keys().all(|count| count.ends_with(",20")), "{counts:?}");

    // one queue goes on, three are silent: without a time after which they are idle nothing is complete
    let (from, to) = (cluster.server.topic("silent", 2), cluster.server.topic("silent_counts", 1));
    cluster.send(&cluster.queues(&from, "broker-a")[..1], (0..95).map(event));
    let folder = windows(&cluster, &from, &to, "", "");
    let mut patient = start(&folder, None);
    run_for(&mut patient, Duration::from_secs(3));
    assert!(patient.is_running() && cluster.visible(&to).is_empty(), "{:#?}", patient.stderr());
    patient.kill9();
    let folder = windows(&cluster, &from, &to, "", "SET 'table.exec.source.idle-timeout' = '500 ms';");
    let mut job = start(&folder, None);
    wait_until(LONG, "the windows behind which there are rows", || {
        assert!(job.is_running(), "{:#?}", job.stderr());
        cluster.visible(&to).len() >= 9
    });
    // a queue that was idle counts again when it goes on
    cluster.send(&cluster.queues(&from, "broker-b")[..1], (95..99).chain([101]).map(event));
    wait_until(LONG, "the next window", || cluster.visible(&to).len() >= 10);
    let counts = cluster.visible(&to);
    let expected = (0..10)
        .map(|n| (format!("\"2026-01-01 00:{:02}:{:02}\",{}", n / 6, n % 6 * 10, if n == 9 { 9 } else { 10 }), 1));
    assert_eq!(counts, expected.collect::<BTreeMap<_, _>>());
    job.kill9();
}
