//! The throttled producer.

use std::time::{Duration, Instant};

use riverrun_testkit::kafka;
use riverrun_testkit::process::Riverrun;

#[test]
fn as_many_come_as_were_asked_for_and_no_faster() {
    let topic = kafka().topic("transactions", 1);
    let begin = Instant::now();
    let ended = Riverrun::builder_at(env!("CARGO_BIN_EXE_transactions_producer"))
        .args(["--bootstrap.servers", &kafka().bootstrap(), "--topic", &topic, "--rate", "500", "--count", "1000"])
        .run(Duration::from_secs(60));
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(begin.elapsed() >= Duration::from_millis(1_850), "{:?}", begin.elapsed());
    let lines = kafka().read_all(&topic);
    assert_eq!((lines.len(), lines[0].text().as_str()), (1_000, "1,1,2026-01-01 00:00:00"));
}
