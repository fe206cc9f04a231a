use riverrun_testkit::{Postgres, postgres, unique};

#[test]
fn rows_are_read_as_text_and_null() {
    let table = unique("t");
    postgres()
        .execute(&format!("CREATE TABLE {table} (a INT, b TEXT); INSERT INTO {table} VALUES (1, 'é'), (2, NULL)"));
    let rows = postgres().query(&format!("SELECT a, b FROM {table} ORDER BY a"));
    assert_eq!(rows, [vec![Some("1".to_owned()), Some("é".to_owned())], vec![Some("2".to_owned()), None]]);
    assert_eq!(postgres().count(&table), 2);
}

#[test]
fn prepared_transactions_survive_kill_and_restart_on_the_same_port() {
    let mut server = Postgres::start();
    let url = server.url();
    server.execute("CREATE TABLE t (a INT)");
    server.execute("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'x'");
    server.kill9();
    assert!(server.try_query("SELECT 1").is_err());
    server.restart();
    assert_eq!((server.url(), server.count("t")), (url, 0));
    server.execute("COMMIT PREPARED 'x'");
    server.stop();
    server.restart();
    assert_eq!(server.count("t"), 1);
}
