-- The job with a bug: it fails on the value 15, because 'bug: value 15 at ...' is no number.

INSERT INTO t_test
SELECT
    CAST(`key` AS BIGINT),
    CASE `value`
        WHEN '15' THEN CAST(CAST(CONCAT('bug: value 15 at partition ', CAST(`partition` AS STRING),
                                        ', offset ', CAST(`offset` AS STRING)) AS INT) AS STRING)
        ELSE `value`
    END,
    LOCALTIMESTAMP
FROM numbers;
