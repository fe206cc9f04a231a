-- A line of two words every fifteen seconds, without an end: so slow that a job which fails at one word in five and rests for ten seconds comes through.

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
SELECT ELT(MOD(n / 15, 4) + 1, 'hello world', 'hello kafka', 'hello river', 'exactly once')
FROM seconds
WHERE MOD(n, 15) = 0;
