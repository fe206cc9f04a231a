//! The example with RocketMQ.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_rocketmq_client::{Client, ClientOptions, Message, ProducerOptions, PullOptions};
use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{rocketmq, temp_folder, wait_until};
use tokio::runtime::Runtime;

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn every_address_gives_its_province_over_a_kill() {
    let (from, to) = (rocketmq().topic("provinces_in", 2), rocketmq().topic("provinces_out", 2));
    let folder = temp_folder();
    let start = || {
        Riverrun::builder_at(env!("CARGO_BIN_EXE_provinces"))
            .args(["--nameserver.address", &rocketmq().name_server(), "--source-topic", &from, "--sink-topic", &to])
            .args(["--resume", "--checkpoint-dir"])
            .arg(folder.path())
            .start()
    };
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let client = Client::new(ClientOptions::new(&rocketmq().name_server()).unwrap()).unwrap();
    let producer = client.producer(ProducerOptions::new("provinces")).unwrap();
    let found = || {
        runtime.block_on(async {
            let mut found = BTreeSet::new();
            for queue in client.existing_route(&to).await.unwrap().readable() {
                let mut options = PullOptions::new("provinces");
                options.suspend = Duration::ZERO;
                let mut puller = client.puller(queue, options);
                let mut offset = 0;
                loop {
                    let pulled = puller.pull(offset).await.unwrap();
                    for message in &pulled.messages {
                        found.insert(String::from_utf8(message.body().to_vec()).unwrap());
                    }
                    offset = pulled.next_offset;
                    if offset >= pulled.max_offset {
                        break;
                    }
                }
            }
            found
        })
    };
    let provinces = ["Hubei", "Hunan", "Sichuan"];
    let send = |numbers: std::ops::Range<usize>| {
        for n in numbers {
            let message = Message::new(&from, format!("{n} Long Road, {}", provinces[n % 3])).keys([n.to_string()]);
            runtime.block_on(producer.send(message)).unwrap();
        }
    };
    let said = |n: usize| format!("{{\"id\":\"{n}\",\"province\":\"{}\"}}", provinces[n % 3]);
    // It begins at the end, and what is sent until it runs is not read: so messages are sent until one comes.
    let mut job = start();
    let mut first = 0;
    wait_until(LIMIT, "a first province", || {
        assert!(job.is_running(), "{:#?}", job.stderr());
        send(first..first + 1);
        first += 1;
        !found().is_empty()
    });
    let all_of = |numbers: std::ops::Range<usize>, job: &mut Riverrun| {
        wait_until(LIMIT, "every province", || {
            assert!(job.is_running(), "{:#?}", job.stderr());
            let found = found();
            numbers.clone().all(|n| found.contains(&said(n)))
        });
    };
    send(first..first + 100);
    all_of(first..first + 100, &mut job);
    // The group is told of a checkpoint that is complete; whichever it is, the next process goes on there, and nothing is missing.
    wait_until(LIMIT, "a checkpoint", || {
        runtime.block_on(async {
            for queue in client.existing_route(&from).await.unwrap().readable() {
                if client.committed_offset("c002", queue).await.unwrap().is_none() {
                    return false;
                }
            }
            true
        })
    });
    send(first + 100..first + 150);
    job.kill9();
    send(first + 150..first + 200);
    let mut job = start();
    all_of(first..first + 200, &mut job);
    job.kill9();
}
