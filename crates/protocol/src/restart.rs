//! Whether a job that has failed runs again, and when.
//!
//! Flink's four strategies, with its meaning and defaults (FLIP-364 for the exponential one). A job with checkpoints
//! and no strategy of its own has [`RestartStrategy::exponential_delay`]; one without has [`RestartStrategy::None`].

use std::collections::VecDeque;

use riverrun_base::{Error, Result};

/// A strategy with its settings: `restart-strategy.type`. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum RestartStrategy {
    /// `none`, `off`, `disable`: the first failure ends the job.
    None,
    /// `fixed-delay`: a number of restarts over the whole life of the job.
    FixedDelay {
        /// `restart-strategy.fixed-delay.attempts`: how many restarts.
        attempts: u32,
        /// `restart-strategy.fixed-delay.delay`: from a failure to the restart.
        delay_ms: u64,
    },
    /// `failure-rate`: restarts as long as failures are rare.
    FailureRate {
        /// `restart-strategy.failure-rate.max-failures-per-interval`: how many are rare. At least 1.
        max_failures: u32,
        /// `restart-strategy.failure-rate.failure-rate-interval`: in how long. At least 1.
        interval_ms: u64,
        /// `restart-strategy.failure-rate.delay`: from a failure to the restart.
        delay_ms: u64,
    },
    /// `exponential-delay`: restarts, each time after a longer delay, until it has run for a while.
    ExponentialDelay {
        /// `restart-strategy.exponential-delay.initial-backoff`: the first delay. At least 1.
        initial_ms: u64,
        /// `restart-strategy.exponential-delay.max-backoff`: the longest. At least the first.
        max_ms: u64,
        /// `restart-strategy.exponential-delay.backoff-multiplier`: the next delay by the last. More than 1.
        multiplier: f64,
        /// `restart-strategy.exponential-delay.reset-backoff-threshold`: how long after a restart without failure the
        /// first delay counts again. At least 1.
        reset_ms: u64,
        /// `restart-strategy.exponential-delay.jitter-factor`: the part of the delay by which chance lengthens or
        /// shortens it, from 0 to 1.
        jitter: f64,
        /// `restart-strategy.exponential-delay.attempts-before-reset-backoff`: how many restarts until the first delay
        /// counts again; `None` any number. At least 1.
        attempts: Option<u32>,
    },
}

impl RestartStrategy {
    /// `fixed-delay` with Flink's defaults: 1 restart after 1 s.
    pub fn fixed_delay() -> Self {
        Self::FixedDelay { attempts: 1, delay_ms: 1000 }
    }

    /// `failure-rate` with Flink's defaults: 1 failure in 1 min, and 1 s of delay.
    pub fn failure_rate() -> Self {
        Self::FailureRate { max_failures: 1, interval_ms: 60_000, delay_ms: 1000 }
    }

    /// `exponential-delay` with Flink's defaults: from 1 s to 1 min by 1.5, 10 % by chance, back to 1 s after 1 h, any
    /// number of restarts.
    pub fn exponential_delay() -> Self {
        Self::ExponentialDelay {
            initial_ms: 1000,
            max_ms: 60_000,
            multiplier: 1.5,
            reset_ms: 3_600_000,
            jitter: 0.1,
            attempts: None,
        }
    }

    /// Whether the numbers make sense, within Flink's limits.
    ///
    /// # Errors
    /// The user's mistake, naming Flink's key.
    pub fn validate(&self) -> Result<()> {
        let refused = |key: &str, needs: &str| Err(Error::user(format!("restart-strategy.{key} {needs}")));
        match *self {
            Self::FailureRate { max_failures: 0, .. } => {
                refused("failure-rate.max-failures-per-interval", "must be at least 1")
            }
            Self::FailureRate { interval_ms: 0, .. } => {
                refused("failure-rate.failure-rate-interval", "must be at least 1 ms")
            }
            Self::ExponentialDelay { initial_ms, max_ms, multiplier, reset_ms, jitter, attempts } => {
                if initial_ms == 0 {
                    refused("exponential-delay.initial-backoff", "must be at least 1 ms")
                } else if max_ms < initial_ms {
                    refused("exponential-delay.max-backoff", "must not be below the initial backoff")
                } else if !(multiplier > 1.0 && multiplier.is_finite()) {
                    refused("exponential-delay.backoff-multiplier", "must be greater than 1")
                } else if reset_ms == 0 {
                    refused("exponential-delay.reset-backoff-threshold", "must be at least 1 ms")
                } else if !(0.0..=1.0).contains(&jitter) {
                    refused("exponential-delay.jitter-factor", "must be from 0 to 1")
                } else if attempts == Some(0) {
                    refused("exponential-delay.attempts-before-reset-backoff", "must be at least 1")
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Run again, this long after the failure.
    After {
        /// The delay.
        delay_ms: u64,
    },
    /// The job has failed for good.
    GiveUp(GiveUp),
}

/// Why a job does not run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// It has no restart strategy.
    NoStrategy,
    /// It has been restarted as often as it may be.
    AttemptsSpent {
        /// How often that is.
        attempts: u32,
    },
    /// It fails too often.
    TooOften {
        /// How many failures there may be in the interval.
        max_failures: u32,
        /// The interval in milliseconds.
        interval_ms: u64,
    },
}

/// Counts a job's failures and decides.
///
/// ```
/// use riverrun_protocol::restart::{GiveUp, Restart, Restarts, RestartStrategy};
///
/// let mut restarts = Restarts::new(RestartStrategy::FixedDelay { attempts: 1, delay_ms: 10_000 });
/// assert_eq!(restarts.failed(0, 0.5), Restart::After { delay_ms: 10_000 });
/// assert_eq!(restarts.failed(60_000, 0.5), Restart::GiveUp(GiveUp::AttemptsSpent { attempts: 1 }));
/// ```
#[derive(Clone, Debug)]
pub struct Restarts {
    strategy: RestartStrategy,
    /// Restarts so far; for the exponential strategy, since its delay was reset.
    attempts: u32,
    /// The last failures, one more than the rate allows.
    failures: VecDeque<u64>,
    /// When the last restart was due.
    restart_at_ms: Option<u64>,
}

impl Restarts {
    /// No failure yet.
    pub fn new(strategy: RestartStrategy) -> Self {
        Self { strategy, attempts: 0, failures: VecDeque::new(), restart_at_ms: None }
    }

    /// The job has failed at this time. `random` is the chance in the delay: uniform, from 0 up to but without 1.
    pub fn failed(&mut self, now_ms: u64, random: f64) -> Restart {
        match self.strategy {
            RestartStrategy::None => Restart::GiveUp(GiveUp::NoStrategy),
            RestartStrategy::FixedDelay { attempts, delay_ms } => {
                self.attempts = self.attempts.saturating_add(1);
                if self.attempts > attempts {
                    Restart::GiveUp(GiveUp::AttemptsSpent { attempts })
                } else {
                    Restart::After { delay_ms }
                }
            }
            RestartStrategy::FailureRate { max_failures, interval_ms, delay_ms } => {
                self.failures.push_back(now_ms);
                if self.failures.len() <= max_failures as usize {
                    return Restart::After { delay_ms };
                }
                let earliest = self.failures.pop_front().unwrap_or(now_ms);
                if now_ms.saturating_sub(earliest) > interval_ms {
                    Restart::After { delay_ms }
                } else {
                    Restart::GiveUp(GiveUp::TooOften { max_failures, interval_ms })
                }
            }
            RestartStrategy::ExponentialDelay { attempts, .. } => {
                // A failure before the restart belongs to the one that led to it.
                if let Some(due) = self.restart_at_ms.filter(|due| now_ms <= *due) {
                    return Restart::After { delay_ms: due - now_ms };
                }
                let delay_ms = self.next_backoff_ms(now_ms, random);
                self.restart_at_ms = Some(now_ms.saturating_add(delay_ms));
                self.attempts = self.attempts.saturating_add(1);
                match attempts {
                    Some(attempts) if self.attempts > attempts => Restart::GiveUp(GiveUp::AttemptsSpent { attempts }),
                    _ => Restart::After { delay_ms },
                }
            }
        }
    }

    /// The delay of the exponential strategy.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "milliseconds far below 2^52, and `as` saturates beyond"
    )]
    fn next_backoff_ms(&mut self, now_ms: u64, random: f64) -> u64 {
        let RestartStrategy::ExponentialDelay { initial_ms, max_ms, multiplier, reset_ms, jitter, .. } = self.strategy
        else {
            return 0;
        };
        if self.restart_at_ms.is_some_and(|due| now_ms.saturating_sub(due) >= reset_ms) {
            self.attempts = 0;
        }
        let exponent = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        let backoff = (initial_ms as f64 * multiplier.powi(exponent)).min(1e15).floor();
        let spread = (backoff * jitter).floor();
        let offset = (random.clamp(0.0, 1.0) * (2.0 * spread + 1.0)).floor().min(2.0 * spread) - spread;
        ((backoff + offset).max(0.0) as u64).clamp(initial_ms.min(max_ms), max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Random;

    const fn after(delay_ms: u64) -> Restart {
        Restart::After { delay_ms }
    }

    #[test]
    fn without_a_strategy_the_first_failure_ends_the_job() {
        assert_eq!(Restarts::new(RestartStrategy::None).failed(7, 0.0), Restart::GiveUp(GiveUp::NoStrategy));
    }

    #[test]
    fn a_fixed_delay_restarts_as_often_as_it_says() {
        let mut restarts = Restarts::new(RestartStrategy::FixedDelay { attempts: 3, delay_ms: 10 });
        let answers: Vec<_> = (0..5).map(|at| restarts.failed(at * 1_000_000, 0.9)).collect();
        let spent = Restart::GiveUp(GiveUp::AttemptsSpent { attempts: 3 });
        assert_eq!(answers, [after(10), after(10), after(10), spent, spent]);
    }

    #[test]
    fn a_failure_rate_ends_the_job_when_failures_are_dense_and_not_when_they_are_sparse() {
        let strategy = RestartStrategy::FailureRate { max_failures: 3, interval_ms: 100, delay_ms: 5 };
        let mut restarts = Restarts::new(strategy.clone());
        // The fourth comes 101 ms after the first, the fifth 100 ms after the second.
        let answers: Vec<_> = [0, 30, 60, 101, 130].map(|at| restarts.failed(at, 0.0)).into();
        let too_often = Restart::GiveUp(GiveUp::TooOften { max_failures: 3, interval_ms: 100 });
        assert_eq!(answers, [after(5), after(5), after(5), after(5), too_often]);
    }

    #[test]
    fn an_exponential_delay_grows_by_its_multiplier_to_its_maximum() {
        let mut restarts = Restarts::new(RestartStrategy::exponential_delay());
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..13 {
            let Restart::After { delay_ms } = restarts.failed(now, 0.5) else { panic!("it never gives up") };
            delays.push(delay_ms);
            now += delay_ms + 1;
        }
        assert_eq!(delays, [1000, 1500, 2250, 3375, 5062, 7593, 11390, 17085, 25628, 38443, 57665, 60_000, 60_000]);
    }

    #[test]
    fn chance_changes_an_exponential_delay_by_its_part_at_most_and_within_the_limits() {
        let ends = |random| {
            let mut restarts = Restarts::new(RestartStrategy::exponential_delay());
            restarts.failed(0, 0.5);
            restarts.failed(1001, random)
        };
        assert_eq!((ends(0.0), ends(0.999_999)), (after(1350), after(1650)));
        assert_eq!(
            Restarts::new(RestartStrategy::exponential_delay()).failed(0, 0.0),
            after(1000),
            "not below the first"
        );
        let mut random = Random::new(1);
        let mut restarts = Restarts::new(RestartStrategy::exponential_delay());
        let mut now = 0;
        for _ in 0..1000 {
            let Restart::After { delay_ms } = restarts.failed(now, random.fraction()) else { panic!("it gives up") };
            assert!((1000..=60_000).contains(&delay_ms));
            now += delay_ms + 1 + random.below(10) as u64;
        }
    }

    #[test]
    fn an_exponential_delay_starts_anew_after_it_has_run_for_a_while() {
        let mut restarts = Restarts::new(RestartStrategy::exponential_delay());
        assert_eq!(restarts.failed(0, 0.5), after(1000));
        assert_eq!(restarts.failed(1000 + 3_599_999, 0.5), after(1500), "a millisecond too early");
        assert_eq!(restarts.failed(3_600_999 + 1500 + 3_600_000, 0.5), after(1000));
    }

    #[test]
    fn a_failure_before_the_restart_is_no_second_failure() {
        let mut restarts = Restarts::new(RestartStrategy::exponential_delay());
        assert_eq!(restarts.failed(0, 0.5), after(1000));
        assert_eq!(restarts.failed(400, 0.5), after(600));
        assert_eq!(restarts.failed(1001, 0.5), after(1500));
    }

    #[test]
    fn an_exponential_delay_gives_up_after_its_attempts_and_counts_them_anew_after_a_reset() {
        let strategy = RestartStrategy::ExponentialDelay {
            initial_ms: 1,
            max_ms: 10,
            multiplier: 2.0,
            reset_ms: 100,
            jitter: 0.0,
            attempts: Some(2),
        };
        let mut restarts = Restarts::new(strategy);
        assert_eq!([restarts.failed(0, 0.0), restarts.failed(2, 0.0)], [after(1), after(2)]);
        assert_eq!(restarts.failed(104, 0.0), after(1), "reset");
        assert_eq!(restarts.failed(106, 0.0), after(2));
        assert_eq!(restarts.failed(109, 0.0), Restart::GiveUp(GiveUp::AttemptsSpent { attempts: 2 }));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        let wrong = RestartStrategy::ExponentialDelay {
            initial_ms: 1000,
            max_ms: 1000,
            multiplier: 1.0,
            reset_ms: 1,
            jitter: 0.0,
            attempts: None,
        };
        assert!(wrong.validate().unwrap_err().to_string().contains("backoff-multiplier"));
        let wrong = RestartStrategy::FailureRate { max_failures: 0, interval_ms: 1, delay_ms: 0 };
        assert!(wrong.validate().unwrap_err().to_string().contains("max-failures-per-interval"));
        for strategy in [
            RestartStrategy::None,
            RestartStrategy::fixed_delay(),
            RestartStrategy::failure_rate(),
            RestartStrategy::exponential_delay(),
        ] {
            assert!(strategy.validate().is_ok(), "{strategy:?}");
        }
    }
}
