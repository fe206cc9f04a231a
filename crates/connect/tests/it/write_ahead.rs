//! The write-ahead log before a destination that honours the ids of row groups, and before one that does not.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::UInt64Type;
use riverrun_base::{Error, Result};
use riverrun_connect::{GroupWriter, Sink, WriteAheadLog};
use riverrun_data::Batch;
use riverrun_testkit::suites::two_phase::{self, Destination};

/// A system that takes requests.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<Requests>>);

#[derive(Default)]
struct Requests {
    known: BTreeSet<String>,
    rows: Vec<u64>,
}

struct Client(Service);

impl GroupWriter for Client {
    fn write_group(&mut self, id: &str, rows: Batch) -> Result<()> {
        let mut requests = self.0.0.lock().unwrap();
        if requests.known.insert(id.to_owned()) {
            requests.rows.extend(rows.rows().column(0).as_primitive::<UInt64Type>().values());
        }
        Ok(())
    }
}

fn rows(numbers: Range<u64>) -> Batch {
    let numbers = Arc::new(UInt64Array::from_iter_values(numbers));
    Batch::insertions(RecordBatch::try_from_iter([("number", numbers as _)]).unwrap())
}

impl Destination<Batch> for Service {
    fn sink(&mut self) -> Box<dyn Sink> {
        let service = self.clone();
        let log = WriteAheadLog::new(move |_| Ok(Box::new(Client(service.clone()))));
        Box::new(log.group_rows(NonZeroUsize::new(2).unwrap()))
    }

    fn rows(&mut self, numbers: Range<u64>) -> Batch {
        rows(numbers)
    }

    fn visible(&mut self) -> Vec<u64> {
        self.0.lock().unwrap().rows.clone()
    }
}

#[test]
fn a_destination_that_honours_the_ids_holds_every_row_once() {
    two_phase::crash_after_every_call(0..6, Service::default);
    two_phase::random_crashes(0..300, Service::default);
}

/// Fails in the middle of every other commit.
struct Shaky {
    written: Arc<Mutex<Vec<u64>>>,
    calls: u32,
}

impl GroupWriter for Shaky {
    fn write_group(&mut self, _id: &str, rows: Batch) -> Result<()> {
        self.calls += 1;
        if self.calls == 2 {
            return Err(Error::external("the service is overloaded").retryable());
        }
        self.written.lock().unwrap().extend(rows.rows().column(0).as_primitive::<UInt64Type>().values());
        Ok(())
    }
}

#[test]
fn another_destination_holds_every_row_at_least_once() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let service = Arc::clone(&written);
    let log = WriteAheadLog::new(move |_| Ok(Box::new(Shaky { written: Arc::clone(&service), calls: 0 })));
    let log = log.group_rows(NonZeroUsize::new(3).unwrap());
    let context = riverrun_connect::TaskContext::default();
    let mut writer = log.writer(&context).unwrap();
    writer.write(rows(0..9)).unwrap();
    let prepared = writer.prepare(riverrun_protocol::CheckpointId(1)).unwrap();
    let mut committer = log.committer(&context).unwrap();
    let error = committer.commit(riverrun_protocol::CheckpointId(1), &prepared).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("group: --0-1-1"), "{error}");
    assert_eq!(*written.lock().unwrap(), [0, 1, 2]);
    committer.commit(riverrun_protocol::CheckpointId(1), &prepared).unwrap();
    assert_eq!(*written.lock().unwrap(), [0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
}
