//! The script of `examples/provinces`, unchanged but for its servers and topics.

use std::time::Duration;

use riverrun_rocketmq_client::{Client, ClientOptions, Message, ProducerOptions, PullOptions};
use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{rocketmq, temp_folder, wait_until};
use tokio::runtime::Runtime;

use crate::kit::root;

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn every_address_gives_its_province() {
    let (from, to) = (rocketmq().topic("sql_provinces_in", 1), rocketmq().topic("sql_provinces_out", 1));
    let script = std::fs::read_to_string(root().join("examples/provinces/provinces.sql")).unwrap();
    let script = script
        .replace("localhost:9876", &rocketmq().name_server())
        .replace("flink-source2", &from)
        .replace("flink-sink2", &to);
    let folder = temp_folder();
    std::fs::write(folder.path().join("job.sql"), script).unwrap();
    let mut job = Riverrun::builder_at(env!("CARGO_BIN_EXE_riverrun"))
        .args(["run", "job.sql"])
        .current_dir(folder.path())
        .env("TERM", "dumb")
        .start();
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let client = Client::new(ClientOptions::new(&rocketmq().name_server()).unwrap()).unwrap();
    let producer = client.producer(ProducerOptions::new("provinces")).unwrap();
    let bodies = || {
        runtime.block_on(async {
            let mut bodies = Vec::new();
            for queue in client.existing_route(&to).await.unwrap().readable() {
                let mut options = PullOptions::new("provinces");
                options.suspend = Duration::ZERO;
                let pulled = client.puller(queue, options).pull(0).await.unwrap();
                bodies.extend(pulled.messages.iter().map(|m| String::from_utf8(m.body().to_vec()).unwrap()));
            }
            bodies
        })
    };
    let mut sent = 0;
    wait_until(LIMIT, "a first province", || {
        assert!(job.is_running(), "{:#?}", job.stderr());
        let message = Message::new(&from, format!("{sent} High Street, Hubei")).keys([sent.to_string()]);
        runtime.block_on(producer.send(message)).unwrap();
        sent += 1;
        !bodies().is_empty()
    });
    let said = bodies().remove(0);
    assert!(said.starts_with("{\"id\":\"") && said.ends_with("\",\"province\":\"Hubei\"}"), "{said}");
    job.kill9();
}
