-- Fills the topic that kafka_scan.sql reads; run on Flink once per topic, not measured.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT, k INT, amount INT, ts TIMESTAMP(3))
  WITH ('connector' = 'filesystem', 'path' = '${DATA}/events.csv', 'format' = 'csv');
CREATE TABLE topic (id BIGINT, k INT, amount INT, ts TIMESTAMP(3))
  WITH ('connector' = 'kafka', 'topic' = 'bench_${ROWS}', 'properties.bootstrap.servers' = '${KAFKA}', 'format' = 'csv');
INSERT INTO topic SELECT id, k, amount, ts FROM events;
