#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::CheckpointId;

/// A coordinator of 2 tasks and `sinks` sinks that has taken slot 1 at time 0.
fn coordinator(settings: CheckpointSettings, sinks: usize) -> CheckpointCoordinator {
    let start = Start { takeover: id(1), live: vec![], skipped: vec![], tasks: 2, sinks };
    CheckpointCoordinator::new(settings, start, 0)
}

/// Every 100 ms, with any number of failures.
fn every_100() -> CheckpointSettings {
    CheckpointSettings {
        interval_ms: Some(100),
        timeout_ms: 1000,
        tolerable_failures: None,
        ..CheckpointSettings::default()
    }
}

fn id(number: u64) -> CheckpointId {
    CheckpointId(number)
}

fn trigger(checkpoint: u64, kind: CheckpointKind) -> Action {
    Action::TriggerBarriers { checkpoint: id(checkpoint), kind }
}

fn begins(checkpoint: u64) -> Action {
    trigger(checkpoint, CheckpointKind::Checkpoint)
}

fn write(checkpoint: u64, after: u64) -> Action {
    Action::WriteSlot { checkpoint: id(checkpoint), after: id(after) }
}

fn answer(request: u64, result: Result<u64, RequestError>) -> Action {
    Action::Answer { request: RequestId(request), result: result.map(CheckpointId) }
}

fn ack(checkpoint: u64, task: usize) -> Event {
    Event::Acknowledged { checkpoint: id(checkpoint), task }
}

fn written(checkpoint: u64) -> Event {
    Event::SlotWritten { checkpoint: id(checkpoint), outcome: SlotOutcome::Written }
}

fn unknown(checkpoint: u64) -> Event {
    Event::SlotWritten { checkpoint: id(checkpoint), outcome: SlotOutcome::Unknown }
}

fn committed(checkpoint: u64, sink: usize) -> Event {
    Event::Committed { checkpoint: id(checkpoint), sink, visible: true }
}

fn declined(checkpoint: u64, task: usize, reason: Decline) -> Event {
    Event::Declined { checkpoint: id(checkpoint), task, reason }
}

fn wants(request: u64, kind: RequestKind) -> Event {
    Event::Requested { request: RequestId(request), kind }
}

/// Both tasks acknowledge.
fn acknowledge(coordinator: &mut CheckpointCoordinator, now: u64, checkpoint: u64) -> Vec<Action> {
    assert_eq!(coordinator.on(now, ack(checkpoint, 0)), []);
    coordinator.on(now, ack(checkpoint, 1))
}

/// The one in flight completes.
fn complete(coordinator: &mut CheckpointCoordinator, now: u64, checkpoint: u64) -> Vec<Action> {
    acknowledge(coordinator, now, checkpoint);
    coordinator.on(now, written(checkpoint))
}

#[test]
fn periodic_ones_begin_at_the_interval() {
    let mut coordinator = coordinator(every_100(), 0);
    assert_eq!(coordinator.on(99, Event::Tick), []);
    assert_eq!(coordinator.on(100, Event::Tick), [begins(2)]);
    complete(&mut coordinator, 110, 2);
    assert_eq!(coordinator.next_deadline(), Some(200));
    assert_eq!(coordinator.on(205, Event::Tick), [begins(3)]);
    complete(&mut coordinator, 210, 3);
    assert_eq!(coordinator.next_deadline(), Some(300), "a late tick does not shift the beat");
    coordinator.on(1234, Event::Tick);
    complete(&mut coordinator, 1235, 4);
    assert_eq!(coordinator.next_deadline(), Some(1334), "what was missed is not made up for");
}

#[test]
fn the_next_one_waits_for_the_one_in_flight_and_begins_with_its_completion() {
    let mut coordinator = coordinator(every_100(), 0);
    coordinator.on(100, Event::Tick);
    assert_eq!(coordinator.on(200, Event::Tick), []);
    assert_eq!(coordinator.next_deadline(), Some(1100), "its timeout");
    acknowledge(&mut coordinator, 250, 2);
    assert_eq!(coordinator.on(260, written(2)), [Action::NotifyCompleted(id(2)), begins(3)]);
}

#[test]
fn as_many_are_in_flight_as_may_be() {
    let mut coordinator = coordinator(CheckpointSettings { max_concurrent: 2, ..every_100() }, 0);
    assert_eq!(coordinator.on(100, Event::Tick), [begins(2)]);
    assert_eq!(coordinator.on(200, Event::Tick), [begins(3)]);
    assert_eq!(coordinator.on(300, Event::Tick), []);
    assert_eq!(coordinator.in_flight().collect::<Vec<_>>(), [id(2), id(3)]);
}

#[test]
fn the_pause_counts_from_the_completion_and_leaves_one_in_flight() {
    let settings = CheckpointSettings { min_pause_ms: 70, max_concurrent: 3, ..every_100() };
    let mut coordinator = coordinator(settings, 0);
    coordinator.on(100, Event::Tick);
    assert_eq!(coordinator.on(200, Event::Tick), []);
    complete(&mut coordinator, 210, 2);
    assert_eq!(coordinator.next_deadline(), Some(280));
    assert_eq!(coordinator.on(279, Event::Tick), []);
    assert_eq!(coordinator.on(280, Event::Tick), [begins(3)]);
}

#[test]
fn an_interval_below_the_pause_counts_as_the_pause() {
    let coordinator = coordinator(CheckpointSettings { min_pause_ms: 500, ..every_100() }, 0);
    assert_eq!(coordinator.next_deadline(), Some(500));
}

#[test]
fn one_that_is_not_acknowledged_in_time_is_aborted_and_its_slot_skipped() {
    let mut coordinator = coordinator(every_100(), 0);
    coordinator.on(100, Event::Tick);
    coordinator.on(150, ack(2, 0));
    assert_eq!(coordinator.on(1100, Event::Tick), [Action::Abort(id(2)), begins(3)]);
    assert_eq!(coordinator.on(1101, ack(2, 1)), [], "too late");
    assert_eq!(acknowledge(&mut coordinator, 1102, 3), [write(3, 1)], "2 is skipped, and its rows go with 3");
}

#[test]
fn failures_in_a_row_fail_the_job_when_they_are_more_than_tolerable() {
    let settings = CheckpointSettings { tolerable_failures: Some(1), ..every_100() };
    let mut coordinator = coordinator(settings, 0);
    coordinator.on(100, Event::Tick);
    assert_eq!(coordinator.on(110, declined(2, 1, Decline::Failed)), [Action::Abort(id(2))]);
    coordinator.on(200, Event::Tick);
    complete(&mut coordinator, 210, 3);
    coordinator.on(300, Event::Tick);
    assert_eq!(coordinator.on(310, declined(4, 0, Decline::Failed)), [Action::Abort(id(4))], "a success forgives");
    coordinator.on(400, Event::Tick);
    let last = CheckpointFailure::Declined { task: 0 };
    assert_eq!(
        coordinator.on(410, declined(5, 0, Decline::Failed)),
        [Action::Abort(id(5)), Action::FailJob(FailReason::TooManyFailures { failures: 2, checkpoint: id(5), last })]
    );
    assert_eq!((coordinator.on(500, Event::Tick), coordinator.next_deadline()), (vec![], None));
    assert_eq!(coordinator.on(500, wants(1, RequestKind::Savepoint)), [answer(1, Err(RequestError::Ending))]);
}

#[test]
fn an_overtaken_checkpoint_is_no_failure_and_neither_is_an_expired_savepoint() {
    let mut coordinator = coordinator(CheckpointSettings { tolerable_failures: Some(0), ..every_100() }, 0);
    coordinator.on(100, Event::Tick);
    let savepoint = trigger(3, CheckpointKind::Savepoint);
    assert_eq!(coordinator.on(110, wants(1, RequestKind::Savepoint)), [savepoint], "beyond the limit in flight");
    assert_eq!(coordinator.on(120, declined(2, 0, Decline::Overtaken)), [Action::Abort(id(2))]);
    let expired = answer(1, Err(RequestError::Aborted(CheckpointFailure::Expired)));
    assert_eq!(coordinator.on(1110, Event::Tick), [Action::Abort(id(3)), expired, begins(4)]);
}

#[test]
fn they_complete_in_order_one_slot_at_a_time() {
    let mut coordinator = coordinator(CheckpointSettings { max_concurrent: 2, ..every_100() }, 0);
    coordinator.on(100, Event::Tick);
    coordinator.on(200, Event::Tick);
    assert_eq!(acknowledge(&mut coordinator, 210, 3), [], "2 is older");
    assert_eq!(acknowledge(&mut coordinator, 220, 2), [write(2, 1)]);
    assert_eq!(coordinator.on(230, written(3)), [], "not asked for");
    assert_eq!(coordinator.on(240, written(2)), [Action::NotifyCompleted(id(2)), write(3, 2)]);
    assert_eq!(coordinator.on(241, written(2)), [], "repeated");
}

#[test]
fn a_slot_is_not_written_before_the_one_before_is_committed_in_every_sink() {
    let mut coordinator = coordinator(every_100(), 2);
    coordinator.on(100, Event::Tick);
    let commit = |checkpoint, sink| Action::Commit { checkpoint: id(checkpoint), sink };
    assert_eq!(complete(&mut coordinator, 110, 2), [Action::NotifyCompleted(id(2)), commit(2, 0)]);
    coordinator.on(200, Event::Tick);
    assert_eq!(acknowledge(&mut coordinator, 210, 3), []);
    assert_eq!(coordinator.on(2000, committed(2, 0)), [commit(2, 1)], "what is acknowledged does not expire");
    assert_eq!(coordinator.on(2001, committed(2, 0)), [], "repeated");
    assert_eq!(coordinator.on(2010, committed(2, 1)), [write(3, 2)]);
}

#[test]
fn a_slot_that_may_be_written_is_tried_again_and_never_aborted() {
    let mut coordinator = coordinator(CheckpointSettings { tolerable_failures: Some(1), ..every_100() }, 0);
    coordinator.on(100, Event::Tick);
    acknowledge(&mut coordinator, 110, 2);
    assert_eq!(coordinator.on(120, unknown(2)), []);
    assert_eq!(coordinator.next_deadline(), Some(220));
    assert_eq!(coordinator.on(5000, Event::Tick), [write(2, 1)], "not expired");
    assert_eq!(coordinator.on(5001, written(2)), [Action::NotifyCompleted(id(2)), begins(3)]);
}

#[test]
fn tries_to_write_a_slot_count_as_failures_once_per_interval() {
    let settings = CheckpointSettings {
        interval_ms: Some(25_000),
        timeout_ms: 600_000,
        tolerable_failures: Some(1),
        ..CheckpointSettings::default()
    };
    let mut coordinator = coordinator(settings, 0);
    coordinator.on(25_000, Event::Tick);
    acknowledge(&mut coordinator, 25_000, 2);
    for tried in [25_000, 35_000, 45_000] {
        assert_eq!(coordinator.on(tried, unknown(2)), []);
        assert_eq!(coordinator.on(tried + 10_000, Event::Tick), [write(2, 1)]);
    }
    let last = CheckpointFailure::SlotNotWritten;
    assert_eq!(
        coordinator.on(55_000, unknown(2)),
        [Action::FailJob(FailReason::TooManyFailures { failures: 2, checkpoint: id(2), last })],
        "and what may be complete is not aborted"
    );
}

#[test]
fn who_finds_its_slot_taken_is_fenced() {
    let mut coordinator = coordinator(CheckpointSettings { max_concurrent: 2, ..every_100() }, 1);
    coordinator.on(100, Event::Tick);
    coordinator.on(150, wants(7, RequestKind::Savepoint));
    acknowledge(&mut coordinator, 160, 2);
    assert_eq!(
        coordinator.on(170, Event::SlotWritten { checkpoint: id(2), outcome: SlotOutcome::Taken }),
        [Action::Abort(id(3)), answer(7, Err(RequestError::JobFailed)), Action::Fenced { slot: id(2) }]
    );
    assert_eq!(coordinator.on(180, ack(3, 0)), []);
}

#[test]
fn the_youngest_committed_one_is_kept_until_a_younger_is_committed() {
    let mut coordinator = coordinator(every_100(), 1);
    coordinator.on(100, Event::Tick);
    complete(&mut coordinator, 110, 2);
    coordinator.on(120, committed(2, 0));
    coordinator.on(200, Event::Tick);
    let commit = Action::Commit { checkpoint: id(3), sink: 0 };
    assert_eq!(complete(&mut coordinator, 210, 3), [Action::NotifyCompleted(id(3)), commit]);
    assert_eq!(coordinator.kept().collect::<Vec<_>>(), [id(2), id(3)]);
    assert_eq!(coordinator.on(220, committed(3, 0)), [Action::Remove(id(2))]);
}

#[test]
fn as_many_are_kept_as_are_to_be_and_skipped_slots_go_with_them() {
    let start =
        Start { takeover: id(7), live: vec![id(3), id(6)], skipped: vec![id(2), id(4), id(5)], tasks: 2, sinks: 0 };
    let settings = CheckpointSettings { num_retained: 2, ..every_100() };
    let mut coordinator = CheckpointCoordinator::new(settings, start, 0);
    assert_eq!(coordinator.on(100, Event::Tick), [begins(8), Action::Remove(id(2))]);
    assert_eq!(
        complete(&mut coordinator, 110, 8),
        [Action::NotifyCompleted(id(8)), Action::Remove(id(3)), Action::Remove(id(4)), Action::Remove(id(5))]
    );
    coordinator.on(200, Event::Tick);
    coordinator.on(210, declined(9, 0, Decline::Failed));
    coordinator.on(300, Event::Tick);
    assert_eq!(complete(&mut coordinator, 310, 10), [Action::NotifyCompleted(id(10)), Action::Remove(id(6))]);
    coordinator.on(400, Event::Tick);
    let removed = [Action::NotifyCompleted(id(11)), Action::Remove(id(8)), Action::Remove(id(9))];
    assert_eq!(complete(&mut coordinator, 410, 11), removed);
}

#[test]
fn requests_are_met_one_after_the_other_and_a_checkpoint_within_the_limit() {
    let mut coordinator = coordinator(CheckpointSettings::default(), 0);
    assert_eq!(coordinator.next_deadline(), None);
    assert_eq!(coordinator.on(0, wants(1, RequestKind::Savepoint)), [trigger(2, CheckpointKind::Savepoint)]);
    assert_eq!(coordinator.on(1, wants(2, RequestKind::Savepoint)), [], "it would overtake");
    assert_eq!(coordinator.on(2, wants(3, RequestKind::Checkpoint)), []);
    coordinator.on(3, ack(2, 0));
    assert_eq!(coordinator.on(4, ack(2, 1)), [write(2, 1), trigger(3, CheckpointKind::Savepoint)]);
    acknowledge(&mut coordinator, 5, 3);
    let answered = [Action::NotifyCompleted(id(2)), answer(1, Ok(2)), write(3, 2)];
    assert_eq!(coordinator.on(6, written(2)), answered);
    let completed = [Action::NotifyCompleted(id(3)), answer(2, Ok(3)), begins(4), Action::Remove(id(2))];
    assert_eq!(coordinator.on(7, written(3)), completed);
}

#[test]
fn no_more_requests_wait_than_may() {
    let mut coordinator = coordinator(CheckpointSettings::default(), 0);
    for request in 0..17 {
        coordinator.on(0, wants(request, RequestKind::Savepoint));
    }
    assert_eq!(coordinator.on(0, wants(17, RequestKind::Savepoint)), [answer(17, Err(RequestError::TooMany))]);
}

#[test]
fn when_the_input_is_exhausted_the_last_one_begins_at_once_and_its_commit_ends_the_job() {
    let mut coordinator = coordinator(every_100(), 1);
    coordinator.on(100, Event::Tick);
    coordinator.on(110, wants(1, RequestKind::Checkpoint));
    assert_eq!(
        coordinator.on(120, Event::SourcesExhausted),
        [trigger(3, CheckpointKind::Last), answer(1, Err(RequestError::Ending))]
    );
    assert_eq!(coordinator.on(121, Event::SourcesExhausted), []);
    assert_eq!(coordinator.on(500, Event::Tick), [], "no periodic one after the last");
    coordinator.on(510, declined(2, 0, Decline::Overtaken));
    complete(&mut coordinator, 520, 3);
    assert_eq!(
        coordinator.on(530, committed(3, 0)),
        [Action::Remove(id(2)), Action::Finished { checkpoint: id(3), kind: CheckpointKind::Last }]
    );
    assert_eq!(coordinator.next_deadline(), None);
}

#[test]
fn the_last_one_cannot_fail_without_the_job() {
    let mut coordinator = coordinator(every_100(), 0);
    coordinator.on(10, Event::SourcesExhausted);
    let cause = CheckpointFailure::Expired;
    assert_eq!(
        coordinator.on(1010, Event::Tick),
        [Action::Abort(id(2)), Action::FailJob(FailReason::LastCheckpointFailed { checkpoint: id(2), cause })]
    );
}

#[test]
fn a_stop_is_answered_when_its_savepoint_is_committed() {
    let mut coordinator = coordinator(every_100(), 1);
    let kind = CheckpointKind::StopWithSavepoint { drain: true };
    assert_eq!(coordinator.on(10, wants(1, RequestKind::StopWithSavepoint { drain: true })), [trigger(2, kind)]);
    assert_eq!(coordinator.on(20, wants(2, RequestKind::Savepoint)), [answer(2, Err(RequestError::Ending))]);
    let commit = Action::Commit { checkpoint: id(2), sink: 0 };
    assert_eq!(complete(&mut coordinator, 30, 2), [Action::NotifyCompleted(id(2)), commit]);
    assert_eq!(coordinator.on(40, committed(2, 0)), [answer(1, Ok(2)), Action::Finished { checkpoint: id(2), kind }]);
}

#[test]
fn a_stop_that_waits_becomes_the_last_checkpoint_when_the_input_is_exhausted() {
    let mut coordinator = coordinator(CheckpointSettings::default(), 0);
    coordinator.on(0, wants(1, RequestKind::Savepoint));
    coordinator.on(1, wants(2, RequestKind::StopWithSavepoint { drain: false }));
    let kind = CheckpointKind::StopWithSavepoint { drain: false };
    assert_eq!(coordinator.on(2, Event::SourcesExhausted), [trigger(3, kind)]);
}

#[test]
fn lost_rows_fail_the_job_and_tell_whether_others_are_visible() {
    let lost = |sink, visible| Event::CommitLost { checkpoint: id(2), sink, visible };
    let fails = |sink, visible| Action::FailJob(FailReason::CommitLost { checkpoint: id(2), sink, visible });
    let mut first = coordinator(every_100(), 2);
    first.on(100, Event::Tick);
    complete(&mut first, 110, 2);
    let mut second = first.clone();
    assert_eq!(first.on(120, lost(1, true)), [], "not asked yet");
    assert_eq!(first.on(120, lost(0, false)), [fails(0, false)]);
    second.on(120, committed(2, 0));
    assert_eq!(second.on(130, lost(1, false)), [fails(1, true)]);
}

#[test]
fn without_tasks_and_sinks_a_checkpoint_is_complete_when_its_slot_is_written() {
    let start = Start { takeover: id(4), live: vec![], skipped: vec![], tasks: 0, sinks: 0 };
    let mut coordinator = CheckpointCoordinator::new(CheckpointSettings::default(), start, 0);
    assert_eq!(coordinator.on(0, Event::SourcesExhausted), [trigger(5, CheckpointKind::Last), write(5, 4)]);
    assert_eq!(
        coordinator.on(1, written(5)),
        [Action::NotifyCompleted(id(5)), Action::Finished { checkpoint: id(5), kind: CheckpointKind::Last }]
    );
}

#[test]
fn settings_that_make_no_sense_are_refused_by_their_key() {
    let refused = |settings: CheckpointSettings| settings.validate().unwrap_err().to_string();
    assert!(refused(CheckpointSettings { interval_ms: Some(9), ..every_100() }).contains("checkpointing.interval"));
    assert!(refused(CheckpointSettings { timeout_ms: 0, ..every_100() }).contains("checkpointing.timeout"));
    assert!(refused(CheckpointSettings { max_concurrent: 0, ..every_100() }).contains("max-concurrent"));
    assert!(refused(CheckpointSettings { num_retained: 0, ..every_100() }).contains("num-retained"));
}
