use std::time::Duration;

use riverrun_testkit::process::{Builder, Riverrun};
use riverrun_testkit::wait_until;

const LIMIT: Duration = Duration::from_secs(20);

/// Any program will do.
fn shell(script: &str) -> Builder {
    Riverrun::builder_at("bash").args(["-c", script])
}

#[test]
fn lines_are_seen_as_they_come_and_kept() {
    let process = shell("echo first; echo oops >&2; read -r -t 100 <> <(:); echo never").start();
    assert_eq!(process.wait_for_line("irs", LIMIT), "first");
    process.wait_for_line("oops", LIMIT);
    assert_eq!((process.stdout(), process.stderr()), (vec!["first".to_owned()], vec!["oops".to_owned()]));
}

#[test]
fn the_end_is_awaited_with_code_and_output() {
    let finished = shell("cat; echo out; echo err >&2; exit 3").run(LIMIT);
    assert_eq!((finished.code(), finished.stdout.as_str(), finished.stderr.as_str()), (Some(3), "out\n", "err\n"));
}

#[test]
fn signals_arrive() {
    for (send, code) in [(Riverrun::interrupt as fn(&Riverrun), 7), (Riverrun::terminate, 8)] {
        // a shell cannot trap what was ignored when it started, as SIGINT is in a background job
        let script = "trap 'exit 7' INT; trap 'exit 8' TERM; echo ready; while :; do sleep 0.01; done";
        let process = Riverrun::builder_at("env").args(["--default-signal=INT", "bash", "-c", script]).start();
        process.wait_for_line("ready", LIMIT);
        assert!(process.resident_bytes() > 0);
        send(&process);
        assert_eq!(process.wait(LIMIT).code(), Some(code));
    }
}

#[test]
fn a_dropped_process_is_gone() {
    let process = shell("echo ready; exec sleep 1000").start();
    process.wait_for_line("ready", LIMIT);
    let folder = format!("/proc/{}", process.id());
    drop(process);
    wait_until(LIMIT, "the process to go", || !std::path::Path::new(&folder).exists());
}

#[test]
#[should_panic(expected = "ended without a line with \"ready\"")]
fn waiting_for_a_line_ends_with_the_process() {
    shell("echo other").start().wait_for_line("ready", LIMIT);
}

#[test]
#[should_panic(expected = "did not end within 50ms")]
fn waiting_for_the_end_has_a_limit() {
    let _ = shell("exec sleep 1000").run(Duration::from_millis(50));
}
