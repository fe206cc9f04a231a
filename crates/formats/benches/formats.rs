//! Rows a second of the formats on one core: `cargo bench -p riverrun-formats`.
//!
//! `lines` is what any decoder pays: a plain loop over the bytes that finds the line ends.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use riverrun_base::options::OptionReader;
use riverrun_data::{Batch, DataType, LogicalType, RowField, arrow_schema};
use riverrun_formats::{Encoded, Format, open};

const ROWS: usize = 8_192;

fn format(name: &str, columns: &[(&str, LogicalType)]) -> Box<dyn Format> {
    let field = |(name, logical): &(&str, LogicalType)| RowField {
        name: (*name).into(),
        data_type: DataType::nullable(logical.clone()),
    };
    let schema = arrow_schema(&columns.iter().map(field).collect::<Vec<_>>());
    open(&mut OptionReader::new("benchmark", BTreeMap::new()), "format", name, schema).unwrap()
}

/// A file with a row in each line, and where the rows are.
struct File {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl File {
    fn new(row: impl Fn(usize) -> String) -> Self {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        for n in 0..ROWS {
            let start = bytes.len();
            bytes.extend(row(n).bytes());
            ranges.push(start..bytes.len());
            bytes.push(b'\n');
        }
        Self { bytes, ranges }
    }

    fn messages(&self) -> Vec<&[u8]> {
        self.ranges.iter().map(|range| &self.bytes[range.clone()]).collect()
    }
}

fn time(n: usize) -> String {
    format!("2024-01-{:02} {:02}:{:02}:{:02}.{:03}", n / 3_000 + 1, n / 300 % 24, n / 60 % 60, n % 60, n * 7 % 1_000)
}

fn measure(c: &mut Criterion, name: &str, format: &dyn Format, file: &File) {
    let messages = file.messages();
    let mut decoder = format.decoder().unwrap();
    let rows = decoder.decode(&messages).unwrap().rows;
    assert_eq!(rows.num_rows(), ROWS);
    let mut group = c.benchmark_group(name);
    group
        .throughput(Throughput::Elements(ROWS as u64))
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    group.bench_function("lines", |b| b.iter(|| black_box(&file.bytes).iter().filter(|byte| **byte == b'\n').count()));
    group.bench_function("split", |b| {
        let mut ranges = Vec::new();
        b.iter(|| {
            ranges.clear();
            decoder.split(black_box(&file.bytes), true, &mut ranges).unwrap()
        });
    });
    group.bench_function("decode", |b| b.iter(|| decoder.decode(black_box(&messages)).unwrap()));
    let mut encoder = format.encoder().unwrap();
    let batch = Batch::insertions(rows);
    let mut out = Encoded::default();
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            encoder.encode(black_box(&batch), &mut out).unwrap();
        });
    });
    group.finish();
}

fn formats(c: &mut Criterion) {
    let bids = [("auction", LogicalType::BigInt), ("price", LogicalType::BigInt), ("t", LogicalType::Timestamp(3))];
    let number = |n: usize| (n * 7_919 % 1_000, n * 104_729 % 100_000);
    let file = File::new(|n| format!("{},{},{}", number(n).0, number(n).1, time(n)));
    measure(c, "csv", format("csv", &bids).as_ref(), &file);
    let quoted = [
        ("id", LogicalType::Int),
        ("name", LogicalType::STRING),
        ("amount", LogicalType::Decimal(10, 2)),
        ("city", LogicalType::STRING),
    ];
    let file = File::new(|n| format!("{n},\"Doe, {} J.\",{}.{:02},Aberdeen", number(n).0, number(n).1, n % 100));
    measure(c, "csv quoted", format("csv", &quoted).as_ref(), &file);
    let row = |n: usize| {
        format!(r#"{{"auction":{},"price":{},"channel":"Google","t":"{}"}}"#, number(n).0, number(n).1, time(n))
    };
    let fields = [
        ("auction", LogicalType::BigInt),
        ("price", LogicalType::BigInt),
        ("channel", LogicalType::STRING),
        ("t", LogicalType::Timestamp(3)),
    ];
    measure(c, "json", format("json", &fields).as_ref(), &File::new(row));
}

criterion_group!(benches, formats);
criterion_main!(benches);
