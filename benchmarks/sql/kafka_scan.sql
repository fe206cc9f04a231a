-- Reads a Kafka topic of csv from its first to its present last record.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT, k INT, amount INT, ts TIMESTAMP(3))
  WITH ('connector' = 'kafka', 'topic' = 'bench_${ROWS}', 'properties.bootstrap.servers' = '${KAFKA}', 'properties.group.id' = 'bench',
    'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'csv');
CREATE TABLE sink (id BIGINT, k INT, amount INT, ts TIMESTAMP(3)) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT id, k, amount, ts FROM events;
