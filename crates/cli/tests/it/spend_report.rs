//! The spend report with no server.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use riverrun_testkit::process::Finished;
use riverrun_testkit::{TempFolder, temp_folder};

use crate::kit::{LIMIT, program, riverrun, root, without_times};

/// A copy of the example's folder: running it leaves a database there.
fn example() -> TempFolder {
    let folder = temp_folder();
    for file in std::fs::read_dir(root().join("examples/spend-report")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

/// What `run.sh` does, but with the program of this build.
fn run_example(folder: &Path) -> Finished {
    std::fs::copy(folder.join("empty.db"), folder.join("spend_report.db")).unwrap();
    riverrun(["run", "embedded.sql"]).current_dir(folder).run(LIMIT)
}

/// Account and hour, and the sum, computed from the file.
fn expected(folder: &Path) -> BTreeMap<(i64, String), i64> {
    let mut sums = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("transactions.csv")).unwrap().lines() {
        let [account, amount, time] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let hour = format!("{}:00:00", &time[..13]);
        *sums.entry((account.parse().unwrap(), hour)).or_default() += amount.parse::<i64>().unwrap();
    }
    sums
}

#[test]
fn the_report_in_sqlite_has_the_sums_of_the_file() {
    let folder = example();
    let finished = run_example(folder.path());
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let database = rusqlite::Connection::open(folder.path().join("spend_report.db")).unwrap();
    let mut query = database.prepare("SELECT account_id, log_ts, amount FROM spend_report").unwrap();
    let rows = query.query_map([], |row| Ok(((row.get(0)?, row.get::<_, String>(1)?), row.get::<_, i64>(2)?))).unwrap();
    let rows: BTreeMap<(i64, String), i64> = rows
        .map(|row| row.map(|((account, time), amount)| ((account, time[..19].to_owned()), amount)).unwrap())
        .collect();
    assert_eq!(rows, expected(folder.path()));
    assert_eq!(finished.stdout.matches("| +I |").count(), rows.len(), "and the screen shows it: {}", finished.stdout);
}

#[test]
fn a_second_run_over_the_same_table_changes_nothing() {
    let folder = example();
    let first = run_example(folder.path());
    let again = riverrun(["run", "embedded.sql"]).current_dir(folder.path()).run(LIMIT);
    assert_eq!(
        (without_times(&again.stdout), again.code()),
        (without_times(&first.stdout), Some(0)),
        "{}",
        again.stderr
    );
}

#[test]
fn the_script_beside_it_runs_the_program_it_is_told() {
    let folder = example();
    let output = Command::new(folder.path().join("run.sh")).env("RIVERRUN", program()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        without_times(&String::from_utf8_lossy(&output.stdout)),
        without_times(&run_example(folder.path()).stdout)
    );
}

#[test]
fn the_empty_database_has_the_table_of_its_schema() {
    let folder = root().join("examples/spend-report");
    let database = rusqlite::Connection::open(folder.join("empty.db")).unwrap();
    let (schema, rows): (String, i64) = database
        .query_row(
            "SELECT sql, (SELECT COUNT(*) FROM spend_report) FROM sqlite_master WHERE type = 'table'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let script = std::fs::read_to_string(folder.join("sqlite-schema.sql")).unwrap();
    assert!(script.contains(&schema), "{schema}");
    assert_eq!(rows, 0);
}

#[test]
fn the_transcripts_in_the_pages_are_what_is_printed() {
    let folder = example();
    let finished = run_example(folder.path());
    let printed = without_times(&(finished.stderr + &finished.stdout));
    for page in ["README.md", "examples/spend-report/README.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let blocks = text.split("```").skip(1).step_by(2);
        let shown: Vec<String> =
            blocks.filter(|block| block.contains("insert-into_spend_report: finished")).map(without_times).collect();
        assert!(!shown.is_empty(), "{page} has no transcript");
        for block in shown {
            let from = block.find("insert-into_spend_report").unwrap();
            // A page may leave rows out.
            for part in block[from..].split("\n...\n") {
                assert!(printed.contains(part.trim_end()), "{page} shows\n{part}\nbut the program prints\n{printed}");
            }
        }
    }
}
