-- Makes ${KEYS} keys, then keeps changing one in a hundred of them, spread over all: what checkpoints cost that follow each other.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT, hot INT)
  WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000',
    'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '1000000000000',
    'fields.hot.min' = '0', 'fields.hot.max' = '${LAST_HOT}');
CREATE TABLE sink (k INT, total BIGINT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT k, SUM(amount), COUNT(*)
  FROM (SELECT CASE WHEN id < ${KEYS} THEN CAST(id AS INT) ELSE hot * 100 END AS k, CAST(hot AS BIGINT) AS amount FROM events)
  GROUP BY k;
