//! Positions: every message once, wherever a reader stops.

use riverrun_testkit::rocketmq;

use crate::harness::{Reading, beside, people, rows, sorted, texts};

#[test]
fn a_reader_goes_on_where_another_stopped_after_any_batch() {
    let (beside, topic) = (beside(), rocketmq().topic("goes_on", 2));
    for (n, queue) in (0..).zip(beside.queues(&topic)) {
        beside.send_people(&queue, n * 300..n * 300 + 300);
    }
    let table = people(&topic, &[("scan.bounded.mode", "latest-offset"), ("pullBatchSize", "7")]);
    let mut all = Vec::new();
    let mut state: Option<(Vec<_>, Vec<_>)> = None;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut reading = match state.take() {
            None => Reading::start(&table),
            Some((known, splits)) => Reading::restore(&table, known, splits),
        };
        let mut is_over = true;
        for _ in 0..attempts {
            match reading.next().unwrap() {
                Some((_, batch)) => all.extend(texts(&batch)),
                None => break,
            }
            is_over = false;
        }
        if is_over {
            break;
        }
        state = Some((reading.known.clone(), reading.reader.splits()));
    }
    assert_eq!(sorted(all), rows(0..1200));
}

#[test]
fn messages_that_are_gone_fail_the_job_unless_the_user_wants_to_go_on() {
    let (beside, topic) = (beside(), rocketmq().topic("gone", 1));
    let queue = beside.queue(&topic, 0);
    beside.send_people(&queue, 0..5);
    // ahead of the end, as after a broker that has lost its data; the reader gives the broker half a minute
    let at = |lost: &str| {
        people(&topic, &[("scanStartupMode", ""), ("startMessageOffset", "100"), ("scan.lost-messages", lost)])
    };
    let (mut fails, mut begins, mut ends) =
        (Reading::start(&at("fail")), Reading::start(&at("earliest")), Reading::start(&at("latest")));
    let error = fails.error().to_string();
    for part in ["are not there", "offset: 100", topic.as_str(), "scan.lost-messages"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(begins.take_exactly(5), rows(0..5));
    riverrun_testkit::wait_until(crate::harness::LIMIT, "the reader to go on at the end", || {
        ends.reader.poll(std::time::Duration::from_millis(100)).unwrap();
        ends.position(&queue) == "{\"offset\":5}"
    });
}
