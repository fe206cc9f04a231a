//! The control endpoint of a running process, and the commands that use it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use riverrun_testkit::process::{Finished, Riverrun};
use riverrun_testkit::{temp_folder, wait_until};

use crate::kit::{LIMIT, UNBOUNDED, riverrun};
use crate::recovery::{FAST, ROWS, SLOW, every_row_once, job, script, visible, wait_for_rows, written};

/// The address that a process says it is served at.
fn address(process: &Riverrun) -> String {
    let line = process.wait_for_line("control endpoint at http://", LIMIT);
    line.trim_start_matches("control endpoint at http://").to_owned()
}

/// Status and body of a request.
fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let mut client = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        client,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// The id of the only job, once it runs.
fn job_id(address: &str) -> String {
    let mut id = None;
    wait_until(LIMIT, "the job to run", || {
        let jobs = ask(address, "GET", "/jobs", "").1;
        id = jobs["jobs"][0]["id"].as_str().filter(|_| jobs["jobs"][0]["status"] == "RUNNING").map(str::to_owned);
        id.is_some()
    });
    id.unwrap()
}

fn client(arguments: &[&str], address: &str) -> Finished {
    riverrun(arguments.iter().copied().chain(["--address", address])).run(LIMIT)
}

#[track_caller]
fn done(finished: &Finished) -> &str {
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    &finished.stdout
}

/// The path in `Savepoint completed. Path: ...`.
fn path_of(printed: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix("Savepoint completed. Path: "));
    line.unwrap_or_else(|| panic!("no path in {printed}")).to_owned()
}

fn local(url: &str) -> &Path {
    Path::new(url.strip_prefix("file://").unwrap())
}

#[test]
fn a_job_is_listed_saved_inspected_stopped_and_goes_on_at_another_parallelism() {
    let folder = temp_folder();
    let process = job(folder.path(), SLOW, &["--rest=127.0.0.1:0"]).start();
    let address = address(&process);
    let id = job_id(&address);
    wait_for_rows(folder.path(), 0);

    let listed = client(&["list"], &address);
    let running = format!(" : {id} : insert-into_default_catalog.default_database.copied (RUNNING)");
    assert!(done(&listed).lines().nth(1).unwrap().ends_with(&running), "{}", listed.stdout);

    let taken = client(&["checkpoint", "insert-into_copied"], &address);
    assert!(done(&taken).contains(&format!(" for job {id} completed.")), "{}", taken.stdout);

    let first = client(&["savepoint", &id], &address);
    let first = path_of(done(&first));
    assert!(
        first.starts_with(&format!("file://{}/savepoints/savepoint-{}-", folder.path().display(), &id[..6])),
        "{first}"
    );
    let inspected = riverrun(["savepoint", "inspect", &first, "--verify"]).run(LIMIT);
    for expected in [
        &format!("of job insert-into_default_catalog.default_database.copied ({id})"),
        "Source: numbers\n  source, uid '",
        "  1 split\n    rows-0: x'01",
        "all state is as it was written",
    ] {
        assert!(done(&inspected).contains(expected), "{expected} is not in {}", inspected.stdout);
    }

    let elsewhere = folder.path().join("elsewhere");
    let stopped = client(&["stop", "insert-into_copied", "-p", &elsewhere.to_string_lossy()], &address);
    assert!(done(&stopped).starts_with(&format!("Suspending job \"{id}\" with a savepoint.\n")), "{}", stopped.stdout);
    let last = path_of(&stopped.stdout);
    assert!(local(&last).starts_with(&elsewhere), "{last}");
    let process = process.wait(LIMIT);
    assert_eq!(process.code(), Some(0), "{}", process.stderr);
    assert!(process.stderr.contains("insert-into_copied: stopped in "), "{}", process.stderr);
    let rows = written(folder.path());
    assert!((rows.len() as u64) < ROWS && rows == (1..=rows.len() as u64).collect::<Vec<_>>(), "{rows:?}");

    let finished = job(folder.path(), FAST, &["-s", &last, "-p", "3"]).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("insert-into_copied: goes on from {last}")), "{}", finished.stderr);
    every_row_once(folder.path());
    assert!(local(&last).join("_metadata").exists(), "a savepoint that is not claimed stays");
}

#[test]
fn the_rest_api_answers_as_flinks_does() {
    let folder = temp_folder();
    let process = job(folder.path(), SLOW, &["--rest=127.0.0.1:0"]).start();
    let address = &address(&process);
    let id = &job_id(address);
    wait_for_rows(folder.path(), 0);
    let (status, details) = ask(address, "GET", &format!("/v1/jobs/{id}"), "");
    assert_eq!((status, details["state"].as_str(), details["end-time"].as_i64()), (200, Some("RUNNING"), Some(-1)));
    assert_eq!(details["vertices"][0]["status"], "RUNNING", "{details}");
    let (_, checkpoints) = ask(address, "GET", &format!("/jobs/{id}/checkpoints"), "");
    assert!(checkpoints["counts"]["completed"].as_u64() > Some(0), "{checkpoints}");
    assert_eq!(checkpoints["latest"]["completed"]["status"], "COMPLETED");

    let wanted = "0123456789abcdef0123456789abcdef";
    let body =
        format!(r#"{{"target-directory":null,"cancel-job":false,"formatType":"CANONICAL","triggerId":"{wanted}"}}"#);
    let (status, triggered) = ask(address, "POST", &format!("/jobs/{id}/savepoints"), &body);
    assert_eq!((status, triggered), (202, serde_json::json!({ "request-id": wanted })));
    let mut outcome = serde_json::Value::Null;
    wait_until(LIMIT, "the savepoint", || {
        outcome = ask(address, "GET", &format!("/jobs/{id}/savepoints/{wanted}"), "").1;
        outcome["status"]["id"] == "COMPLETED"
    });
    let location = outcome["operation"]["location"].as_str().unwrap();
    assert!(local(location).join("_metadata").exists(), "{location}");
    let files = std::fs::read_dir(folder.path().join("savepoints")).unwrap().count();
    let (status, _) = ask(address, "POST", &format!("/jobs/{id}/savepoints"), &body);
    let again = ask(address, "GET", &format!("/jobs/{id}/savepoints/{wanted}"), "").1;
    assert_eq!((status, again), (202, outcome), "the same trigger is one savepoint");
    assert_eq!(std::fs::read_dir(folder.path().join("savepoints")).unwrap().count(), files);

    let metrics = {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(metrics.contains("flink_jobmanager_job_numberOfCompletedCheckpoints{job_name="), "{metrics}");

    let (status, answer) = ask(address, "PATCH", &format!("/jobs/{id}?mode=cancel"), "");
    assert_eq!((status, answer), (202, serde_json::json!({})));
    let process = process.wait(LIMIT);
    assert!(process.stderr.contains("insert-into_copied: canceled in "), "{}", process.stderr);
}

#[test]
fn only_a_stop_that_drains_lets_open_windows_fire() {
    for (arguments, rows) in [(&["--drain"][..], 1), (&[], 0)] {
        let folder = temp_folder();
        let statements = format!(
            "SET 'execution.checkpointing.interval' = '100 ms'; SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
             CREATE TABLE g (id INT, at AS TO_TIMESTAMP_LTZ(id * 0, 3), WATERMARK FOR at AS at)
                 WITH ('connector' = 'datagen', 'rows-per-second' = '100');
             CREATE TABLE counted (begins TIMESTAMP_LTZ(3), n BIGINT)
                 WITH ('connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'csv');
             INSERT INTO counted SELECT window_start, COUNT(*)
                 FROM TABLE(TUMBLE(TABLE g, DESCRIPTOR(at), INTERVAL '1' DAY)) GROUP BY window_start, window_end;",
            folder = folder.path().display()
        );
        let process = riverrun(["run", "--rest=127.0.0.1:0", "-e", &statements]).start();
        let address = address(&process);
        let id = job_id(&address);
        wait_until(LIMIT, "rows to be counted", || {
            let checkpoints = ask(&address, "GET", &format!("/jobs/{id}/checkpoints"), "").1;
            let last = &checkpoints["latest"]["completed"];
            last["checkpointed_size"].as_u64() > Some(100)
        });
        let directory = folder.path().join("savepoints");
        let directory = directory.to_string_lossy();
        let stopped = client(&[&["stop", "insert-into_counted", "-p", &directory], arguments].concat(), &address);
        let begun = if arguments.is_empty() { "Suspending" } else { "Draining" };
        assert!(done(&stopped).starts_with(begun), "{}", stopped.stdout);
        let process = process.wait(LIMIT);
        assert_eq!(process.code(), Some(0), "{}", process.stderr);
        let text = visible(&folder.path().join("out"));
        assert_eq!(text.lines().count(), rows, "{arguments:?}: {text}");
        let inspected = riverrun(["savepoint", "inspect", &path_of(&stopped.stdout)]).run(LIMIT);
        assert!(done(&inspected).contains("key groups 0 to 127: "), "{}", inspected.stdout);
    }
}

#[test]
fn a_savepoint_that_cannot_be_written_does_no_harm() {
    let folder = temp_folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let process = job(folder.path(), SLOW, &["--rest=127.0.0.1:0"]).start();
    let address = address(&process);
    let id = job_id(&address);
    wait_for_rows(folder.path(), 0);
    for (command, directory, expected) in [
        (&["savepoint", &id][..], "ftp://host/s", "there is no store for ftp://"),
        (&["savepoint", &id], &*file.to_string_lossy(), "the savepoint could not be written"),
        (&["stop", &id, "-p"], "ftp://host/s", "there is no store for ftp://"),
    ] {
        let refused = client(&[command, &[directory]].concat(), &address);
        assert_eq!(refused.code(), Some(1), "{}", refused.stdout);
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    }
    let (_, details) = ask(&address, "GET", &format!("/jobs/{id}"), "");
    assert_eq!((details["state"].as_str(), details["restarts"].as_u64()), (Some("RUNNING"), Some(0)), "{details}");
    let seen = written(folder.path()).len();
    wait_for_rows(folder.path(), seen);
    // Its tasks have ended when the savepoint fails that it was to end with: it restarts, and loses nothing.
    let refused = client(&["stop", &id, "-p", &file.to_string_lossy()], &address);
    assert_eq!(refused.code(), Some(1), "{}", refused.stdout);
    process.wait_for_line("warning: insert-into_copied: failed; restart 1 in ", LIMIT);
    let savepoint = path_of(done(&client_once_running(&["stop", &id], &address)));
    assert_eq!(process.wait(LIMIT).code(), Some(0));
    let finished = job(folder.path(), FAST, &["--from", &savepoint]).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    every_row_once(folder.path());
}

/// As [`client`], once the job runs again.
fn client_once_running(arguments: &[&str], address: &str) -> Finished {
    job_id(address);
    client(arguments, address)
}

#[test]
fn a_job_is_canceled_and_its_process_ends() {
    let process =
        riverrun(["run", "--rest=127.0.0.1:0", "-e", UNBOUNDED, "-e", "INSERT INTO b SELECT * FROM g"]).start();
    let address = address(&process);
    let id = job_id(&address);
    let refused = client(&["savepoint", &id, "/tmp"], &address);
    assert_eq!(refused.code(), Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("the job takes no checkpoints"), "{}", refused.stderr);
    let canceled = client(&["cancel", "insert-into_b"], &address);
    assert_eq!(done(&canceled), format!("Cancelling job {id}.\nCancelled job {id}.\n"));
    let process = process.wait(LIMIT);
    assert!(process.stderr.contains("insert-into_b: canceled in "), "{}", process.stderr);
}

#[test]
fn a_client_says_what_it_cannot_do() {
    // Nobody listens at this port.
    let nobody = client(&["list"], "127.0.0.1:1");
    assert_eq!((nobody.code(), nobody.stdout.as_str()), (Some(1), ""));
    assert!(
        nobody.stderr.contains("no process can be reached")
            && nobody.stderr.contains("hint: start the job with 'riverrun run --rest'"),
        "{}",
        nobody.stderr
    );
    let process =
        riverrun(["run", "--rest=127.0.0.1:0", "-e", UNBOUNDED, "-e", "INSERT INTO b SELECT * FROM g"]).start();
    let address = address(&process);
    let id = job_id(&address);
    let unknown = client(&["stop", "nothing"], &address);
    assert_eq!(unknown.code(), Some(2));
    assert!(
        unknown
            .stderr
            .contains(&format!("no job with the id or name 'nothing' runs\nhint: there are: {id} (insert-into_b)")),
        "{}",
        unknown.stderr
    );
    let no_address = client(&["cancel", &id], "localhost");
    assert_eq!(no_address.code(), Some(2));
    process.interrupt();
    assert_eq!(process.wait(LIMIT).code(), Some(0));
}

#[test]
fn damage_to_a_savepoint_is_told() {
    let folder = temp_folder();
    let process = job(folder.path(), SLOW, &["--rest=127.0.0.1:0"]).start();
    let address = address(&process);
    job_id(&address);
    wait_for_rows(folder.path(), 0);
    let savepoint = path_of(done(&client(&["stop", "insert-into_copied"], &address)));
    assert_eq!(process.wait(LIMIT).code(), Some(0));
    let metadata = local(&savepoint).join("_metadata");
    let whole = std::fs::read(&metadata).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for (bytes, expected) in [
        (&altered[..], "the savepoint is damaged: it is altered: its checksum is not that of its bytes"),
        (&whole[..whole.len() - 3], "the savepoint is damaged: it is truncated"),
    ] {
        std::fs::write(&metadata, bytes).unwrap();
        let inspected = riverrun(["savepoint", "inspect", &savepoint]).run(LIMIT);
        assert_eq!((inspected.code(), inspected.stdout.as_str()), (Some(1), ""));
        assert!(inspected.stderr.contains(expected), "{expected}: {}", inspected.stderr);
        let restored = riverrun(["run", "-e", &script(folder.path(), FAST), "--from", &savepoint]).run(LIMIT);
        assert_eq!(restored.code(), Some(1));
        assert!(restored.stderr.contains(expected), "{expected}: {}", restored.stderr);
    }
    let nothing = riverrun(["savepoint", "inspect", &folder.path().join("nothing").to_string_lossy()]).run(LIMIT);
    assert_eq!(nothing.code(), Some(2));
    assert!(nothing.stderr.contains("it is empty, or not there"), "{}", nothing.stderr);
}
