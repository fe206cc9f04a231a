//! What was altered on the disk is found, named, and something whole is offered instead.

use std::fs;

use riverrun_checkpoints::{StateData, resolve};
use riverrun_testkit::temp_folder;

use crate::jobs::{disk, fill, id, log_of, new_log, stores};

#[test]
fn damaged_metadata_is_named_and_the_checkpoint_before_is_offered() {
    let folder = temp_folder();
    let log = new_log(&stores(), &folder.path().display().to_string());
    fill(&log, 4);
    let file = disk(&log.slot_url(id(4))).join("_metadata");
    let whole = fs::read(&file).unwrap();

    fs::write(&file, &whole[..100]).unwrap();
    let found = log.load(id(4)).unwrap_err().to_string();
    let expected = format!(
        "checkpoint 4 is damaged: it is truncated: 100 bytes long and should be {} (file: file://{}); \
         checkpoint 3 is whole: restore it by --from {}",
        whole.len(),
        file.display(),
        log.slot_url(id(3))
    );
    assert_eq!(found, expected);
    assert_eq!(resolve(&stores(), &log.slot_url(id(4))).unwrap_err().to_string(), expected, "the same by --from");

    let mut altered = whole;
    altered[60] ^= 1;
    fs::write(&file, &altered).unwrap();
    assert!(log.load(id(4)).unwrap_err().to_string().contains("it is altered: its checksum is not that of its bytes"));
    // 3 cannot be offered any more: a file of it is gone.
    let StateData::Stored { path, .. } = &log.load(id(3)).unwrap().stored_files().nth(1).unwrap().data.clone() else {
        panic!()
    };
    fs::remove_file(disk(log.url()).join(path)).unwrap();
    let error = log.load(id(4)).unwrap_err().to_string();
    assert!(error.contains("checkpoint 2 is whole"), "{error}");
    let error = log.load(id(3)).unwrap_err().to_string();
    assert!(
        error.contains(&format!("checkpoint 3 is damaged: a state file is missing (file: {}/{path})", log.url())),
        "{error}"
    );
}

#[test]
fn a_damaged_state_file_is_named_and_a_checkpoint_without_it_is_offered() {
    let folder = temp_folder();
    let log = new_log(&stores(), &folder.path().display().to_string());
    let files = fill(&log, 4);
    let StateData::Stored { path, .. } = &files[2].data else { panic!() };
    let file = disk(log.url()).join(path);

    fs::write(&file, "statE 4").unwrap();
    let restored = log.load(id(4)).unwrap();
    let damaged = restored.stored_files().nth(2).unwrap();
    let expected = format!(
        "a state file is damaged: it is altered: its checksum is not that of its bytes (file: {}/{path}); \
         checkpoint 3 is whole: restore it by --from {}",
        log.url(),
        log.slot_url(id(3))
    );
    assert_eq!(log.open_state(damaged).unwrap_err().to_string(), expected);
    // From another job, by its absolute path.
    let other = new_log(&stores(), &folder.path().display().to_string());
    let snapshot = resolve(&stores(), &log.slot_url(id(4))).unwrap();
    let damaged = snapshot.checkpoint.stored_files().nth(2).unwrap();
    assert_eq!(other.open_state(damaged).unwrap_err().to_string(), expected);

    fs::write(&file, "state").unwrap();
    let error = log.load(id(4)).unwrap_err().to_string();
    assert!(error.contains("a state file is damaged: it is truncated: 5 bytes long and should be 7"), "{error}");
}

#[test]
fn a_slot_without_a_checkpoint_is_not_restored() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    fill(&log, 2);
    let error = log.load(id(1)).unwrap_err().to_string();
    assert!(error.starts_with("slot 1 holds no checkpoint") && error.contains("no other checkpoint"), "{error}");
    let error = log.load(id(3)).unwrap_err().to_string();
    assert!(error.starts_with("there is no checkpoint 3") && error.contains("checkpoint 2 is whole"), "{error}");

    // A file that was copied from one slot to another.
    let from = disk(&log.slot_url(id(2))).join("_metadata");
    let to = disk(&log.slot_url(id(3)));
    fs::create_dir(&to).unwrap();
    fs::copy(from, to.join("_metadata")).unwrap();
    let error = log_of(&stores(), &url, log.job_id()).load(id(3)).unwrap_err().to_string();
    assert!(error.contains("it is the metadata of a checkpoint of another number"), "{error}");
}
