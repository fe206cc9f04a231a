//! Writes clicks to Kafka: every page has a thousand in each window of 15 seconds.
//!
//! `--bootstrap.servers` (localhost:9092), `--topic` (input), `--count` (endless without it), `--unlimited` writes as fast as it can; without it,
//! 400 a second, as the time of the clicks says.

use riverrun::connectors::kafka::{KafkaRecordSerializationSchema, KafkaSink};
use riverrun::prelude::*;
use riverrun::serialization::JsonSerializationSchema;
use riverrun::sources::GeneratorSource;
use riverrun::{ParameterTool, Result};
use riverrun_examples::clicks::{self, EVENTS_PER_WINDOW, PAGES, WINDOW_SIZE};

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::new();
    #[allow(clippy::cast_precision_loss, reason = "some hundred")]
    let rate = (EVENTS_PER_WINDOW * PAGES.len() as u64) as f64 / WINDOW_SIZE.as_secs_f64();
    let source = GeneratorSource::new(clicks::click)
        .count(parameters.parse("count")?.unwrap_or(u64::MAX))
        .rate_per_second(if parameters.has("unlimited") { 0.0 } else { rate });
    let sink = KafkaSink::builder()
        .set_bootstrap_servers(parameters.get_or("bootstrap.servers", "localhost:9092"))
        .set_record_serializer(
            KafkaRecordSerializationSchema::builder()
                .set_topic(parameters.get_or("topic", "input"))
                .set_value_serialization_schema(JsonSerializationSchema)
                .build()?,
        )
        .build()?;
    env.add_source(source, "clicks").sink_to(sink);
    env.execute("Click Event Generator").map(drop)
}
