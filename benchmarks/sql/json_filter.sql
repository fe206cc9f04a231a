-- Reads json, keeps half of the rows, computes one column.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT, k INT, amount INT, ts TIMESTAMP(3))
  WITH ('connector' = 'filesystem', 'path' = '${DATA}/events.json', 'format' = 'json');
CREATE TABLE sink (id BIGINT, k INT, twice INT, ts TIMESTAMP(3)) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT id, k, amount * 2, ts FROM events WHERE amount >= 500;
