//! Single decisions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use bytes::Bytes;
use riverrun_base::options::OptionValue;

use super::*;
use crate::codes::Codes;
use crate::request::Verb;
use crate::url::Url;

pub(super) fn settings() -> CoreSettings {
    let codes = |list: &str| Codes::parse(list).unwrap();
    CoreSettings {
        queue_rows: 1000,
        queue_bytes: 1 << 30,
        requests: 8,
        is_adaptive: false,
        retries: 3,
        retry_timeout: ms(60_000),
        initial_backoff: ms(100),
        max_backoff: ms(10_000),
        success_codes: codes("2XX"),
        retry_codes: codes("408,429,5XX"),
        fatal_codes: codes(""),
        bisect_codes: codes("400,422"),
        batching: None,
        rate: None,
        breaker_failures: 0,
        breaker_pause: ms(1000),
        exhaustion: Exhaustion::Failover,
    }
}

pub(super) fn ms(ms: u64) -> Time {
    Duration::from_millis(ms)
}

pub(super) fn request(url: &str, body: &str, order: Option<u64>) -> Request {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Request {
        verb: Verb::Post,
        url: Arc::from(url),
        target: Url::parse(url),
        headers: Vec::new(),
        body,
        order,
        key: None,
    }
}

pub(super) fn status(code: u16) -> Answer {
    Answer::Status { code, retry_after: None, results: None, text: String::new() }
}

fn bodies(dispatch: &Dispatch) -> Vec<String> {
    dispatch.requests.iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect()
}

/// Answers everything with `answer` until nothing more happens, and returns the sends with their times.
fn run(core: &mut Core, now: &mut Time, mut answer: impl FnMut(&Dispatch, Time) -> Answer) -> Vec<(Time, Vec<String>)> {
    let mut sends = Vec::new();
    loop {
        core.advance(*now);
        while let Some(dispatch) = core.next(*now) {
            sends.push((*now, bodies(&dispatch)));
            let answer = answer(&dispatch, *now);
            core.answered(dispatch.id, answer, *now);
        }
        match core.wake_at() {
            Some(at) => *now = at.max(*now),
            None => return sends,
        }
    }
}

#[test]
fn three_retries_are_four_sends_and_then_one_failover_row() {
    let (mut core, mut now) = (Core::new(settings(), 1), ms(0));
    core.accept(request("http://h/", "a", None), now, 5);
    let sends = run(&mut core, &mut now, |_, _| status(500));
    assert_eq!(sends.len(), 4);
    let failed = core.next_failover(10);
    assert_eq!(
        (failed.len(), failed[0].tries, failed[0].first_ms, failed[0].why.as_str()),
        (1, 4, 5, "the answer was 500")
    );
    assert_eq!((core.pending(), core.snapshot().len()), (1, 1));
    core.stored(&[failed[0].id], now);
    assert_eq!(
        (core.pending(), core.bytes(), core.stats().failed_over, core.stats().sends, core.stats().retries),
        (0, 0, 1, 4, 3)
    );
}

#[test]
fn a_destination_that_comes_back_in_time_gets_its_record_once_more() {
    let (mut core, mut now) = (Core::new(settings(), 1), ms(0));
    core.accept(request("http://h/", "a", None), now, 0);
    let mut codes = [500, 502, 503, 200].into_iter();
    assert_eq!(run(&mut core, &mut now, |_, _| status(codes.next().unwrap())).len(), 4);
    assert_eq!((core.pending(), core.stats().delivered, core.stats().classes), (0, 1, [0, 1, 0, 0, 3]));
}

#[test]
fn what_is_fatal_is_not_sent_again() {
    for (answer, sends) in [
        (status(404), 1),
        (status(301), 1),
        (Answer::Refused("private".into()), 1),
        (Answer::Nothing("reset".into()), 4),
    ] {
        let (mut core, mut now) = (Core::new(settings(), 1), ms(0));
        core.accept(request("http://h/", "a", None), now, 0);
        assert_eq!(run(&mut core, &mut now, |_, _| answer.clone()).len(), sends, "{answer:?}");
        assert_eq!(core.next_failover(9).len(), 1);
    }
}

#[test]
fn pauses_are_between_nothing_and_a_bound_that_doubles() {
    let mut longest = [Duration::ZERO; 3];
    for seed in 0..300 {
        let (mut core, mut now) = (Core::new(settings(), seed), ms(0));
        core.accept(request("http://h/", "a", None), now, 0);
        let sends = run(&mut core, &mut now, |_, _| status(500));
        for (n, pair) in sends.windows(2).enumerate() {
            let pause = pair[1].0 - pair[0].0;
            assert!(pause <= ms(100 << n));
            longest[n] = longest[n].max(pause);
        }
    }
    assert!(longest.iter().enumerate().all(|(n, pause)| *pause > ms(90 << n)), "{longest:?}");
}

#[test]
fn retry_after_is_obeyed_and_pauses_that_destination_only() {
    let (mut core, mut now) = (Core::new(settings(), 1), ms(0));
    core.accept(request("http://slow/", "a", None), now, 0);
    core.accept(request("http://slow/", "b", None), now, 0);
    let first = core.next(now).unwrap();
    core.answered(
        first.id,
        Answer::Status { code: 429, retry_after: Some(ms(5000)), results: None, text: String::new() },
        now,
    );
    core.accept(request("http://other/", "c", None), now, 0);
    let mut sends = run(&mut core, &mut now, |_, _| status(200));
    sends.sort();
    let shown: Vec<(u128, &str)> = sends.iter().map(|(at, bodies)| (at.as_millis(), bodies[0].as_str())).collect();
    assert_eq!(shown, [(0, "c"), (5000, "a"), (5000, "b")]);
    assert_eq!(core.pending(), 0);
}

#[test]
fn a_retry_after_beyond_the_time_of_a_record_gives_it_up() {
    let (mut core, mut now) = (Core::new(settings(), 1), ms(0));
    core.accept(request("http://h/", "a", None), now, 0);
    let huge = Answer::Status {
        code: 503,
        retry_after: Some(Duration::from_secs(u64::from(u32::MAX))),
        results: None,
        text: String::new(),
    };
    assert_eq!(run(&mut core, &mut now, |_, _| huge.clone()).len(), 1);
    assert_eq!(core.next_failover(9).len(), 1);
    core.accept(request("http://h/", "b", None), now, 0);
    assert_eq!(run(&mut core, &mut now, |_, _| status(200)).len(), 1);
    assert_eq!(now, ms(60_000), "the destination is left in peace as long as a record may take");
}

#[test]
fn one_bad_record_of_a_batch_is_found() {
    let batching = Some(Batching { rows: 500, bytes: 1 << 20, age: ms(100) });
    let (mut core, mut now) = (Core::new(CoreSettings { batching, ..settings() }, 1), ms(0));
    (0..500).for_each(|n| core.accept(request("http://h/", &n.to_string(), None), now, 0));
    let sends = run(&mut core, &mut now, |dispatch, _| {
        status(if bodies(dispatch).contains(&"321".to_owned()) { 422 } else { 200 })
    });
    assert!(sends.len() <= 1 + 2 * 9, "{}", sends.len());
    let failed = core.next_failover(9);
    assert_eq!((failed.len(), &failed[0].request.body[..]), (1, &b"321"[..]));
    assert_eq!((core.stats().delivered, core.pending()), (499, 1));
}

#[test]
fn batches_end_by_rows_bytes_and_age() {
    let batching = Some(Batching { rows: 3, bytes: 20, age: ms(100) });
    let (mut core, mut now) = (Core::new(CoreSettings { batching, ..settings() }, 1), ms(0));
    for body in ["1", "2", "3", "aaaaaaaaa", "bbbbbbbbbb", "c"] {
        core.accept(request("http://h/", body, None), now, 0);
    }
    core.accept(request("http://h/other", "x", None), now, 0);
    let mut sends = run(&mut core, &mut now, |_, _| status(200));
    sends.sort();
    let shown: Vec<(u128, String)> = sends.iter().map(|(at, bodies)| (at.as_millis(), bodies.join(" "))).collect();
    assert_eq!(shown, [(0, "1 2 3".into()), (0, "aaaaaaaaa".into()), (100, "bbbbbbbbbb c".into()), (100, "x".into())]);
    core.accept(request("http://h/", "y", None), now, 0);
    core.close_batches();
    assert_eq!(core.next(now).map(|dispatch| bodies(&dispatch)), Some(vec!["y".to_owned()]));
}

#[test]
fn results_of_single_records_are_taken_one_by_one() {
    let batching = Some(Batching { rows: 4, bytes: 1 << 20, age: ms(100) });
    let (mut core, mut now) = (Core::new(CoreSettings { batching, ..settings() }, 1), ms(0));
    ["ok", "again", "bad", "ok"].iter().for_each(|body| core.accept(request("http://h/", body, None), now, 0));
    let sends = run(&mut core, &mut now, |dispatch, _| {
        let code = |body: &String| match body.as_str() {
            "again" => 503,
            "bad" => 400,
            _ => 200,
        };
        let bodies = bodies(dispatch);
        let results = (bodies.len() > 1).then(|| bodies.iter().map(code).collect());
        Answer::Status { code: 200, retry_after: None, results, text: String::new() }
    });
    assert_eq!(sends[1].1, ["again"]);
    assert_eq!((core.stats().delivered, core.next_failover(9).len()), (3, 1));
}

#[test]
fn records_of_a_key_follow_each_other_also_into_failover() {
    let (mut core, now) = (Core::new(settings(), 1), ms(0));
    for body in ["a1", "b1", "a2", "a3"] {
        let key = u64::from(body.as_bytes()[0]);
        core.accept(request("http://h/", body, Some(key)), now, 0);
    }
    let [first, second] = [core.next(now).unwrap(), core.next(now).unwrap()];
    assert_eq!([bodies(&first), bodies(&second)], [["a1"], ["b1"]]);
    assert!(core.next(now).is_none());
    core.answered(first.id, status(404), now);
    assert!(core.next(now).is_none(), "the key waits until the store has the record");
    let failed = core.next_failover(9);
    core.stored(&[failed[0].id], now);
    let third = core.next(now).unwrap();
    assert_eq!(bodies(&third), ["a2"]);
    core.answered(third.id, status(200), now);
    assert_eq!(core.next(now).map(|dispatch| bodies(&dispatch)), Some(vec!["a3".to_owned()]));
}

#[test]
fn a_destination_that_is_down_gives_its_records_up_at_once_and_is_tried_now_and_then() {
    let settings = CoreSettings { breaker_failures: 8, ..settings() };
    let (mut core, mut now) = (Core::new(settings, 1), ms(0));
    (0..100).for_each(|n| core.accept(request("http://down/", &n.to_string(), None), now, 0));
    let sends = run(&mut core, &mut now, |_, _| Answer::Nothing("no answer".into()));
    assert!(sends.len() < 16, "{}", sends.len());
    assert_eq!(core.next_failover(1000).len(), 100);
    now += ms(2000);
    core.accept(request("http://down/", "probe", None), now, 0);
    assert_eq!(run(&mut core, &mut now, |_, _| status(200)).len(), 1);
    core.accept(request("http://down/", "again", None), now, 0);
    assert!(core.next(now).is_some());
}

#[test]
fn a_destination_that_swallows_what_it_gets_has_a_part_of_the_requests_only() {
    let (mut core, now) = (Core::new(CoreSettings { requests: 16, ..settings() }, 1), ms(0));
    for n in 0..100 {
        core.accept(
            request(&format!("http://{}/", if n % 2 == 0 { "hole" } else { "well" }), &n.to_string(), None),
            now,
            0,
        );
    }
    let to_hole = |dispatch: &Dispatch| &*dispatch.requests[0].url == "http://hole/";
    let mut swallowed = Vec::new();
    while let Some(dispatch) = core.next(now) {
        match to_hole(&dispatch) {
            true => swallowed.push(dispatch.id),
            false => core.answered(dispatch.id, status(200), now),
        }
    }
    assert_eq!((swallowed.len(), core.stats().delivered), (4, 50));
    core.answered(swallowed[0], Answer::Nothing("too late".into()), now);
    assert!(core.next(now).is_some_and(|dispatch| to_hole(&dispatch)) && core.next(now).is_none());
    // One answer, and it is trusted again.
    core.answered(swallowed[1], status(200), now);
    assert_eq!(std::iter::from_fn(|| core.next(now)).count(), 4);
}

#[test]
fn a_malformed_url_is_a_row_of_the_failover_store_and_nothing_stops() {
    let (mut core, mut now) = (Core::new(settings(), 1), ms(0));
    core.accept(request("no url", "a", None), now, 0);
    core.accept(request("http://h/", "b", None), now, 0);
    assert_eq!(run(&mut core, &mut now, |_, _| status(200)).len(), 1);
    let failed = core.next_failover(9);
    assert!(failed[0].why.contains("does not begin with http") && failed[0].tries == 0, "{failed:?}");
}

#[test]
fn without_a_store_the_job_fails_with_the_record_and_a_dropped_one_is_counted() {
    let (mut core, mut now) = (Core::new(CoreSettings { exhaustion: Exhaustion::Fail, ..settings() }, 1), ms(0));
    core.accept(request("http://h/", "a", None), now, 0);
    run(&mut core, &mut now, |_, _| status(400));
    assert_eq!(core.fatal().map(|failed| failed.why.as_str()), Some("the answer was 400"));
    assert_eq!(core.pending(), 1, "it is in the next checkpoint");
    let (mut core, mut now) = (Core::new(CoreSettings { exhaustion: Exhaustion::Drop, ..settings() }, 1), ms(0));
    (0..3).for_each(|_| core.accept(request("http://h/", "a", Some(1)), now, 0));
    run(&mut core, &mut now, |_, _| status(400));
    assert_eq!((core.stats().dropped, core.pending()), (3, 0));
}

#[test]
fn destinations_take_turns_and_one_that_waits_does_not_hold_the_others() {
    let settings = CoreSettings { rate: Some(10.0), ..settings() };
    let (mut core, mut now) = (Core::new(settings, 1), ms(0));
    for n in 0..20 {
        core.accept(request(&format!("http://h{}/", n % 2), &n.to_string(), None), now, 0);
    }
    let sends = run(&mut core, &mut now, |_, _| status(200));
    assert_eq!(sends.len(), 20);
    assert!((ms(850)..ms(1000)).contains(&now), "{now:?}");
}
