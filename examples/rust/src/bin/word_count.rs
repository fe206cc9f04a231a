//! Word count from Kafka to Kafka, exactly once, with a bug: one word in five throws.
//!
//! Lines come from the topic `flink_kafka`, `word:::count` goes to `flink_kafka2`. The settings are those of the example that many know: a
//! checkpoint every second, three restarts after ten seconds each, transactions of at most five.
//! `--bootstrap.servers` (localhost:9092), `--checkpoint-dir` (hdfs://localhost:8020/checkpoints), `--bugs` (how many of the first words may throw;
//! endless without it), `--restart-delay` in seconds (10).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use riverrun::connectors::kafka::{
    DeliveryGuarantee, KafkaRecordSerializationSchema, KafkaSink, KafkaSource, OffsetsInitializer,
};
use riverrun::prelude::*;
use riverrun::serialization::SimpleStringSchema;
use riverrun::{ParameterTool, Result};

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::from_args()?;
    env.enable_checkpointing(Duration::from_secs(1));
    env.checkpoint_config()
        .set_min_pause_between_checkpoints(Duration::from_millis(500))
        .set_tolerable_checkpoint_failure_number(10)
        .set_checkpoint_timeout(Duration::from_secs(60))
        .retain_on_cancellation()
        .set_checkpoint_storage(parameters.get_or("checkpoint-dir", "hdfs://localhost:8020/checkpoints"));
    env.set_fixed_delay_restart(3, Duration::from_secs(parameters.parse("restart-delay")?.unwrap_or(10)));

    let servers = parameters.get_or("bootstrap.servers", "localhost:9092");
    let source = KafkaSource::builder()
        .set_bootstrap_servers(servers)
        .set_topics(["flink_kafka"])
        .set_group_id("word-count")
        .set_starting_offsets(OffsetsInitializer::earliest())
        .set_value_only_deserializer(SimpleStringSchema)
        .build()?;
    let sink = KafkaSink::builder()
        .set_bootstrap_servers(servers)
        .set_delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
        .set_transactional_id_prefix("word-count")
        .set_property("transaction.timeout.ms", "5000")
        .set_record_serializer(
            KafkaRecordSerializationSchema::<String, _, _>::builder()
                .set_topic("flink_kafka2")
                .set_value_serialization_schema(SimpleStringSchema)
                .build()?,
        )
        .build()?;

    let bugs = Arc::new(AtomicI64::new(parameters.parse("bugs")?.unwrap_or(i64::MAX)));
    env.from_source(source, WatermarkStrategy::no_watermarks(), "lines")
        .flat_map(|line: String, out| line.split_whitespace().for_each(|word| out.collect(word.to_owned())))
        .name("Words")
        .try_map(move |word: String| {
            if fastrand::u8(0..5) == 0 && bugs.fetch_sub(1, Ordering::SeqCst) > 0 {
                return Err("bug");
            }
            Ok((word, 1u64))
        })
        .name("Map with a bug")
        .key_by(|(word, _)| word.clone())
        .reduce(|(word, a): (String, u64), (_, b)| (word, a + b))
        .name("Count")
        .uid("count")
        .map(|(word, count)| format!("{word}:::{count}"))
        .sink_to(sink)
        .uid("counts");
    env.execute("word count").map(drop)
}
