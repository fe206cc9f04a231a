//! The word count of `examples/word-count`: Kafka to Kafka exactly once, with state on HDFS and a failure every now and then.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{TempFolder, hdfs, kafka, temp_folder, unique, wait_until};

use crate::kit::{LIMIT, riverrun, root};

/// How long the counts of a line may take, over all failures.
const LONG: Duration = Duration::from_secs(120);

/// The example with topics and a folder of a test's own.
struct Example {
    lines: String,
    counts: String,
    replaced: Vec<(&'static str, String)>,
    folder: TempFolder,
}

impl Example {
    fn new() -> Self {
        let (lines, counts) = (kafka().topic("words_in", 1), kafka().topic("words_out", 1));
        let replaced = vec![
            ("kafka:9092", kafka().bootstrap()),
            ("'flink_kafka'", format!("'{lines}'")),
            ("'flink_kafka2'", format!("'{counts}'")),
            ("hdfs://namenode:8020/riverrun/word-count", format!("{}/{}", hdfs().url(), unique("words"))),
            ("'sink.transactional-id-prefix' = 'word-count'", format!("'sink.transactional-id-prefix' = '{counts}'")),
        ];
        Self { lines, counts, replaced, folder: temp_folder() }
    }

    /// With something else in the scripts too.
    fn replacing(mut self, from: &'static str, to: impl Into<String>) -> Self {
        self.replaced.push((from, to.into()));
        self
    }

    /// With a change for every word, also where several of one word come in one batch, so that each count can be told.
    fn word_by_word(self) -> Self {
        self.replacing("CREATE TABLE lines", "SET 'table.exec.mini-batch.enabled' = 'false';\nCREATE TABLE lines")
    }

    fn start(&self, script: &str, arguments: &[&str]) -> Riverrun {
        let mut text = std::fs::read_to_string(root().join("examples/word-count").join(script)).unwrap();
        for (from, to) in &self.replaced {
            text = text.replace(from, to);
        }
        std::fs::write(self.folder.path().join(script), text).unwrap();
        riverrun(["run", script].iter().chain(arguments)).current_dir(self.folder.path()).start()
    }

    fn produce(&self, line: &str) {
        kafka().produce_lines(&self.lines, [line]);
    }

    /// What is committed: `word:::count`, sorted. The key of each record is its word.
    fn committed(&self) -> Vec<String> {
        let records = kafka().read_all(&self.counts);
        let mut counts: Vec<String> = records
            .iter()
            .map(|record| {
                assert_eq!(record.text().split(":::").next().unwrap(), record.key_text());
                record.text()
            })
            .collect();
        counts.sort();
        counts
    }

    #[track_caller]
    fn wait_for(&self, expected: &[String], job: &mut Riverrun) {
        let begin = Instant::now();
        while self.committed().len() < expected.len() {
            assert!(job.is_running(), "the job ended: {:#?}", job.stderr());
            assert!(begin.elapsed() < LONG, "{:?} of {expected:?}: {:#?}", self.committed(), job.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.committed(), expected);
    }
}

/// Every count of every word: `a:::1`, `a:::2`, sorted.
fn every_count(lines: &[String]) -> Vec<String> {
    let mut seen = std::collections::BTreeMap::new();
    let mut counts: Vec<String> = Vec::new();
    for word in lines.iter().flat_map(|line| line.split(' ')).filter(|word| !word.is_empty()) {
        let count = seen.entry(word).or_insert(0);
        *count += 1;
        counts.push(format!("{word}:::{count}"));
    }
    counts.sort();
    counts
}

fn restarts(job: &Riverrun) -> usize {
    job.stderr().iter().filter(|line| line.contains("failed; restart ") && line.contains("bug")).count()
}

#[track_caller]
fn stop(job: Riverrun) -> String {
    job.interrupt();
    let finished = job.wait(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    finished.stderr
}

#[test]
fn every_count_of_every_word_is_committed_once_however_often_a_word_fails() {
    let example = Example::new()
        .replacing("'execution.checkpointing.interval' = '1 s'", "'execution.checkpointing.interval' = '200 ms'")
        .replacing("'500 ms'", "'50 ms'")
        .replacing("attempts' = '3'", "attempts' = '100000'")
        .replacing("delay' = '10 s'", "delay' = '100 ms'");
    let mut job = example.start("word-count.sql", &[]);
    let mut lines = Vec::new();
    // A line at a time, since the job comes through only where few words stand between two checkpoints.
    while lines.len() < 12 || restarts(&job) < 3 {
        let line = ["to be", "or not  to be", "that is", "the question"][lines.len() % 4].to_owned();
        example.produce(&line);
        lines.push(line);
        example.wait_for(&every_count(&lines), &mut job);
    }
    let said = stop(job);
    assert!(said.contains("Cannot cast 'bug in "), "{said}");
    assert_eq!(example.committed(), every_count(&lines));
}

#[test]
fn transactions_that_time_out_before_the_restart_take_nothing_with_them() {
    // A word `bug@T` fails until the time T: so the job fails when the test wants it, and comes through after the restart.
    let until = "word LIKE 'bug@%' AND CURRENT_TIMESTAMP < TO_TIMESTAMP_LTZ(CAST(SUBSTRING(word, 5) AS BIGINT), 3)";
    let example = Example::new().replacing("RAND() < 0.2", until).word_by_word();
    let mut job = example.start("word-count.sql", &[]);
    let mut lines = Vec::new();
    let mut produce = |line: String| {
        example.produce(&line);
        lines.push(line);
    };
    for round in 1..=2 {
        for n in 0..3 * round {
            produce(format!("a b{}", n % 3));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        produce(format!("c bug@{}", (now + Duration::from_secs(8)).as_millis()));
        wait_until(LIMIT, "the job to fail", || restarts(&job) >= round);
        // The broker aborts what is open for 5 s; the job comes back after 10 s.
        produce("d".to_owned());
        wait_until(LIMIT, "the job to come back", || {
            assert!(job.is_running(), "the job ended: {:#?}", job.stderr());
            example.committed().contains(&format!("d:::{round}"))
        });
    }
    example.wait_for(&every_count(&lines), &mut job);
    let said = stop(job);
    assert!(said.contains("; 2 restarts"), "{said}");
    assert_eq!(example.committed(), every_count(&lines));
}

#[test]
fn the_producer_and_the_reader_fit_the_word_count() {
    let example = Example::new()
        .replacing("RAND() < 0.2", "RAND() < 0.0")
        .replacing("'rows-per-second' = '1'", "'rows-per-second' = '30'")
        .word_by_word();
    let producer = example.start("producer.sql", &[]);
    let mut job = example.start("word-count.sql", &[]);
    let lines: Vec<String> =
        kafka().read(&example.lines, 2, LIMIT).iter().map(riverrun_testkit::Consumed::text).collect();
    assert_eq!(lines, ["hello world", "hello kafka"]);
    assert_eq!(stop(producer).matches("stopped in ").count(), 1);
    let lines: Vec<String> = kafka().read_all(&example.lines).iter().map(riverrun_testkit::Consumed::text).collect();
    example.wait_for(&every_count(&lines), &mut job);
    stop(job);
    let reader = example.start("counts.sql", &["--output", "csv"]).wait(LIMIT);
    assert_eq!(reader.code(), Some(0), "{}", reader.stderr);
    assert!(reader.stdout.contains("hello:::2"), "{}", reader.stdout);
}
