//! The transactions of the spend report.

use chrono::DateTime;

/// 2026-01-01 00:00:00 UTC.
const BEGIN: i64 = 1_767_225_600;

/// The transaction with this number, as a line of csv: `account_id,amount,transaction_time`.
pub fn transaction(number: u64) -> String {
    let account = number % 5 + 1;
    let amount = number.wrapping_mul(2_654_435_761) % 1_000 + 1;
    let seconds = BEGIN.saturating_add_unsigned(number.saturating_mul(30));
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    format!("{account},{amount},{}", time.format("%Y-%m-%d %H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_a_line_that_the_spend_report_reads() {
        assert_eq!(transaction(0), "1,1,2026-01-01 00:00:00");
        assert_eq!(transaction(121), "2,82,2026-01-01 01:00:30");
    }
}
