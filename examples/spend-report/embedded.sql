-- The spend report with no server: transactions from a file, the report into SQLite, and from there to the screen.

CREATE TABLE transactions (
    account_id  BIGINT,
    amount      BIGINT,
    transaction_time TIMESTAMP(3),
    WATERMARK FOR transaction_time AS transaction_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'filesystem',
    'path'      = 'transactions.csv',
    'format'    = 'csv'
);

CREATE TABLE spend_report (
    account_id BIGINT,
    log_ts     TIMESTAMP(3),
    amount     BIGINT,
    PRIMARY KEY (account_id, log_ts) NOT ENFORCED
) WITH (
    'connector'  = 'jdbc',
    'url'        = 'jdbc:sqlite:spend_report.db',
    'table-name' = 'spend_report'
);

-- An INSERT runs in the background; this waits for its end.
SET 'table.dml-sync' = 'true';

INSERT INTO spend_report
SELECT account_id, FLOOR(transaction_time TO HOUR) AS log_ts, SUM(amount) AS amount
FROM transactions
GROUP BY account_id, FLOOR(transaction_time TO HOUR);

SELECT * FROM spend_report;
