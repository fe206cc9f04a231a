//! What the core knows of one destination: whether it may be sent to now.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::{Parcel, RecordId, Slot, Time};
use crate::url::Origin;

/// The longest pause of a breaker.
const LONGEST_BREAK: Duration = Duration::from_secs(30);

/// One destination.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) origin: Arc<Origin>,
    /// Where it is counted.
    pub(super) slot: Slot,
    /// Parcels that can be sent, in order.
    pub(super) ready: VecDeque<Parcel>,
    /// Batches that wait for more records, by what their records have in common.
    pub(super) forming: HashMap<u64, Forming>,
    /// How many of its records are in the queue, waiting and under way.
    pub(super) records: usize,
    pub(super) in_flight: usize,
    /// Requests under way that were sent since it last answered.
    pub(super) unheard: usize,
    /// Whether it stands in the list of those that can be sent to.
    pub(super) is_listed: bool,
    /// Nothing is sent before.
    pub(super) paused_until: Time,
    pub(super) breaker: Breaker,
    pub(super) bucket: Option<Bucket>,
    pub(super) window: Window,
    /// Why its last request without an answer had none.
    pub(super) last_failure: String,
}

/// A batch that waits for more records.
#[derive(Debug)]
pub(super) struct Forming {
    pub(super) records: Vec<RecordId>,
    pub(super) bytes: usize,
    /// Tells this batch from earlier ones of the same key.
    pub(super) number: u64,
}

/// Whether something may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Not before this time.
    Until(Time),
    /// Not before a request has ended.
    Busy,
    /// The destination is down.
    Down,
}

impl Destination {
    /// Whether a request may be sent; if so, it takes its share of the rate.
    ///
    /// Who does not answer gets no more than `most_unheard` at once: a destination that swallows what it gets would soon have all requests
    /// of a writer, for as long as each may take.
    pub(super) fn gate(&mut self, now: Time, waits_when_down: bool, most_unheard: usize) -> Gate {
        match self.breaker.gate(now, self.in_flight) {
            Gate::Down if waits_when_down => return self.breaker.until().map_or(Gate::Busy, Gate::Until),
            Gate::Open => {}
            other => return other,
        }
        if now < self.paused_until {
            return Gate::Until(self.paused_until);
        }
        if self.in_flight >= self.window.limit() || self.unheard >= most_unheard {
            return Gate::Busy;
        }
        self.bucket.as_mut().map_or(Gate::Open, |bucket| bucket.take(now))
    }

    /// Whether nothing can be sent for a while.
    pub(super) fn is_stalled(&self, now: Time) -> bool {
        self.paused_until > now || self.breaker.is_down(now)
    }

    /// Whether it can be forgotten.
    pub(super) fn is_idle(&self, now: Time) -> bool {
        self.records == 0 && self.in_flight == 0 && self.paused_until <= now && self.breaker.is_closed()
    }
}

/// Opens after failures without an answer in a row, and closes with an answer.
#[derive(Debug)]
pub(super) struct Breaker {
    threshold: u32,
    first_pause: Duration,
    failures: u32,
    open: Option<Break>,
}

#[derive(Clone, Copy, Debug)]
struct Break {
    until: Time,
    pause: Duration,
}

impl Breaker {
    pub(super) fn new(threshold: u32, first_pause: Duration) -> Self {
        Self { threshold, first_pause: first_pause.max(Duration::from_millis(1)), failures: 0, open: None }
    }

    fn gate(&self, now: Time, in_flight: usize) -> Gate {
        match self.open {
            None => Gate::Open,
            Some(open) if now < open.until => Gate::Down,
            // One request tries it.
            Some(_) if in_flight == 0 => Gate::Open,
            Some(_) => Gate::Busy,
        }
    }

    fn until(&self) -> Option<Time> {
        self.open.map(|open| open.until)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    /// Whether the destination counts as down.
    pub(super) fn is_down(&self, now: Time) -> bool {
        self.open.is_some_and(|open| now < open.until)
    }

    /// The destination has answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.open = None;
    }

    /// It has not. True if it counts as down from now on.
    pub(super) fn failed(&mut self, now: Time) -> bool {
        if self.threshold == 0 {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        match self.open {
            // Requests from before it opened say nothing new.
            Some(open) if now < open.until => false,
            Some(open) => {
                let pause = (open.pause * 2).min(LONGEST_BREAK).max(open.pause);
                self.open = Some(Break { until: now + pause, pause });
                false
            }
            None if self.failures >= self.threshold => {
                self.open = Some(Break { until: now + self.first_pause, pause: self.first_pause });
                true
            }
            None => false,
        }
    }
}

/// A token bucket that holds a tenth of a second's requests, and one at least.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Time,
}

impl Bucket {
    pub(super) fn new(per_second: f64, now: Time) -> Self {
        Self { per_second, tokens: (per_second / 10.0).max(1.0), filled: now }
    }

    fn take(&mut self, now: Time) -> Gate {
        let room = (self.per_second / 10.0).max(1.0);
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(room);
        self.filled = self.filled.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Gate::Open;
        }
        // A little late rather than a little early, which would be asked again at once.
        Gate::Until(now + Duration::from_secs_f64((1.0 - self.tokens) / self.per_second) + Duration::from_micros(50))
    }
}

/// How many requests may be under way: a fixed number, or one that adapts (additive increase, multiplicative decrease: Chiu and Jain, 1989).
#[derive(Debug)]
pub(super) enum Window {
    Fixed(usize),
    Adaptive { limit: f64, most: usize, cut: Time },
}

impl Window {
    pub(super) fn adaptive(most: usize) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "a number of requests under way")]
        let limit = (most as f64 / 4.0).max(1.0);
        Self::Adaptive { limit, most, cut: Time::ZERO }
    }

    pub(super) fn limit(&self) -> usize {
        match self {
            Self::Fixed(limit) => *limit,
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and the largest number of requests"
            )]
            Self::Adaptive { limit, .. } => *limit as usize,
        }
    }

    pub(super) fn succeeded(&mut self) {
        if let Self::Adaptive { limit, most, .. } = self {
            #[allow(clippy::cast_precision_loss, reason = "a number of requests under way")]
            let most = *most as f64;
            *limit = (*limit + 1.0 / *limit).min(most);
        }
    }

    /// The destination is overloaded. Requests that were sent before the last cut count once.
    pub(super) fn overloaded(&mut self, sent: Time, now: Time) {
        if let Self::Adaptive { limit, cut, .. } = self
            && sent >= *cut
        {
            *limit = (*limit / 2.0).max(1.0);
            *cut = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_and_lets_one_request_try() {
        let mut breaker = Breaker::new(3, ms(100));
        assert!(!breaker.failed(ms(0)) && !breaker.failed(ms(0)));
        breaker.answered();
        assert!(!breaker.failed(ms(1)) && !breaker.failed(ms(1)) && breaker.failed(ms(1)));
        assert_eq!(breaker.gate(ms(100), 0), Gate::Down);
        assert_eq!(breaker.gate(ms(101), 0), Gate::Open);
        assert_eq!(breaker.gate(ms(101), 1), Gate::Busy);
        breaker.failed(ms(101));
        assert_eq!((breaker.gate(ms(300), 0), breaker.gate(ms(301), 0)), (Gate::Down, Gate::Open));
        breaker.answered();
        assert_eq!(breaker.gate(ms(301), 9), Gate::Open);
        let mut never = Breaker::new(0, ms(1));
        assert!((0..1000).all(|_| !never.failed(ms(5))) && never.is_closed());
    }

    #[test]
    fn a_bucket_lets_its_rate_through() {
        let mut bucket = Bucket::new(20.0, ms(0));
        let (mut now, mut sent) = (ms(0), 0);
        while now < ms(10_000) {
            match bucket.take(now) {
                Gate::Until(later) => now = later,
                _ => sent += 1,
            }
        }
        assert!((198..=203).contains(&sent), "{sent}");
    }

    #[test]
    fn a_window_halves_once_for_requests_of_the_same_time_and_grows_again() {
        let mut window = Window::adaptive(64);
        assert_eq!(window.limit(), 16);
        window.overloaded(ms(1), ms(10));
        window.overloaded(ms(2), ms(11));
        assert_eq!(window.limit(), 8);
        window.overloaded(ms(12), ms(20));
        assert_eq!(window.limit(), 4);
        (0..100_000).for_each(|_| window.succeeded());
        assert_eq!(window.limit(), 64);
        (0..100).for_each(|n| window.overloaded(ms(100 + n), ms(100 + n)));
        assert_eq!(window.limit(), 1);
    }
}
