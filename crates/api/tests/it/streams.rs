//! Streams without keys.

use std::time::Duration;

use riverrun::prelude::*;
use riverrun::sinks::PrintSink;

#[test]
fn records_pass_map_filter_and_flat_map_in_order() {
    let env = StreamExecutionEnvironment::new();
    let stream = env.from_sequence(1, 10).map(|n| n * n).filter(|n| n % 2 == 0);
    let stream = stream.flat_map(|n, out| (0..2).for_each(|copy| out.collect(format!("{n}.{copy}"))));
    let collected = stream.execute_and_collect("squares").unwrap();
    assert_eq!(collected, ["4.0", "4.1", "16.0", "16.1", "36.0", "36.1", "64.0", "64.1", "100.0", "100.1"]);
}

#[test]
fn a_stream_can_have_several_consumers_and_streams_can_be_one() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(3);
    let numbers = env.from_sequence(1, 100);
    let small = numbers.clone().filter(|n| *n <= 10);
    let large = numbers.filter(|n| *n > 90).rebalance().map(|n| n);
    let mut both = small.union([large]).execute_and_collect("both").unwrap();
    both.sort_unstable();
    assert_eq!(both, (1..=10).chain(91..=100).collect::<Vec<_>>());
}

#[test]
fn an_error_of_a_closure_names_operator_subtask_and_record() {
    let env = StreamExecutionEnvironment::new();
    let words = ["1", "2", "x"].map(str::to_owned).to_vec();
    let parsed = env.from_collection(words).try_map(|word: String| word.parse::<i64>()).name("Parse").uid("parse");
    let error = parsed.execute_and_collect("numbers").unwrap_err().to_string();
    for part in ["Parse", "number 3", "invalid digit"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_side_output_has_what_was_written_under_its_tag() {
    #[derive(Clone)]
    struct Split(OutputTag<String>);

    impl ProcessFunction<i64, i64> for Split {
        fn process_element(
            &mut self,
            n: i64,
            context: &mut ProcessContext<'_>,
            out: &mut Collector<'_, i64>,
        ) -> FnResult {
            if n % 2 == 0 {
                out.collect(n);
            } else {
                context.output(&self.0, format!("odd {n}"));
            }
            Ok(())
        }
    }

    let odd = OutputTag::new("odd");
    let env = StreamExecutionEnvironment::new();
    let even = env.from_sequence(1, 4).process(Split(odd.clone())).name("Split");
    let sides = even.get_side_output(&odd);
    let all = even.map(|n| n.to_string()).union([sides]);
    let mut all = all.execute_and_collect("split").unwrap();
    all.sort();
    assert_eq!(all, ["2", "4", "odd 1", "odd 3"]);

    let env = StreamExecutionEnvironment::new();
    let even = env.from_sequence(1, 4).process(Split(odd.clone()));
    assert_eq!(even.execute_and_collect("nobody reads the other").unwrap(), [2, 4]);
}

#[test]
fn each_exchange_brings_every_record_where_it_belongs() {
    #[derive(Clone, Default)]
    struct Subtask(usize);

    impl MapFunction<i64, (usize, i64)> for Subtask {
        fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
            self.0 = context.index_of_this_subtask();
            Ok(())
        }

        fn map(&mut self, n: i64) -> FnResult<(usize, i64)> {
            Ok((self.0, n))
        }
    }

    fn of(n: i64, subtasks: usize) -> usize {
        usize::try_from(n).unwrap() % subtasks
    }

    let run = |exchange: fn(DataStream<i64>) -> DataStream<i64>| {
        let env = StreamExecutionEnvironment::new();
        let stream = exchange(env.from_sequence(0, 9_999)).map_with(Subtask::default()).set_parallelism(3);
        let mut all = stream.execute_and_collect("exchange").unwrap();
        all.sort_unstable_by_key(|(subtask, n)| (*n, *subtask));
        all
    };
    let numbers = |all: &[(usize, i64)]| all.iter().map(|(_, n)| *n).collect::<Vec<_>>();
    let custom = run(|stream| stream.partition_custom(|n: &i64, subtasks| of(*n, subtasks), |n| *n));
    assert!(custom.iter().all(|(subtask, n)| *subtask == of(*n, 3)));
    for exchange in [DataStream::rebalance, DataStream::shuffle, DataStream::rescale, DataStream::global] {
        assert_eq!(numbers(&run(exchange)), (0..10_000).collect::<Vec<_>>());
    }
    assert!(run(DataStream::global).iter().all(|(subtask, _)| *subtask == 0));
    assert_eq!(run(DataStream::broadcast).len(), 30_000);
    let shuffled = run(DataStream::shuffle);
    for subtask in 0..3 {
        assert!(shuffled.iter().filter(|(of, _)| *of == subtask).count() > 2_000);
    }
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let env = StreamExecutionEnvironment::new();
    let _sink = env.from_sequence(1, 2).rebalance().name("lost").discard();
    let error = env.execute("a name behind an exchange").unwrap_err().to_string();
    assert!(error.contains("name() is called behind"), "{error}");

    let error = StreamExecutionEnvironment::new().execute("nothing").unwrap_err().to_string();
    assert!(error.contains("no streams"), "{error}");

    let error = env.set("execution.checkpointing.intervall", "1 s").map(drop).unwrap_err().to_string();
    assert!(error.contains("did you mean 'execution.checkpointing.interval'"), "{error}");

    let env = StreamExecutionEnvironment::new();
    let (one, other) = (env.from_sequence(1, 2), env.from_sequence(1, 2));
    assert_eq!(one.execute_and_collect("the first job").unwrap(), [1, 2]);
    let error = other.execute_and_collect("a stream of the first job").unwrap_err().to_string();
    assert!(error.contains("a job was executed before"), "{error}");
    assert_eq!(env.from_sequence(3, 3).execute_and_collect("the second job").unwrap(), [3]);

    let env = StreamExecutionEnvironment::new();
    let tag = OutputTag::<i64>::new("side");
    let _sink = env.from_sequence(1, 2).get_side_output(&tag).discard();
    assert!(env.execute("no side output").is_err());
}

#[test]
fn a_job_can_be_steered_while_it_runs() {
    let env = StreamExecutionEnvironment::new();
    let source = riverrun::sources::GeneratorSource::new(|n| n).rate_per_second(1_000.0);
    env.add_source(source, "endless").sink_to(PrintSink::default().to_standard_error());
    env.enable_checkpointing(Duration::from_millis(50));
    let savepoints = tempfile::tempdir().unwrap();
    let job = env.execute_async("steered").unwrap();
    let folder = savepoints.path().to_str().unwrap();
    while !matches!(job.job_status(), riverrun::JobStatus::Running) {
        std::thread::yield_now();
    }
    let savepoint = job.stop_with_savepoint(false, Some(folder)).unwrap();
    assert!(std::path::Path::new(savepoint.trim_start_matches("file:")).join("_metadata").is_file(), "{savepoint}");
    job.wait().unwrap();
}
