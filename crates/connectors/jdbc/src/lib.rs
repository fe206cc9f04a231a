//! The jdbc connector: MySQL, MariaDB, PostgreSQL, SQLite.
