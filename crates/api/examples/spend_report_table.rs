//! How much has every account spent in every hour? Flink's playground, in the Table API: by rounding the time down, by a function of the program, and by
//! windows, each of which is written once.
//!
//! ```sh
//! cargo run --example spend_report_table --features sql -- floor examples/spend-report/transactions.csv
//! ```
//!
//! The first argument is `floor`, `function` or `tumble`, the second a file of lines `account,amount,yyyy-MM-dd HH:mm:ss`.

use std::env::args;

use riverrun::table::{
    Schema, Table, TableDescriptor, TableEnvironment, TimeIntervalUnit, Timestamp, Tumble, call, col, lit, scalar,
};
use riverrun::{Error, Result};

/// The ways to the report.
pub(crate) const WAYS: [&str; 3] = ["floor", "function", "tumble"];

fn main() -> Result<()> {
    let way = args().nth(1).unwrap_or_else(|| "floor".to_owned());
    let path = args().nth(2).unwrap_or_else(|| "examples/spend-report/transactions.csv".to_owned());
    let env = TableEnvironment::create();
    report(&env, &way, &path)?.execute()?.print()
}

/// The report of a file of transactions: `account_id`, `log_ts`, `amount`.
pub(crate) fn report(env: &TableEnvironment, way: &str, path: &str) -> Result<Table> {
    let schema = Schema::new()
        .column("account_id", "BIGINT")
        .column("amount", "BIGINT")
        .column("transaction_time", "TIMESTAMP(3)")
        .watermark("transaction_time", "transaction_time - INTERVAL '5' SECOND");
    let transactions = TableDescriptor::for_connector("filesystem").option("path", path).format("csv").schema(schema);
    env.create_temporary_table("transactions", transactions)?;
    let transactions = env.from("transactions")?;
    match way {
        "floor" => Ok(by_floor(transactions)),
        "function" => {
            env.create_temporary_function("floor_to_hour", scalar(floor_to_hour).returns("TIMESTAMP(3)"));
            Ok(by_function(transactions))
        }
        "tumble" => Ok(by_windows(transactions)),
        other => Err(Error::user(format!("unknown way '{other}'")).hint(format!("there are {}", WAYS.join(", ")))),
    }
}

/// The sum of an hour changes with every transaction.
fn by_floor(transactions: Table) -> Table {
    transactions
        .select([col("account_id"), col("transaction_time").floor(TimeIntervalUnit::Hour).as_("log_ts"), col("amount")])
        .group_by([col("account_id"), col("log_ts")])
        .select([col("account_id"), col("log_ts"), col("amount").sum().as_("amount")])
}

/// The same, rounded by a function of the program.
fn by_function(transactions: Table) -> Table {
    transactions
        .select([col("account_id"), call("floor_to_hour", [col("transaction_time")]).as_("log_ts"), col("amount")])
        .group_by([col("account_id"), col("log_ts")])
        .select([col("account_id"), col("log_ts"), col("amount").sum().as_("amount")])
}

fn floor_to_hour(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis() - time.millis().rem_euclid(3_600_000))
}

/// The sum of an hour comes once, when the watermark says that the hour is over.
fn by_windows(transactions: Table) -> Table {
    transactions
        .window(Tumble::over(lit(1).hours()).on(col("transaction_time")).as_("log_ts"))
        .group_by([col("account_id"), col("log_ts")])
        .select([col("account_id"), col("log_ts").start().as_("log_ts"), col("amount").sum().as_("amount")])
}
