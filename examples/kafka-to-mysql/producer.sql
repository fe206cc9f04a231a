-- {"value":"1"} to {"value":"20"}, one a second, each with its number as key.

CREATE TABLE seconds (
    n BIGINT
) WITH (
    'connector'       = 'datagen',
    'rows-per-second' = '1',
    'fields.n.kind'   = 'sequence',
    'fields.n.start'  = '1',
    'fields.n.end'    = '20'
);

CREATE TABLE numbers (
    `key`   STRING,
    `value` STRING
) WITH (
    'connector'    = 'kafka',
    'topic'        = 'numbers',
    'properties.bootstrap.servers' = 'kafka:9092',
    'key.format'   = 'raw',
    'key.fields'   = 'key',
    'value.format' = 'json',
    'value.fields-include' = 'EXCEPT_KEY'
);

INSERT INTO numbers SELECT CAST(n AS STRING), CAST(n AS STRING) FROM seconds;
