-- Generates rows, keeps updating sums and counts of a million keys. Every input row changes its key's result.
SET 'parallelism.default' = '1';
CREATE TABLE events (k INT, amount INT)
  WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000', 'number-of-rows' = '${ROWS}',
    'fields.k.min' = '0', 'fields.k.max' = '999999', 'fields.amount.min' = '0', 'fields.amount.max' = '999');
CREATE TABLE sink (k INT, total INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT k, SUM(amount), COUNT(*) FROM events GROUP BY k;
