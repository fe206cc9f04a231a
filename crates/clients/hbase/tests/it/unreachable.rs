use std::time::{Duration, Instant};

use riverrun_base::{Error, Kind};
use riverrun_hbase_client::{Client, Options, Scan, TableName};
use riverrun_testkit::{hbase, tcp};
use tokio::runtime::Runtime;

use crate::setup::put;

const LIMIT: Duration = Duration::from_millis(700);

/// What a busy machine adds.
const SLACK: Duration = Duration::from_secs(5);

fn client(options: Options) -> Client {
    Client::new(Options { operation_timeout: LIMIT, connect_timeout: Duration::from_millis(200), ..options }).unwrap()
}

/// The errors of every way to ask, each of which must come in time.
fn errors(client: &Client) -> Vec<Error> {
    let table = TableName::new("t").unwrap();
    let in_time = |error: Error, begin: Instant| {
        let elapsed = begin.elapsed();
        assert!(elapsed < LIMIT + SLACK, "{elapsed:?}: {error}");
        assert_eq!((error.kind(), error.is_retryable()), (Kind::External, true), "{error}");
        error
    };
    macro_rules! ask {
        ($($call:expr),* $(,)?) => {
            Runtime::new().unwrap().block_on(async {
                vec![$({ let begin = Instant::now(); in_time($call.await.map(drop).unwrap_err(), begin) }),*]
            })
        };
    }
    let rows = [put("a", "1"), put("b", "2")];
    ask![
        client.check(),
        client.put(&table, &rows[0]),
        async { client.put_all(&table, &rows).await.into_iter().collect::<Result<Vec<()>, Error>>() },
        client.get(&table, "r"),
        client.delete(&table, "r"),
        client.table_exists(&table),
        async { client.scan(&table, Scan::all()).next_batch().await },
    ]
}

#[test]
fn a_wrong_quorum_is_told_with_its_address_within_the_time() {
    let nobody = tcp::nobody();
    for error in errors(&client(Options::new(nobody.to_string()))) {
        let text = error.to_string();
        assert!(text.contains(&format!("ZooKeeper at {nobody}: ")) && text.contains("within 700 ms"), "{text}");
        assert!(text.contains("is HBase running, and are the ZooKeeper quorum"), "{text}");
    }
}

#[test]
fn servers_that_do_not_answer_or_are_no_zookeeper_are_told_one_by_one() {
    let (silent, closing) = (tcp::Server::silent(), tcp::Server::closing());
    let other = tcp::Server::answering(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let quorum = [silent.address(), closing.address(), other.address()].map(|address| address.to_string()).join(",");
    let limits = Options {
        connect_timeout: Duration::from_secs(1),
        operation_timeout: Duration::from_secs(4),
        ..Options::new(quorum)
    };
    let error = Runtime::new().unwrap().block_on(Client::new(limits).unwrap().check()).unwrap_err().to_string();
    assert!(error.contains(&format!("{}: no answer within 1 s", silent.address())), "{error}");
    assert!(error.contains(&closing.address().to_string()), "{error}");
    assert!(error.contains(&format!("{}: it does not speak ZooKeeper's protocol", other.address())), "{error}");
}

#[test]
fn one_server_of_the_quorum_that_answers_is_enough() {
    let quorum = format!("{},{}", tcp::nobody(), hbase().quorum());
    let options = Options { operation_timeout: Duration::from_secs(60), ..Options::new(quorum) };
    Runtime::new().unwrap().block_on(Client::new(options).unwrap().check()).unwrap();
}

#[test]
fn a_parent_node_that_is_not_hbases_is_told() {
    let options = Options { znode_parent: "/elsewhere".to_owned(), ..Options::new(hbase().quorum()) };
    let client = Client::new(Options { operation_timeout: Duration::from_secs(4), ..options }).unwrap();
    let error = Runtime::new().unwrap().block_on(client.check()).unwrap_err().to_string();
    assert!(error.contains("it has no node /elsewhere/meta-region-server"), "{error}");
}

#[test]
fn options_that_cannot_be_are_refused_before_anything_is_asked() {
    let error = Client::new(Options::new("zk1:2181/hbase")).unwrap_err();
    assert_eq!(error.kind(), Kind::User);
}
