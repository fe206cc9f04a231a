//! Tests of the functions of time, with answers of Flink 2.3.
#![allow(clippy::panic, reason = "tests")]

use chrono_tz::Tz;
use riverrun_data::LogicalType as L;

use crate::functions::tests::{Arg, constant as c, error_of, null, text_in, text_of, type_of, typed};

fn ts(text: &str) -> Arg {
    typed(text, L::Timestamp(3))
}

fn date(text: &str) -> Arg {
    typed(text, L::Date)
}

fn instant(seconds: i64) -> Arg {
    let (data_type, value) = crate::functions::tests::call("TO_TIMESTAMP_LTZ", &[c(seconds), c(0)], 1)
        .unwrap_or_else(|error| panic!("{error}"));
    (data_type, value)
}

fn all(name: &str, cases: &[(&[Arg], &str)]) {
    for (args, expected) in cases {
        assert_eq!(text_of(name, args), *expected, "{name} {args:?}");
    }
}

fn sunday() -> Arg {
    ts("2026-05-17 13:45:56.789")
}

#[test]
fn fields_of_a_timestamp() {
    for (unit, value) in [
        ("YEAR", "2026"),
        ("QUARTER", "2"),
        ("MONTH", "5"),
        ("DAY", "17"),
        ("HOUR", "13"),
        ("MINUTE", "45"),
        ("SECOND", "56"),
        ("WEEK", "20"),
        ("DOW", "1"),
        ("DOY", "137"),
        ("ISODOW", "7"),
        ("ISOYEAR", "2026"),
        ("MILLISECOND", "789"),
        ("MICROSECOND", "789000"),
        ("NANOSECOND", "789000000"),
        ("EPOCH", "1779025556"),
        ("DECADE", "202"),
        ("CENTURY", "21"),
        ("MILLENNIUM", "3"),
    ] {
        assert_eq!(text_of("EXTRACT", &[c(unit), sunday()]), value, "{unit}");
    }
    all("WEEK", &[(&[date("2021-01-01")], "53"), (&[date("2024-12-30")], "1")]);
    all("DAYOFWEEK", &[(&[date("2026-05-16")], "7"), (&[date("2026-05-17")], "1"), (&[date("2026-05-18")], "2")]);
    assert_eq!(type_of("YEAR", &[sunday()]), "BIGINT NOT NULL");
    assert!(error_of("EXTRACT", &[c("YEAR"), typed("10:00:00", L::Time(0))]).contains("YEAR"));
    assert!(error_of("EXTRACT", &[c("MINUT"), sunday()]).contains("did you mean MINUTE?"));
    assert!(error_of("YEAR", &[c("2026-01-01")]).starts_with("Cannot apply 'YEAR'"));
    assert_eq!(text_in("HOUR", &[instant(1_700_000_000)], Tz::Asia__Kolkata), "3");
}

#[test]
fn floors_and_ceilings() {
    let cases = [
        ("SECOND", "2026-05-17 13:45:56.000", "2026-05-17 13:45:57.000"),
        ("MINUTE", "2026-05-17 13:45:00.000", "2026-05-17 13:46:00.000"),
        ("HOUR", "2026-05-17 13:00:00.000", "2026-05-17 14:00:00.000"),
        ("DAY", "2026-05-17 00:00:00.000", "2026-05-18 00:00:00.000"),
        ("MONTH", "2026-05-01 00:00:00.000", "2026-06-01 00:00:00.000"),
        ("QUARTER", "2026-04-01 00:00:00.000", "2026-07-01 00:00:00.000"),
        ("YEAR", "2026-01-01 00:00:00.000", "2027-01-01 00:00:00.000"),
        ("DECADE", "2020-01-01 00:00:00.000", "2030-01-01 00:00:00.000"),
        ("CENTURY", "2001-01-01 00:00:00.000", "2101-01-01 00:00:00.000"),
        ("MILLISECOND", "2026-05-17 13:45:56.789", "2026-05-17 13:45:56.789"),
    ];
    for (unit, floor, ceiling) in cases {
        assert_eq!(text_of("FLOOR TO", &[sunday(), c(unit)]), floor, "{unit}");
        assert_eq!(text_of("CEIL TO", &[sunday(), c(unit)]), ceiling, "{unit}");
    }
    all(
        "FLOOR TO",
        &[
            (&[ts("2024-02-29 00:00:00"), c("WEEK")], "2024-02-25 00:00:00.000"),
            (&[ts("1969-12-31 22:30:15.500"), c("HOUR")], "1969-12-31 22:00:00.000"),
            (&[ts("1965-06-15 01:02:03"), c("MONTH")], "1965-06-01 00:00:00.000"),
            (&[date("2026-05-17"), c("MONTH")], "2026-05-01"),
            (&[date("2026-05-17"), c("HOUR")], "2026-05-17"),
            (&[typed("13:45:56", L::Time(0)), c("HOUR")], "13:00:00"),
            (&[typed("13:45:56", L::Time(0)), c("DAY")], "13:45:56"),
            (&[typed("2026-05-17 13:45:56.789123", L::Timestamp(6)), c("MILLISECOND")], "2026-05-17 13:45:56.789000"),
            (&[null(L::Timestamp(3)), c("DAY")], "NULL"),
        ],
    );
    all(
        "CEIL TO",
        &[
            (&[ts("2026-05-01 00:00:00"), c("MONTH")], "2026-05-01 00:00:00.000"),
            (&[ts("2025-12-31 23:59:59.999"), c("WEEK")], "2026-01-04 00:00:00.000"),
            (&[sunday(), c("WEEK")], "2026-05-17 00:00:00.000"),
            (&[typed("23:59:59", L::Time(0)), c("HOUR")], "24:00:00"),
            (&[date("2025-12-31"), c("YEAR")], "2026-01-01"),
        ],
    );
    // Flink takes the offset of the time itself for the start of its unit.
    assert_eq!(text_in("FLOOR TO", &[instant(1_774_747_800), c("DAY")], Tz::Europe__Paris), "2026-03-28 23:00:00.000");
    assert_eq!(text_in("FLOOR TO", &[instant(1_700_000_000), c("HOUR")], Tz::Asia__Kolkata), "2023-11-15 03:00:00.000");
    assert!(error_of("FLOOR TO", &[sunday(), c("FORTNIGHT")]).contains("'FORTNIGHT' is not a unit of time"));
}

fn days(n: i64) -> Arg {
    interval(n * 86_400_000)
}

fn interval(millis: i64) -> Arg {
    (
        riverrun_data::DataType::not_null(L::IntervalDayTime),
        crate::eval::Value::scalar(std::sync::Arc::new(arrow::array::DurationMillisecondArray::from(vec![millis]))),
    )
}

fn months(n: i32) -> Arg {
    (
        riverrun_data::DataType::not_null(L::IntervalYearMonth),
        crate::eval::Value::scalar(std::sync::Arc::new(arrow::array::IntervalYearMonthArray::from(vec![n]))),
    )
}

#[test]
fn intervals_move_times() {
    all(
        "+",
        &[
            (&[sunday(), days(1)], "2026-05-18 13:45:56.789"),
            (&[days(1), sunday()], "2026-05-18 13:45:56.789"),
            (&[date("2026-01-31"), months(1)], "2026-02-28"),
            (&[date("2026-05-17"), interval(25 * 3_600_000)], "2026-05-18"),
            (&[typed("23:59:59", L::Time(0)), interval(3_600_000)], "00:59:59"),
            (&[typed("10:00:00", L::Time(0)), months(1)], "10:00:00"),
            (&[interval(86_400_000), interval(7_200_000)], "+1 02:00:00.000"),
            (&[months(12), months(1)], "+1-01"),
            (&[typed("2026-01-01 00:00:00.123456", L::Timestamp(6)), interval(1)], "2026-01-01 00:00:00.124456"),
            (&[null(L::Timestamp(3)), days(1)], "NULL"),
        ],
    );
    all(
        "-",
        &[
            (&[sunday(), interval(90 * 60_000)], "2026-05-17 12:15:56.789"),
            (&[ts("2026-03-31 10:00:00"), months(1)], "2026-02-28 10:00:00.000"),
            (&[months(12), months(1)], "+0-11"),
            (&[date("2026-05-17"), days(2)], "2026-05-15"),
        ],
    );
    all("*", &[(&[days(1), c(2)], "+2 00:00:00.000"), (&[c(2), months(7)], "+1-02")]);
    all("NEG", &[(&[days(1)], "-1 00:00:00.000")]);
    assert_eq!(text_in("+", &[instant(1_774_742_400), days(1)], Tz::Europe__Paris), "2026-03-30 02:00:00.000");
    assert!(error_of("-", &[sunday(), sunday()]).contains("TIMESTAMPDIFF"));
    assert!(error_of("+", &[date("2026-01-01"), c(1)]).starts_with("Cannot apply '+'"));
    assert!(error_of("*", &[days(1), c(1.5)]).starts_with("Cannot apply '*'"));
}

#[test]
fn units_are_added_and_counted() {
    for (unit, n, expected) in [
        ("SECOND", 10, "2026-05-17 13:46:06.789"),
        ("MINUTE", -1, "2026-05-17 13:44:56.789"),
        ("HOUR", 25, "2026-05-18 14:45:56.789"),
        ("WEEK", 1, "2026-05-24 13:45:56.789"),
        ("QUARTER", 1, "2026-08-17 13:45:56.789"),
        ("YEAR", 1, "2027-05-17 13:45:56.789"),
    ] {
        assert_eq!(text_of("TIMESTAMPADD", &[c(unit), c(n), sunday()]), expected, "{unit}");
    }
    all(
        "TIMESTAMPADD",
        &[
            (&[c("MONTH"), c(1), date("2024-02-29")], "2024-03-29"),
            (&[c("HOUR"), c(1), date("2026-05-17")], "2026-05-17 01:00:00.000000"),
            (&[c("SECOND"), c(1), typed("23:59:59", L::Time(0))], "00:00:00"),
            (&[c("DAY"), null(L::Int), sunday()], "NULL"),
        ],
    );
    assert_eq!(type_of("TIMESTAMPADD", &[c("HOUR"), c(1), date("2026-05-17")]), "TIMESTAMP(6) NOT NULL");
    let (a, b) = (|| ts("2026-01-31 10:00:00"), || ts("2026-02-28 09:59:59"));
    for (unit, expected) in
        [("SECOND", "2419199"), ("MINUTE", "40319"), ("HOUR", "671"), ("DAY", "27"), ("MONTH", "0"), ("YEAR", "0")]
    {
        assert_eq!(text_of("TIMESTAMPDIFF", &[c(unit), a(), b()]), expected, "{unit}");
    }
    all(
        "TIMESTAMPDIFF",
        &[
            (&[c("MONTH"), ts("2024-02-29 00:00:00"), ts("2026-02-28 23:00:00")], "24"),
            (&[c("YEAR"), ts("2024-02-29 00:00:00"), ts("2026-02-28 23:00:00")], "2"),
            (&[c("DAY"), ts("2026-01-02 00:00:00"), ts("2026-01-01 00:00:01")], "0"),
            (&[c("WEEK"), date("2026-01-01"), date("2026-01-20")], "2"),
            (&[c("QUARTER"), date("2026-01-01"), date("2026-12-31")], "3"),
            (&[c("DAY"), date("2026-01-01"), ts("2026-01-02 12:00:00")], "1"),
            (&[c("MONTH"), date("2026-03-01"), date("2026-01-31")], "-1"),
        ],
    );
    assert!(error_of("TIMESTAMPDIFF", &[c("DAY"), instant(0), sunday()]).contains("TIMESTAMP_LTZ"));
    assert!(error_of("TIMESTAMPADD", &[c("DAY"), c(1), c("2026-01-01")]).starts_with("Cannot apply 'TIMESTAMPADD'"));
}

#[test]
fn times_are_written_in_patterns() {
    all(
        "DATE_FORMAT",
        &[
            (&[sunday(), c("yyyy-MM-dd HH:mm:ss")], "2026-05-17 13:45:56"),
            (&[c("2026-05-17 13:45:56"), c("yyyy/MM/dd")], "2026/05/17"),
            (&[c("2026-05-17"), c("yyyy")], "NULL"),
            (&[c("x"), c("yyyy")], "NULL"),
        ],
    );
    assert_eq!(
        text_in("DATE_FORMAT", &[instant(0), c("yyyy-MM-dd HH:mm:ss")], Tz::America__New_York),
        "1969-12-31 19:00:00"
    );
    assert!(error_of("DATE_FORMAT", &[sunday(), c("bogus")]).contains("Unknown pattern letter: b"));
    assert!(error_of("DATE_FORMAT", &[date("2026-01-01"), c("yyyy")]).starts_with("Cannot apply 'DATE_FORMAT'"));
    assert_eq!(text_in("FROM_UNIXTIME", &[c(1_700_000_000), c("HH:mm")], Tz::Asia__Tokyo), "07:13");
    assert_eq!(
        text_in("FROM_UNIXTIME", &[c(0), c("yyyy-MM-dd HH:mm:ss z Z X")], Tz::Europe__Paris),
        "1970-01-01 01:00:00 CET +0100 +01"
    );
    all(
        "FROM_UNIXTIME",
        &[(&[c(0)], "1970-01-01 00:00:00"), (&[c(-1)], "1969-12-31 23:59:59"), (&[null(L::BigInt)], "NULL")],
    );
}

#[test]
fn texts_are_read_as_times() {
    all(
        "TO_TIMESTAMP",
        &[
            (&[c("2026-01-02 03:04:05.123456")], "2026-01-02 03:04:05.123"),
            (&[c("2026-01-02")], "2026-01-02 00:00:00.000"),
            (&[c("x")], "NULL"),
            (&[c("2026-01-02T03:04:05")], "NULL"),
            (&[c("20260102"), c("yyyyMMdd")], "2026-01-02 00:00:00.000"),
            (&[c("2026-01-02"), c("dd/MM/yyyy")], "2026-01-02 00:00:00.000"),
        ],
    );
    all(
        "TO_DATE",
        &[
            (&[c("2026-01-02 10:00:00")], "2026-01-02"),
            (&[c("02/01/2026"), c("dd/MM/yyyy")], "2026-01-02"),
            (&[c("2026-02-30")], "NULL"),
        ],
    );
    all(
        "TO_TIMESTAMP_LTZ",
        &[
            (&[c(1_700_000_000_123_i64), c(3)], "2023-11-14 22:13:20.123"),
            (&[c(1_700_000_000_123_i64)], "2023-11-14 22:13:20.123"),
            (&[c(1_700_000_000), c(5)], "1970-01-01 04:43:20.00000"),
            (&[c(1.5), c(0)], "1970-01-01 00:00:01.500"),
            (&[c("02.01.2026"), c("dd.MM.yyyy")], "2026-01-02 00:00:00.000"),
            (&[c("2026-01-02 03:04:05"), c("yyyy-MM-dd HH:mm:ss"), c("Asia/Shanghai")], "2026-01-01 19:04:05.000"),
            (&[c(i64::MAX), c(0)], "NULL"),
        ],
    );
    assert_eq!(type_of("TO_TIMESTAMP_LTZ", &[c(0), c(0)]), "TIMESTAMP_LTZ(3)");
    // A text is read in UTC, and shown in the session's zone.
    assert_eq!(text_in("TO_TIMESTAMP_LTZ", &[c("2026-07-01 00:00:00")], Tz::Europe__Paris), "2026-07-01 02:00:00.000");
    assert!(error_of("TO_TIMESTAMP_LTZ", &[c("x")]).contains("'x'"));
    for (text, seconds) in [
        ("2026-03-29 02:30:00", "1774747800"),
        ("2026-10-25 02:30:00", "1792891800"),
        ("x", "-9223372036854775808"),
        ("2026-01-02", "-9223372036854775808"),
    ] {
        assert_eq!(text_in("UNIX_TIMESTAMP", &[c(text)], Tz::Europe__Paris), seconds);
    }
}

#[test]
fn zones_are_converted() {
    all(
        "CONVERT_TZ",
        &[
            (&[c("1970-01-01 00:00:00"), c("UTC"), c("America/Los_Angeles")], "1969-12-31 16:00:00"),
            (&[c("2026-07-01 12:00:00"), c("Europe/Paris"), c("UTC")], "2026-07-01 10:00:00"),
            (&[c("x"), c("UTC"), c("Asia/Tokyo")], "NULL"),
            (&[c("1970-01-01 00:00:00"), c("UTC"), c("bogus")], "1970-01-01 00:00:00"),
            (&[c("1970-01-01 00:00:00"), c("UTC"), c("GMT+8")], "1970-01-01 08:00:00"),
        ],
    );
}

#[test]
fn the_current_time_is_that_of_the_evaluation() {
    for (name, data_type, text) in [
        ("CURRENT_TIMESTAMP", "TIMESTAMP_LTZ(3) NOT NULL", "2026-05-17 15:45:56.789"),
        ("LOCALTIMESTAMP", "TIMESTAMP(3) NOT NULL", "2026-05-17 15:45:56.789"),
        ("CURRENT_DATE", "DATE NOT NULL", "2026-05-17"),
        ("LOCALTIME", "TIME(0) NOT NULL", "15:45:56"),
        ("UNIX_TIMESTAMP", "BIGINT NOT NULL", "1779025556"),
        ("PROCTIME", "TIMESTAMP_LTZ(3) NOT NULL", "2026-05-17 15:45:56.789"),
    ] {
        assert_eq!(type_of(name, &[]), data_type);
        assert_eq!(text_in(name, &[], Tz::Europe__Paris), text, "{name}");
    }
    assert_eq!(text_of("CURRENT_WATERMARK", &[sunday()]), "1970-01-01 00:00:05.000");
}
