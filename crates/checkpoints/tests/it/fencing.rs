//! An attempt that was overtaken completes nothing, however long it slept.

use std::collections::BTreeMap;
use std::sync::Mutex;

use riverrun_checkpoints::{CheckpointLog, Created, Slot, SlotSummary, restore_point};
use riverrun_testkit::temp_folder;

use crate::jobs::{checkpoint, disk, fill, id, log_of, names, new_log, stores, takeover};

fn complete(log: &CheckpointLog, number: u64, attempt: u64) -> Created {
    log.write(id(number), &Slot::Completed(checkpoint(log, number, attempt, &[]))).unwrap()
}

#[test]
fn a_number_that_was_given_up_cannot_be_taken_by_another() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    fill(&log, 2);
    // Checkpoint 3 fails, 4 completes.
    assert_eq!(complete(&log, 4, 1), Created::Written);
    assert_eq!(log.next_slot().unwrap(), id(5));
    let slots = log_of(&stores(), &url, log.job_id()).read().unwrap();
    assert_eq!(slots[2], (id(3), SlotSummary::Skipped { attempt: 1 }));
}

#[test]
fn an_attempt_that_was_overtaken_at_a_number_it_gave_up_completes_nothing() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let zombie = new_log(&stores(), &url);
    fill(&zombie, 2);
    // Its checkpoint 3 fails and 4 is in flight; the next attempt sees 2 as the last.
    let next = log_of(&stores(), &url, zombie.job_id());
    assert_eq!(next.write(next.next_slot().unwrap(), &takeover(2, Some(2))).unwrap(), Created::Written);
    assert_eq!(complete(&zombie, 4, 1), Created::Exists);
    assert_eq!(complete(&next, 4, 2), Created::Written);
}

#[test]
fn an_attempt_that_slept_until_its_number_was_removed_completes_nothing() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let zombie = new_log(&stores(), &url);
    fill(&zombie, 2);
    let next = log_of(&stores(), &url, zombie.job_id());
    assert_eq!(next.write(id(3), &takeover(2, Some(2))).unwrap(), Created::Written);
    for number in 4..=6 {
        assert_eq!(complete(&next, number, 2), Created::Written);
    }
    next.remove_before(id(6)).unwrap();
    assert_eq!(names(&disk(next.url())), ["chk-6", "shared"]);

    assert_eq!(complete(&zombie, 3, 1), Created::Exists, "3 is free again, and yet not to be had");
    assert_eq!(restore_point(&next.read().unwrap()).unwrap(), Some(id(6)));
    let error = zombie.remove_all().unwrap_err();
    assert!(error.to_string().contains("another attempt of the job has gone on"), "{error}");
    assert_eq!(complete(&next, 7, 2), Created::Written);
    next.remove_before(id(7)).unwrap();
    assert_eq!(names(&disk(next.url())), ["chk-7", "shared"], "what it created goes with the others");
}

#[test]
fn the_first_number_of_a_log_that_went_on_cannot_be_had_again() {
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let log = new_log(&stores(), &url);
    let late = log_of(&stores(), &url, log.job_id());
    assert_eq!(late.next_slot().unwrap(), id(1));
    fill(&log, 3);
    log.remove_before(id(3)).unwrap();
    assert_eq!(late.write(id(1), &takeover(1, None)).unwrap(), Created::Exists);
    assert_eq!(late.next_slot().unwrap(), id(4));
}

/// Attempts that begin, complete, give up, clean up and sleep in any order: in the history of all that was written, each number comes
/// once, and behind the takeover of an attempt comes nothing of an earlier one.
#[test]
fn in_any_order_the_log_has_one_history() {
    for seed in 0..8 {
        let folder = temp_folder();
        let url = folder.path().display().to_string();
        let mut random = fastrand::Rng::with_seed(seed);
        let first = new_log(&stores(), &url);
        let job_id = first.job_id().to_owned();
        // Each with its number, and that of its next checkpoint.
        let mut attempts = vec![(first, 0, 0)];
        let mut history: BTreeMap<u64, u64> = BTreeMap::new();
        for _ in 0..50 {
            if random.u8(..10) == 0 {
                attempts.push((log_of(&stores(), &url, &job_id), 0, 0));
            }
            // Mostly a young one; now and then one that slept long.
            let from = if random.u8(..3) == 0 { 0 } else { attempts.len() - 1 };
            let chosen = random.usize(from..attempts.len());
            let (log, attempt, next) = &mut attempts[chosen];
            let (number, slot) = if *next == 0 {
                let slots = log.read().unwrap();
                let restores = restore_point(&slots).unwrap();
                *attempt = 1 + slots.iter().filter_map(|(_, slot)| slot.attempt()).max().unwrap_or(0);
                (log.next_slot().unwrap().0, takeover(*attempt, restores.map(|id| id.0)))
            } else {
                let number = *next + u64::from(random.u8(..4) == 0);
                (number, Slot::Completed(checkpoint(log, number, *attempt, &[])))
            };
            if log.write(id(number), &slot).unwrap() == Created::Exists {
                continue;
            }
            assert_eq!(history.insert(number, *attempt), None, "seed {seed}: slot {number} was written twice");
            assert!(history.keys().next_back() == Some(&number), "seed {seed}: slot {number} came after a later one");
            let last = history.values().max();
            assert_eq!(last, Some(&*attempt), "seed {seed}: slot {number} is of an attempt that was overtaken");
            *next = number + 1;
            if matches!(slot, Slot::Completed(_)) && random.bool() {
                log.remove_before(id(number)).unwrap();
            }
        }
        let (log, ..) = &attempts[0];
        let last = log.read().unwrap().last().map(|(number, _)| number.0);
        assert_eq!(last.as_ref(), history.keys().next_back(), "seed {seed}: the last slot is never removed");
    }
}

/// The same at the same time: attempts in threads, on one folder, each going on until it is told that it was overtaken.
#[test]
fn at_the_same_time_the_log_has_one_history() {
    const SLOTS: usize = 30;
    let folder = temp_folder();
    let url = folder.path().display().to_string();
    let job_id = new_log(&stores(), &url).job_id().to_owned();
    let history: Mutex<Vec<(u64, u64)>> = Mutex::default();
    let live = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        // Every number has a winner, so it ends.
        while history.lock().unwrap().len() < SLOTS {
            let log = log_of(&stores(), &url, &job_id);
            let slots = log.read().unwrap();
            let Ok(restores) = restore_point(&slots) else { continue };
            let attempt = 1 + slots.iter().filter_map(|(_, slot)| slot.attempt()).max().unwrap_or(0);
            let mut number = log.next_slot().unwrap().0;
            let mut slot = takeover(attempt, restores.map(|id| id.0));
            for _ in 0..random.u8(1..12) {
                // An error comes where a cleaner was at the same folder: an attempt ends by it too.
                let Ok(Created::Written) = log.write(id(number), &slot) else { break };
                history.lock().unwrap().push((number, attempt));
                if matches!(slot, Slot::Completed(_)) {
                    let _ = log.remove_before(id(number));
                }
                number += random.u64(1..3);
                slot = Slot::Completed(checkpoint(&log, number, attempt, &[]));
            }
        }
    };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let live = &live;
            scope.spawn(move || live(seed));
        }
    });
    let mut history = history.into_inner().unwrap();
    history.sort_unstable();
    for pair in history.windows(2) {
        assert!(pair[0].0 < pair[1].0, "slot {} was written twice: {history:?}", pair[0].0);
        assert!(pair[0].1 <= pair[1].1, "slot {} is of an attempt that was overtaken: {history:?}", pair[1].0);
    }
}
