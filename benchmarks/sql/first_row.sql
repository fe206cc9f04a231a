-- The time until a job's first row is on the screen.
SET 'parallelism.default' = '1';
CREATE TABLE events (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '1');
SELECT id, COUNT(*) AS n FROM events GROUP BY id;
