use std::time::Duration;

use riverrun_hbase_client::{Client, Options, Put, Scan};
use riverrun_testkit::{HBaseServer, wait_until};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::setup::{all_written, client_of, keys, put, read, table};

const BATCH: u32 = 100;
const BATCHES: u32 = 60;

fn batch(number: u32) -> Vec<Put> {
    (number * BATCH..(number + 1) * BATCH).map(|n| put(format!("{n:06}"), n.to_string())).collect()
}

#[test]
fn a_server_that_falls_silent_is_waited_for() {
    let server = HBaseServer::start();
    let runtime = Runtime::new().unwrap();
    let patient = client_of(&server);
    let table = runtime.block_on(table(&patient, &[]));
    let options = Options {
        call_timeout: Duration::from_secs(1),
        operation_timeout: Duration::from_secs(60),
        ..Options::new(server.quorum())
    };
    let client = Client::new(options).unwrap();
    let hasty = Options { operation_timeout: Duration::from_secs(4), ..Options::new(server.quorum()) };
    let hasty = Client::new(hasty).unwrap();
    runtime.block_on(async {
        client.put(&table, &put("a", "1")).await.unwrap();
        hasty.check().await.unwrap();
        server.pause();
        let (client, table) = (client.clone(), table.clone());
        let waiting = tokio::spawn(async move {
            let outcomes = client.put_all(&table, &batch(0)).await;
            let is_first = client.put_if_absent(&table, &put("b", "2")).await;
            (outcomes, is_first)
        });
        // several of the other client's calls have had no answer by then
        let error = hasty.check().await.unwrap_err();
        assert!(error.to_string().contains("cannot reach HBase within 4 s") && error.is_retryable(), "{error}");
        assert!(!waiting.is_finished());
        server.resume();
        let (outcomes, is_first) = waiting.await.unwrap();
        all_written(outcomes);
        assert!(is_first.unwrap());
    });
    assert_eq!(runtime.block_on(keys(&patient, &table, Scan::all())).len(), 102);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed_in_the_middle_of_a_load() {
    let mut server = HBaseServer::start();
    let runtime = Runtime::new().unwrap();
    let client = client_of(&server);
    let table = runtime.block_on(table(&client, &["003000"]));

    let (done, progress) = watch::channel(0);
    let load = runtime.spawn({
        let (client, table) = (client.clone(), table.clone());
        async move {
            for number in 0..BATCHES {
                for outcome in client.put_all(&table, &batch(number)).await {
                    outcome.unwrap();
                }
                done.send_replace(number + 1);
            }
        }
    });
    let reached = |number: u32| {
        wait_until(Duration::from_secs(60), "the load to go on", || *progress.borrow() >= number || load.is_finished());
    };
    reached(BATCHES / 3);
    server.kill9();
    server.restart();
    runtime.block_on(load).unwrap();

    let rows = runtime.block_on(read(&client, &table, Scan::all()));
    let found: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(row.value("cf", "v").unwrap())).collect();
    assert_eq!(found, (0..BATCH * BATCHES).map(|n| n.to_string()).collect::<Vec<_>>());

    // what is acknowledged is there after the next kill too, and every way to ask finds the server that came back
    runtime.block_on(async {
        client.put(&table, &put("last", "1")).await.unwrap();
        client.delete(&table, "000000").await.unwrap();
    });
    let mut scanner = client.scan(&table, Scan::all().batch_rows(10));
    let first = runtime.block_on(scanner.next_batch()).unwrap().unwrap();
    assert_eq!(first[0].key(), "000001");
    server.kill9();
    server.restart();
    runtime.block_on(async {
        // between two batches of a scan
        let second = scanner.next_batch().await.unwrap().unwrap();
        assert_eq!(second[0].key(), "000011");
        assert!(client.get(&table, "last").await.unwrap().is_some());
        assert_eq!(client.get(&table, "000000").await.unwrap(), None);
        assert!(!client.put_if_absent(&table, &put("last", "2")).await.unwrap());
        assert!(client.table_exists(&table).await.unwrap());
        assert_eq!(keys(&client, &table, Scan::prefix("last")).await, ["last"]);
    });
}
