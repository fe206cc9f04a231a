//! Whole programs between real servers and files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use riverrun::connectors::filesystem::{FileSink, FileSource, TextLineInputFormat};
use riverrun::connectors::jdbc::{JdbcConnectionOptions, JdbcSink};
use riverrun::connectors::kafka::{
    DeliveryGuarantee, KafkaRecordSerializationSchema, KafkaSink, KafkaSource, OffsetsInitializer,
};
use riverrun::prelude::*;
use riverrun::serialization::{JsonDeserializationSchema, JsonSerializationSchema, SimpleStringSchema};
use riverrun_testkit::{Record, kafka, mariadb, postgres, unique};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Payment {
    account: i64,
    amount: i64,
}

const PAYMENTS: i64 = 2_000;

/// A topic of payments in three partitions, with the time of each.
fn payments() -> String {
    let topic = kafka().topic("payments", 3);
    let payment = |n: i64| {
        let json = serde_json::to_string(&Payment { account: n % 10, amount: n }).unwrap();
        Record::value(json).partition(i32::try_from(n % 3).unwrap()).timestamp_ms(1_000_000 + n)
    };
    kafka().produce(&topic, (0..PAYMENTS).map(payment));
    topic
}

/// An environment whose jobs take checkpoints, and restart once.
fn fault_tolerant(folder: &tempfile::TempDir) -> StreamExecutionEnvironment {
    let env = StreamExecutionEnvironment::new();
    env.enable_checkpointing(Duration::from_millis(50)).set_fixed_delay_restart(1, Duration::from_millis(10));
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    env
}

/// The payments of a topic, slowly, with a failure in the middle of them.
fn failing_once(env: &StreamExecutionEnvironment, topic: &str) -> DataStream<Payment> {
    let source = KafkaSource::builder()
        .set_bootstrap_servers(kafka().bootstrap())
        .set_topics([topic])
        .set_bounded(OffsetsInitializer::latest())
        .set_value_only_deserializer(JsonDeserializationSchema::<Payment>::new())
        .build()
        .unwrap();
    let (seen, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "payments").try_map(move |payment| {
        let seen = seen.fetch_add(1, Ordering::Relaxed);
        if seen % 10 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        if seen == 1_500 && !failed.swap(true, Ordering::Relaxed) {
            return Err("on purpose");
        }
        Ok(payment)
    })
}

#[test]
fn from_kafka_to_kafka_each_record_is_seen_once_though_the_job_failed() {
    let (input, output) = (payments(), kafka().topic("doubled", 2));
    let folder = tempfile::tempdir().unwrap();
    let env = fault_tolerant(&folder);
    let serializer = KafkaRecordSerializationSchema::builder()
        .set_topic(&output)
        .set_key_serialization_schema(|payment: &Payment| payment.account.to_string())
        .set_value_serialization_schema(JsonSerializationSchema)
        .build()
        .unwrap();
    let sink = KafkaSink::builder()
        .set_bootstrap_servers(kafka().bootstrap())
        .set_record_serializer(serializer)
        .set_delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
        .set_transactional_id_prefix(&output)
        .build()
        .unwrap();
    failing_once(&env, &input).map(|payment| Payment { amount: payment.amount * 2, ..payment }).sink_to(sink);
    env.execute("doubled").unwrap();
    let mut amounts: Vec<i64> = kafka()
        .read_all(&output)
        .iter()
        .map(|record| {
            let payment: Payment = serde_json::from_str(&record.text()).unwrap();
            assert_eq!(record.key_text(), payment.account.to_string());
            payment.amount
        })
        .collect();
    amounts.sort_unstable();
    assert_eq!(amounts, (0..PAYMENTS).map(|n| n * 2).collect::<Vec<_>>());
}

/// Writes the payments into a table exactly once, though the job fails; answers their number and sum.
fn written(url: &str, query: impl Fn(&str) -> Vec<Vec<Option<String>>>, execute: impl Fn(&str)) -> Vec<String> {
    let table = unique("payments");
    execute(&format!("CREATE TABLE {table} (account BIGINT, amount BIGINT)"));
    let folder = tempfile::tempdir().unwrap();
    let env = fault_tolerant(&folder);
    let sink = JdbcSink::builder()
        .with_query_statement(format!("INSERT INTO {table} VALUES (?, ?)"), |statement, payment: &Payment| {
            statement.set(1, payment.account)?;
            statement.set(2, payment.amount)?;
            Ok(())
        })
        .build_exactly_once(JdbcConnectionOptions::new(url).with_username("test").with_password("test"))
        .unwrap();
    failing_once(&env, &payments()).sink_to(sink);
    env.execute("payments").unwrap();
    let found = query(&format!("SELECT COUNT(*), SUM(amount) FROM {table}"));
    found[0].iter().map(|value| value.clone().unwrap()).collect()
}

#[test]
fn from_kafka_to_mariadb_each_record_is_written_once_though_the_job_failed() {
    let found = written(&mariadb().url(), |sql| mariadb().query(sql), |sql| mariadb().execute(sql));
    assert_eq!(found, ["2000", "1999000"]);
}

#[test]
fn from_kafka_to_postgresql_each_record_is_written_once_though_the_job_failed() {
    let found = written(&postgres().url(), |sql| postgres().query(sql), |sql| postgres().execute(sql));
    assert_eq!(found, ["2000", "1999000"]);
}

#[test]
fn from_kafka_to_files_and_from_files_to_a_program() {
    let (checkpoints, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = parts.path().to_str().unwrap();
    let env = fault_tolerant(&checkpoints);
    let sink = FileSink::for_row_format(path, JsonSerializationSchema).build().unwrap();
    failing_once(&env, &payments()).sink_to(sink);
    env.execute("to files").unwrap();
    let env = StreamExecutionEnvironment::new();
    let lines = env.read_text_file(path).execute_and_collect("from files").unwrap();
    let json = JsonDeserializationSchema::<Payment>::new();
    let source = FileSource::for_record_stream_format(json, path).build().unwrap();
    let mut read = env.add_source(source, "payments").execute_and_collect("payments").unwrap();
    read.sort_by_key(|payment| payment.amount);
    assert_eq!(read, (0..PAYMENTS).map(|n| Payment { account: n % 10, amount: n }).collect::<Vec<_>>());
    assert_eq!(lines.len(), read.len());
    let wrong = env.read_text_file("s3://bucket/key").execute_and_collect("wrong").unwrap_err().to_string();
    assert!(wrong.contains("'s3'"), "{wrong}");
    let _: FileSource<String, _> = FileSource::for_record_stream_format(TextLineInputFormat, path).build().unwrap();
}

#[test]
fn the_times_of_kafkas_records_are_event_time() {
    #[derive(Clone)]
    struct Times;

    impl ProcessFunction<String, (String, i64)> for Times {
        fn process_element(
            &mut self,
            word: String,
            context: &mut ProcessContext<'_>,
            out: &mut Collector<'_, (String, i64)>,
        ) -> FnResult {
            out.collect((word, context.timestamp().ok_or("no time")?));
            Ok(())
        }
    }

    let topic = kafka().topic("times", 1);
    kafka().produce(&topic, ["a", "b"].into_iter().zip(5_000..).map(|(word, at)| Record::value(word).timestamp_ms(at)));
    let source = KafkaSource::builder()
        .set_bootstrap_servers(kafka().bootstrap())
        .set_topics([&topic])
        .set_bounded(OffsetsInitializer::latest())
        .set_value_only_deserializer(SimpleStringSchema)
        .build()
        .unwrap();
    let env = StreamExecutionEnvironment::new();
    let words = env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "words");
    let found = words.process(Times).execute_and_collect("times").unwrap();
    assert_eq!(found, [("a".to_owned(), 5_000), ("b".to_owned(), 5_001)]);
}
