-- What is committed in the topic of the counts now.

CREATE TABLE counts (
    counted STRING
) WITH (
    'connector' = 'kafka',
    'topic'     = 'flink_kafka2',
    'properties.bootstrap.servers' = 'kafka:9092',
    'properties.isolation.level'   = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format'    = 'raw'
);

SELECT counted FROM counts;
