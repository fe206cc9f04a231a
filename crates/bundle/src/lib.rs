//! The connectors of this build: the one place where connectors meet the engine.
//!
//! Those that need a client library stand behind a feature of their own (`kafka`, `jdbc`, `http`, `rocketmq`), on by default.

use riverrun_connect::{Connector, Connectors, LeftOut};

/// What the connector `http` could not deliver, and how it is sent again.
#[cfg(feature = "http")]
pub use riverrun_http::failover as http_failover;

/// Every connector of this build, in the order in which they are listed to users.
///
/// ```
/// assert_eq!(riverrun_bundle::connectors().get("datagen").unwrap().name, "datagen");
/// ```
pub fn connectors() -> Connectors {
    let list: &[&'static Connector] = &[
        &riverrun_datagen::DATAGEN,
        &riverrun_print::PRINT,
        &riverrun_print::BLACKHOLE,
        &riverrun_filesystem::FILESYSTEM,
        #[cfg(feature = "kafka")]
        &riverrun_kafka::KAFKA,
        #[cfg(feature = "kafka")]
        &riverrun_kafka::UPSERT_KAFKA,
        #[cfg(feature = "jdbc")]
        &riverrun_jdbc::JDBC,
        #[cfg(feature = "http")]
        &riverrun_http::HTTP,
        #[cfg(feature = "rocketmq")]
        &riverrun_rocketmq::ROCKETMQ,
    ];
    Connectors::new(list.to_vec()).with_left_out(LEFT_OUT)
}

const LEFT_OUT: &[LeftOut] = &[
    #[cfg(not(feature = "kafka"))]
    LeftOut { name: "kafka", feature: "kafka" },
    #[cfg(not(feature = "kafka"))]
    LeftOut { name: "upsert-kafka", feature: "kafka" },
    #[cfg(not(feature = "jdbc"))]
    LeftOut { name: "jdbc", feature: "jdbc" },
    #[cfg(not(feature = "http"))]
    LeftOut { name: "http", feature: "http" },
    #[cfg(not(feature = "rocketmq"))]
    LeftOut { name: "rocketmq", feature: "rocketmq" },
];

#[cfg(test)]
mod tests;
