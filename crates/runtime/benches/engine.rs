//! Rows a second through the engine, beside a plain loop that does the same work.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use riverrun_base::Result;
use riverrun_connect::{
    Boundedness, Discovery, Flush, Polled, Sink, SinkWriter, Source, SourceReader, Split, SplitEnumerator, SplitId,
    TaskContext,
};
use riverrun_data::{Batch, ChangelogMode};
use riverrun_runtime::{
    Exchange, JobGraph, JobSettings, NodeSettings, Operator, OperatorContext, Output, SplitOperator, key_group,
};

const BATCH: usize = 4096;
const BATCHES: usize = 2000;

fn batch() -> Batch {
    let column = |of: fn(i64) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..BATCH as i64).map(of))) };
    let columns = [("key", column(|n| n % 1000)), ("time", column(|n| n)), ("value", column(|n| n * 7))];
    Batch::insertions(RecordBatch::try_from_iter(columns).unwrap())
}

/// Gives the same batch [`BATCHES`] times.
struct Repeat(Batch);

impl Source for Repeat {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(OneSplit))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Repeating { batch: self.0.clone(), left: BATCHES, split: "s".into() }))
    }
}

struct OneSplit;

impl SplitEnumerator for OneSplit {
    fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery { splits: vec![Split { id: "s".into(), position: Vec::new() }], again: None })
    }

    fn restore(&mut self, _: &[SplitId]) {}
}

struct Repeating {
    batch: Batch,
    left: usize,
    split: SplitId,
}

impl SourceReader for Repeating {
    fn add_splits(&mut self, _: Vec<Split>) -> Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: Duration) -> Result<Polled> {
        if self.left == 0 {
            return Ok(Polled::Finished(Arc::clone(&self.split)));
        }
        self.left -= 1;
        Ok(Polled::Rows { split: Arc::clone(&self.split), batch: self.batch.clone() })
    }

    fn splits(&self) -> Vec<Split> {
        Vec::new()
    }
}

struct EventTime;

impl SplitOperator<Batch> for EventTime {
    fn apply(&mut self, _: &SplitId, batch: Batch) -> Result<(Batch, Option<i64>)> {
        let largest = largest(&batch);
        Ok((batch, largest))
    }
}

fn largest(batch: &Batch) -> Option<i64> {
    batch.rows().column(1).as_any().downcast_ref::<Int64Array>()?.values().iter().max().copied()
}

/// Doubles the values.
struct Double;

fn double(batch: &Batch) -> Result<Batch> {
    let mut columns = batch.rows().columns().to_vec();
    let values: &Int64Array = columns[2].as_any().downcast_ref().unwrap();
    columns[2] = Arc::new(values.unary::<_, Int64Type>(|value| value.wrapping_mul(2)));
    batch.replace_rows(RecordBatch::try_new(batch.schema(), columns).unwrap())
}

impl Operator<Batch> for Double {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        out.emit(double(&batch)?)
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Self))
    }
}

impl SinkWriter for Nowhere {
    fn write(&mut self, batch: Batch) -> Result<()> {
        black_box(batch);
        Ok(())
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}

fn double_factory(_: &OperatorContext) -> Result<Box<dyn Operator<Batch, Batch>>> {
    Ok(Box::new(Double))
}

fn by_key() -> Exchange<Batch> {
    Exchange::hash(|batch: &Batch, groups: &mut Vec<u32>| {
        let keys = batch.rows().column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        groups.extend(
            keys.values().iter().map(|key| key_group(key.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15), 128)),
        );
        Ok(())
    })
}

/// Runs a source, `operators` operators and a sink.
fn run(operators: usize, exchange: Option<Exchange<Batch>>, consumers: usize) {
    let mut graph = JobGraph::new("bench", JobSettings::default());
    let mut stream =
        graph.source(NodeSettings::named("source"), Box::new(Repeat(batch())), None, |_: &OperatorContext| {
            Ok(Box::new(EventTime))
        });
    for _ in 0..operators {
        stream = graph.operator(&stream, NodeSettings::named("double"), double_factory);
    }
    if let Some(exchange) = exchange {
        stream = graph.exchange(&stream, exchange);
    }
    graph.sink(&stream, NodeSettings::named("sink").parallelism(consumers), Box::new(Nowhere));
    graph.start().unwrap().wait().unwrap();
}

fn plain_loop() {
    let (batch, mut watermark) = (batch(), i64::MIN);
    for _ in 0..BATCHES {
        watermark = watermark.max(largest(&batch).unwrap());
        black_box(double(&double(&double(&batch).unwrap()).unwrap()).unwrap());
    }
    black_box(watermark);
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10).throughput(Throughput::Elements((BATCH * BATCHES) as u64));
    group.bench_function("plain loop of 3 operators", |bencher| bencher.iter(plain_loop));
    group.bench_function("chain of 3 operators", |bencher| bencher.iter(|| run(3, None, 1)));
    for consumers in [1, 2] {
        group.bench_function(BenchmarkId::new("rebalance 1 to", consumers), |bencher| {
            bencher.iter(|| run(0, Some(Exchange::Rebalance), consumers))
        });
        group.bench_function(BenchmarkId::new("hash 1 to", consumers), |bencher| {
            bencher.iter(|| run(0, Some(by_key()), consumers))
        });
    }
    group.finish();
    criterion.bench_function("start and end of a job of 2 tasks", |bencher| {
        bencher.iter(|| {
            let mut graph = JobGraph::new("bench", JobSettings::default());
            graph.source::<Batch, Batch>(
                NodeSettings::named("source"),
                Box::new(Empty),
                None,
                |_: &OperatorContext| Ok(Box::new(())),
            );
            graph.start().unwrap().wait().unwrap();
        });
    });
}

/// A source without splits.
struct Empty;

impl Source for Empty {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(NoSplit))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Repeating { batch: batch(), left: 0, split: "s".into() }))
    }
}

struct NoSplit;

impl SplitEnumerator for NoSplit {
    fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery::default())
    }

    fn restore(&mut self, _: &[SplitId]) {}
}

criterion_group!(benches, engine);
criterion_main!(benches);
