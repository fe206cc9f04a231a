//! Times and timestamps as Java's `LocalTime`, `LocalDateTime` and `Instant` write them: a fraction has 3, 6 or 9 digits, and a time
//! without a zone leaves out seconds that are zero.

use riverrun_formats::text::write_date;

const DAY_SECONDS: i64 = 86_400;
const SECOND_NANOS: i64 = 1_000_000_000;

/// Appends nanoseconds since midnight: `10:11`, `10:11:12.500`.
pub(super) fn write_time(out: &mut Vec<u8>, nanos: i64) {
    write_clock(out, nanos.div_euclid(SECOND_NANOS), nanos.rem_euclid(SECOND_NANOS), false);
}

/// Appends a wall clock time: `2024-01-01T10:00`.
pub(super) fn write_local(out: &mut Vec<u8>, value: i64, per_second: i64) {
    write_moment(out, value, per_second, false);
}

/// Appends an instant: `2024-01-01T10:00:00Z`.
pub(super) fn write_instant(out: &mut Vec<u8>, value: i64, per_second: i64) {
    write_moment(out, value, per_second, true);
    out.push(b'Z');
}

fn write_moment(out: &mut Vec<u8>, value: i64, per_second: i64, seconds_needed: bool) {
    let (seconds, rest) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    write_date(out, seconds.div_euclid(DAY_SECONDS));
    out.push(b'T');
    write_clock(out, seconds.rem_euclid(DAY_SECONDS), rest * (SECOND_NANOS / per_second), seconds_needed);
}

fn write_clock(out: &mut Vec<u8>, seconds: i64, nanos: i64, seconds_needed: bool) {
    write_digits::<2>(out, seconds / 3600);
    out.push(b':');
    write_digits::<2>(out, seconds / 60 % 60);
    if seconds_needed || seconds % 60 != 0 || nanos != 0 {
        out.push(b':');
        write_digits::<2>(out, seconds % 60);
    }
    if nanos != 0 {
        out.push(b'.');
        match (nanos % 1_000_000, nanos % 1000) {
            (0, _) => write_digits::<3>(out, nanos / 1_000_000),
            (_, 0) => write_digits::<6>(out, nanos / 1000),
            _ => write_digits::<9>(out, nanos),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a digit")]
fn write_digits<const N: usize>(out: &mut Vec<u8>, mut number: i64) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}
