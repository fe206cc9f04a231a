//! The bounded scan.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TableContext, TaskContext,
};
use riverrun_data::Batch;

use crate::client::{Io, Scan};
use crate::dialect::{self, ScanPlan};
use crate::options::{Partitioning, Table};
use crate::remote;
use crate::retry::{FailureKind, Failures, Outcome, RetryPolicy};
use crate::sink::{open, report_ignored};
use crate::url::System;
use crate::values::RowsBuilder;

/// Rows of a batch, unless `scan.fetch-size` asks for fewer.
const BATCH_ROWS: usize = 4096;
/// The most that `scan.fetch-size` can ask for.
const MOST_ROWS: usize = 65_536;

/// Checks a table's options and makes its source.
pub(crate) fn source(context: &TableContext) -> Result<Box<dyn Source>> {
    let table = Table::new(context)?;
    Ok(Box::new(JdbcSource { partitioning: table.partitioning()?, table }))
}

struct JdbcSource {
    table: Table,
    partitioning: Option<Partitioning>,
}

impl Source for JdbcSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        let io = Io::new(&self.table, context)?;
        report_ignored(&self.table);
        let (_, remote) =
            open(&self.table, &io).map_err(|failure| failure.error.with("table", &self.table.context.name))?;
        remote::for_reading(&self.table, &remote)?;
        let ranges = match &self.partitioning {
            None => vec![None],
            Some(partitioning) => ranges(partitioning).into_iter().map(Some).collect(),
        };
        let splits = ranges
            .into_iter()
            .enumerate()
            .map(|(number, range)| Split {
                id: SplitId::from(format!("{}-{number}", self.table.name)),
                position: Position { range, ..Position::default() }.encode(),
            })
            .collect();
        Ok(Box::new(Enumerator { splits }))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Reader {
            io: Io::new(&self.table, context)?,
            rows: RowsBuilder::new(self.table.context.physical_schema())?,
            most: match usize::try_from(self.table.options.fetch_size).unwrap_or(MOST_ROWS) {
                0 => BATCH_ROWS,
                size => size.min(MOST_ROWS),
            },
            pending: VecDeque::new(),
            current: None,
            failures: Failures::default(),
            try_again_at: None,
            partition_column: self.partitioning.as_ref().map(|partitioning| partitioning.column),
            table: self.table.clone(),
        }))
    }
}

/// Cuts the values between the bounds into ranges of nearly the same length, the longer ones first, as Flink does.
fn ranges(partitioning: &Partitioning) -> Vec<(i64, i64)> {
    let (lower, upper) = (i128::from(partitioning.lower), i128::from(partitioning.upper));
    let values = upper - lower + 1;
    let count = i128::from(partitioning.count).min(values);
    let (length, longer) = (values / count, values % count);
    let mut start = lower;
    let mut ranges = Vec::new();
    for number in 0..count {
        let end = start + length - i128::from(number >= longer);
        // both lie between the bounds
        ranges.extend(i64::try_from(start).ok().zip(i64::try_from(end).ok()));
        start = end + 1;
    }
    ranges
}

/// Where a part is read on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The values of the partition column that the part has.
    range: Option<(i64, i64)>,
    /// How many rows were delivered.
    rows: u64,
    /// SQLite: the row id of the last one.
    row_id: Option<i64>,
}

impl Position {
    /// `range=1..100 rows=40 row-id=41`: what is missing is not set, so that later versions can add to it.
    fn encode(self) -> Vec<u8> {
        let mut text = format!("rows={}", self.rows);
        if let Some((lower, upper)) = self.range {
            text.push_str(&format!(" range={lower}..{upper}"));
        }
        if let Some(row_id) = self.row_id {
            text.push_str(&format!(" row-id={row_id}"));
        }
        text.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let read = || {
            let mut position = Self::default();
            for part in text.split_whitespace() {
                match part.split_once('=')? {
                    ("rows", rows) => position.rows = rows.parse().ok()?,
                    ("row-id", row_id) => position.row_id = Some(row_id.parse().ok()?),
                    ("range", range) => {
                        let (lower, upper) = range.split_once("..")?;
                        position.range = Some((lower.parse().ok()?, upper.parse().ok()?));
                    }
                    _ => return None,
                }
            }
            Some(position)
        };
        read().ok_or_else(|| {
            Error::user(format!("'{text}' is no position of a jdbc scan")).hint("the checkpoint is of a later version")
        })
    }
}

struct Enumerator {
    splits: Vec<Split>,
}

impl SplitEnumerator for Enumerator {
    fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery { splits: std::mem::take(&mut self.splits), again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.splits.retain(|split| !known.contains(&split.id));
    }
}

struct Reader {
    table: Table,
    io: Io,
    partition_column: Option<usize>,
    rows: RowsBuilder,
    most: usize,
    pending: VecDeque<(SplitId, Position)>,
    current: Option<Part>,
    failures: Failures,
    try_again_at: Option<Instant>,
}

/// The part that is being read.
struct Part {
    id: SplitId,
    position: Position,
    /// `None` before the first row, and after a lost connection.
    scan: Option<Box<dyn Scan>>,
    /// Whether it can be read on from the middle: its rows have an order.
    ordered: bool,
    ended: bool,
}

impl Reader {
    fn open(&self, part: &mut Part) -> Outcome<Box<dyn Scan>> {
        let (client, remote) = open(&self.table, &self.io)?;
        let target = remote::for_reading(&self.table, &remote)?;
        let order: Vec<String> = remote
            .unique_keys
            .iter()
            .find(|key| key.primary)
            .map(|key| key.columns.iter().map(|name| dialect::quote(target.system, name)).collect())
            .unwrap_or_default();
        part.ordered = !order.is_empty() || target.system == System::Sqlite;
        if part.position.rows > 0 && !part.ordered {
            tracing::warn!(
                table = %self.table.context.name, part = %part.id,
                "{} has no primary key: the part is read again from its beginning, {} rows come twice",
                self.table.name,
                part.position.rows
            );
            part.position.rows = 0;
        }
        let range = match (part.position.range, self.partition_column) {
            (Some((lower, upper)), Some(column)) => Some((target.columns[column].quoted.clone(), lower, upper)),
            (None, None) => None,
            _ => {
                return Err(Error::user("the checkpoint has a scan of other parts")
                    .hint("keep scan.partition.column as it was")
                    .into());
            }
        };
        let by_row_id = remote.has_row_id;
        client.scan(ScanPlan {
            target,
            range,
            order,
            offset: part.position.rows,
            by_row_id,
            after_row_id: part.position.row_id,
        })
    }

    /// Brings rows of the part into `self.rows`.
    fn fetch(&mut self, part: &mut Part, wait: Duration) -> Outcome<()> {
        let scan = match &mut part.scan {
            Some(scan) => scan,
            None => {
                let scan = self.open(part)?;
                part.scan.insert(scan)
            }
        };
        part.ended = scan.fetch(wait, self.most, &mut self.rows)?;
        part.position.rows += self.rows.rows() as u64;
        part.position.row_id = scan.row_id().or(part.position.row_id);
        Ok(())
    }

    /// After a failure: when to go on.
    fn failed(&mut self, part: &mut Part, kind: FailureKind, error: Error) -> Result<()> {
        part.scan = None;
        // the rows of a half batch are read again
        self.rows = RowsBuilder::new(self.table.context.physical_schema())?;
        let in_the_middle = part.position.rows > 0 && !part.ordered;
        let policy = RetryPolicy { statement_retries: 3, outage: self.table.options.max_retry_timeout };
        match self.failures.note(kind, Instant::now(), fastrand::f64(), policy) {
            Some(pause) if !in_the_middle => {
                tracing::warn!(table = %self.table.context.name, part = %part.id, "read on in {pause:?}: {error}");
                self.try_again_at = Instant::now().checked_add(pause);
                Ok(())
            }
            _ => {
                let error = error
                    .with("part", &part.id)
                    .with("rows read", part.position.rows)
                    .with("table", &self.table.context.name);
                Err(if in_the_middle {
                    error.hint("a table with a primary key is read on after a lost connection")
                } else {
                    error
                })
            }
        }
    }

    fn poll_part(&mut self, part: &mut Part, wait: Duration) -> Result<Polled> {
        if part.ended {
            return Ok(Polled::Finished(Arc::clone(&part.id)));
        }
        if let Err(failure) = self.fetch(part, wait) {
            if failure.error.is_canceled() {
                return Err(failure.error);
            }
            self.failed(part, failure.kind, failure.error)?;
            return Ok(Polled::Nothing);
        }
        if self.rows.rows() > 0 {
            self.failures = Failures::default();
            return Ok(Polled::Rows { split: Arc::clone(&part.id), batch: Batch::insertions(self.rows.finish()?) });
        }
        Ok(if part.ended { Polled::Finished(Arc::clone(&part.id)) } else { Polled::Nothing })
    }
}

impl SourceReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let position = Position::decode(&split.position).map_err(|error| error.with("part", &split.id))?;
            self.pending.push_back((split.id, position));
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled> {
        self.io.cancellation.check()?;
        let pause = self.try_again_at.map(|at| at.saturating_duration_since(Instant::now())).unwrap_or_default();
        if !pause.is_zero() {
            self.io.cancellation.sleep(pause.min(wait))?;
            return Ok(Polled::Nothing);
        }
        self.try_again_at = None;
        let next = || {
            self.pending.pop_front().map(|(id, position)| Part {
                id,
                position,
                scan: None,
                ordered: false,
                ended: false,
            })
        };
        let Some(mut part) = self.current.take().or_else(next) else {
            self.io.cancellation.sleep(wait)?;
            return Ok(Polled::Nothing);
        };
        let polled = self.poll_part(&mut part, wait);
        if !matches!(polled, Ok(Polled::Finished(_))) {
            self.current = Some(part);
        }
        polled
    }

    fn splits(&self) -> Vec<Split> {
        let current = self.current.iter().map(|part| (&part.id, part.position));
        let pending = self.pending.iter().map(|(id, position)| (id, *position));
        current.chain(pending).map(|(id, position)| Split { id: Arc::clone(id), position: position.encode() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(count: u32, lower: i64, upper: i64) -> Vec<(i64, i64)> {
        ranges(&Partitioning { column: 0, count, lower, upper })
    }

    #[test]
    fn ranges_cover_every_value_once() {
        assert_eq!(cut(3, 1, 10), [(1, 4), (5, 7), (8, 10)]);
        assert_eq!(cut(5, 1, 2), [(1, 1), (2, 2)], "no more parts than values");
        assert_eq!(cut(1, -5, 5), [(-5, 5)]);
        let all = cut(7, i64::MIN, i64::MAX);
        assert_eq!((all.len(), all[0].0, all[6].1), (7, i64::MIN, i64::MAX));
        assert!(all.windows(2).all(|pair| i128::from(pair[0].1) + 1 == i128::from(pair[1].0)));
    }

    #[test]
    fn positions_survive_a_checkpoint() {
        for position in [
            Position::default(),
            Position { range: Some((i64::MIN, -1)), rows: 7, row_id: None },
            Position { range: None, rows: u64::MAX, row_id: Some(-3) },
        ] {
            assert_eq!(Position::decode(&position.encode()).unwrap(), position);
        }
        assert!(Position::decode(b"what").is_err());
    }
}
