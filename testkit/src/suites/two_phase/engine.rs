//! The scripted engine.

use std::marker::PhantomData;
use std::time::Duration;

use riverrun_connect::{Commit, Commits, Committable, Committer, Flush, JobContext, SinkWriter, TaskContext};
use riverrun_protocol::CheckpointId;

use super::{Destination, Violation};

/// Random crashes in a script, at most.
const CRASHES: u32 = 6;

/// When the engine crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crashes {
    /// Once, after so many calls.
    AfterCall(usize),
    Random,
}

/// Plays one script against one destination.
pub(super) struct Engine<B, D> {
    destination: D,
    seed: u64,
    crashes: Crashes,
    crashed: u32,
    /// Not at the end.
    armed: bool,
    random: fastrand::Rng,
    calls: Vec<String>,
    /// How many calls there were.
    number: usize,
    job: JobContext,
    /// How many rows there are.
    total: u64,
    /// The next row.
    position: u64,
    next_checkpoint: u64,
    /// The last completed checkpoint.
    completed: Checkpoint,
    /// Every row before it was acknowledged as committed.
    acknowledged: u64,
    zombies: Vec<Attempt<B>>,
    batch: PhantomData<fn(B)>,
}

/// A completed checkpoint.
#[derive(Clone, Default)]
struct Checkpoint {
    id: Option<CheckpointId>,
    /// The rows before it are in it, and in those before.
    position: u64,
    committables: Vec<Committable>,
}

/// What lives as long as an attempt.
struct Attempt<B> {
    committer: Box<dyn Committer>,
    writers: Vec<Box<dyn SinkWriter<B>>>,
    /// Prepared for checkpoints that were not completed.
    carried: Vec<Committable>,
    /// Complete, not yet committed.
    pending: Option<Checkpoint>,
    /// What the committer has still to recover.
    restored: Option<Checkpoint>,
    committed: Option<Checkpoint>,
}

/// Why a script does not go on.
enum Stop {
    Crash,
    Violation(String),
}

type Step<T = ()> = Result<T, Stop>;

impl<B: 'static, D: Destination<B>> Engine<B, D> {
    pub(super) fn new(destination: D, seed: u64, crashes: Crashes) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let job = JobContext {
            // The destination may outlive the script, so that an id must not come twice.
            id: format!("{:032x}", fastrand::u128(..)).into(),
            operator: "sink".into(),
            attempt: 0,
            restored: None,
            checkpoint_interval: Some(Duration::from_secs(1)),
        };
        Self {
            destination,
            seed,
            crashes,
            crashed: 0,
            armed: true,
            total: random.u64(8..24),
            random,
            calls: Vec::new(),
            number: 0,
            job,
            position: 0,
            next_checkpoint: 1,
            completed: Checkpoint::default(),
            acknowledged: 0,
            zombies: Vec::new(),
            batch: PhantomData,
        }
    }

    /// Plays the script to its end; whether it crashed.
    pub(super) fn run(mut self) -> Result<bool, Box<Violation>> {
        match self.play() {
            Ok(()) => Ok(self.crashed > 0),
            Err(what) => Err(Box::new(Violation { what, seed: self.seed, crashes: self.crashes, calls: self.calls })),
        }
    }

    fn play(&mut self) -> Result<(), String> {
        loop {
            let mut attempt = None;
            let ended = self.open(&mut attempt).and_then(|()| self.work(attempt.as_mut()));
            match ended {
                Ok(()) => break,
                Err(Stop::Violation(what)) => return Err(what),
                Err(Stop::Crash) => self.crash(attempt),
            }
        }
        for zombie in 0..self.zombies.len() {
            self.wake(zombie).map_err(what)?;
        }
        for zombie in self.zombies.drain(..) {
            if self.random.bool() { drop(zombie) } else { std::mem::forget(zombie) }
        }
        self.close()
    }

    /// The job is run once more, and finds that nothing is left to do.
    fn close(&mut self) -> Result<(), String> {
        self.armed = false;
        let mut attempt = None;
        self.open(&mut attempt).map_err(what)?;
        drop(attempt);
        let mut seen = self.destination.visible();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..self.total) {
            return Err(format!("at the end, rows 0..{} must be seen once, and these are: {seen:?}", self.total));
        }
        match &*self.destination.unfinished() {
            [] => Ok(()),
            left => Err(format!("left behind at the end: {}", left.join(", "))),
        }
    }

    /// Begins an attempt, up to its writers.
    fn open(&mut self, attempt: &mut Option<Attempt<B>>) -> Step {
        self.job.attempt += 1;
        self.job.restored = self.completed.id;
        // A takeover has a slot of its own.
        self.next_checkpoint += u64::from(self.job.attempt > 1);
        let sink = self.destination.sink();
        if sink.commits() == Commits::Never {
            return Err(Stop::Violation("the sink says that it never commits".to_owned()));
        }
        let context = self.context(0, 1);
        let committer = self.ask("committer", |_| sink.committer(&context))?;
        let attempt = attempt.insert(Attempt {
            committer,
            writers: Vec::new(),
            carried: Vec::new(),
            pending: None,
            restored: Some(self.completed.clone()),
            committed: None,
        });
        let restored = self.completed.clone();
        self.position = restored.position;
        let name = format!("recover {}", show(&restored));
        self.crash_or_go_on()?;
        attempt.restored = None;
        self.call(&name, |engine| {
            let answer = attempt.committer.recover(restored.id, &restored.committables)?;
            engine.settle(answer, restored.position)
        })?;
        let parallelism = self.random.usize(1..=3);
        for subtask in 0..parallelism {
            let context = self.context(subtask, parallelism);
            let name = format!("writer {subtask} of {parallelism}");
            attempt.writers.push(self.call(&name, |_| sink.writer(&context))?);
        }
        Ok(())
    }

    fn work(&mut self, attempt: Option<&mut Attempt<B>>) -> Step {
        let Some(attempt) = attempt else {
            return Err(Stop::Violation("no attempt".to_owned()));
        };
        while self.position < self.total {
            match self.random.u8(0..12) {
                0..5 => self.write(attempt, self.position, None)?,
                5..7 => {
                    let completes = self.random.u8(0..5) > 0;
                    self.checkpoint(attempt, completes)?;
                }
                7..9 => self.commit(attempt)?,
                9 => self.commit_again(attempt)?,
                _ if self.zombies.is_empty() => {}
                _ => {
                    let zombie = self.random.usize(..self.zombies.len());
                    self.wake(zombie)?;
                }
            }
        }
        self.checkpoint(attempt, true)?;
        self.commit(attempt)?;
        for subtask in 0..attempt.writers.len() {
            self.call(&format!("flush {subtask} at the end"), |_| attempt.writers[subtask].flush(Flush::End))?;
        }
        Ok(())
    }

    /// Writes the next rows through any writer, or through one of these.
    fn write(&mut self, attempt: &mut Attempt<B>, from: u64, subtasks: Option<&[usize]>) -> Step {
        let subtask = match subtasks {
            None => self.random.usize(..attempt.writers.len()),
            Some(subtasks) => subtasks[self.random.usize(..subtasks.len())],
        };
        let rows = from..self.total.min(from + self.random.u64(1..=3));
        self.position = rows.end;
        let batch = self.destination.rows(rows.clone());
        self.call(&format!("write {rows:?} with {subtask}"), |_| attempt.writers[subtask].write(batch))
    }

    /// Takes the barrier past each writer, in any order; rows behind it go on meanwhile.
    fn checkpoint(&mut self, attempt: &mut Attempt<B>, completes: bool) -> Step {
        let id = CheckpointId(self.next_checkpoint);
        self.next_checkpoint += 1;
        let position = self.position;
        let mut order: Vec<usize> = (0..attempt.writers.len()).collect();
        self.random.shuffle(&mut order);
        for (done, &subtask) in order.iter().enumerate() {
            if done > 0 && completes && self.position < self.total && self.random.u8(0..3) == 0 {
                self.write(attempt, self.position, Some(&order[..done]))?;
            }
            let prepared =
                self.call(&format!("prepare {id} with {subtask}"), |_| attempt.writers[subtask].prepare(id))?;
            attempt.carried.extend(prepared);
        }
        if !completes {
            self.calls.push(format!("(checkpoint {id} fails: it is committed with the next)"));
            return Ok(());
        }
        // A checkpoint completes when the one before is committed.
        self.commit(attempt)?;
        let committables = std::mem::take(&mut attempt.carried);
        let checkpoint = Checkpoint { id: Some(id), position, committables };
        self.completed = checkpoint.clone();
        let name = format!("(checkpoint {} is complete)", show(&checkpoint));
        attempt.pending = Some(checkpoint);
        self.call(&name, |_| Ok(()))
    }

    /// Commits the oldest that waits.
    fn commit(&mut self, attempt: &mut Attempt<B>) -> Step {
        let Some(checkpoint) = attempt.pending.take() else {
            return Ok(());
        };
        let (Some(id), position) = (checkpoint.id, checkpoint.position) else {
            return Ok(());
        };
        self.call(&format!("commit {}", show(&checkpoint)), |engine| {
            let answer = attempt.committer.commit(id, &checkpoint.committables)?;
            engine.settle(answer, position)
        })?;
        attempt.committed = Some(checkpoint);
        Ok(())
    }

    /// Commits the last one again, as after a lost answer.
    fn commit_again(&mut self, attempt: &mut Attempt<B>) -> Step {
        let Some((checkpoint, id)) = attempt.committed.as_ref().and_then(|last| Some((last, last.id?))) else {
            return Ok(());
        };
        self.call(&format!("commit again {}", show(checkpoint)), |engine| {
            let answer = attempt.committer.commit(id, &checkpoint.committables)?;
            engine.settle(answer, checkpoint.position)
        })
    }

    /// Something of an earlier attempt goes on: it recovers, or writes, or prepares, or commits what it has completed. Its answers are
    /// nobody's.
    fn wake(&mut self, zombie: usize) -> Step {
        let mut attempt = self.zombies.swap_remove(zombie);
        match (self.random.u8(0..3), attempt.restored.take()) {
            (_, Some(restored)) => {
                let answer = attempt.committer.recover(restored.id, &restored.committables);
                self.ignore(format!("zombie: recover {}", show(&restored)), answer);
            }
            (0, None) => {
                if let Some((checkpoint, id)) =
                    attempt.pending.as_ref().or(attempt.committed.as_ref()).and_then(|last| Some((last, last.id?)))
                {
                    let answer = attempt.committer.commit(id, &checkpoint.committables);
                    self.ignore(format!("zombie: commit {}", show(checkpoint)), answer);
                }
            }
            (1, None) => {
                for (subtask, writer) in attempt.writers.iter_mut().enumerate() {
                    let id = CheckpointId(self.next_checkpoint);
                    let answer = writer.prepare(id);
                    self.ignore(format!("zombie: prepare {id} with {subtask}"), answer);
                }
            }
            _ => {
                let from = self.completed.position.min(self.total.saturating_sub(1));
                let batch = self.destination.rows(from..from + 1);
                if let Some(writer) = attempt.writers.first_mut() {
                    let answer = writer.write(batch);
                    self.ignore(format!("zombie: write {from} with 0"), answer);
                }
            }
        }
        self.zombies.push(attempt);
        self.check()
    }

    fn ignore<T>(&mut self, name: String, answer: riverrun_base::Result<T>) {
        let failed = answer.err().map(|error| format!(", which fails: {error}"));
        self.calls.push(name + failed.as_deref().unwrap_or_default());
    }

    fn crash(&mut self, attempt: Option<Attempt<B>>) {
        self.crashed += 1;
        let vanishes = self.random.bool() && self.destination.writers_vanish();
        self.calls.push(if vanishes { "CRASH: the process is gone" } else { "CRASH: the attempt fails" }.to_owned());
        if let Some(attempt) = attempt.filter(|_| vanishes) {
            self.zombies.push(attempt);
        }
    }

    /// Calls the sink, looks at the destination, and perhaps crashes before the answer is used.
    fn call<T>(&mut self, name: &str, call: impl FnOnce(&mut Self) -> riverrun_base::Result<T>) -> Step<T> {
        let answer = self.ask(name, call)?;
        self.crash_or_go_on()?;
        Ok(answer)
    }

    fn ask<T>(&mut self, name: &str, call: impl FnOnce(&mut Self) -> riverrun_base::Result<T>) -> Step<T> {
        self.calls.push(name.to_owned());
        self.number += 1;
        let answer = call(self).map_err(|error| Stop::Violation(format!("{name}: {error}")))?;
        self.check()?;
        Ok(answer)
    }

    fn crash_or_go_on(&mut self) -> Step {
        let crashes = match self.crashes {
            _ if !self.armed => false,
            Crashes::AfterCall(last) => self.crashed == 0 && self.number == last,
            Crashes::Random => self.crashed < CRASHES && self.random.u8(0..14) == 0,
        };
        if crashes { Err(Stop::Crash) } else { Ok(()) }
    }

    /// Takes a commit's answer.
    fn settle(&mut self, answer: Commit, position: u64) -> riverrun_base::Result<()> {
        match answer {
            Commit::Done => {
                self.acknowledged = self.acknowledged.max(position);
                Ok(())
            }
            Commit::Lost { visible, error } => {
                let rest = if visible { "other rows are visible" } else { "nothing is visible" };
                Err(riverrun_base::Error::internal(format!("says that rows are lost, and {rest}")).caused_by(error))
            }
        }
    }

    fn check(&mut self) -> Step {
        let mut seen = self.destination.visible();
        seen.sort_unstable();
        let twice = seen.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let early = seen.iter().find(|number| **number >= self.completed.position);
        let missing = (0..self.acknowledged).find(|number| seen.binary_search(number).is_err());
        let what = match (twice, early, missing) {
            (Some(row), _, _) => format!("row {row} is seen twice"),
            (_, Some(row), _) => format!("row {row} is seen before its checkpoint is complete"),
            (_, _, Some(row)) => format!("row {row} was committed and is not seen"),
            _ => return Ok(()),
        };
        Err(Stop::Violation(format!("{what}: {seen:?}")))
    }

    fn context(&self, subtask: usize, parallelism: usize) -> TaskContext {
        TaskContext { task: "sink".into(), subtask, parallelism, job: self.job.clone(), ..TaskContext::default() }
    }
}

fn show(checkpoint: &Checkpoint) -> String {
    match checkpoint.id {
        None => "nothing".to_owned(),
        Some(id) => format!("{id}: rows to {}, {} committables", checkpoint.position, checkpoint.committables.len()),
    }
}

fn what(stop: Stop) -> String {
    match stop {
        Stop::Crash => "a crash where none is scripted".to_owned(),
        Stop::Violation(what) => what,
    }
}
