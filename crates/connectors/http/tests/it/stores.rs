//! Stores of failed records: real ones, and such as are down, full, or refuse.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use riverrun_http::failover::{Envelope, Failover, Filter};
use riverrun_testkit::tcp::{self, HttpServer, Reply};
use riverrun_testkit::{MariaDb, Postgres, hbase, hdfs, kafka, mariadb, temp_folder, unique, wait_until};

use crate::encrypted::file;
use crate::harness::{Kept, LIMIT, Writing, envelope, raw_table};

/// What no store may stumble over.
fn hostile() -> Vec<String> {
    let texts = [
        "plain",
        "x\\\", 1), (\\\"y",
        "'); DROP TABLE t; --",
        "back\\slash",
        "line\nend",
        "nul\0",
        "ünï 漢 🦀",
        "\"quoted\"",
    ];
    texts.iter().map(|text| (*text).to_owned()).chain(["z".repeat(200_000)]).collect()
}

fn bodies(envelopes: &[Envelope]) -> BTreeSet<String> {
    envelopes.iter().map(|envelope| envelope.body.clone()).collect()
}

fn refusing() -> HttpServer {
    HttpServer::start(|_| Reply::status(400))
}

fn mysql_options(server: &MariaDb, table: &str) -> Vec<(String, String)> {
    [
        ("storage", "mysql"),
        ("table", table),
        ("jdbc.jdbcUrl", &format!("jdbc:mysql://127.0.0.1:{}/test?useSSL=false&characterEncoding=utf8", server.port())),
        ("jdbc.username", server.user()),
        ("jdbc.password", server.password()),
    ]
    .map(|(key, value)| (format!("http.sink.failover.{key}"), value.to_owned()))
    .to_vec()
}

fn in_mysql(server: &MariaDb, table: &str) -> Vec<Envelope> {
    let rows = server.query(&format!("SELECT `values`, `timestamp` FROM {table}"));
    rows.iter().map(|row| Envelope::parse(row[0].as_deref().unwrap()).unwrap()).collect()
}

#[test]
fn every_record_that_cannot_be_delivered_is_in_mysql_as_it_was() {
    let (server, table) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[("http.sink.failover.probe", "fail")]);
    calls.options.extend(mysql_options(mariadb(), &table));
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile());
    writing.end();
    assert_eq!(bodies(&in_mysql(mariadb(), &table)), hostile().into_iter().collect());
    assert_eq!(mariadb().count(&table), hostile().len() as u64);
}

#[test]
fn a_table_that_the_known_connector_made_is_taken_as_it_is() {
    let (server, table) = (refusing(), unique("failed"));
    mariadb().execute(&format!("CREATE TABLE {table} (`values` text, `timestamp` bigint)"));
    let mut calls = raw_table(&server, None, &[]);
    calls.options.extend(mysql_options(mariadb(), &table));
    let mut writing = Writing::open(&calls);
    writing.write_each(["a".to_owned()]);
    writing.end();
    assert_eq!(in_mysql(mariadb(), &table)[0].body, "a");
    // Longer than a `text`: it would be cut, and so it is refused, and the job fails rather than lose it.
    writing.write_each(["fits".to_owned(), "y".repeat(70_000), "fits too".to_owned()]);
    let error = writing.writer.flush(riverrun_connect::Flush::End).unwrap_err().to_string();
    assert!(error.contains("Data too long") && error.contains("checkpoint"), "{error}");
}

#[test]
fn every_record_is_in_kafka_in_a_topic_that_is_made() {
    let (server, topic) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[]);
    let options =
        [("storage", "kafka"), ("kafka.topic", topic.as_str()), ("kafka.bootstrap.servers", &kafka().bootstrap())];
    calls.options.extend(options.map(|(key, value)| (format!("sink.failover.{key}"), value.to_owned())));
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile());
    writing.end();
    let records = kafka().read_all(&topic);
    assert!(records.len() == hostile().len() && records.iter().all(|record| record.key.is_none()));
    let envelopes: Vec<Envelope> = records.iter().map(|record| envelope(&record.text())).collect();
    assert_eq!(bodies(&envelopes), hostile().into_iter().collect());
}

#[test]
fn every_record_is_in_sqlite() {
    let (server, folder) = (refusing(), temp_folder());
    let file = folder.path().join("failed.db");
    let mut calls = raw_table(&server, None, &[]);
    let options = [
        ("storage", "sqlite".to_owned()),
        ("table", "failed".to_owned()),
        ("jdbc.url", format!("jdbc:sqlite:{}", file.display())),
    ];
    calls.options.extend(options.map(|(key, value)| (format!("sink.failover.{key}"), value)));
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile());
    writing.end();
    let connection = rusqlite::Connection::open(file).unwrap();
    let mut rows = connection.prepare("SELECT \"values\" FROM failed").unwrap();
    let envelopes: Vec<Envelope> = rows
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|text| Envelope::parse(&text.unwrap()).unwrap())
        .collect();
    assert_eq!(bodies(&envelopes), hostile().into_iter().collect());
}

#[test]
fn every_record_is_in_files_of_hdfs_below_the_day() {
    let (server, table) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[]);
    let options = [
        ("storage", "hdfs"),
        ("table", table.as_str()),
        ("hdfs.namenode", &hdfs().url()),
        ("hdfs.user", "root"),
        ("hdfs.path", "/riverrun/http"),
    ];
    calls.options.extend(options.map(|(key, value)| (format!("sink.failover.{key}"), value.to_owned())));
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile());
    writing.end();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let envelopes: Vec<Envelope> = runtime.block_on(async {
        let client = hdfs_native::ClientBuilder::new().with_url(hdfs().url()).build().unwrap();
        let today = chrono::Utc::now().format("%Y-%m").to_string();
        let mut all = Vec::new();
        for file in client
            .list_status(&format!("/riverrun/http/{table}"), true)
            .await
            .unwrap()
            .into_iter()
            .filter(|file| !file.isdir)
        {
            assert!(file.path.contains(&today) && file.path.ends_with(".json"), "{}", file.path);
            let reader = client.read(&file.path).await.unwrap();
            let bytes = reader.read_range(0, reader.file_length()).await.unwrap();
            all.extend(String::from_utf8(bytes.to_vec()).unwrap().lines().map(envelope));
        }
        all
    });
    assert_eq!(bodies(&envelopes), hostile().into_iter().collect());
}

#[test]
fn every_record_is_in_hbase_also_those_of_one_millisecond() {
    let (server, table) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[]);
    let quorum = hbase().quorum();
    let (host, port) = quorum.rsplit_once(':').unwrap();
    let options = [
        ("storage", "hbase"),
        ("table", table.as_str()),
        ("hbase.zookeeper.quorum", host),
        ("hbase.zookeeper.property.clientPort", port),
    ];
    calls.options.extend(options.map(|(key, value)| (format!("http.sink.failover.{key}"), value.to_owned())));
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile().into_iter().chain((0..1000).map(|n| n.to_string())));
    writing.end();
    let listed = Failover::open(&calls.options, false).unwrap().list(&Filter::default(), 5000).unwrap();
    let envelopes: Vec<Envelope> = listed.into_iter().map(|kept| kept.envelope).collect();
    assert_eq!(envelopes.len(), hostile().len() + 1000);
    assert!(bodies(&envelopes).is_superset(&hostile().into_iter().collect()));
}

#[test]
fn a_store_that_is_down_at_the_start_takes_the_records_when_it_is_back() {
    let mut database = MariaDb::start();
    let (server, table) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[]);
    calls.options.extend(mysql_options(&database, &table));
    database.kill9();
    let mut fatal = calls.clone();
    fatal.options.insert("sink.failover.probe".into(), "fail".into());
    let error = Writing::try_open(&fatal).err().unwrap().to_string();
    assert!(error.contains("failover store") && error.contains("MySQL at 127.0.0.1"), "{error}");

    let mut writing = Writing::open(&calls);
    writing.write_each(["a".to_owned(), "b".to_owned()]);
    wait_until(LIMIT, "the store has failed", || writing.count("failoverFailures") > 1);
    assert_eq!(writing.barrier(1).len(), 2, "they are in the checkpoint meanwhile");
    database.restart();
    writing.end();
    assert_eq!(bodies(&in_mysql(&database, &table)), ["a", "b"].map(str::to_owned).into());
    // And once more, while it is used.
    database.kill9();
    writing.write_each(["c".to_owned()]);
    wait_until(LIMIT, "the store has failed", || writing.count("failoverFailures") > 3);
    database.restart();
    writing.end();
    assert_eq!(in_mysql(&database, &table).len(), 3);
}

#[test]
fn a_second_store_takes_what_the_first_does_not() {
    let (server, kept) = (refusing(), Kept::new());
    let nobody = tcp::nobody();
    let mut calls = raw_table(&server, None, &[]);
    let first = [
        ("storage", "mysql".to_owned()),
        ("table", "t".to_owned()),
        ("jdbc.url", format!("jdbc:mysql://{nobody}/test")),
    ];
    calls.options.extend(first.map(|(key, value)| (format!("sink.failover.{key}"), value)));
    calls.options.extend(
        kept.options().into_iter().map(|(key, value)| (key.replace("sink.failover.", "sink.failover.second."), value)),
    );
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile());
    writing.end();
    assert_eq!(bodies(&kept.envelopes()), hostile().into_iter().collect());
}

#[test]
fn a_store_that_stays_unwritable_fails_the_job_after_its_time_and_the_records_stay_in_the_checkpoint() {
    let (server, kept) = (refusing(), Kept::new());
    // A file where the folder should be: also for root, whom no permission stops.
    std::fs::write(format!("{}/failed", kept.path()), "in the way").unwrap();
    std::fs::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &[("sink.failover.timeout", "1 s")]));
    writing.write_each(["a".to_owned()]);
    wait_until(LIMIT, "the store has failed", || writing.count("failoverFailures") > 0);
    let entries = writing.barrier(1);
    assert_eq!(entries.len(), 1);
    let error = writing.writer.flush(riverrun_connect::Flush::End).unwrap_err().to_string();
    assert!(error.contains("could not be kept elsewhere"), "{error}");
    drop(writing);
    std::fs::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::remove_file(format!("{}/failed", kept.path())).unwrap();
    let mut writing = Writing::open(&raw_table(&server, Some(&kept), &[]));
    writing.writer.restore(entries).unwrap();
    writing.end();
    assert_eq!((kept.envelopes().len(), kept.envelopes()[0].tries, server.count()), (1, 1, 1), "it is not sent again");
}

#[test]
fn a_kafka_that_goes_away_takes_the_records_when_it_is_back() {
    let mut broker = riverrun_testkit::KafkaServer::start();
    let (server, topic) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[]);
    let options = [
        ("storage", "kafka"),
        ("table", topic.as_str()),
        ("kafka.bootstrap.servers", &broker.bootstrap()),
        ("kafka.message.timeout.ms", "3000"),
    ];
    calls.options.extend(options.map(|(key, value)| (format!("sink.failover.{key}"), value.to_owned())));
    let mut writing = Writing::open(&calls);
    writing.write_each(["a".to_owned()]);
    writing.end();
    broker.kill9();
    writing.write_each(["b".to_owned()]);
    wait_until(LIMIT, "the store has failed", || writing.count("failoverFailures") > 0);
    broker.restart();
    writing.end();
    std::thread::sleep(Duration::from_millis(1));
    let envelopes: Vec<Envelope> = broker.read_all(&topic).iter().map(|record| envelope(&record.text())).collect();
    assert_eq!(bodies(&envelopes), ["a", "b"].map(str::to_owned).into());
}

#[test]
fn every_record_is_in_a_folder_and_in_postgresql_with_and_without_tls() {
    let folder = temp_folder();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Only the user that the server runs as may read its key.
    let key = folder.path().join("server.key");
    std::fs::copy(file("server.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    if std::fs::metadata(&key).unwrap().uid() == 0 {
        std::os::unix::fs::chown(&key, Some(65534), None).unwrap();
    }
    let certificate = folder.path().join("server.pem");
    std::fs::copy(file("server.pem"), &certificate).unwrap();
    let database = Postgres::start_with(&[
        "ssl=on",
        &format!("ssl_cert_file={}", certificate.display()),
        &format!("ssl_key_file={}", key.display()),
    ]);
    let encrypted = format!("{}?sslmode=verify-full&sslrootcert={}", database.url(), file("ca.pem"));
    let server = refusing();
    let kept = Kept::new();
    for (url, table) in [(None, ""), (Some(database.url()), "plain"), (Some(encrypted), "encrypted")] {
        let mut calls = raw_table(&server, None, &[("sink.failover.probe", "fail")]);
        match &url {
            None => calls.options.extend(kept.options()),
            Some(url) => calls.options.extend(postgres_options(&database, url, table)),
        }
        let mut writing = Writing::open(&calls);
        writing.write_each(hostile());
        if table == "encrypted" {
            let sessions = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE application_name = 'riverrun-failover' AND ssl";
            wait_until(LIMIT, "it is kept", || database.query(sessions)[0][0].as_deref() == Some("1"));
        }
        writing.end();
        let found = Failover::open(&calls.options, false).unwrap().list(&Filter::default(), 100).unwrap();
        let envelopes: Vec<Envelope> = found.into_iter().map(|found| found.envelope).collect();
        assert_eq!(envelopes.len(), hostile().len(), "{table}");
        assert_eq!(bodies(&envelopes), hostile().into_iter().collect(), "{table}");
    }
    // Whose certificate is not known is not trusted with records.
    let stranger = format!("{}?sslmode=verify-full", database.url());
    let mut calls = raw_table(&server, None, &[("sink.failover.probe", "fail")]);
    calls.options.extend(postgres_options(&database, &stranger, "t"));
    let error = Writing::try_open(&calls).err().unwrap().to_string();
    assert!(error.contains("no encrypted connection") && error.contains("certificate"), "{error}");
    let bare = format!("{}?ssl=true", riverrun_testkit::postgres().url());
    calls.options.extend(postgres_options(&database, &bare, "t"));
    let error = Writing::try_open(&calls).err().unwrap().to_string();
    assert!(error.contains("the server has none"), "{error}");
    let unchecked = format!("{}?sslmode=require", database.url());
    calls.options.extend(postgres_options(&database, &unchecked, "t"));
    let error = Writing::try_open(&calls).err().unwrap().to_string();
    assert!(error.contains("sslmode=require") && error.contains("verify-full"), "{error}");
}

fn postgres_options(database: &Postgres, url: &str, table: &str) -> Vec<(String, String)> {
    [
        ("storage", "postgresql"),
        ("table", table),
        ("jdbc.url", url),
        ("jdbc.username", database.user()),
        ("jdbc.password", database.password()),
    ]
    .map(|(key, value)| (format!("sink.failover.{key}"), value.to_owned()))
    .to_vec()
}

#[test]
fn a_store_that_is_down_when_it_is_first_needed_takes_the_records_when_it_is_back() {
    let proxy = tcp::Proxy::to(mariadb().address());
    let (server, table) = (refusing(), unique("failed"));
    let mut calls = raw_table(&server, None, &[("sink.failover.probe", "fail")]);
    calls.options.extend(mysql_options(mariadb(), &table));
    let url = format!("jdbc:mysql://{}/test", proxy.address());
    calls.options.insert("http.sink.failover.jdbc.jdbcUrl".into(), url);
    let mut writing = Writing::open(&calls);
    proxy.cut();
    writing.write_each(hostile());
    wait_until(LIMIT, "the store has failed", || writing.count("failoverFailures") > 1);
    assert_eq!(writing.barrier(1).len(), hostile().len(), "they are in the checkpoint meanwhile");
    proxy.heal();
    writing.end();
    assert_eq!(bodies(&in_mysql(mariadb(), &table)), hostile().into_iter().collect());
}

#[test]
fn a_store_that_may_not_be_written_to_takes_the_records_when_it_may_and_has_one_connection_of_each_writer() {
    let (server, table, user) = (refusing(), unique("failed"), unique("u"));
    mariadb().execute(&format!("CREATE TABLE {table} (`values` LONGTEXT, `timestamp` BIGINT)"));
    mariadb().execute(&format!("CREATE USER {user}@'%' IDENTIFIED BY 'p'"));
    mariadb().execute(&format!("GRANT SELECT, CREATE ON test.* TO {user}@'%'"));
    let mut calls = raw_table(&server, None, &[]);
    calls.options.extend(mysql_options(mariadb(), &table));
    calls.options.insert("http.sink.failover.jdbc.username".into(), user.clone());
    calls.options.insert("http.sink.failover.jdbc.password".into(), "p".into());
    let mut writing = Writing::open(&calls);
    writing.write_each(hostile());
    wait_until(LIMIT, "the store has refused", || writing.count("failoverFailures") > 2);
    mariadb().execute(&format!("GRANT INSERT ON test.* TO {user}@'%'"));
    writing.end();
    assert_eq!(bodies(&in_mysql(mariadb(), &table)), hostile().into_iter().collect());
    let connections = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{user}'");
    let open = || mariadb().query(&connections)[0][0].clone().unwrap();
    for round in 0..20 {
        writing.write_each([round.to_string()]);
        writing.end();
    }
    // Those that were refused may take a moment to end.
    wait_until(LIMIT, "one connection is open", || open() == "1");
    drop(writing);
    wait_until(LIMIT, "it is closed with its writer", || open() == "0");
    mariadb().execute(&format!("DROP USER {user}@'%'"));
}
