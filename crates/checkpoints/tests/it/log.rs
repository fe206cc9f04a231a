//! What a log must hold on every storage.

use std::borrow::Cow;
use std::fs;
use std::sync::Arc;

use riverrun_checkpoints::{Created, Slot, SlotSummary, StateData, Stores, find_jobs, resolve, restore_point};
use riverrun_testkit::temp_folder;

use crate::jobs::{checkpoint, disk, fill, id, log_of, names, new_log, stores, takeover};

/// A job's life: two attempts, checkpoints, a savepoint, what is removed.
pub(crate) fn log_suite(stores: &Arc<Stores>, folder: &str) {
    let log = new_log(stores, folder);
    assert_eq!(log.read().unwrap(), []);
    assert_eq!(log.next_slot().unwrap(), id(1));
    let files = fill(&log, 4);

    let second = log_of(stores, folder, log.job_id());
    let slots = second.read().unwrap();
    assert_eq!(restore_point(&slots).unwrap(), Some(id(4)));
    assert_eq!(second.load(id(4)).unwrap(), checkpoint(&log, 4, 1, &files));
    assert_eq!(second.write(second.next_slot().unwrap(), &takeover(2, Some(4))).unwrap(), Created::Written);
    let late = Slot::Completed(checkpoint(&log, 5, 1, &files));
    assert_eq!(log.write(id(5), &late).unwrap(), Created::Exists, "the first attempt is a zombie now");

    let found = find_jobs(stores, folder, "orders").unwrap();
    assert_eq!(found.iter().map(|job| (&*job.job_id, job.checkpoint)).collect::<Vec<_>>(), [(log.job_id(), id(4))]);
    let snapshot = resolve(stores, &found[0].url).unwrap();
    let savepoint = second.write_savepoint(&format!("{folder}/savepoints"), &snapshot.checkpoint).unwrap();

    let new = second.store_state(2, "count", b"state of 2".to_vec(), 1).unwrap();
    let next = Slot::Completed(checkpoint(&log, 6, 2, std::slice::from_ref(&new)));
    assert_eq!(second.write(id(6), &next).unwrap(), Created::Written);
    second.remove_before(id(6)).unwrap();
    assert_eq!(second.read().unwrap().iter().map(|(number, _)| number.0).collect::<Vec<_>>(), [6]);
    assert_eq!(second.open_state(&new).unwrap(), Cow::Borrowed(b"state of 2"));
    assert!(second.open_state(&files[0]).unwrap_err().to_string().contains("it is missing"));

    let restored = resolve(stores, &savepoint).unwrap().checkpoint;
    let restored: Vec<_> = restored.stored_files().map(|file| second.open_state(file).unwrap().into_owned()).collect();
    assert_eq!(restored, [&b"state 2"[..], b"state 3", b"state 4"]);
    second.remove_all().unwrap();
    assert_eq!(second.read().unwrap(), []);
    assert_eq!(find_jobs(stores, folder, "orders").unwrap(), []);
}

#[test]
fn small_state_lies_in_the_metadata_and_large_in_a_file_of_its_attempt() {
    let folder = temp_folder();
    let log = new_log(&stores(), &folder.path().display().to_string()).with_inline_below(20 * 1024);
    let small = log.store_state(3, "count", vec![7; 20 * 1024 - 1], 5).unwrap();
    assert_eq!(small.data, StateData::Inline(vec![7; 20 * 1024 - 1]));
    assert!(!disk(log.url()).exists());

    let large = log.store_state(3, "Größe: a/b", vec![7; 20 * 1024], 5).unwrap();
    let StateData::Stored { path, bytes: 20_480, .. } = &large.data else { panic!("{large:?}") };
    assert!(path.starts_with("shared/3-Greab-"), "{path}");
    assert_eq!(log.open_state(&large).unwrap(), vec![7; 20 * 1024]);
    let again = log.store_state(3, "Größe: a/b", vec![7; 20 * 1024], 5).unwrap();
    assert_ne!(large, again, "every file has a name of its own");
}

#[test]
fn the_last_slot_says_what_is_restored() {
    let completed =
        SlotSummary::Completed { job_name: String::new(), attempt: 1, completed_ms: 0, is_savepoint: false };
    let takeover = |restores: Option<u64>| SlotSummary::Takeover { attempt: 2, restores: restores.map(id), at_ms: 0 };
    let skipped = SlotSummary::Skipped { attempt: 2 };
    let damaged = SlotSummary::Damaged { reason: "it is truncated".to_owned() };
    let numbered = |slots: &[&SlotSummary]| -> Vec<_> { (1..).map(id).zip(slots.iter().copied().cloned()).collect() };
    let point = |slots: &[&SlotSummary]| restore_point(&numbered(slots));

    assert_eq!(point(&[]).unwrap(), None);
    assert_eq!(point(&[&takeover(None)]).unwrap(), None);
    assert_eq!(point(&[&completed, &completed]).unwrap(), Some(id(2)));
    assert_eq!(point(&[&completed, &completed, &takeover(Some(1))]).unwrap(), Some(id(1)));
    assert_eq!(point(&[&completed, &takeover(Some(1)), &skipped]).unwrap(), Some(id(1)));
    assert_eq!(point(&[&damaged, &completed]).unwrap(), Some(id(2)));
    let error = point(&[&completed, &takeover(Some(1)), &damaged]).unwrap_err().to_string();
    let expected =
        "the last slot of the log, 3, is damaged: it is truncated; checkpoint 1 is before it: restore it by --from";
    assert_eq!(error, expected);
}

#[test]
fn state_goes_with_the_last_checkpoint_that_needs_it() {
    let folder = temp_folder();
    let log = new_log(&stores(), &folder.path().display().to_string());
    let mut files = fill(&log, 4);
    // A new base: the files before it are needed by 4 alone.
    files.push(log.store_state(1, "base", b"base".to_vec(), 1).unwrap());
    assert_eq!(log.write(id(5), &Slot::Completed(checkpoint(&log, 5, 1, &files[3..]))).unwrap(), Created::Written);
    // A file of a checkpoint in flight, which no slot names yet.
    let in_flight = log.store_state(1, "delta", b"delta".to_vec(), 1).unwrap();

    log.remove_before(id(4)).unwrap();
    assert_eq!(names(&disk(log.url())), ["chk-4", "chk-5", "shared"]);
    assert!(files.iter().chain([&in_flight]).all(|file| log.open_state(file).is_ok()));
    log.remove_before(id(5)).unwrap();
    assert_eq!(names(&disk(log.url()).join("shared")).len(), 2);
    assert!([&files[3], &in_flight].into_iter().all(|file| log.open_state(file).is_ok()));

    let error = log.remove_before(id(9)).unwrap_err();
    assert!(error.to_string().contains("holds no checkpoint"), "{error}");
    assert_eq!(names(&disk(log.url())), ["chk-5", "shared"]);
}

#[test]
fn nothing_is_removed_while_nobody_knows_what_is_needed() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    let files = fill(&log, 4);
    fs::write(disk(&log.slot_url(id(3))).join("_metadata"), "garbage").unwrap();
    let other = log_of(&stores(), &url, log.job_id());
    let error = other.remove_before(id(3)).unwrap_err().to_string();
    assert!(error.contains("slot 3 is damaged, so that nobody knows which state files it needs"), "{error}");
    assert!(other.remove_leftovers(2).is_err());
    assert!(files.iter().all(|file| log.open_state(file).is_ok()));
    // Behind the damaged one, everything is known.
    other.remove_before(id(4)).unwrap();
    assert!(files.iter().all(|file| other.open_state(file).is_ok()));
}

#[test]
fn what_a_crash_leaves_is_ignored_and_removed_by_the_next_attempt() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let crashed = new_log(&stores(), &url);
    let files = fill(&crashed, 3);
    let job = disk(crashed.url());
    let unfinished = crashed.store_state(1, "count", b"of a checkpoint that never was".to_vec(), 1).unwrap();
    fs::create_dir(job.join("chk-4")).unwrap();
    for left in ["chk-3/._metadata.00ff.tmp", "chk-4/._metadata.00ff.tmp", "shared/.1-count-00ff.0123.tmp"] {
        fs::write(job.join(left), "half").unwrap();
    }

    let log = log_of(&stores(), &url, crashed.job_id());
    assert_eq!(restore_point(&log.read().unwrap()).unwrap(), Some(id(3)));
    assert_eq!(log.write(id(4), &takeover(2, Some(3))).unwrap(), Created::Written);
    // A later attempt may be at work already: what it writes is not ours to remove.
    let later = log.store_state(3, "count", b"of a later attempt".to_vec(), 1).unwrap();
    fs::create_dir(job.join("chk-5")).unwrap();
    fs::write(job.join("chk-5/._metadata.00ff.tmp"), "its takeover").unwrap();
    assert_eq!(log.remove_leftovers(2).unwrap(), 4);
    assert_eq!(names(&job.join("chk-3")), ["_metadata"]);
    assert_eq!(names(&job.join("chk-4")), ["_metadata"]);
    assert_eq!(names(&job.join("chk-5")), ["._metadata.00ff.tmp"]);
    assert!(files.iter().chain([&later]).all(|file| log.open_state(file).is_ok()));
    assert!(log.open_state(&unfinished).is_err());
    assert_eq!(names(&job.join("shared")).len(), files.len() + 1);
}

#[test]
fn a_job_id_is_checked() {
    let error = riverrun_checkpoints::CheckpointLog::open(stores(), "/tmp", "../etc").unwrap_err();
    assert_eq!(error.to_string(), "'../etc' is no job id; a job id has 32 hexadecimal digits");
}
