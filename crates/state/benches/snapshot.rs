//! What a snapshot of ten million keys costs: `cargo bench -p riverrun-state --bench snapshot`.
//!
//! `freeze` is the time for which the operator's task stands still, `encode` the time in the background. The sizes of base and deltas are
//! printed first.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field};
use criterion::{Criterion, criterion_group, criterion_main};
use riverrun_state::{Changes, FrozenColumns, FrozenRows, GroupTable, RowChange, STATE_ROWS, StateLayout, Tracker};

const KEYS: usize = 10_000_000;
/// One in a hundred.
const DIRTY: usize = KEYS / 100;
const BATCH: usize = 8_192;

/// Keys with a count and a sum.
struct Operator {
    table: GroupTable,
    tracker: Tracker,
    counts: Vec<i64>,
    sums: Vec<i64>,
    slots: Vec<u32>,
    random: fastrand::Rng,
}

impl Operator {
    fn new() -> Self {
        let mut operator = Self {
            table: GroupTable::new(&[DataType::Int64]).unwrap(),
            tracker: Tracker::default(),
            counts: Vec::new(),
            sums: Vec::new(),
            slots: Vec::new(),
            random: fastrand::Rng::with_seed(7),
        };
        let mut keys: Vec<i64> = (0..i64::try_from(KEYS).unwrap()).collect();
        operator.random.shuffle(&mut keys);
        keys.chunks(BATCH).for_each(|keys| operator.add(keys));
        operator
    }

    fn add(&mut self, keys: &[i64]) {
        let column: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        self.table.intern(&[column], keys.len(), &mut self.slots).unwrap();
        self.counts.resize(self.table.slots(), 0);
        self.sums.resize(self.table.slots(), 0);
        self.tracker.mark(&self.slots, self.table.slots());
        for (slot, key) in self.slots.iter().zip(keys) {
            self.counts[*slot as usize] += 1;
            self.sums[*slot as usize] += key;
        }
    }

    /// One key in a hundred changes.
    fn change(&mut self) {
        let keys: Vec<i64> = (0..DIRTY).map(|_| i64::try_from(self.random.usize(0..KEYS)).unwrap()).collect();
        keys.chunks(BATCH).for_each(|keys| self.add(keys));
    }

    fn freeze(&mut self, full: bool) -> Vec<FrozenRows> {
        let (slots, mut rows) = self.tracker.cut(&self.table, full).delta.unwrap();
        for part in slots.chunks(STATE_ROWS) {
            let gather = |column: &[i64]| -> ArrayRef {
                Arc::new(Int64Array::from_iter_values(part.iter().map(|slot| column[*slot as usize])))
            };
            rows.push(FrozenRows {
                changes: Changes::All(RowChange::Put),
                rows: part.len(),
                keys: Some(self.table.freeze(part).unwrap()),
                values: vec![FrozenColumns::ready(vec![gather(&self.counts), gather(&self.sums)])],
            });
        }
        rows
    }
}

fn layout() -> StateLayout {
    let field = |name: &str| Arc::new(Field::new(name, DataType::Int64, true));
    StateLayout {
        description: "GROUP BY (k BIGINT) SELECT COUNT(*), SUM(v BIGINT)".into(),
        keys: vec![field("k")],
        values: vec![field("count"), field("sum")],
        max_parallelism: 128,
    }
}

fn snapshots(c: &mut Criterion) {
    let mut operator = Operator::new();
    let (base, _) = layout().encode(operator.freeze(true)).unwrap();
    let sizes: Vec<usize> = (0..5)
        .map(|_| {
            operator.change();
            layout().encode(operator.freeze(false)).unwrap().0.len()
        })
        .collect();
    let most = sizes.iter().max().unwrap();
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let share = *most as f64 / base.len() as f64 * 100.0;
    eprintln!("base {} bytes, deltas {sizes:?} bytes: {share:.2} % of the base at most", base.len());

    let mut group = c.benchmark_group("10 M keys");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_millis(500));
    let mut timed = |name: &str, full: bool, encode: bool| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    operator.change();
                    let start = Instant::now();
                    let frozen = operator.freeze(full);
                    if !encode {
                        spent += start.elapsed();
                    }
                    let start = Instant::now();
                    if encode {
                        black_box(layout().encode(frozen).unwrap());
                        spent += start.elapsed();
                    }
                }
                spent
            });
        });
    };
    timed("freeze everything", true, false);
    timed("freeze, 1 % dirty", false, false);
    timed("encode, 1 % dirty", false, true);
    group.finish();
}

criterion_group!(benches, snapshots);
criterion_main!(benches);
