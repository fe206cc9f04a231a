//! What a user may name to start from.

use std::fs;

use riverrun_checkpoints::{Created, Slot, find_jobs, resolve};
use riverrun_testkit::temp_folder;

use crate::jobs::{checkpoint, disk, fill, id, log_of, names, new_log, stores, takeover};

#[test]
fn a_checkpoint_is_found_by_its_folder_and_by_its_metadata() {
    let folder = temp_folder();
    let log = new_log(&stores(), &folder.path().display().to_string());
    fill(&log, 3);
    let url = log.slot_url(id(3));
    let path = disk(&url).display().to_string();
    for named in [&url, &path, &format!("{url}/"), &format!("{url}/_metadata"), &format!("{path}/_metadata")] {
        let snapshot = resolve(&stores(), named).unwrap();
        assert_eq!((snapshot.checkpoint.id, &snapshot.url), (id(3), &url));
        assert_eq!(snapshot.job_folder.as_deref(), Some(log.url()));
        let state: Vec<_> = snapshot.checkpoint.stored_files().map(|file| log.open_state(file).unwrap()).collect();
        assert_eq!(state, [&b"state 2"[..], b"state 3"]);
    }
}

#[test]
fn a_savepoint_can_be_moved_and_needs_nothing_else() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &format!("{url}/checkpoints"));
    fill(&log, 3);
    let written = log.write_savepoint(&format!("{url}/savepoints"), &log.load(id(3)).unwrap()).unwrap();
    let name = written.rsplit('/').next().unwrap();
    assert!(name.starts_with(&format!("savepoint-{}-", &log.job_id()[..6])) && name.len() == 29, "{name}");
    let moved = folder.path().join("moved");
    fs::rename(disk(&written), &moved).unwrap();
    log.remove_all().unwrap();

    let snapshot = resolve(&stores(), &moved.display().to_string()).unwrap();
    assert!(snapshot.checkpoint.is_savepoint && snapshot.job_folder.is_none());
    let log = new_log(&stores(), &format!("{url}/checkpoints"));
    let state: Vec<_> = snapshot.checkpoint.stored_files().map(|file| log.open_state(file).unwrap()).collect();
    assert_eq!(state, [&b"state 2"[..], b"state 3"]);
    assert_eq!(snapshot.checkpoint.operator("count").unwrap().subtasks[0].own.as_deref(), Some(&b"own"[..]));

    // A new job's checkpoint may refer to it, and what is removed is the job's own only.
    assert_eq!(log.write(id(1), &takeover(1, None)).unwrap(), Created::Written);
    let mut claimed = snapshot.checkpoint.clone();
    claimed.id = id(2);
    assert_eq!(log.write(id(2), &Slot::Completed(claimed.clone())).unwrap(), Created::Written);
    assert_eq!(log.load(id(2)).unwrap(), claimed);
    assert_eq!(log.write(id(3), &Slot::Completed(checkpoint(&log, 3, 1, &[]))).unwrap(), Created::Written);
    log.remove_before(id(3)).unwrap();
    assert!(snapshot.checkpoint.stored_files().all(|file| log.open_state(file).is_ok()));

    let file = names(&moved).into_iter().find(|name| name != "_metadata").unwrap();
    fs::remove_file(moved.join(&file)).unwrap();
    let error = resolve(&stores(), &moved.display().to_string()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the savepoint is damaged: a state file is missing (file: file://{}/{file})", moved.display())
    );
    fs::write(moved.join("_metadata"), "garbage").unwrap();
    let error = resolve(&stores(), &moved.display().to_string()).unwrap_err().to_string();
    assert!(error.starts_with("the savepoint is damaged: it is altered, or no metadata"), "{error}");
}

#[test]
fn a_savepoint_that_fails_leaves_nothing() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    fill(&log, 3);
    let checkpoint = log.load(id(3)).unwrap();
    let shared = disk(log.url()).join("shared");
    fs::write(shared.join(&names(&shared)[0]), "garbage").unwrap();
    assert!(log.write_savepoint(&format!("{url}/savepoints"), &checkpoint).is_err());
    let savepoints = folder.path().join("savepoints");
    assert!(!savepoints.exists() || names(&savepoints).is_empty());
}

#[test]
fn own_state_named_by_url_is_own_state() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    let files = fill(&log, 3);
    // The next attempt was started with --from on the job's own checkpoint.
    let mut resumed = resolve(&stores(), &log.slot_url(id(3))).unwrap().checkpoint;
    resumed.id = id(4);
    assert_eq!(log.write(id(4), &Slot::Completed(resumed)).unwrap(), Created::Written);
    assert_eq!(log.load(id(4)).unwrap().stored_files().cloned().collect::<Vec<_>>(), files);
    log.remove_before(id(4)).unwrap();
    assert!(files.iter().all(|file| log.open_state(file).is_ok()));
}

#[test]
fn what_is_no_checkpoint_is_answered_with_what_there_is() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    fill(&log, 3);
    let error = |path: &str| resolve(&stores(), path).unwrap_err().to_string();

    let expected = format!(
        "{} is no checkpoint, but the folder of a job; name one of its checkpoints, newest first: {}, {}",
        log.url(),
        log.slot_url(id(3)),
        log.slot_url(id(2))
    );
    assert_eq!(error(log.url()), expected);
    assert!(
        error(&url)
            .contains(&format!("is no checkpoint, but a folder of jobs or savepoints; name one of: {}", log.url()))
    );
    assert!(
        error(&format!("{url}/absent"))
            .contains("is no checkpoint: it is empty, or not there; a checkpoint is a folder chk-")
    );
    assert!(error("chk-3").contains("'chk-3' is no absolute path"));
    assert!(error(&log.slot_url(id(1))).contains("slot 1 holds no checkpoint"));

    let alone = folder.path().join("alone");
    fs::create_dir(&alone).unwrap();
    fs::copy(disk(&log.slot_url(id(3))).join("_metadata"), alone.join("_metadata")).unwrap();
    assert!(error(&alone.display().to_string()).contains("a checkpoint outside its job's folder"));
    fs::write(alone.join("_metadata"), [0x49, 0x60, 0x67, 0x2d, 0, 0, 0, 3]).unwrap();
    assert!(error(&alone.display().to_string()).contains("a checkpoint of Apache Flink, whose state cannot be read"));
}

#[test]
fn jobs_are_found_by_name_the_newest_first() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let (old, new, other) = (new_log(&stores(), &url), new_log(&stores(), &url), new_log(&stores(), &url));
    fill(&old, 3);
    fill(&new, 5);
    assert_eq!(new.write(id(6), &takeover(2, Some(5))).unwrap(), Created::Written);
    assert_eq!(other.write(id(1), &takeover(1, None)).unwrap(), Created::Written, "no checkpoint: nothing to resume");
    fs::create_dir(folder.path().join("savepoints")).unwrap();

    let found = find_jobs(&stores(), &url, "orders").unwrap();
    let found: Vec<_> = found.iter().map(|job| (job.job_id.as_str(), job.checkpoint, job.url.clone())).collect();
    assert_eq!(found, [(new.job_id(), id(5), new.slot_url(id(5))), (old.job_id(), id(3), old.slot_url(id(3)))]);
    assert_eq!(find_jobs(&stores(), &url, "customers").unwrap(), []);

    for number in 1..=3 {
        fs::write(disk(&old.slot_url(id(number))).join("_metadata"), "garbage").unwrap();
    }
    assert_eq!(find_jobs(&stores(), &url, "orders").unwrap().len(), 1);
    let error = find_jobs(&stores(), &url, "customers").unwrap_err().to_string();
    assert!(error.contains("the checkpoints of one job are damaged") && error.contains(old.url()), "{error}");
    log_of(&stores(), &url, new.job_id()).remove_all().unwrap();
    assert!(find_jobs(&stores(), &url, "orders").is_err());
}
