//! Counts clicks for each page in windows of 15 seconds, from Kafka to Kafka.
//!
//! `--bootstrap.servers` (localhost:9092), `--input-topic` (input), `--output-topic` (output), `--checkpointing` takes a checkpoint every second
//! (`--checkpoint-dir` says where), `--event-time` takes the time of the clicks in place of the time of day, `--backpressure` lets a map sleep
//! 100 ms for each click in even minutes. `--resume` and others are as for every program of Riverrun.

use std::time::Duration;

use riverrun::connectors::kafka::{
    KafkaRecordSerializationSchema, KafkaSink, KafkaSource, OffsetResetStrategy, OffsetsInitializer,
};
use riverrun::prelude::*;
use riverrun::serialization::{JsonDeserializationSchema, JsonSerializationSchema};
use riverrun::{ParameterTool, Result};
use riverrun_examples::clicks::{ClickEvent, ClickEventStatistics, CountOptions, click_event_count};

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::from_args()?;
    let options =
        CountOptions { event_time: parameters.has("event-time"), backpressure: parameters.has("backpressure") };
    if parameters.has("checkpointing") {
        env.enable_checkpointing(Duration::from_secs(1));
        if let Some(folder) = parameters.get("checkpoint-dir") {
            env.checkpoint_config().set_checkpoint_storage(folder);
        }
    }
    if options.backpressure {
        // A click at a time, so that barriers need not wait behind a batch of them.
        env.set_buffer_timeout(Duration::ZERO);
    }
    let servers = parameters.get_or("bootstrap.servers", "localhost:9092");
    let source = KafkaSource::builder()
        .set_bootstrap_servers(servers)
        .set_topics([parameters.get_or("input-topic", "input")])
        .set_group_id("click-event-count")
        .set_starting_offsets(OffsetsInitializer::committed_offsets(OffsetResetStrategy::Earliest))
        .set_value_only_deserializer(JsonDeserializationSchema::<ClickEvent>::new())
        .build()?;
    let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(200))
        .with_timestamp_assigner(|click: &ClickEvent, _| click.timestamp);
    let sink = KafkaSink::builder()
        .set_bootstrap_servers(servers)
        .set_record_serializer(
            KafkaRecordSerializationSchema::<ClickEventStatistics, _, _>::builder()
                .set_topic(parameters.get_or("output-topic", "output"))
                .set_value_serialization_schema(JsonSerializationSchema)
                .build()?,
        )
        .build()?;
    let clicks = env.from_source(source, strategy, "ClickEvent Source").uid("click-event-source");
    click_event_count(clicks, options).sink_to(sink).name("ClickEventStatistics Sink").uid("click-event-sink");
    env.execute("Click Event Count").map(drop)
}
