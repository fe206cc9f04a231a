//! How fast records may come.

use std::time::{Duration, Instant};

/// How many records a second from which on batches are as short as [`SHORT`].
const MANY: f64 = 10_000.0;

/// How often a batch comes of many records a second.
const SHORT: f64 = 500.0;

/// How often a batch comes of fewer.
const LONG: f64 = 20.0;

/// How fast a source of several subtasks may be: Flink's interface of this name.
///
/// ```
/// use riverrun::sources::{GeneratorSource, RateLimiterStrategy};
///
/// let clicks = GeneratorSource::new(|n| format!("click {n}")).rate_limiter(RateLimiterStrategy::per_second(100.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RateLimiterStrategy(Limit);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Limit {
    #[default]
    None,
    PerSecond(f64),
    PerCheckpoint(u64),
}

impl RateLimiterStrategy {
    /// As fast as it can.
    pub fn no_op() -> Self {
        Self(Limit::None)
    }

    /// So many records a second, of all subtasks together, in batches: of a twentieth of a second for less than 10,000 a second and subtask, of two
    /// milliseconds for more. A part of a record for less than one. Zero or less, such as -1, is as fast as it can.
    pub fn per_second(records: f64) -> Self {
        Self(if records > 0.0 { Limit::PerSecond(records) } else { Limit::None })
    }

    /// So many records between two completed checkpoints, of all subtasks together, but at least one of each. In a job without checkpoints
    /// no more follow than these.
    pub fn per_checkpoint(records: u64) -> Self {
        Self(Limit::PerCheckpoint(records))
    }

    /// The limiter of one of so many subtasks.
    pub fn create_rate_limiter(&self, parallelism: usize) -> RateLimiter {
        let subtasks = parallelism.max(1);
        match self.0 {
            Limit::None => RateLimiter(State::Unlimited),
            #[allow(clippy::cast_precision_loss, reason = "a number of threads")]
            Limit::PerSecond(records) => RateLimiter::per_second(records / subtasks as f64),
            Limit::PerCheckpoint(records) => {
                let each = (records / subtasks as u64).max(1);
                RateLimiter(State::Gate { each, left: each })
            }
        }
    }
}

/// Lets records through at a rate: for a source, or any loop that must not be faster. What was not used piles up for a batch at most.
#[derive(Clone, Debug)]
pub struct RateLimiter(State);

#[derive(Clone, Debug)]
enum State {
    Unlimited,
    /// Batches of the same size at the same intervals.
    Timed {
        batch: u64,
        interval: Duration,
        left: u64,
        /// When the next batch may come.
        next: Option<Instant>,
    },
    /// So many until a checkpoint is complete.
    Gate {
        each: u64,
        left: u64,
    },
}

impl RateLimiter {
    /// So many a second; zero or less, such as -1, is without limit.
    pub fn per_second(records: f64) -> Self {
        if records <= 0.0 || records.is_nan() {
            return Self(State::Unlimited);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and cut at the largest")]
        let batch = if records >= MANY { (records / SHORT) as u64 } else { (records / LONG) as u64 + 1 };
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let interval = Duration::try_from_secs_f64(batch as f64 / records).unwrap_or(Duration::MAX);
        Self(State::Timed { batch, interval, left: 0, next: None })
    }

    /// How many of at most `most` may come now; it waits for the first for `wait` at most, and then answers 0.
    pub fn acquire(&mut self, most: u64, wait: Duration) -> u64 {
        let now = Instant::now();
        match self.allow(most, now) {
            Ok(count) => count,
            Err(at) => {
                let missing = at.saturating_duration_since(now);
                std::thread::sleep(missing.min(wait));
                if missing > wait { 0 } else { self.allow(most, Instant::now()).unwrap_or(0) }
            }
        }
    }

    /// Waits until one more may come: for a loop outside of a job.
    pub fn throttle(&mut self) {
        while !matches!(self.0, State::Gate { left: 0, .. }) && self.acquire(1, Duration::from_secs(1)) == 0 {}
    }

    /// A checkpoint is complete.
    pub fn notify_checkpoint_complete(&mut self) {
        if let State::Gate { each, left } = &mut self.0 {
            *left = *each;
        }
    }

    /// How many may come at a time, or when to ask again.
    fn allow(&mut self, most: u64, now: Instant) -> Result<u64, Instant> {
        let taken = match &mut self.0 {
            State::Unlimited => return Ok(most),
            State::Gate { left, .. } => {
                if *left == 0 {
                    return Err(now + Duration::from_secs(3600));
                }
                left
            }
            State::Timed { batch, interval, left, next } => {
                if *left == 0 {
                    let due = next.unwrap_or(now);
                    if now < due {
                        return Err(due);
                    }
                    // One that comes a little late does not shift those after it; time that nobody used is gone.
                    let follows = due.checked_add(*interval);
                    *next = follows.filter(|follows| *follows > now).or_else(|| now.checked_add(*interval));
                    *left = *batch;
                }
                left
            }
        };
        let count = most.min(*taken);
        *taken -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many come in ten seconds, asked every millisecond, and how many at once at most.
    fn in_ten_seconds(rate: f64) -> (u64, u64) {
        let (mut limiter, start) = (RateLimiter::per_second(rate), Instant::now());
        let asked = (0..10_000).map(|ms| limiter.allow(u64::MAX, start + Duration::from_millis(ms)).unwrap_or(0));
        asked.fold((0, 0), |(sum, most), count| (sum + count, most.max(count)))
    }

    #[test]
    fn batches_are_of_a_twentieth_of_a_second_and_shorter_from_ten_thousand_a_second_on() {
        for (rate, batch) in [(0.5, 1), (1.0, 1), (100.0, 6), (9_000.0, 451), (10_000.0, 20), (100_000.0, 200)] {
            let (count, most) = in_ten_seconds(rate);
            assert_eq!(most, batch, "{rate}");
            let wanted = rate * 10.0;
            #[allow(clippy::cast_precision_loss, reason = "a test")]
            let (count, batch) = (count as f64, batch as f64);
            assert!(count >= wanted * 0.99 && count <= wanted * 1.01 + batch, "{rate}: {count}");
        }
        assert_eq!(RateLimiter::per_second(-1.0).allow(7, Instant::now()), Ok(7));
    }

    #[test]
    fn what_nobody_took_does_not_pile_up() {
        let (mut limiter, start) = (RateLimiter::per_second(100.0), Instant::now());
        assert_eq!(limiter.allow(u64::MAX, start), Ok(6));
        assert!(limiter.allow(u64::MAX, start + Duration::from_millis(59)).is_err());
        assert_eq!(limiter.allow(4, start + Duration::from_secs(60)), Ok(4));
        assert_eq!(limiter.allow(4, start + Duration::from_secs(60)), Ok(2));
        assert!(limiter.allow(4, start + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn subtasks_share_a_rate_and_a_checkpoint_opens_the_gate() {
        let mut half = RateLimiterStrategy::per_second(100_000.0).create_rate_limiter(2);
        assert_eq!(half.allow(u64::MAX, Instant::now()), Ok(100));
        let mut gate = RateLimiterStrategy::per_checkpoint(10).create_rate_limiter(3);
        assert_eq!(gate.acquire(100, Duration::ZERO), 3);
        assert_eq!(gate.acquire(100, Duration::ZERO), 0);
        gate.notify_checkpoint_complete();
        assert_eq!(gate.acquire(2, Duration::ZERO), 2);
        assert_eq!(RateLimiterStrategy::no_op().create_rate_limiter(3).acquire(5, Duration::ZERO), 5);
    }
}
