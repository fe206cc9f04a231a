-- The job without the bug. It writes the same table, so it is the same job, and can go on where the other one stopped.

INSERT INTO t_test
SELECT CAST(`key` AS BIGINT), `value`, LOCALTIMESTAMP FROM numbers;
