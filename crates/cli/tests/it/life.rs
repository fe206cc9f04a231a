//! How runs go and end: the order of statements, signals, closed pipes, failures, exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

use riverrun_testkit::{temp_folder, wait_until};

use crate::kit::{LIMIT, THREE, UNBOUNDED, program, riverrun, run};

#[test]
fn statements_of_files_and_of_the_command_line_share_a_session_in_order() {
    let folder = temp_folder();
    std::fs::write(folder.path().join("a.sql"), format!("-- tables\n{THREE}")).unwrap();
    std::fs::write(
        folder.path().join("b.sql"),
        "\u{feff}/* a view */ CREATE VIEW twice AS SELECT id * 2 AS n FROM three;",
    )
    .unwrap();
    let finished = riverrun([
        "run",
        "a.sql",
        "b.sql",
        "-o",
        "csv",
        "-e",
        "SELECT n FROM twice",
        "-e",
        "DROP VIEW twice; SHOW VIEWS",
    ])
    .current_dir(folder.path())
    .run(LIMIT);
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str(), finished.code()),
        ("n\n2\n4\n6\nview name\n", "", Some(0))
    );
}

#[test]
fn a_script_can_come_from_standard_input() {
    let mut child = Command::new(program())
        .args(["run", "-", "-o", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 1 AS one;").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (b"one\n1\n".as_slice(), Some(0)));
}

#[test]
fn an_insert_runs_in_the_background_and_is_waited_for_and_summed_up() {
    let finished = run(&format!(
        "{THREE} CREATE TABLE p (id INT) WITH ('connector' = 'print'); INSERT INTO p SELECT id FROM three;"
    ));
    assert_eq!((finished.stdout.as_str(), finished.code()), ("+I[1]\n+I[2]\n+I[3]\n", Some(0)));
    assert!(finished.stderr.starts_with("insert-into_p: finished in "), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("; read 3 rows from three; wrote 3 rows to p\n"), "{}", finished.stderr);
}

#[test]
fn dml_sync_waits_for_an_insert_before_the_next_statement() {
    let folder = temp_folder();
    let statements = format!(
        "{THREE} CREATE TABLE f (id INT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv'); \
         SET 'table.dml-sync' = 'true'; INSERT INTO f SELECT id FROM three; SELECT id FROM f;"
    );
    let finished = riverrun(["run", "-o", "csv", "-e", &statements]).current_dir(folder.path()).run(LIMIT);
    assert_eq!((finished.stdout.as_str(), finished.code()), ("id\n1\n2\n3\n", Some(0)), "{}", finished.stderr);
}

#[test]
fn a_statement_set_is_one_job() {
    let finished = run(&format!(
        "{THREE} CREATE TABLE a (id INT) WITH ('connector' = 'print', 'print-identifier' = 'a'); CREATE TABLE b (id INT) WITH ('connector' = 'blackhole'); \
         EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT id FROM three WHERE id = 2; INSERT INTO b SELECT id FROM three; END;"
    ));
    assert_eq!((finished.stdout.as_str(), finished.code()), ("a> +I[2]\n", Some(0)), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    assert!(finished.stderr.contains("wrote 1 row to a, 3 rows to b"), "{}", finished.stderr);
}

#[test]
fn nothing_runs_when_a_later_statement_is_wrong() {
    let finished = run(&format!("{THREE} SELECT id FROM three; SELECT nothing FROM three;"));
    assert_eq!((finished.stdout.as_str(), finished.code()), ("", Some(2)));
    assert!(finished.stderr.contains("Column 'nothing' not found"), "{}", finished.stderr);
}

#[test]
fn settings_of_the_command_line_hold_for_the_script() {
    let finished = riverrun([
        "run",
        "--set",
        "table.local-time-zone=Asia/Tokyo",
        "-p",
        "2",
        "-o",
        "csv",
        "-e",
        "SELECT TO_TIMESTAMP_LTZ(0, 3) AS t; SET",
    ])
    .run(LIMIT);
    assert!(finished.stdout.contains("parallelism.default,2\n"), "{}{}", finished.stdout, finished.stderr);
    for wrong in [
        &["--set", "paralelism.default=2"][..],
        &["--set", "parallelism.default"],
        &["-p", "0"],
        &["-p", "many"],
        &["--metrics", "nowhere"],
    ] {
        let finished = riverrun(["run", "-e", "SELECT 1"].iter().chain(wrong)).run(LIMIT);
        assert_eq!((finished.stdout.as_str(), finished.code()), ("", Some(2)), "{wrong:?}: {}", finished.stderr);
        assert!(finished.stderr.starts_with("error: "), "{}", finished.stderr);
    }
}

#[test]
fn a_setting_without_effect_is_a_warning() {
    let finished = run("SET 'table.exec.state.ttl' = '3 s';\nSELECT 1;");
    assert_eq!(finished.code(), Some(0));
    assert!(
        finished.stderr.starts_with("warning: ") && finished.stderr.trim_end().ends_with("(-e:1:1)"),
        "{}",
        finished.stderr
    );
}

#[test]
fn what_the_command_line_lacks_is_a_mistake() {
    for (arguments, expected) in [
        (&["run"][..], "<FILE>"),
        (&["run", "there-is-no-such-file.sql"], "cannot read the script 'there-is-no-such-file.sql'"),
        (&["walk"], "unrecognized subcommand 'walk'"),
        (&["run", "--output", "xml", "-e", "SELECT 1"], "[possible values: table, json, csv]"),
        (&["options", "kafak"], "a similar value exists: 'kafka'"),
        (&["completions", "tcsh"], "possible values"),
    ] {
        let finished = riverrun(arguments).run(LIMIT);
        assert_eq!(finished.code(), Some(2), "{arguments:?}");
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn a_record_that_cannot_be_read_fails_the_run_and_stops_the_others() {
    let folder = temp_folder();
    std::fs::write(folder.path().join("numbers.csv"), "1\ntwo\n").unwrap();
    let statements = format!(
        "{UNBOUNDED}\nCREATE TABLE f (a INT) WITH ('connector' = 'filesystem', 'path' = 'numbers.csv', 'format' = 'csv');\nINSERT INTO b SELECT * FROM g;\nSELECT a FROM f;\nSHOW TABLES;"
    );
    let finished = riverrun(["run", "-e", &statements]).current_dir(folder.path()).run(LIMIT);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    for expected in
        ["insert-into_b: stopped in ", "error: cannot read 'two' as INT", "line: 2", "numbers.csv", " --> -e:4:1\n"]
    {
        assert!(finished.stderr.contains(expected), "{expected} is not in {}", finished.stderr);
    }
    assert!(!finished.stdout.contains("table name"), "a statement ran behind the failure: {}", finished.stdout);
}

#[test]
fn what_was_lost_is_said() {
    let folder = temp_folder();
    std::fs::write(folder.path().join("numbers.csv"), "1\ntwo\n3\n").unwrap();
    let table = "CREATE TABLE f (a INT NOT NULL) WITH ('connector' = 'filesystem', 'path' = 'numbers.csv', 'format' = 'json', 'json.ignore-parse-errors' = 'true'); SELECT a FROM f;";
    let finished = riverrun(["run", "-e", table]).current_dir(folder.path()).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("3 rows could not be read and were skipped"), "{}", finished.stderr);
}

#[test]
fn the_first_signal_stops_an_unbounded_job_in_order_and_that_is_a_success() {
    let jobs = |statements: &str| {
        riverrun([
            "run",
            "-o",
            "csv",
            "-e",
            UNBOUNDED,
            "-e",
            "CREATE TABLE p (id INT, s STRING) WITH ('connector' = 'print');",
            "-e",
            statements,
        ])
        .start()
    };
    let insert = jobs("INSERT INTO p SELECT * FROM g;");
    insert.wait_for_line("+I[", LIMIT);
    insert.interrupt();
    let finished = insert.wait(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let rows = finished.stdout.lines().count();
    assert!(
        finished.stderr.contains("insert-into_p: stopped in ")
            && finished.stderr.contains(&format!("wrote {rows} row")),
        "every row read is written: {rows}, {}",
        finished.stderr
    );

    let query = jobs("SELECT * FROM g;");
    wait_until(LIMIT, "rows", || query.stdout().len() > 3);
    query.terminate();
    assert_eq!(query.wait(LIMIT).code(), Some(0));
}

#[test]
fn a_table_says_that_its_query_was_ended_by_the_user() {
    let query = riverrun(["run", "-e", UNBOUNDED, "-e", "SELECT * FROM g"]).start();
    query.wait_for_line("| +I |", LIMIT);
    query.interrupt();
    let finished = query.wait(LIMIT);
    let rows = finished.stdout.matches("| +I |").count();
    let last = format!("Query terminated, received a total of {rows} row");
    assert!(finished.stdout.lines().last().unwrap().starts_with(&last), "{last}: {}", finished.stdout);
}

#[test]
fn a_signal_leaves_later_statements_undone_and_says_so_by_the_exit_code() {
    let query = riverrun(["run", "-o", "csv", "-e", UNBOUNDED, "-e", "SELECT * FROM g; SHOW TABLES;"]).start();
    wait_until(LIMIT, "rows", || query.stdout().len() > 1);
    query.interrupt();
    let finished = query.wait(LIMIT);
    assert_eq!(finished.code(), Some(130), "{}", finished.stderr);
    assert!(!finished.stdout.contains("table name"), "{}", finished.stdout);
}

#[test]
fn signals_end_a_program_whose_reader_has_fallen_asleep() {
    let source = "CREATE TABLE g (s STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000');";
    let mut child = Command::new(program())
        .args(["run", "-e", source, "-e", "SELECT * FROM g"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    // The pipe is full, or nearly: the main thread waits in a write to it, and can do nothing about signals.
    wait_until(LIMIT, "the pipe to be full", || rustix::io::ioctl_fionread(&stdout).unwrap() > 40_000);
    let pid = rustix::process::Pid::from_child(&child);
    wait_until(LIMIT, "the program to end", || {
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        }
        ended
    });
}

#[test]
fn a_reader_that_goes_away_ends_the_run_in_order() {
    for statement in ["SELECT * FROM g;", "INSERT INTO p SELECT * FROM g;"] {
        let tables = format!("{UNBOUNDED} CREATE TABLE p (id INT, s STRING) WITH ('connector' = 'print');");
        let mut child = Command::new(program())
            .args(["run", "-e", &tables, "-e", statement])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        assert!(!line.is_empty(), "{statement}");
        drop(stdout);
        wait_until(LIMIT, "the program to end", || child.try_wait().unwrap().is_some());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{statement}: {stderr}");
        assert!(!stderr.contains("error"), "{statement}: {stderr}");
    }
}

#[test]
fn metrics_are_served_while_jobs_run() {
    let job =
        riverrun(["run", "--metrics", "localhost:0", "-e", UNBOUNDED, "-e", "INSERT INTO b SELECT * FROM g"]).start();
    let line = job.wait_for_line("metrics at http://", LIMIT);
    let address = line.trim_start_matches("metrics at http://").trim_end_matches("/metrics");
    wait_until(LIMIT, "the metrics of a job", || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
        answer.lines().any(|line| {
            line.starts_with("flink_taskmanager_job_task_operator_numRecordsIn{")
                && line.contains("operator_name=\"Sink: b\"")
        })
    });
    job.interrupt();
    assert_eq!(job.wait(LIMIT).code(), Some(0));
}

#[test]
fn check_connects_to_nothing_and_counts() {
    let statements = "CREATE TABLE k (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'nowhere:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'csv'); \
        CREATE TABLE j (a INT) WITH ('connector' = 'jdbc', 'url' = 'jdbc:mysql://nowhere:3306/db', 'table-name' = 't'); INSERT INTO j SELECT a FROM k; SELECT a FROM k;";
    let finished = riverrun(["check", "-e", statements]).run(LIMIT);
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str(), finished.code()),
        ("4 statements, 2 jobs, no mistake found\n", "", Some(0))
    );
}

#[test]
fn version_help_and_completions_are_there() {
    let finished = riverrun(["--version"]).run(LIMIT);
    assert_eq!(finished.stdout, format!("riverrun {}\n", env!("CARGO_PKG_VERSION")));
    let finished = riverrun(["help", "run"]).run(LIMIT);
    assert!(finished.stdout.contains("Usage: riverrun run [OPTIONS] [FILE]..."), "{}", finished.stdout);
    for (shell, expected) in [
        ("bash", "upsert-kafka"),
        ("zsh", "upsert-kafka"),
        ("fish", "-l parallelism"),
        ("powershell", "parallelism"),
        ("elvish", "parallelism"),
    ] {
        let finished = riverrun(["completions", shell]).run(LIMIT);
        assert!(finished.stdout.contains(expected), "{shell} completes {expected}");
    }
}
