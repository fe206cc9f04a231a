use std::time::Duration;

use riverrun_testkit::tcp::Proxy;
use riverrun_testkit::{MariaDb, mariadb, unique};

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn rows_are_read_as_text_and_null() {
    let table = unique("t");
    mariadb().execute(&format!(
        "CREATE TABLE {table} (a INT, b VARCHAR(9)); INSERT INTO {table} VALUES (1, 'é'), (2, NULL)"
    ));
    let rows = mariadb().query(&format!("SELECT a, b FROM {table} ORDER BY a"));
    assert_eq!(rows, [some(&["1", "é"]), vec![Some("2".to_owned()), None]]);
    assert_eq!(mariadb().count(&table), 2);
}

#[tokio::test]
async fn it_can_be_asked_from_a_runtime() {
    assert_eq!(mariadb().query("SELECT 1"), [some(&["1"])]);
}

#[test]
fn data_survives_kill_and_restart_on_the_same_port() {
    let mut server = MariaDb::start();
    let url = server.url();
    server.execute("CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    server.kill9();
    assert!(server.try_query("SELECT 1").is_err());
    server.restart();
    assert_eq!((server.url(), server.count("t")), (url, 1));
    server.stop();
    server.restart();
    assert_eq!(server.count("t"), 1);
}

#[test]
fn it_can_be_reached_through_a_proxy() {
    let proxy = Proxy::to(mariadb().address());
    let mut stream = std::net::TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut greeting = [0; 64];
    std::io::Read::read_exact(&mut stream, &mut greeting).unwrap();
    assert!(String::from_utf8_lossy(&greeting).contains("MariaDB"));
}
