#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;

fn gate(channels: usize, capacity: usize) -> (Arc<Gate<u64>>, Vec<Sender<u64>>) {
    let gate = Arc::new(Gate::new(channels, capacity));
    let senders = (0..channels).map(|channel| Sender::new(Arc::clone(&gate), channel)).collect();
    (gate, senders)
}

fn now<B>(gate: &Gate<B>) -> Option<(usize, Element<B>)> {
    gate.receive(Some(Instant::now()), &TaskMetrics::default()).unwrap()
}

fn put(sender: &Sender<u64>, element: Element<u64>) {
    sender.send(element, &TaskMetrics::default()).unwrap();
}

#[test]
fn channels_take_turns_and_each_keeps_its_order() {
    let (gate, senders) = gate(3, 8);
    for value in 0..3 {
        put(&senders[2], Element::Data(value));
    }
    put(&senders[0], Element::Data(10));
    let order: Vec<_> = std::iter::from_fn(|| now(&gate)).collect();
    let expected = [(2, 0), (0, 10), (2, 1), (2, 2)].map(|(channel, value)| (channel, Element::Data(value)));
    assert_eq!(order, expected);
}

#[test]
fn a_blocked_channel_keeps_its_elements_until_it_is_unblocked() {
    let (gate, senders) = gate(2, 8);
    put(&senders[0], Element::Data(1));
    gate.block(0);
    put(&senders[0], Element::Data(2));
    put(&senders[1], Element::Data(3));
    assert_eq!(now(&gate), Some((1, Element::Data(3))));
    assert_eq!(now(&gate), None);
    gate.unblock_all();
    assert_eq!(now(&gate), Some((0, Element::Data(1))));
    assert_eq!(now(&gate), Some((0, Element::Data(2))));
    assert_eq!(now(&gate), None);
}

#[test]
fn an_unread_watermark_is_replaced_by_a_later_one_and_takes_no_room() {
    let (gate, senders) = gate(1, 2);
    put(&senders[0], Element::Data(1));
    for watermark in 0..100 {
        put(&senders[0], Element::Watermark(watermark));
    }
    assert_eq!(gate.fill(), (2, 2));
    assert_eq!(now(&gate), Some((0, Element::Data(1))));
    assert_eq!(now(&gate), Some((0, Element::Watermark(99))));
}

#[test]
fn a_producer_waits_while_its_channel_is_full_and_that_is_backpressure() {
    let (gate, mut senders) = gate(1, 4);
    let sender = senders.remove(0);
    let metrics = TaskMetrics::default();
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for value in 0..20 {
                sender.send(Element::Data(value), &metrics).unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
            }
        });
        for value in 0..20 {
            while metrics.times().backpressured.is_zero() && sent.load(Ordering::SeqCst) < 20 {
                thread::yield_now();
            }
            assert!(gate.fill().0 <= 4);
            assert_eq!(gate.receive(None, &TaskMetrics::default()).unwrap(), Some((0, Element::Data(value))));
        }
    });
    assert!(metrics.times().backpressured > Duration::ZERO && metrics.times().idle.is_zero());
}

#[test]
fn a_wait_for_input_ends_at_its_deadline_and_is_idle() {
    let (gate, _senders) = gate(1, 1);
    let metrics = TaskMetrics::default();
    let begin = Instant::now();
    assert_eq!(gate.receive(Some(begin + Duration::from_millis(5)), &metrics).unwrap(), None);
    assert!(begin.elapsed() >= Duration::from_millis(5));
    assert!(metrics.times().idle >= Duration::from_millis(4));
}

#[test]
fn closing_wakes_everyone_with_a_cancellation_and_drops_what_is_queued() {
    let (gate, senders) = gate(2, 1);
    put(&senders[0], Element::Data(1));
    gate.block(0);
    let metrics = [TaskMetrics::default(), TaskMetrics::default()];
    thread::scope(|scope| {
        let producer = scope.spawn(|| senders[0].send(Element::Data(2), &metrics[0]));
        let consumer = scope.spawn(|| gate.receive(None, &metrics[1]));
        while metrics[0].times().backpressured.is_zero() || metrics[1].times().idle.is_zero() {
            thread::yield_now();
        }
        gate.close();
        assert!(producer.join().unwrap().unwrap_err().is_canceled());
        assert!(consumer.join().unwrap().unwrap_err().is_canceled());
    });
    assert_eq!(gate.fill().0, 0);
    assert!(senders[1].send(Element::Data(3), &metrics[0]).unwrap_err().is_canceled());
}

/// Threads with random pauses, small queues and random blocking: nothing is lost, doubled or out of order, and no queue
/// is above its capacity.
#[test]
fn random_schedules_lose_nothing_and_stay_within_the_capacity() {
    const EACH: u64 = 200;
    for seed in 0..60u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (channels, capacity) = (random.usize(1..5), random.usize(1..5));
        let (gate, senders) = gate(channels, capacity);
        thread::scope(|scope| {
            for (channel, sender) in senders.into_iter().enumerate() {
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed * 31 + channel as u64);
                    for value in 0..EACH {
                        if random.u8(..) < 20 {
                            thread::yield_now();
                        }
                        put(&sender, Element::Data(value));
                    }
                    put(&sender, Element::End);
                });
            }
            let mut next = vec![0; channels];
            let mut blocked = vec![false; channels];
            let mut open = channels;
            while open > 0 {
                match random.u8(..) {
                    0..20 => thread::yield_now(),
                    20..30 => {
                        let channel = random.usize(0..channels);
                        blocked[channel] = true;
                        gate.block(channel);
                    }
                    _ => {}
                }
                let received =
                    gate.receive(Some(Instant::now() + Duration::from_millis(1)), &TaskMetrics::default()).unwrap();
                assert!(gate.fill().0 <= channels * capacity, "seed {seed}");
                match received {
                    Some((channel, element)) => {
                        assert!(!blocked[channel], "seed {seed}: from a blocked channel");
                        match element {
                            Element::Data(value) => {
                                assert_eq!(value, std::mem::replace(&mut next[channel], value + 1), "seed {seed}")
                            }
                            Element::End => {
                                assert_eq!(next[channel], EACH, "seed {seed}");
                                open -= 1;
                            }
                            other => panic!("seed {seed}: {other:?}"),
                        }
                    }
                    None => {
                        blocked.fill(false);
                        gate.unblock_all();
                    }
                }
            }
        });
    }
}

#[test]
fn a_consumer_that_is_woken_waits_no_longer_though_nothing_has_come() {
    let (gate, senders) = gate(1, 2);
    gate.wake();
    let receive = |gate: &Gate<u64>| gate.receive(None, &TaskMetrics::default()).unwrap();
    assert_eq!(receive(&gate), None);
    let waker = Arc::clone(&gate);
    let waits = thread::spawn(move || receive(&gate));
    waker.wake();
    assert_eq!(waits.join().unwrap(), None);
    // What came is not passed over.
    waker.wake();
    put(&senders[0], Element::Data(1));
    assert_eq!(now(&waker), Some((0, Element::Data(1))));
    assert_eq!(now(&waker), None);
}
