-- What failing.sql and repaired.sql have in common: how often a checkpoint is taken, the topic and the table.

SET 'execution.checkpointing.interval' = '10 s';
SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
SET 'execution.checkpointing.dir' = 'file:///var/lib/riverrun/kafka-to-mysql';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '3';
SET 'restart-strategy.fixed-delay.delay' = '1 s';

-- A record: key 1, value {"value":"1"}.
CREATE TABLE numbers (
    `key`       STRING,
    `value`     STRING,
    `partition` INT METADATA VIRTUAL,
    `offset`    BIGINT METADATA VIRTUAL
) WITH (
    'connector'    = 'kafka',
    'topic'        = 'numbers',
    'properties.bootstrap.servers' = 'kafka:9092',
    'scan.startup.mode' = 'earliest-offset',
    'key.format'   = 'raw',
    'key.fields'   = 'key',
    'value.format' = 'json',
    'value.fields-include' = 'EXCEPT_KEY'
);

CREATE TABLE t_test (
    id          BIGINT,
    `value`     STRING,
    insert_time TIMESTAMP(3)
) WITH (
    'connector'  = 'jdbc',
    'url'        = 'jdbc:mysql://mysql:3306/sql-demo',
    'table-name' = 't_test',
    'username'   = 'sql-demo',
    'password'   = 'demo-sql',
    'sink.delivery-guarantee' = 'exactly-once'
);
