//! Numbers as people read them.

use std::time::Duration;

/// A number with its thousands apart: `1,204,331`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(number: u64) -> String {
    count(number, "row")
}

/// `1 split`, `2 splits`.
pub(crate) fn count(number: u64, of: &str) -> String {
    format!("{} {of}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A length of time with two or three digits: `0.12 s`, `12.3 s`, `3 min 20 s`, `5 h 2 min`, `3 d 4 h`.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.2} s", duration.as_secs_f64()),
        10..=59 => format!("{:.1} s", duration.as_secs_f64()),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1000, 1_204_331].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,204,331"]);
        assert_eq!((rows(1), rows(0)), ("1 row".to_owned(), "0 rows".to_owned()));
    }

    #[test]
    fn lengths_have_the_unit_that_fits() {
        let texts = [0.123, 12.34, 200.0, 18_120.0, 273_600.0].map(|seconds| length(Duration::from_secs_f64(seconds)));
        assert_eq!(texts, ["0.12 s", "12.3 s", "3 min 20 s", "5 h 2 min", "3 d 4 h"]);
    }
}
