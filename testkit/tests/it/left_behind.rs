//! A test process that is killed leaves no process and no folder. To be killed, a test starts this same test program
//! once more, with the one ignored test that waits for its death.

use std::path::PathBuf;
use std::time::Duration;

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{mariadb, temp_folder, wait_until};

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn sigkill_of_a_test_leaves_nothing() {
    let test = Riverrun::builder_at(std::env::current_exe().unwrap())
        .args(["left_behind::waits_to_be_killed", "--exact", "--ignored", "--nocapture"])
        .start();
    let line = test.wait_for_line("folder=", LIMIT);
    let words: Vec<&str> = line.split(['=', ' ']).collect();
    let [.., _, folder, _, child, _, port] = words[..] else { panic!("{line}") };
    let (folder, child) = (PathBuf::from(folder), PathBuf::from(format!("/proc/{child}")));
    assert!(folder.exists() && child.exists(), "{line}");

    test.kill9();
    let run = folder.parent().unwrap();
    wait_until(LIMIT, "the folder of the run to go", || !run.exists());
    wait_until(LIMIT, "the child to go", || !child.exists());
    let address = format!("127.0.0.1:{port}");
    wait_until(LIMIT, "the server to go", || std::net::TcpStream::connect(&address).is_err());
}

/// Not cargo's child, so all it starts is its own.
#[test]
#[ignore = "started, and killed, by the test above"]
fn waits_to_be_killed() {
    let folder = temp_folder();
    let child = Riverrun::builder_at("sleep").arg("1000").start();
    println!("folder={} child={} port={}", folder.path().display(), child.id(), mariadb().port());
    std::thread::sleep(LIMIT);
}
