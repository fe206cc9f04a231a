use super::*;
use crate::simulation::Random;

const FAILURE: Failure = Failure { recoverable: true, random: 0.5 };
const TAKE_OVER: Action = Action::TakeOver { lost: None };

/// A job that may be restarted once, 100 ms after a failure, and runs.
fn running() -> JobMaster {
    let mut master = JobMaster::new(RestartStrategy::FixedDelay { attempts: 1, delay_ms: 100 }, true);
    master.on(0, Event::Start);
    master.on(0, Event::TakenOver);
    assert_eq!(master.on(0, Event::Recovered), [Action::Run]);
    assert_eq!(master.status(), JobStatus::Running);
    master
}

fn ended(status: JobStatus, reason: Option<EndReason>, settled: bool) -> Action {
    Action::Ended { status, reason, settled }
}

fn failed() -> Event {
    Event::AttemptEnded(AttemptEnd::Failed(FAILURE))
}

/// The log is taken over, and committers recover.
fn settle(master: &mut JobMaster, now: u64) -> Vec<Action> {
    assert_eq!(master.on(now, Event::TakenOver), [Action::Recover]);
    master.on(now, Event::Recovered)
}

#[test]
fn a_job_whose_attempt_finishes_is_finished() {
    let finished = running().on(9, Event::AttemptEnded(AttemptEnd::Finished));
    assert_eq!(finished, [ended(JobStatus::Finished, None, true)]);
}

#[test]
fn after_a_failure_the_log_is_settled_at_once_and_the_job_restarts_after_the_delay() {
    let mut master = running();
    assert_eq!(master.on(1000, failed()), [Action::AdoptError, TAKE_OVER]);
    assert_eq!(master.status(), JobStatus::Restarting);
    assert_eq!(settle(&mut master, 1010), []);
    assert_eq!(master.next_deadline(), Some(1100));
    assert_eq!(master.on(1099, Event::Tick), []);
    assert_eq!(master.on(1100, Event::Tick), [Action::Run]);
    assert_eq!((master.status(), master.next_deadline()), (JobStatus::Running, None));
}

#[test]
fn settling_that_takes_longer_than_the_delay_is_followed_by_the_restart() {
    let mut master = running();
    master.on(1000, failed());
    assert_eq!(settle(&mut master, 1200), [Action::Run]);
}

#[test]
fn a_job_that_is_given_up_settles_before_it_has_failed() {
    let mut master = running();
    master.on(1000, failed());
    settle(&mut master, 1200);
    assert_eq!(master.on(2000, failed()), [Action::AdoptError, TAKE_OVER]);
    assert_eq!(master.status(), JobStatus::Failing);
    let reason = EndReason::GaveUp(GiveUp::AttemptsSpent { attempts: 1 });
    assert_eq!(settle(&mut master, 2010), [ended(JobStatus::Failed, Some(reason), true)]);
    assert_eq!(master.on(2020, failed()), []);
}

#[test]
fn what_no_restart_can_mend_is_not_restarted() {
    let mut master = running();
    let failure = Failure { recoverable: false, random: 0.0 };
    master.on(1, Event::AttemptEnded(AttemptEnd::Failed(failure)));
    assert_eq!(settle(&mut master, 2), [ended(JobStatus::Failed, Some(EndReason::NotRecoverable), true)]);
}

#[test]
fn settling_that_fails_is_a_failure_and_is_repeated_after_the_delay() {
    let mut master = JobMaster::new(RestartStrategy::FixedDelay { attempts: 2, delay_ms: 100 }, true);
    master.on(0, Event::Start);
    assert_eq!(master.on(10, Event::Failed(FAILURE)), [Action::AdoptError]);
    assert_eq!(master.on(110, Event::Tick), [TAKE_OVER]);
    master.on(120, Event::TakenOver);
    assert_eq!(master.on(130, Event::Failed(FAILURE)), [Action::AdoptError]);
    assert_eq!(master.on(230, Event::Tick), [TAKE_OVER]);
    let reason = EndReason::GaveUp(GiveUp::AttemptsSpent { attempts: 2 });
    let gave_up = [Action::AdoptError, ended(JobStatus::Failed, Some(reason), false)];
    assert_eq!(master.on(240, Event::Failed(FAILURE)), gave_up);
}

#[test]
fn a_cancel_settles_wherever_it_comes() {
    let canceled = |settled| [ended(JobStatus::Canceled, None, settled)];
    let mut master = running();
    assert_eq!(master.on(5, Event::Cancel), [Action::CancelAttempt]);
    assert_eq!((master.on(5, Event::Cancel), master.status()), (vec![], JobStatus::Canceling));
    assert_eq!(master.clone().on(6, failed()), [TAKE_OVER], "its error is no cause");
    assert_eq!(master.on(6, Event::AttemptEnded(AttemptEnd::Canceled)), [TAKE_OVER]);
    assert_eq!(master.clone().on(7, Event::Failed(FAILURE)), canceled(false), "the next run commits");
    assert_eq!(settle(&mut master, 7), canceled(true));

    let mut waits = running();
    waits.on(1, failed());
    assert_eq!(waits.clone().on(2, Event::Cancel), [], "while it settles");
    settle(&mut waits, 3);
    assert_eq!(waits.on(4, Event::Cancel), canceled(true));

    let mut unsettled = running();
    unsettled.on(1, failed());
    unsettled.on(2, Event::TakenOver);
    unsettled.on(3, Event::Cancel);
    assert_eq!(unsettled.on(4, Event::Recovered), canceled(true));

    let mut created = JobMaster::new(RestartStrategy::None, true);
    assert_eq!(created.on(0, Event::Cancel), canceled(false));
}

#[test]
fn only_a_running_job_is_stopped_in_order() {
    let mut master = JobMaster::new(RestartStrategy::fixed_delay(), true);
    assert_eq!(master.on(0, Event::Stop), [Action::RefuseStop]);
    let mut master = running();
    let mut stopping = master.clone();
    assert_eq!(stopping.on(1, Event::Stop), [Action::Stop]);
    assert_eq!((stopping.on(1, Event::Stop), stopping.status()), (vec![Action::RefuseStop], JobStatus::Finishing));
    let suspended = [ended(JobStatus::Suspended, None, true)];
    assert_eq!(stopping.clone().on(2, Event::AttemptEnded(AttemptEnd::Stopped)), suspended);
    stopping.on(2, failed());
    settle(&mut stopping, 200);
    assert_eq!(stopping.status(), JobStatus::Running, "the stop has failed with its attempt");
    master.on(1, failed());
    assert_eq!(master.on(2, Event::Stop), [Action::RefuseStop]);
}

#[test]
fn rows_lost_without_a_trace_are_replayed_from_the_checkpoint_before() {
    let five = CheckpointId(5);
    let back = Action::TakeOver { lost: Some(five) };
    let mut master = running();
    let lost = AttemptEnd::CommitLost { checkpoint: five, visible: false, failure: FAILURE };
    assert_eq!(master.on(1, Event::AttemptEnded(lost)), [Action::AdoptError, back]);
    assert_eq!(master.on(2, Event::Failed(FAILURE)).len(), 2, "one restart is spent");

    let mut master = running();
    master.on(1, failed());
    master.on(2, Event::TakenOver);
    assert_eq!(master.on(3, Event::CommitLost { checkpoint: five, visible: false }), [back], "found while settling");
    assert_eq!(settle(&mut master, 4), []);
    assert_eq!(master.on(101, Event::Tick), [Action::Run]);
    assert_eq!(master.on(200, failed()), [Action::AdoptError, TAKE_OVER], "once");
}

#[test]
fn a_takeover_that_goes_back_and_fails_is_repeated_as_such() {
    let back = Action::TakeOver { lost: Some(CheckpointId(5)) };
    let mut master = JobMaster::new(RestartStrategy::FixedDelay { attempts: 9, delay_ms: 10 }, true);
    master.on(0, Event::Start);
    master.on(0, Event::TakenOver);
    assert_eq!(master.on(0, Event::CommitLost { checkpoint: CheckpointId(5), visible: false }), [back]);
    master.on(1, Event::Failed(FAILURE));
    assert_eq!(master.on(11, Event::Tick), [back]);
}

#[test]
fn rows_lost_beside_visible_ones_fail_the_job_also_one_that_is_canceled() {
    let five = CheckpointId(5);
    let lost = [Action::AdoptError, ended(JobStatus::Failed, Some(EndReason::RowsLost(five)), false)];
    let mut master = running();
    let end = AttemptEnd::CommitLost { checkpoint: five, visible: true, failure: FAILURE };
    assert_eq!(master.on(1, Event::AttemptEnded(end)), [Action::AdoptError, TAKE_OVER], "others still commit theirs");
    master.on(2, Event::TakenOver);
    assert_eq!(master.on(3, Event::CommitLost { checkpoint: five, visible: true }), lost);

    let mut master = running();
    master.on(1, Event::Cancel);
    master.on(2, Event::AttemptEnded(AttemptEnd::Canceled));
    master.on(3, Event::TakenOver);
    assert_eq!(master.on(4, Event::CommitLost { checkpoint: five, visible: true }), lost);

    let mut master = running();
    master.on(1, failed());
    master.on(2, Event::TakenOver);
    master.on(3, Event::CommitLost { checkpoint: five, visible: false });
    assert_eq!(master.on(4, Event::NothingBefore(five)), lost);
}

#[test]
fn a_fenced_job_has_failed_and_touches_nothing() {
    let fenced = [Action::AdoptError, ended(JobStatus::Failed, Some(EndReason::Fenced), false)];
    assert_eq!(running().on(1, Event::AttemptEnded(AttemptEnd::Fenced)), fenced);
    let mut master = running();
    master.on(1, failed());
    assert_eq!(master.on(2, Event::Fenced), fenced);
}

#[test]
fn without_checkpoints_there_is_nothing_to_settle() {
    let mut master = JobMaster::new(RestartStrategy::FixedDelay { attempts: 1, delay_ms: 100 }, false);
    assert_eq!(master.on(0, Event::Start), [Action::Run]);
    assert_eq!(master.on(5, failed()), [Action::AdoptError]);
    assert_eq!(master.on(105, Event::Tick), [Action::Run]);
    let reason = EndReason::GaveUp(GiveUp::AttemptsSpent { attempts: 1 });
    let gave_up = [Action::AdoptError, ended(JobStatus::Failed, Some(reason), true)];
    assert_eq!(master.on(106, failed()), gave_up);
}

/// Any order of events, also such as nobody asked for: one piece of work at a time, an attempt only behind a settled log, one end.
#[test]
fn random_lives_do_one_thing_at_a_time_and_end_once() {
    for seed in 0..5000 {
        let mut random = Random::new(seed);
        let mut master = JobMaster::new(RestartStrategy::FixedDelay { attempts: 5, delay_ms: 10 }, true);
        let (mut now, mut work, mut settled, mut ends) = (0, None, false, 0);
        for step in 0..200 {
            now += random.below(8) as u64;
            let checkpoint = CheckpointId(5);
            let visible = random.below(4) == 0;
            let event = match random.below(16) {
                0 => Event::Cancel,
                1 => Event::Stop,
                2 | 3 => Event::Tick,
                _ if step == 0 => Event::Start,
                number => match work {
                    Some(Action::TakeOver { .. }) => {
                        [Event::TakenOver, Event::TakenOver, Event::Failed(FAILURE), Event::Fenced][number % 4]
                    }
                    Some(Action::Recover) => [
                        Event::Recovered,
                        Event::Recovered,
                        Event::Failed(FAILURE),
                        Event::CommitLost { checkpoint, visible },
                    ][number % 4],
                    Some(Action::Run) => [
                        failed(),
                        failed(),
                        failed(),
                        Event::AttemptEnded(AttemptEnd::Canceled),
                        Event::AttemptEnded(AttemptEnd::CommitLost { checkpoint, visible, failure: FAILURE }),
                        Event::AttemptEnded(AttemptEnd::Finished),
                    ][number % 6],
                    _ => Event::Tick,
                },
            };
            let answers = !matches!(event, Event::Cancel | Event::Stop | Event::Tick | Event::Start);
            settled |= event == Event::Recovered;
            if answers {
                work = None;
            }
            for action in master.on(now, event) {
                assert!(ends == 0 || action == Action::RefuseStop, "seed {seed}: {action:?} after the end");
                match action {
                    Action::TakeOver { .. } | Action::Recover | Action::Run => {
                        assert_eq!(work, None, "seed {seed}: {action:?} beside another");
                        work = Some(action);
                        if action == Action::Run {
                            assert!(settled, "seed {seed}: an attempt runs behind a log that is not settled");
                            settled = false;
                        }
                    }
                    Action::Stop | Action::CancelAttempt => assert_eq!(work, Some(Action::Run), "seed {seed}"),
                    Action::RefuseStop | Action::AdoptError => {}
                    Action::Ended { status, settled: claimed, .. } => {
                        assert_eq!((work, master.status()), (None, status), "seed {seed}");
                        assert!(!claimed || settled || status == JobStatus::Finished, "seed {seed}");
                        ends += 1;
                        work = None;
                    }
                }
            }
            assert_eq!(master.status().is_terminal(), ends == 1, "seed {seed}");
        }
    }
}
