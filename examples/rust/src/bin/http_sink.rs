//! Calls by HTTP: the sample of Apache StreamPark's sink. Each order is a POST of `{"userId":"(17","siteId":"2)"}`, from one writer.
//!
//! `--url` (http://127.0.0.1:8080), `--orders` how many (1000), `--rate` how many a second (100); `--conf http_sink.yaml` for the sink's options, and
//! `--http.sink.threshold.retries 5` and the like over it; `--checkpoint-dir`, where a checkpoint comes every second, and with `--resume` the program goes on
//! from the last.

use std::time::Duration;

use riverrun::connectors::http::HttpSink;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::{ParameterTool, Result};

#[derive(Clone)]
struct Order {
    user_id: u64,
    site_id: u64,
}

fn main() -> Result<()> {
    let parameters = ParameterTool::from_command_line()?;
    let env = StreamExecutionEnvironment::from_args()?;
    if let Some(folder) = parameters.get("checkpoint-dir") {
        env.enable_checkpointing(Duration::from_secs(1));
        env.checkpoint_config().set_checkpoint_storage(folder);
    }
    let url = parameters.get_or("url", "http://127.0.0.1:8080").to_owned();
    let orders = GeneratorSource::new(|n| Order { user_id: n, site_id: n % 10 })
        .count(parameters.parse("orders")?.unwrap_or(1000))
        .rate_per_second(parameters.get_double("rate", 100.0)?);
    // No record chooses another destination, and this one may be on this machine.
    let sink = HttpSink::from_parameters(&parameters)?
        .option("sink.allowed-destinations", &url)
        .header("X-Requested-By", "riverrun")
        .name("calls")
        .uid("calls");

    let calls = env
        .add_source(orders, "orders")
        .uid("orders")
        .map(move |order: Order| format!("{url}?userId=({}&siteId={})", order.user_id, order.site_id));
    sink.post(calls)?.set_parallelism(1);
    env.execute("http sink").map(drop)
}
