//! How fast the sink writes: a measurement, run by hand.
//!
//! `cargo test --release -p riverrun-jdbc --test it rate -- --ignored --nocapture`

use std::time::Instant;

use riverrun_connect::Flush;
use riverrun_data::RowKind::{Insert, UpdateAfter};

use crate::database::Database;
use crate::write::{changes, report};

fn rate(database: &Database, label: &str) {
    let place = "a place with a name";
    for (what, key) in [("append", &[][..]), ("upsert", &[0][..])] {
        for most in ["100", "1000", "5000"] {
            let (table, _) = report(database, key);
            let table = table.with("sink.buffer-flush.max-rows", most);
            let mut writer = table.writer().unwrap();
            let size: i64 = most.parse().unwrap();
            for kind in if key.is_empty() { &[Insert][..] } else { &[Insert, UpdateAfter] } {
                let rows = if size == 100 { 50_000 } else { 200_000 };
                let batches: Vec<_> = (0..rows / size)
                    .map(|batch| {
                        let rows: Vec<_> = (batch * size..(batch + 1) * size)
                            .map(|account| (*kind, account, place, account * 3))
                            .collect();
                        changes(&table, &rows)
                    })
                    .collect();
                let start = Instant::now();
                batches.into_iter().for_each(|batch| writer.write(batch).unwrap());
                writer.flush(Flush::End).unwrap();
                let seconds = start.elapsed().as_secs_f64();
                #[allow(clippy::cast_precision_loss, reason = "a rate")]
                let rate = rows as f64 / seconds;
                println!("{label}: {what} {kind} in flushes of {most}: {rate:.0} rows/s");
            }
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn of_mariadb() {
    rate(&Database::mariadb(), "MariaDB");
}

#[test]
#[ignore = "a measurement"]
fn of_postgres() {
    rate(&Database::postgres(), "PostgreSQL");
}

#[test]
#[ignore = "a measurement"]
fn of_sqlite() {
    rate(&Database::sqlite(), "SQLite");
}
