//! How long to wait before the next try: doubled with every failure, up to a limit, with jitter so that many clients
//! do not come at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);

/// The pause after the `failures`th failure in a row, between three quarters and five quarters of what doubling gives;
/// none where there was no failure. `random` is between 0 and 1.
pub(crate) fn pause(failures: u32, most: Duration, random: f64) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doubled = FIRST.saturating_mul(1 << (failures - 1).min(16)).min(most);
    doubled.mul_f64(0.75 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_limit() {
        let of = |failures| pause(failures, Duration::from_secs(1), 0.5).as_millis();
        assert_eq!([of(0), of(1), of(2), of(3), of(4), of(5), of(4_000_000)], [0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause(1, Duration::from_secs(1), 0.0).as_millis(), 75);
        assert_eq!(pause(1, Duration::from_secs(1), 1.0).as_millis(), 125);
    }
}
