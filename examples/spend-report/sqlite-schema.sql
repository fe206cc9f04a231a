-- The table that embedded.sql writes. empty.db is a database with it:
--     sqlite3 empty.db 'PRAGMA page_size = 512' < sqlite-schema.sql
CREATE TABLE spend_report (
    account_id BIGINT NOT NULL,
    log_ts     TIMESTAMP(3) NOT NULL,
    amount     BIGINT NOT NULL,
    PRIMARY KEY (account_id, log_ts)
) WITHOUT ROWID;
