//! JSON from Kafka into MySQL, exactly once, by a `TwoPhaseCommitSink` of one's own; the value 15 is a bug.
//!
//! Records `{"value":"1"}`, with their number as the key, come from the topic `test` and go to the table `t_test(id, value, insert_time)`.
//! `--bootstrap.servers` (localhost:9092), `--mysql` (mysql://root@localhost:3306/test), `--checkpoint-dir`, `--repaired` writes the value 15 too.
//! Of the interval in which the job fails nothing is visible; started again with `--resume --repaired`, nothing is missing and nothing is there twice.

use std::time::Duration;

use riverrun::connect::TwoPhaseCommit;
use riverrun::connectors::kafka::{
    ConsumerRecord, KafkaRecordDeserializationSchema, KafkaSource, OffsetsInitializer, RecordCollector,
};
use riverrun::prelude::*;
use riverrun::{ParameterTool, Result};
use riverrun_examples::mysql::{MySqlSink, Row};
use serde::Deserialize;

#[derive(Deserialize)]
struct Body {
    value: String,
}

/// Reads key, value and metadata of a record.
#[derive(Clone)]
struct KeyedJson;

impl KafkaRecordDeserializationSchema<Row> for KeyedJson {
    fn deserialize(&mut self, record: &ConsumerRecord<'_>, out: &mut RecordCollector<'_, Row>) -> FnResult {
        let id: i64 = serde_json::from_slice(record.key().unwrap_or_default())?;
        let body: Body = serde_json::from_slice(record.value().unwrap_or_default())?;
        out.collect(Row { id, value: body.value, insert_time: record.timestamp().unwrap_or_default() });
        Ok(())
    }
}

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::from_args()?;
    env.enable_checkpointing(Duration::from_secs(parameters.parse("checkpoint-interval")?.unwrap_or(10)))
        .set_no_restart();
    env.checkpoint_config().set_checkpoint_storage(parameters.get_or("checkpoint-dir", "checkpoints"));
    let repaired = parameters.has("repaired");
    let source = KafkaSource::builder()
        .set_bootstrap_servers(parameters.get_or("bootstrap.servers", "localhost:9092"))
        .set_topics(["test"])
        .set_group_id("kafka-to-mysql")
        .set_starting_offsets(OffsetsInitializer::earliest())
        .set_deserializer(KeyedJson)
        .build()?;
    let sink = MySqlSink::new(parameters.get_or("mysql", "mysql://root@localhost:3306/test"));
    env.add_source(source, "test")
        .try_map(move |row: Row| if row.value == "15" && !repaired { Err("the value 15 is a bug") } else { Ok(row) })
        .name("A bug")
        .sink_to(TwoPhaseCommit::new(sink))
        .name("t_test")
        .uid("t_test");
    env.execute("kafka to mysql").map(drop)
}
