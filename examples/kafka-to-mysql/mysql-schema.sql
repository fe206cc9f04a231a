-- The table that the jobs write. It has no primary key: a row that is written twice is there twice.
CREATE TABLE t_test (
    id          BIGINT NOT NULL,
    value       VARCHAR(20) NOT NULL,
    insert_time DATETIME(3) NOT NULL
);
