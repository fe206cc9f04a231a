//! The world's course, and what is asserted of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use super::Random;
use super::attempt::Shape;
use super::process::{Process, ProcessEnd};
use super::systems::{Environment, Mutation};
use crate::checkpoint::CheckpointSettings;
use crate::restart::RestartStrategy;

/// How many steps the ordinary test takes at least.
const STEPS: u64 = 2_000_000;
/// After how many steps a job has not come to its end.
const STUCK: u64 = 80_000;

struct World {
    env: Environment,
    shape: Shape,
    processes: Vec<Process>,
    chaos_steps: u64,
}

struct Course {
    steps: u64,
    seen: BTreeMap<&'static str, u64>,
}

fn run(seed: u64, mutation: Mutation) -> Result<Course, String> {
    let mut world = World::new(seed, mutation);
    let outcome = world.run();
    let World { env, .. } = world;
    let replay = format!("RIVERRUN_SIMULATION_SEED={seed} cargo test -p riverrun-protocol simulation");
    match outcome {
        Ok(()) => Ok(Course { steps: env.steps, seen: env.seen }),
        Err(violation) => {
            let notes: Vec<String> = env.notes.into();
            Err(format!("seed {seed}, step {}: {violation}\n{}\nreplay: {replay}", env.steps, notes.join("\n")))
        }
    }
}

impl World {
    fn new(seed: u64, mutation: Mutation) -> Self {
        let mut random = Random::new(seed);
        let mut one_of = |choices: &[u64]| choices[random.below(choices.len())];
        let settings = CheckpointSettings {
            interval_ms: Some(one_of(&[30, 60, 120])),
            timeout_ms: one_of(&[150, 400]),
            min_pause_ms: one_of(&[0, 0, 20]),
            max_concurrent: usize::try_from(one_of(&[1, 2, 3])).unwrap(),
            tolerable_failures: [Some(0), Some(2), Some(10), None][usize::try_from(one_of(&[0, 1, 2, 3])).unwrap()],
            num_retained: usize::try_from(one_of(&[1, 1, 3])).unwrap(),
        };
        let shape = Shape {
            sinks: usize::try_from(one_of(&[1, 2, 2])).unwrap(),
            writers: usize::try_from(one_of(&[1, 2])).unwrap(),
            settings,
        };
        let input = (0..one_of(&[1, 2, 3])).map(|_| usize::try_from(one_of(&[20, 100, 600])).unwrap()).collect();
        let timeouts = one_of(&[0, 0, 1]) == 1;
        let chaos_steps = one_of(&[2000, 5000, 10_000]);
        let env = Environment::new(random, mutation, input, shape.sinks, timeouts);
        Self { env, shape, processes: Vec::new(), chaos_steps }
    }

    /// To the end of the job, or the first violation.
    fn run(&mut self) -> Result<(), String> {
        loop {
            self.step();
            if let Some(violation) = self.env.violation.take() {
                return Err(violation);
            }
            let has_ended = |wanted| self.processes.iter().any(|process| process.end == Some(wanted));
            if has_ended(ProcessEnd::RowsLost) {
                // The job has said so, and it is true.
                self.env.saw("loss told");
                let lost = self.env.timeouts && self.env.missing().is_some();
                return if lost { Ok(()) } else { Err("no rows are lost, and the job says so".into()) };
            }
            if has_ended(ProcessEnd::Finished) && self.processes.iter().all(|process| process.end.is_some()) {
                return self.finished();
            }
            if self.env.steps > STUCK {
                return Err("the job does not come to its end".into());
            }
        }
    }

    fn finished(&mut self) -> Result<(), String> {
        if let Some(missing) = self.env.missing() {
            self.env.violated(format!("not visible exactly once: {missing:?}"));
        }
        self.env.check_resolved();
        self.env.violation.take().map_or(Ok(()), Err)
    }

    fn step(&mut self) {
        let env = &mut self.env;
        env.steps += 1;
        // What is created in a removed log and not looked at again is an orphan: the limit of the protocol.
        env.chaos = env.steps < self.chaos_steps && !env.removed;
        if env.random.below(8) == 0 {
            env.now_ms += 1 + env.random.below(4) as u64;
            return;
        }
        if !env.delayed.is_empty() && env.random.below(300) == 0 {
            let nth = env.random.below(env.delayed.len());
            let (slot, held) = env.delayed.swap_remove(nth);
            env.create(slot, held);
            return;
        }
        if env.timeouts && env.fault(400) {
            return env.time_out();
        }
        if env.timeouts && env.fault(700) {
            env.saw("outage");
            env.time_out_all();
            for process in self.processes.iter_mut().filter(|process| process.end.is_none()) {
                process.kill(env);
            }
            return;
        }
        let mut awake: Vec<usize> = (0..self.processes.len())
            .filter(|one| {
                let process = &self.processes[*one];
                process.end.is_none() && (process.asleep_until <= env.steps || !env.chaos)
            })
            .collect();
        // So are two that are late at once, the slot of one of which the other takes for known.
        awake.truncate(if env.removed { 1 } else { awake.len() });
        let finished = self.processes.iter().any(|process| process.end == Some(ProcessEnd::Finished));
        if !finished && ((awake.is_empty() && env.random.below(20) == 0) || env.fault(4000)) {
            let strategy = match env.random.below(3) {
                0 => RestartStrategy::exponential_delay(),
                1 => RestartStrategy::FixedDelay { attempts: 3, delay_ms: 50 },
                _ => RestartStrategy::FixedDelay { attempts: 1000, delay_ms: 100 },
            };
            self.processes.push(Process::new(&self.shape, strategy, env));
            return;
        }
        if awake.is_empty() {
            return;
        }
        let process = &mut self.processes[awake[env.random.below(awake.len())]];
        if env.fault(800) {
            env.saw("killed");
            process.kill(env);
        } else if env.fault(800) {
            env.saw("asleep");
            process.asleep_until = env.steps + [50, 500, 3000][env.random.below(3)];
        } else {
            // Nobody has to wait for real time.
            let idle = !process.step(env);
            env.now_ms += if idle { 5 } else { 0 };
        }
    }
}

/// A setting of the build: the variable's value when the tests were compiled, which cargo does anew where it has changed.
fn setting(value: Option<&str>) -> Option<u64> {
    value.map(|value| value.parse().unwrap())
}

#[test]
fn no_row_is_lost_or_doubled_whatever_goes_wrong() {
    if let Some(seed) = setting(option_env!("RIVERRUN_SIMULATION_SEED")) {
        run(seed, Mutation::None).map(drop).unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let wanted = setting(option_env!("RIVERRUN_SIMULATION_STEPS")).unwrap_or(STEPS);
    let (mut steps, mut seed, mut seen) = (0, 0, BTreeMap::<&str, u64>::new());
    while steps < wanted {
        let course = run(seed, Mutation::None).unwrap_or_else(|violation| panic!("{violation}"));
        steps += course.steps;
        seed += 1;
        for (what, times) in course.seen {
            *seen.entry(what).or_default() += times;
        }
    }
    println!("{steps} steps, {seed} seeds: {seen:?}");
    for rare in [
        "aborted",
        "asleep",
        "commit by an attempt that is over",
        "completed",
        "fenced",
        "fenced at a restart",
        "finished",
        "gone back",
        "killed",
        "loss told",
        "log removed",
        "orphaned",
        "overtaken",
        "own slot written again",
        "slot of another written again",
        "restores what is committed",
        "skipped",
        "stopped",
    ] {
        assert!(seen.get(rare).is_some_and(|times| *times >= 3), "too rare to prove anything: {rare}, in {seen:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_course() {
    for seed in 0..5 {
        let courses = [run(seed, Mutation::None), run(seed, Mutation::None)].map(|course| course.unwrap());
        assert_eq!(courses[0].steps, courses[1].steps);
        assert_eq!(courses[0].seen, courses[1].seen);
    }
}

/// That the invariants notice each carelessness of an engine, within so many seeds.
fn notices(mutation: Mutation, seeds: u64, says: &[&str]) {
    let violation = (0..seeds).find_map(|seed| run(seed, mutation).err());
    let violation = violation.unwrap_or_else(|| panic!("{mutation:?} goes unnoticed in {seeds} seeds"));
    println!("{mutation:?}: {violation}");
    assert!(says.iter().any(|says| violation.contains(says)), "{mutation:?}: {violation}");
}

#[test]
fn a_commit_before_the_slot_is_written_is_noticed() {
    notices(Mutation::CommitBeforeSlot, 100, &["in no checkpoint"]);
}

#[test]
fn an_ignored_fence_is_noticed() {
    notices(Mutation::IgnoreFencing, 100, &["is not in the log", "in no checkpoint"]);
}

#[test]
fn trust_in_an_unknown_outcome_is_noticed() {
    notices(Mutation::TrustUnknown, 100, &["is not in the log"]);
}

#[test]
fn trust_in_whatever_could_be_created_is_noticed() {
    notices(Mutation::TrustCreation, 3000, &["is gone", "twice", "nothing to restore", "not in the log"]);
}

#[test]
fn trust_in_the_slot_before_is_noticed() {
    notices(Mutation::TrustPredecessor, 20_000, &["is gone", "not in the log", "twice"]);
}

#[test]
fn holes_in_the_log_are_noticed() {
    notices(Mutation::LeaveHoles, 2000, &["nothing to restore", "not in the log"]);
}

#[test]
fn forgotten_rows_of_aborted_checkpoints_are_noticed() {
    notices(Mutation::ForgetAborted, 100, &["not visible"]);
}

#[test]
fn a_recovery_that_commits_nothing_is_noticed() {
    notices(Mutation::SkipRecovery, 100, &["not visible"]);
}

#[test]
fn a_recovery_that_aborts_nothing_is_noticed() {
    notices(Mutation::SkipAborts, 100, &["is left"]);
}

#[test]
fn going_back_behind_visible_rows_is_noticed() {
    notices(Mutation::RollBackVisible, 500, &["twice"]);
}

#[test]
fn eager_removal_is_noticed() {
    notices(Mutation::RemoveEagerly, 500, &["nothing to restore"]);
}
