-- Transactions for the two jobs that read Kafka: 100 a second, each 30 seconds of event time after the one before, from
-- 2026-01-01 on. An hour of the report passes in 1.2 seconds.

CREATE TABLE generator (
    n          BIGINT,
    account_id BIGINT,
    amount     BIGINT
) WITH (
    'connector'       = 'datagen',
    'rows-per-second' = '100',
    'fields.n.kind'   = 'sequence',
    'fields.n.start'  = '0',
    'fields.n.end'    = '50000000',
    'fields.account_id.min' = '1',
    'fields.account_id.max' = '5',
    'fields.amount.min'     = '1',
    'fields.amount.max'     = '1000'
);

CREATE TABLE transactions (
    account_id  BIGINT,
    amount      BIGINT,
    transaction_time TIMESTAMP(3)
) WITH (
    'connector' = 'kafka',
    'topic'     = 'transactions',
    'properties.bootstrap.servers' = 'kafka:9092',
    'format'    = 'csv'
);

INSERT INTO transactions
SELECT account_id, amount, TIMESTAMPADD(SECOND, CAST(n * 30 AS INT), TIMESTAMP '2026-01-01 00:00:00')
FROM generator;
