//! Rows a second of SQL jobs from memory to nowhere, on the engine as users run it: `cargo bench -p riverrun-sql --bench operators`.
//!
//! A job reads batches that lie ready and drops its results, so what is measured are the operators and the way between their tasks. `plain`
//! is what a hand-written loop with the standard library's map does with the same rows.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a benchmark")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use riverrun_base::Result;
use riverrun_connect::{
    Boundedness, Connector, Connectors, Discovery, Flush, Polled, Sink, SinkWriter, Source, SourceReader, Split,
    SplitEnumerator, SplitId, TableContext, TaskContext,
};
use riverrun_data::{Batch, ChangelogMode};
use riverrun_sql::{Outcome, Session};

const ROWS: usize = 4_000_000;
const BATCH: usize = 8_192;
/// How many rows share a millisecond: a window of ten seconds has a million rows.
const ROWS_A_MILLISECOND: usize = 100;

type Batches = Arc<Vec<RecordBatch>>;

/// Batches with the columns of a table: `k` out of `keys` numbers at random, `s` the same as text, `v` small numbers, `ts` rising.
fn batches(context: &TableContext) -> Batches {
    static MADE: LazyLock<Mutex<HashMap<String, Batches>>> = LazyLock::new(Mutex::default);
    let keys: u64 = context.options["keys"].parse().unwrap();
    let names: Vec<&str> = context.columns.iter().map(|column| column.name.as_str()).collect();
    let mut made = MADE.lock().unwrap();
    Arc::clone(made.entry(format!("{names:?} {keys}")).or_insert_with(|| {
        let mut random = fastrand::Rng::with_seed(7);
        let batch = |start: usize| {
            let rows = start..(start + BATCH).min(ROWS);
            let numbers: Vec<i64> = rows.clone().map(|_| i64::try_from(random.u64(0..keys)).unwrap()).collect();
            let column = |name: &&str| -> ArrayRef {
                match *name {
                    "k" => Arc::new(Int64Array::from(numbers.clone())),
                    "s" => Arc::new(StringArray::from_iter_values(
                        numbers.iter().map(|number| format!("account-{number}")),
                    )),
                    "v" => Arc::new(Int64Array::from_iter_values(numbers.iter().map(|number| number % 100))),
                    "ts" => Arc::new(TimestampMillisecondArray::from_iter_values(
                        rows.clone().map(|row| i64::try_from(row / ROWS_A_MILLISECOND).unwrap()),
                    )),
                    other => panic!("no column {other}"),
                }
            };
            RecordBatch::try_new(context.physical_schema(), names.iter().map(column).collect()).unwrap()
        };
        Arc::new((0..ROWS).step_by(BATCH).map(batch).collect())
    }))
}

struct Memory(Batches);

impl Source for Memory {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(OneSplit))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Reader { batches: Arc::clone(&self.0), next: 0, split: None }))
    }
}

struct OneSplit;

impl SplitEnumerator for OneSplit {
    fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery { splits: vec![Split { id: "memory".into(), position: Vec::new() }], again: None })
    }

    fn restore(&mut self, _: &[SplitId]) {}
}

struct Reader {
    batches: Batches,
    next: usize,
    split: Option<Split>,
}

impl SourceReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.split = splits.into_iter().next().or(self.split.take());
        Ok(())
    }

    fn poll(&mut self, _: Duration) -> Result<Polled> {
        let Some(split) = &self.split else { return Ok(Polled::Nothing) };
        let split = Arc::clone(&split.id);
        let Some(batch) = self.batches.get(self.next) else {
            self.split = None;
            return Ok(Polled::Finished(split));
        };
        self.next += 1;
        Ok(Polled::Rows { split, batch: Batch::insertions(batch.clone()) })
    }

    fn splits(&self) -> Vec<Split> {
        self.split.iter().cloned().collect()
    }
}

/// Drops what it gets; wants all changes, or those by key.
struct Nowhere {
    by_key: bool,
}

impl Sink for Nowhere {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        if self.by_key { ChangelogMode::UPSERT } else { query }
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Dropped))
    }
}

struct Dropped;

impl SinkWriter for Dropped {
    fn write(&mut self, batch: Batch) -> Result<()> {
        black_box(batch);
        Ok(())
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}

static CONNECTOR: Connector = Connector {
    name: "memory",
    description: "Batches that lie ready.",
    options: Vec::new,
    metadata: Vec::new,
    source: Some(|context| Ok(Box::new(Memory(batches(context))))),
    sink: Some(|context| Ok(Box::new(Nowhere { by_key: context.options.contains_key("by-key") }))),
};

/// A job: what it reads, what it writes, and the query between.
struct Job {
    name: &'static str,
    columns: &'static str,
    keys: u64,
    result: &'static str,
    query: &'static str,
    plain: fn(&[RecordBatch]),
}

const JOBS: [Job; 6] = [
    Job {
        name: "filter and projection",
        columns: "k BIGINT, v BIGINT",
        keys: 1_000_000,
        result: "k BIGINT, v BIGINT",
        query: "SELECT k, v * 2 + 1 FROM t WHERE k > 500000",
        plain: |batches| {
            for batch in batches {
                let kept = numbers(batch, 0).iter().zip(numbers(batch, 1)).filter(|(key, _)| **key > 500_000);
                black_box(kept.map(|(key, value)| (*key, value * 2 + 1)).collect::<Vec<_>>());
            }
        },
    },
    Job {
        name: "tumbling sum over 100k keys",
        columns: "k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts",
        keys: 100_000,
        result: "w TIMESTAMP(3), k BIGINT, v BIGINT",
        query: "SELECT window_start, k, SUM(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k",
        plain: |batches| {
            let mut sums: HashMap<(i64, i64), i64> = HashMap::new();
            for batch in batches {
                let times = batch.column(2).as_primitive::<TimestampMillisecondType>().values();
                for ((key, value), time) in numbers(batch, 0).iter().zip(numbers(batch, 1)).zip(times) {
                    *sums.entry((time - time.rem_euclid(10_000), *key)).or_default() += value;
                }
            }
            black_box(sums);
        },
    },
    Job {
        name: "group by 1M keys",
        columns: "k BIGINT, v BIGINT",
        keys: 1_000_000,
        result: "k BIGINT, n BIGINT NOT NULL, v BIGINT",
        query: "SELECT k, COUNT(*), SUM(v) FROM t GROUP BY k",
        plain: |batches| grouped(batches, |batch, row| numbers(batch, 0)[row]),
    },
    Job {
        name: "group by 1M keys, changes by key",
        columns: "k BIGINT, v BIGINT",
        keys: 1_000_000,
        result: "k BIGINT, n BIGINT NOT NULL, v BIGINT, PRIMARY KEY (k) NOT ENFORCED",
        query: "SELECT k, COUNT(*), SUM(v) FROM t GROUP BY k",
        plain: |batches| grouped(batches, |batch, row| numbers(batch, 0)[row]),
    },
    Job {
        name: "group by 100k texts",
        columns: "s STRING, v BIGINT",
        keys: 100_000,
        result: "s STRING, n BIGINT NOT NULL, v BIGINT",
        query: "SELECT s, COUNT(*), SUM(v) FROM t GROUP BY s",
        plain: |batches| grouped(batches, |batch, row| batch.column(0).as_string::<i32>().value(row)),
    },
    Job {
        name: "group by two columns, 100k",
        columns: "k BIGINT, s STRING, v BIGINT",
        keys: 100_000,
        result: "k BIGINT, s STRING, n BIGINT NOT NULL",
        query: "SELECT k, s, COUNT(*) FROM t GROUP BY k, s",
        plain: |batches| {
            let mut counts: HashMap<(i64, &str), i64> = HashMap::new();
            for batch in batches {
                let texts = batch.column(1).as_string::<i32>();
                for (row, key) in numbers(batch, 0).iter().enumerate() {
                    *counts.entry((*key, texts.value(row))).or_default() += 1;
                }
            }
            black_box(counts);
        },
    },
];

fn numbers(batch: &RecordBatch, column: usize) -> &[i64] {
    batch.column(column).as_primitive::<Int64Type>().values()
}

/// Counts and sums by key, emitted for each row.
fn grouped<'a, K: std::hash::Hash + Eq>(batches: &'a [RecordBatch], key: impl Fn(&'a RecordBatch, usize) -> K) {
    let mut groups: HashMap<K, (i64, i64)> = HashMap::new();
    for batch in batches {
        let values = numbers(batch, batch.num_columns() - 1);
        let mut changes = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            let group = groups.entry(key(batch, row)).or_default();
            *group = (group.0 + 1, group.1 + value);
            changes.push(*group);
        }
        black_box(changes);
    }
}

impl Job {
    fn run(&self) {
        let mut session = Session::new(Connectors::new(vec![&CONNECTOR]));
        let by_key = if self.result.contains("PRIMARY KEY") { ", 'by-key' = 'true'" } else { "" };
        let script = format!(
            "CREATE TABLE t ({}) WITH ('connector' = 'memory', 'keys' = '{}');
             CREATE TABLE r ({}) WITH ('connector' = 'memory'{by_key});
             INSERT INTO r {}",
            self.columns, self.keys, self.result, self.query
        );
        for step in session.parse(&script).unwrap().steps {
            if let Outcome::Insert(job) = session.execute(&step).unwrap() {
                let summary = job.start().unwrap().wait().unwrap();
                black_box(summary);
            }
        }
    }

    fn rows(&self) -> Batches {
        let field = |column: &str| {
            let (name, logical) = column.split_once(' ').unwrap();
            let logical = match logical {
                "BIGINT" => riverrun_data::LogicalType::BigInt,
                "STRING" => riverrun_data::LogicalType::STRING,
                _ => riverrun_data::LogicalType::Timestamp(3),
            };
            riverrun_data::RowField { name: name.to_owned(), data_type: riverrun_data::DataType::nullable(logical) }
        };
        let columns = self.columns.split(", ").filter(|column| !column.starts_with("WATERMARK")).map(field).collect();
        let options = BTreeMap::from([("keys".to_owned(), self.keys.to_string())]);
        batches(&TableContext {
            name: "t".into(),
            columns,
            metadata: Vec::new(),
            primary_key: Vec::new(),
            options,
            connector: "memory".into(),
        })
    }
}

fn operators(c: &mut Criterion) {
    for job in JOBS {
        let rows = job.rows();
        let mut group = c.benchmark_group(job.name);
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(4))
            .warm_up_time(Duration::from_millis(500))
            .throughput(Throughput::Elements(ROWS as u64));
        group.bench_function(BenchmarkId::from_parameter("plain"), |bencher| bencher.iter(|| (job.plain)(&rows)));
        group.bench_function(BenchmarkId::from_parameter("riverrun"), |bencher| bencher.iter(|| job.run()));
        group.finish();
    }
}

criterion_group!(benches, operators);
criterion_main!(benches);
