//! Random pipelines in processes that are killed: what is committed in the end is what a loop over all records says, once, though the
//! process was killed (SIGKILL) again and again, and each went on at another parallelism.
//!
//! Each test runs a handful of seeds; `RIVERRUN_KILL_SEEDS=1000 cargo test -p riverrun killed_pipelines` runs so many.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use riverrun::connect::{Commit, JobContext, TransactionId, TwoPhaseCommit, TwoPhaseCommitSink};
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::{Error, Records, Result};

use super::random_pipelines::{DISORDER, Item, Step, expected, item, pipeline, step};

/// Tells a process of this test's binary that it is one to be killed, and what it runs: [`Run`].
const CHILD: &str = "RIVERRUN_KILLED_CHILD";

/// What comes of a seed, the same in each process.
fn drawn<S: Strategy>(seed: u64, strategy: S) -> S::Value {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    strategy.new_tree(&mut TestRunner::new_with_rng(ProptestConfig::default(), rng)).unwrap().current()
}

/// Records a second.
const RATE: f64 = 20_000.0;

/// So many records more come at the end: one at the start of each process, which are fewer, and the others in the last.
const TAIL: u64 = 10;

#[derive(Debug)]
struct Case {
    steps: Vec<Step>,
    count: u64,
    /// After how many more commits each process is killed.
    kills: Vec<usize>,
    /// That of each process, one more than are killed.
    parallelisms: Vec<usize>,
}

fn case(seed: u64) -> Case {
    let steps = prop::collection::vec(step(), 1..6);
    let kills = prop::collection::vec(1..6usize, 1..4);
    let parts = (steps, 2_000..5_000u64, kills, prop::collection::vec(1..4usize, 4));
    let (steps, count, kills, parallelisms) = drawn(seed, parts);
    Case { steps, count, kills, parallelisms }
}

/// The job of one process.
struct Run {
    seed: u64,
    nth: usize,
    folder: PathBuf,
}

impl Run {
    fn to_text(&self) -> String {
        format!("{} {} {}", self.seed, self.nth, self.folder.display())
    }

    fn from_text(text: &str) -> Self {
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().unwrap();
        Self { seed: next().parse().unwrap(), nth: next().parse().unwrap(), folder: next().into() }
    }

    fn execute(&self) {
        let case = case(self.seed);
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(case.parallelisms[self.nth]).enable_checkpointing(Duration::from_millis(10));
        env.checkpoint_config().set_checkpoint_storage(self.folder.join("checkpoints").to_str().unwrap());
        env.set("execution.state-recovery.resume", (self.nth > 0).to_string()).unwrap();
        let (count, is_last) = (case.count, self.nth == case.kills.len());
        let source = GeneratorSource::new(item).count(count).rate_per_second(RATE);
        // Only the last process comes to its end: in the others the next of these records would come after a quarter of an hour. A job that has
        // ended would begin anew.
        let tail = GeneratorSource::new(move |n| item(count + n)).count(TAIL).parallelism(1);
        let tail = tail.rate_per_second(if is_last { RATE } else { 0.001 });
        let disorder = Duration::from_millis(DISORDER.unsigned_abs());
        let event_time = WatermarkStrategy::for_bounded_out_of_orderness(disorder)
            .with_timestamp_assigner(|item: &Item, _| item.time);
        let tail = env.from_source(tail, event_time.clone(), "tail").uid("tail");
        let items = env.from_source(source, event_time, "items").uid("items").union([tail]);
        let sink = TwoPhaseCommit::new(Files { folder: self.folder.clone() });
        pipeline(items, &case.steps).sink_to(sink).uid("files").set_parallelism(1);
        env.execute("killed").unwrap();
    }

    /// Runs it in a process of its own.
    fn spawn(&self) -> Process {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["killed_pipelines::the_process_that_is_killed", "--exact", "--nocapture"]);
        command.env(CHILD, self.to_text()).stdout(Stdio::null());
        Process(command.spawn().unwrap())
    }
}

/// Does nothing, but in a process that [`Run::spawn`] has started.
#[test]
fn the_process_that_is_killed() {
    if let Ok(run) = env::var(CHILD) {
        Run::from_text(&run).execute();
    }
}

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Rows that wait in a file, and are visible when it was moved.
#[derive(Clone)]
struct Files {
    folder: PathBuf,
}

struct Transaction {
    name: String,
    items: Vec<Item>,
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::external("the files of a test").caused_by(error)
}

impl Files {
    fn waiting(&self, name: &str) -> PathBuf {
        self.folder.join("waiting").join(name)
    }

    fn visible(&self, name: &str) -> PathBuf {
        self.folder.join("visible").join(name)
    }
}

impl TwoPhaseCommitSink<Records<Item>> for Files {
    type Transaction = Transaction;

    fn begin(&mut self, id: &TransactionId) -> Result<Transaction> {
        Ok(Transaction { name: id.to_string(), items: Vec::new() })
    }

    fn write(&mut self, transaction: &mut Transaction, batch: Records<Item>) -> Result<()> {
        transaction.items.extend_from_slice(batch.values());
        Ok(())
    }

    fn pre_commit(&mut self, transaction: &mut Transaction) -> Result<()> {
        let items = serde_json::to_vec(&transaction.items).map_err(external)?;
        fs::write(self.waiting(&transaction.name), items).map_err(external)
    }

    fn encode(&self, transaction: &Transaction) -> Result<Vec<u8>> {
        Ok(transaction.name.clone().into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Transaction> {
        Ok(Transaction { name: String::from_utf8(bytes.to_vec()).map_err(external)?, items: Vec::new() })
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Commit> {
        let visible = self.visible(&transaction.name);
        if !visible.exists() {
            fs::rename(self.waiting(&transaction.name), visible).map_err(external)?;
        }
        Ok(Commit::Done)
    }

    fn abort(&mut self, transaction: Transaction) -> Result<()> {
        let _ = fs::remove_file(self.waiting(&transaction.name));
        Ok(())
    }

    fn unfinished(&mut self, job: &JobContext) -> Result<Vec<Transaction>> {
        let names = names(&self.folder.join("waiting"));
        let left = |name: &String| TransactionId::parse(name, job).is_some_and(|id| id.attempt < job.attempt);
        Ok(names.into_iter().filter(left).map(|name| Transaction { name, items: Vec::new() }).collect())
    }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn killed_and_compared(seed: u64) {
    let case = case(seed);
    let folder = tempfile::tempdir().unwrap();
    let visible = folder.path().join("visible");
    fs::create_dir(&visible).unwrap();
    fs::create_dir(folder.path().join("waiting")).unwrap();
    let run = |nth| Run { seed, nth, folder: folder.path().to_owned() };
    for (nth, commits) in case.kills.iter().enumerate() {
        let mut process = run(nth).spawn();
        let (before, start) = (names(&visible).len(), Instant::now());
        // Some have little to commit: they are killed when all records have come, and time for that has passed.
        while names(&visible).len() < before + commits && start.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(process.0.try_wait().unwrap().is_none(), "seed {seed}: process {nth} has ended, of {case:?}");
        drop(process);
    }
    let mut last = run(case.kills.len()).spawn();
    assert!(last.0.wait().unwrap().success(), "seed {seed}: the last process failed, of {case:?}");
    let read = |name: String| serde_json::from_slice::<Vec<Item>>(&fs::read(visible.join(name)).unwrap()).unwrap();
    let mut found: Vec<Item> = names(&visible).into_iter().flat_map(read).collect();
    found.sort_unstable();
    let expected = expected(case.count + TAIL, &case.steps);
    assert!(found == expected, "seed {seed}: {} records in place of {}, of {case:?}", found.len(), expected.len());
}

#[test]
fn streamed_is_batch_though_processes_are_killed_and_go_on_at_another_parallelism() {
    let seeds = env::var("RIVERRUN_KILL_SEEDS").map_or(5, |seeds| seeds.parse().unwrap());
    (0..seeds).for_each(killed_and_compared);
}
