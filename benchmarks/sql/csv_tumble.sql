-- Reads csv, sums in 10 s windows over 1000 keys by event time.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT, k INT, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '${DATA}/events.csv', 'format' = 'csv');
CREATE TABLE sink (window_start TIMESTAMP(3), window_end TIMESTAMP(3), k INT, total INT, n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT window_start, window_end, k, SUM(amount), COUNT(*)
  FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
