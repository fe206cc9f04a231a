-- A small job that is killed and resumed: counts of a thousand keys, of rows that come all the time.
SET 'parallelism.default' = '1';
SET 'pipeline.name' = 'resumed';
SET 'execution.checkpointing.interval' = '100 ms';
CREATE TABLE events (k INT)
  WITH ('connector' = 'datagen', 'rows-per-second' = '10000', 'fields.k.min' = '0', 'fields.k.max' = '999');
CREATE TABLE counts (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'print');
CREATE TABLE copied (k INT) WITH ('connector' = 'filesystem', 'path' = '${FOLDER}/rows', 'format' = 'csv');
EXECUTE STATEMENT SET BEGIN
INSERT INTO counts SELECT k, COUNT(*) FROM events GROUP BY k;
INSERT INTO copied SELECT k FROM events;
END;
