//! Writes transactions to Kafka at a rate: csv lines `account_id,amount,transaction_time` for the spend report.
//!
//! `--bootstrap.servers` (localhost:9092), `--topic` (transactions), `--rate` so many a second (100; -1 as fast as it can), `--count` (endless without it).
//! Each transaction is 30 seconds of event time after the one before, from 2026-01-01 on.

use riverrun::connectors::kafka::{KafkaRecordSerializationSchema, KafkaSink};
use riverrun::prelude::*;
use riverrun::serialization::SimpleStringSchema;
use riverrun::sources::{GeneratorSource, RateLimiterStrategy};
use riverrun::{ParameterTool, Result};
use riverrun_examples::transactions::transaction;

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::from_args()?;
    let source = GeneratorSource::new(transaction)
        .count(parameters.parse("count")?.unwrap_or(u64::MAX))
        .rate_limiter(RateLimiterStrategy::per_second(parameters.get_double("rate", 100.0)?));
    let sink = KafkaSink::builder()
        .set_bootstrap_servers(parameters.get_or("bootstrap.servers", "localhost:9092"))
        .set_record_serializer(
            KafkaRecordSerializationSchema::builder()
                .set_topic(parameters.get_or("topic", "transactions"))
                .set_value_serialization_schema(SimpleStringSchema)
                .build()?,
        )
        .build()?;
    env.add_source(source, "transactions").sink_to(sink).uid("transactions");
    env.execute("transactions").map(drop)
}
