-- The last word of an address is its province. Messages of flink-source2 have an id as key and an address as body.
SET 'pipeline.name' = 'rocketmq-flink-example';
SET 'parallelism.default' = '2';
SET 'execution.checkpointing.interval' = '3 s';
CREATE TABLE addresses (address STRING, id STRING METADATA FROM 'keys' VIRTUAL) WITH (
  'connector' = 'rocketmq', 'topic' = 'flink-source2', 'consumerGroup' = 'c002', 'nameServerAddress' = 'localhost:9876',
  'scanStartupMode' = 'group-offsets');
CREATE TABLE provinces (id STRING, province STRING) WITH (
  'connector' = 'rocketmq', 'topic' = 'flink-sink2', 'produceGroup' = 'p002', 'nameServerAddress' = 'localhost:9876',
  'format' = 'json');
INSERT INTO provinces SELECT id, REGEXP_EXTRACT(address, '(\S+)\s*$', 1) FROM addresses;
