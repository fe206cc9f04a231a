//! Provinces of addresses, from RocketMQ to RocketMQ: the known connector's example.
//!
//! Messages of the topic `flink-source2` have an id as key and an address as body. The last word of the address is the province; `{"id":...,
//! "province":...}` goes to the topic `flink-sink2`. Group `c002`, from its offsets or else the end, two tasks, a checkpoint every three
//! seconds, and each of them waits until all messages are stored.
//! `--nameserver.address` (localhost:9876), `--source-topic` and `--sink-topic` for others, `--checkpoint-dir`.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun::connectors::rocketmq::{
    Message, OffsetResetStrategy, RocketMQConfig, RocketMqSink, RocketMqSource, SimpleKeyValueDeserializationSchema,
};
use riverrun::prelude::*;
use riverrun::{ParameterTool, Result};

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::from_args()?;
    env.set_parallelism(2);
    env.enable_checkpointing(Duration::from_secs(3));
    if let Some(folder) = parameters.get("checkpoint-dir") {
        env.checkpoint_config().set_checkpoint_storage(folder);
    }
    let servers = parameters.get_or("nameserver.address", "localhost:9876");
    let source = RocketMqSource::new(
        SimpleKeyValueDeserializationSchema::new("id", "address"),
        [
            (RocketMQConfig::NAME_SERVER_ADDR, servers),
            (RocketMQConfig::CONSUMER_GROUP, "c002"),
            (RocketMQConfig::CONSUMER_TOPIC, parameters.get_or("source-topic", "flink-source2")),
        ],
    )?
    .set_start_from_group_offsets(OffsetResetStrategy::Latest);
    let sink = RocketMqSink::new([(RocketMQConfig::NAME_SERVER_ADDR, servers)])?.with_batch_flush_on_checkpoint(true);
    let topic = parameters.get_or("sink-topic", "flink-sink2").to_owned();

    env.from_source(source, WatermarkStrategy::no_watermarks(), "rocketmq-source")
        .uid("rocketmq-source")
        .map(move |message: BTreeMap<String, String>| {
            let province = message.get("address").and_then(|address| address.split_whitespace().last());
            let body = serde_json::json!({ "id": message.get("id"), "province": province });
            Message::new(topic.as_str(), body.to_string())
        })
        .name("province")
        .sink_to(sink)
        .name("rocketmq-sink")
        .uid("rocketmq-sink");
    env.execute("rocketmq-flink-example").map(drop)
}
