//! An operator without a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use riverrun_base::Result;
use riverrun_connect::{Cancellation, Counters, JobContext};
use riverrun_data::Records;
use riverrun_runtime::{
    CheckpointId, Clock, KeyGroupRange, Operator, OperatorContext, Output, Restored, RestoredChain, SnapshotRequest,
    TaskHandle,
};

use crate::functions::Collector;
use crate::stream::{OutputTag, Sided};
use crate::window::{Contents, Listing, Trigger, Window, WindowAssigner, WindowClosure, WindowOperator, Windowing};

/// A key and a value.
pub(super) type Row = (u8, i64);

/// Key, the window's last time, and the values in it, as they came.
pub(super) type Seen = (u8, i64, Vec<i64>);

type Boxed<O> = Box<dyn Operator<Records<Row>, Sided<O>>>;

type Make<O> = Box<dyn Fn(&OperatorContext) -> Boxed<O>>;

pub(super) struct Harness<O> {
    make: Make<O>,
    operator: Boxed<O>,
    now: Arc<AtomicI64>,
    counters: Counters,
    results: Results<O>,
}

struct Results<O> {
    main: Vec<(O, Option<i64>)>,
    late: Vec<(Row, Option<i64>)>,
}

impl<O: crate::Record> Output<Sided<O>> for Results<O> {
    fn emit(&mut self, batch: Sided<O>) -> Result<()> {
        match batch {
            Sided::Main(records) => self.main.extend(records),
            Sided::Side(id, records) => {
                assert_eq!(&*id, "late");
                self.late.extend(*records.into_any().downcast::<Records<Row>>().unwrap());
            }
        }
        Ok(())
    }
}

/// What the windows say that list their values.
pub(super) fn listed<W: Window>() -> impl Contents<u8, Row, W, Out = Seen> {
    Listing::of(WindowClosure(|key: &u8, window: &W, rows: &[Row], out: &mut Collector<'_, Seen>| {
        out.collect((*key, window.max_timestamp(), rows.iter().map(|(_, value)| *value).collect()));
    }))
}

/// Windows that list their values, and drop late ones.
pub(super) fn listing<A>(assigner: A, trigger: impl Trigger<Row, A::Window>, allowed_lateness: i64) -> Harness<Seen>
where
    A: WindowAssigner<Row>,
{
    Harness::of(Windowing { assigner, trigger, allowed_lateness, late: None }, listed::<A::Window>())
}

impl<O: crate::Record> Harness<O> {
    pub(super) fn of<A, Tr, C>(windowing: Windowing<Row, A, Tr>, contents: C) -> Self
    where
        A: WindowAssigner<Row>,
        Tr: Trigger<Row, A::Window>,
        C: Contents<u8, Row, A::Window, Out = O>,
    {
        let make = move |context: &OperatorContext| -> Boxed<O> {
            let (windowing, contents) = (windowing.clone(), contents.clone());
            let late: Arc<[Arc<str>]> = vec![Arc::from("late")].into();
            let selector = |row: &Row| row.0;
            Box::new(WindowOperator::open(selector, windowing, contents, context, late).unwrap())
        };
        let (now, counters) = (Arc::default(), Counters::default());
        let operator = make(&context(&now, &counters));
        let results = Results { main: Vec::new(), late: Vec::new() };
        Self { make: Box::new(make), operator, now, counters, results }
    }

    pub(super) fn elements(&mut self, rows: &[(u8, i64, i64)]) {
        let values = rows.iter().map(|(key, value, _)| (*key, *value)).collect();
        let records = Records::with_timestamps(values, rows.iter().map(|(_, _, time)| *time).collect());
        self.operator.process(records, &mut self.results).unwrap();
    }

    pub(super) fn element(&mut self, key: u8, value: i64, time: i64) {
        self.elements(&[(key, value, time)]);
    }

    pub(super) fn watermark(&mut self, time: i64) {
        self.operator.watermark(time, &mut self.results).unwrap();
    }

    /// The clock shows a time.
    pub(super) fn clock(&mut self, time: i64) {
        self.now.store(time, Ordering::SeqCst);
        while self.operator.deadline().is_some_and(|deadline| deadline <= time) {
            self.operator.on_processing_time(time, &mut self.results).unwrap();
        }
    }

    pub(super) fn deadline(&self) -> Option<i64> {
        self.operator.deadline()
    }

    /// Results since the last call, without their event time, which must be their windows'.
    pub(super) fn results(&mut self) -> Vec<O> {
        std::mem::take(&mut self.results.main).into_iter().map(|(result, _)| result).collect()
    }

    pub(super) fn timed_results(&mut self) -> Vec<(O, Option<i64>)> {
        std::mem::take(&mut self.results.main)
    }

    pub(super) fn late(&mut self) -> Vec<(Row, Option<i64>)> {
        std::mem::take(&mut self.results.late)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.counters.counter("numLateRecordsDropped").get()
    }

    /// How many keys a snapshot of everything has.
    pub(super) fn keys(&mut self) -> u64 {
        self.snapshot().1
    }

    fn snapshot(&mut self) -> (Restored, u64) {
        let request = SnapshotRequest { checkpoint: CheckpointId(1), full: true };
        let snapshot = self.operator.snapshot(request).unwrap().unwrap();
        let delta = snapshot.delta.map(|delta| delta().unwrap()).unwrap_or_default();
        let chain = RestoredChain { key_groups: KeyGroupRange { start: 0, end: 127 }, deltas: vec![delta.bytes] };
        let chains = if delta.rows == 0 { Vec::new() } else { vec![chain] };
        (Restored { chains, watermark: snapshot.watermark, own: Vec::new() }, delta.rows)
    }

    /// Another operator takes over, from a snapshot.
    pub(super) fn restart(&mut self) {
        let (restored, _) = self.snapshot();
        self.operator = (self.make)(&context(&self.now, &self.counters));
        self.operator.restore(restored).unwrap();
    }
}

pub(super) fn late() -> OutputTag<Row> {
    OutputTag::new("late")
}

fn context(now: &Arc<AtomicI64>, counters: &Counters) -> OperatorContext {
    OperatorContext {
        name: "windows".to_owned(),
        subtask: 0,
        parallelism: 1,
        max_parallelism: 128,
        key_groups: KeyGroupRange { start: 0, end: 127 },
        cancellation: Cancellation::default(),
        counters: counters.clone(),
        job: JobContext::default(),
        clock: Clock::Manual(Arc::clone(now)),
        task: TaskHandle::default(),
    }
}
