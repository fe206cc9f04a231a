//! Sources of a program's own, and of text.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use riverrun::prelude::*;
use riverrun::sources::{GeneratorSource, InputStatus, RateLimiterStrategy, SourceFunction, SourceOutput};

/// The numbers of a range, in parts, some at a time.
#[derive(Clone)]
struct Numbers {
    until: i64,
    parts: i64,
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
struct Place {
    next: i64,
    end: i64,
}

impl SourceFunction for Numbers {
    type Out = i64;
    type Position = Place;

    fn splits(&self, _parallelism: usize) -> FnResult<Vec<Place>> {
        let bound = |part| self.until * part / self.parts;
        Ok((0..self.parts).map(|part| Place { next: bound(part), end: bound(part + 1) }).collect())
    }

    fn parallelism(&self) -> Option<usize> {
        None
    }

    fn poll(&mut self, at: &mut Place, _wait: Duration, out: &mut SourceOutput<'_, i64>) -> FnResult<InputStatus> {
        let end = at.end.min(at.next + 7);
        (at.next..end).for_each(|n| out.collect_with_timestamp(n, n));
        at.next = end;
        Ok(if end == at.end { InputStatus::EndOfInput } else { InputStatus::MoreAvailable })
    }
}

#[test]
fn an_own_source_is_read_in_parts_and_goes_on_where_the_checkpoint_says() {
    let folder = tempfile::tempdir().unwrap();
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).enable_checkpointing(Duration::from_millis(20));
    env.set_fixed_delay_restart(1, Duration::from_millis(10));
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let failed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sums = env.add_source(Numbers { until: 30_000, parts: 3 }, "numbers").try_map(move |n| {
        // Slow enough that there is a checkpoint before the failure.
        if n % 100 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        if n == 29_000 && !failed.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return Err("on purpose");
        }
        Ok(n)
    });
    let sums = sums.key_by(|_| 0u8).reduce(|a: i64, b: i64| a + b);
    let sums = sums.execute_and_collect("numbers").unwrap();
    // Each number is in the sum once.
    assert_eq!(sums.into_iter().max(), Some((0..30_000).sum()));
}

#[test]
fn lines_come_from_a_socket_until_it_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let speaker = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        for part in ["to b", "e\r\nor\n", "\nnot to be"] {
            socket.write_all(part.as_bytes()).unwrap();
            socket.flush().unwrap();
        }
    });
    let env = StreamExecutionEnvironment::new();
    let lines = env.socket_text_stream("127.0.0.1", port).execute_and_collect("lines").unwrap();
    assert_eq!(lines, ["to be", "or", "", "not to be"]);
    speaker.join().unwrap();
}

#[test]
fn a_socket_that_nobody_listens_at_is_an_error_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let env = StreamExecutionEnvironment::new();
    let error = env.socket_text_stream("127.0.0.1", port).execute_and_collect("lines").unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[test]
fn a_rate_holds_for_all_subtasks_together() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    let source = GeneratorSource::new(|n| n).count(2_000).rate_limiter(RateLimiterStrategy::per_second(4_000.0));
    let start = Instant::now();
    assert_eq!(env.add_source(source, "numbers").execute_and_collect("rate").unwrap().len(), 2_000);
    let took = start.elapsed();
    // A batch comes at once, which is a twentieth of a second of it.
    assert!(took >= Duration::from_millis(440), "{took:?}");
}
