-- A line of two words every five seconds, without an end.

CREATE TABLE seconds (
    n BIGINT
) WITH (
    'connector'       = 'datagen',
    'rows-per-second' = '1',
    'fields.n.kind'   = 'sequence',
    'fields.n.start'  = '0',
    'fields.n.end'    = '50000000'
);

CREATE TABLE lines (
    line STRING
) WITH (
    'connector' = 'kafka',
    'topic'     = 'flink_kafka',
    'properties.bootstrap.servers' = 'kafka:9092',
    'format'    = 'raw'
);

INSERT INTO lines
SELECT ELT(MOD(n / 5, 4) + 1, 'hello world', 'hello kafka', 'hello river', 'exactly once')
FROM seconds
WHERE MOD(n, 5) = 0;
