//! How fast a topic is read, next to bare librdkafka on the same topic in the same run.
//!
//! `cargo run --release -p riverrun-kafka --example throughput [ROWS] [ROUNDS]` starts a broker of its own, writes rows of csv (53 bytes) into three
//! partitions, and reads them in interleaved rounds, each in a process of its own: by librdkafka alone (one call for thousands of records, and one
//! call a record), and by the connector's reader with the formats raw and csv. It prints the medians of the rounds, from the start of the client
//! to the last row, and the ratio to librdkafka's batches.
#![allow(unsafe_code, reason = "bare librdkafka is called as C is")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "an example that cannot go on stops")]

use std::process::Command;
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as rdsys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use riverrun_connect::{Cancellation, Counters, Polled, TableContext, TaskContext};
use riverrun_data::{DataType, LogicalType, RowField};
use riverrun_kafka::KAFKA;
use riverrun_testkit::KafkaServer;

const PARTITIONS: i32 = 3;

const WAYS: [&str; 4] = ["librdkafka batches", "librdkafka poll", "riverrun raw", "riverrun csv"];

/// Seconds, CPU seconds, MB at the peak.
type Measured = [f64; 3];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [way, bootstrap, topic, rows] = arguments.as_slice() {
        return measure(way, bootstrap, topic, rows.parse().unwrap());
    }
    let number =
        |index: usize, default: usize| arguments.get(index).map_or(default, |text| text.parse().expect("a number"));
    let (rows, rounds) = (number(0, 5_000_000), number(1, 3));
    let broker = KafkaServer::start();
    let topic = broker.topic("throughput", PARTITIONS);
    write(&broker, &topic, rows);
    println!("{rows} rows in {PARTITIONS} partitions, {rounds} rounds");
    let mut results = vec![Vec::new(); WAYS.len()];
    for _ in 0..rounds {
        for (way, results) in WAYS.iter().zip(&mut results) {
            results.push(in_process(way, &broker.bootstrap(), &topic, rows));
        }
    }
    let median = |results: &[Measured], column: usize| {
        let mut values: Vec<f64> = results.iter().map(|result| result[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    #[allow(clippy::cast_precision_loss, reason = "a count for display")]
    let millions = rows as f64 / 1e6;
    println!("{:<22}{:>10}{:>14}{:>10}{:>10}", "", "M rows/s", "CPU s per M", "peak MB", "ratio");
    for (way, of_way) in WAYS.iter().zip(&results) {
        let (seconds, cpu, memory) = (median(of_way, 0), median(of_way, 1), median(of_way, 2));
        println!(
            "{way:<22}{:>10.2}{:>14.2}{memory:>10.0}{:>10.2}",
            millions / seconds,
            cpu / millions,
            seconds / median(&results[0], 0)
        );
    }
}

fn in_process(way: &str, bootstrap: &str, topic: &str, rows: usize) -> Measured {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([way, bootstrap, topic, &rows.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    std::array::from_fn(|_| numbers.next().unwrap())
}

fn measure(way: &str, bootstrap: &str, topic: &str, rows: usize) {
    let begin = Instant::now();
    let read = match way {
        "librdkafka batches" => bare_batches(bootstrap, topic, rows),
        "librdkafka poll" => bare_poll(bootstrap, topic, rows),
        "riverrun raw" => read(bootstrap, topic, "raw", &[("line", LogicalType::STRING)]),
        _ => read(bootstrap, topic, "csv", &COLUMNS),
    };
    assert_eq!(read, rows);
    println!("{} {} {}", begin.elapsed().as_secs_f64(), cpu_seconds(), peak_memory());
}

const COLUMNS: [(&str, LogicalType); 4] = [
    ("account_id", LogicalType::BigInt),
    ("amount", LogicalType::BigInt),
    ("transaction_time", LogicalType::Timestamp(3)),
    ("note", LogicalType::STRING),
];

fn write(broker: &KafkaServer, topic: &str, rows: usize) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("linger.ms", "20")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .unwrap();
    for row in 0..rows {
        let line = format!(
            "{:07},{:04},2026-01-01 00:{:02}:{:02}.{:03},a note of a row",
            row % 1000,
            row % 9973,
            row / 60_000 % 60,
            row / 1000 % 60,
            row % 1000
        );
        let mut record = BaseRecord::<(), str>::to(topic).payload(&line).partition(i32::try_from(row % 3).unwrap());
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

fn consumer(bootstrap: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "throughput")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "false")
        .set("queued.min.messages", "500000")
        .set("max.partition.fetch.bytes", "4194304")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    // Without it the first record comes half a second later.
    consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

fn bare_poll(bootstrap: &str, topic: &str, rows: usize) -> usize {
    let consumer = consumer(bootstrap, topic);
    let mut read = 0;
    while read < rows {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            message.unwrap();
            read += 1;
        }
    }
    read
}

fn bare_batches(bootstrap: &str, topic: &str, rows: usize) -> usize {
    let consumer = consumer(bootstrap, topic);
    let mut buffer = vec![ptr::null_mut::<rdsys::rd_kafka_message_t>(); 8192];
    let mut read = 0;
    // SAFETY: the queue and the messages are released before the consumer.
    unsafe {
        let queue = rdsys::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        while read < rows {
            // With a wait it would return only when the buffer is full.
            let mut count = rdsys::rd_kafka_consume_batch_queue(queue, 0, buffer.as_mut_ptr(), buffer.len());
            if count == 0 {
                count = rdsys::rd_kafka_consume_batch_queue(queue, 100, buffer.as_mut_ptr(), 1);
            }
            for message in &buffer[..usize::try_from(count).unwrap()] {
                read += usize::from((**message).err == rdsys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
                rdsys::rd_kafka_message_destroy(*message);
            }
        }
        rdsys::rd_kafka_queue_destroy(queue);
    }
    read
}

fn read(bootstrap: &str, topic: &str, format: &str, columns: &[(&str, LogicalType)]) -> usize {
    let options = [
        ("properties.bootstrap.servers", bootstrap.to_owned()),
        ("topic", topic.to_owned()),
        ("format", format.to_owned()),
        ("scan.startup.mode", "earliest-offset".to_owned()),
        ("scan.bounded.mode", "latest-offset".to_owned()),
    ];
    let table = TableContext {
        name: "t".into(),
        columns: columns
            .iter()
            .map(|(name, logical)| RowField { name: (*name).into(), data_type: DataType::nullable(logical.clone()) })
            .collect(),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        connector: "kafka".into(),
    };
    let context = TaskContext {
        task: "t".into(),
        subtask: 0,
        parallelism: 1,
        cancellation: Cancellation::new(),
        counters: Counters::default(),
        ..TaskContext::default()
    };
    let source = KAFKA.source.unwrap()(&table).unwrap();
    let splits = source.enumerator(&context).unwrap().discover().unwrap().splits;
    let mut reader = source.reader(&context).unwrap();
    let mut open = splits.len();
    reader.add_splits(splits).unwrap();
    let mut read = 0;
    while open > 0 {
        match reader.poll(Duration::from_millis(100)).unwrap() {
            Polled::Rows { batch, .. } => read += batch.num_rows(),
            Polled::Finished(_) => open -= 1,
            Polled::Nothing => {}
        }
    }
    read
}

/// The time this process has computed, with all its threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // Fields 14 and 15 of the file, in hundredths of a second.
    fields[11].parse::<f64>().unwrap() / 100.0 + fields[12].parse::<f64>().unwrap() / 100.0
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
