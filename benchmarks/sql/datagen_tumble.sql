-- Generates rows, sums in 10 s windows over 1000 keys by event time. A row is 1 ms after the one before.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT, k INT, amount INT, ts AS TO_TIMESTAMP_LTZ(id, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000', 'number-of-rows' = '${ROWS}',
    'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '${ROWS}',
    'fields.k.min' = '0', 'fields.k.max' = '999', 'fields.amount.min' = '0', 'fields.amount.max' = '999');
CREATE TABLE sink (window_start TIMESTAMP(3), window_end TIMESTAMP(3), k INT, total INT, n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT window_start, window_end, k, SUM(amount), COUNT(*)
  FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
