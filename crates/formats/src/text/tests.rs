//! What Java's parsers behind Flink 2.3 accept, and what its printers write: every line was seen there.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn whole_numbers_are_read_as_java_does() {
    let cases: &[(&str, Option<i64>)] = &[
        ("0", Some(0)),
        ("-0", Some(0)),
        ("007", Some(7)),
        ("+12", Some(12)),
        ("12345678", Some(12_345_678)),
        ("-123456789012345678", Some(-123_456_789_012_345_678)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("00000000000000000000001", Some(1)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("", None),
        ("-", None),
        ("1.0", None),
        ("1e2", None),
        ("0x10", None),
        ("1_0", None),
        ("1234567a", None),
        ("12345678a", None),
        ("a2345678", None),
        ("--1", None),
        (" 1", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_i64(text.as_bytes()), *expected, "{text:?}");
    }
    assert_eq!(
        (parse_i8(b"-128"), parse_i8(b"128"), parse_i16(b"32768"), parse_i32(b"2147483648")),
        (Some(-128), None, None, None)
    );
}

#[test]
fn trimming_removes_blanks_and_control_characters() {
    for (text, expected) in [("", ""), (" ", ""), ("\t a b\u{0}\n", "a b"), ("a", "a"), (" a", "a"), ("a ", "a")] {
        assert_eq!(trim(text.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn floating_point_numbers_are_read_as_java_does() {
    let cases: &[(&str, Option<f64>)] = &[
        ("1", Some(1.0)),
        (" 2.5 ", Some(2.5)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("+1e3", Some(1000.0)),
        ("1E-3", Some(0.001)),
        ("1d", Some(1.0)),
        ("1f", Some(1.0)),
        ("-Infinity", Some(f64::NEG_INFINITY)),
        ("1e400", Some(f64::INFINITY)),
        ("1e-400", Some(0.0)),
        ("inf", None),
        ("infinity", None),
        ("nan", None),
        ("", None),
        (" ", None),
        (".", None),
        ("1e", None),
        ("true", None),
        ("1 2", None),
        ("--1", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_f64(text.as_bytes()), *expected, "{text:?}");
    }
    assert!(parse_f64(b"NaN").unwrap().is_nan() && parse_f32(b"NaN").unwrap().is_nan());
    assert_eq!(
        (parse_f32(b"16777217"), parse_f32(b"1e40"), parse_f32(b"1.1")),
        (Some(16_777_216.0), Some(f32::INFINITY), Some(1.1))
    );
}

/// As Java 19 and later; before, some numbers had a digit more than needed.
#[test]
fn floating_point_numbers_are_written_as_java_does() {
    let cases: &[(f64, &str)] = &[
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (2.5, "2.5"),
        (0.001, "0.001"),
        (0.000_99, "9.9E-4"),
        (1e-5, "1.0E-5"),
        (9_999_999.0, "9999999.0"),
        (9_999_999.999, "9999999.999"),
        (1e7, "1.0E7"),
        (1e10, "1.0E10"),
        (123_456_789.125, "1.23456789125E8"),
        (f64::MAX, "1.7976931348623157E308"),
        (4.9e-324, "4.9E-324"),
        (9.9e-324, "9.9E-324"),
        (-1.5e-323, "-1.5E-323"),
        (2.5e-322, "2.5E-322"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (value, expected) in cases {
        let mut out = Vec::new();
        write_f64(&mut out, *value);
        assert_eq!(String::from_utf8(out).unwrap(), *expected);
    }
    for (value, expected) in [
        (1.1_f32, "1.1"),
        (123_456_789.125, "1.2345679E8"),
        (f32::MAX, "3.4028235E38"),
        (1.4e-45, "1.4E-45"),
        (2.8e-45, "2.8E-45"),
    ] {
        let mut out = Vec::new();
        write_f32(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn decimals_are_rounded_half_up_and_null_where_they_do_not_fit() {
    use ParsedDecimal::{OutOfRange, Value};
    let cases: &[(&str, Option<ParsedDecimal>)] = &[
        ("1.234", Some(Value(123))),
        ("1.235", Some(Value(124))),
        ("1.245", Some(Value(125))),
        ("-1.235", Some(Value(-124))),
        ("999.99", Some(Value(99_999))),
        ("999.994", Some(Value(99_999))),
        ("999.995", Some(OutOfRange)),
        ("1000", Some(OutOfRange)),
        ("-1000", Some(OutOfRange)),
        ("1e2", Some(Value(10_000))),
        ("1E+2", Some(Value(10_000))),
        ("1.5e-1", Some(Value(15))),
        ("0.5e-2", Some(Value(1))),
        ("0.4e-2", Some(Value(0))),
        ("5e-3", Some(Value(1))),
        ("5e-9", Some(Value(0))),
        (".5", Some(Value(50))),
        ("5.", Some(Value(500))),
        ("+5", Some(Value(500))),
        ("-.5", Some(Value(-50))),
        ("00012.30", Some(Value(1_230))),
        ("1e400", Some(OutOfRange)),
        ("0e5", Some(Value(0))),
        ("0e2147483647", Some(Value(0))),
        ("0.000000000000000000000000000000000000000000000000000001", Some(Value(0))),
        ("123456789012345678901234567890123456789012345", Some(OutOfRange)),
        ("", None),
        (" 1.2", None),
        ("NaN", None),
        ("--5", None),
        ("1e", None),
        ("1e99999999999", None),
        (".", None),
        ("-", None),
        ("+", None),
        ("1.2.3", None),
        ("e5", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_decimal(text.as_bytes(), 5, 2), *expected, "{text:?}");
    }
    let long = "12345678901234567890.123456789012345678";
    assert_eq!(parse_decimal(long.as_bytes(), 38, 18), Some(Value(12_345_678_901_234_567_890_123_456_789_012_345_678)));
    assert_eq!(parse_decimal(b"99999999999999999999999999999999999999.4", 38, 0), Some(Value(10_i128.pow(38) - 1)));
    assert_eq!(parse_decimal(b"99999999999999999999999999999999999999.5", 38, 0), Some(OutOfRange));
    assert_eq!(parse_decimal(b"0.00000000000000000000000000000000000001", 38, 38), Some(Value(1)));
    assert_eq!(parse_decimal(b"9999999999999999999", 38, 0), Some(Value(9_999_999_999_999_999_999)));
}

#[test]
fn decimals_are_written_plain_or_stripped() {
    let cases: &[(i128, u8, &str, &str)] = &[
        (150, 2, "1.50", "1.5"),
        (10_000, 2, "100.00", "1E+2"),
        (0, 2, "0.00", "0"),
        (0, 0, "0", "0"),
        (100_000, 0, "100000", "1E+5"),
        (123, 0, "123", "123"),
        (-1_200, 0, "-1200", "-1.2E+3"),
        (-120, 2, "-1.20", "-1.2"),
        (10, 10, "0.0000000010", "1E-9"),
        (1_000, 10, "0.0000001000", "1E-7"),
        (10_000, 10, "0.0000010000", "0.000001"),
        (12_340, 10, "0.0000012340", "0.000001234"),
        (1_234, 10, "0.0000001234", "1.234E-7"),
        (-1, 38, "-0.00000000000000000000000000000000000001", "-1E-38"),
    ];
    for (unscaled, scale, plain, stripped) in cases {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        write_decimal(&mut a, *unscaled, *scale);
        write_decimal_stripped(&mut b, *unscaled, *scale);
        assert_eq!(
            (String::from_utf8(a).unwrap().as_str(), String::from_utf8(b).unwrap().as_str()),
            (*plain, *stripped)
        );
    }
}

#[test]
fn calendar_days_go_there_and_back() {
    for days in (-1_000_000..1_000_000).step_by(37) {
        let (year, month, day) = civil_from_days(days);
        assert_eq!(days_from_civil(year, month, day), days);
        assert!(day <= days_in_month(year, month));
    }
    assert_eq!(civil_from_days(0), (1970, 1, 1));
}

fn parse(text: &str, iso: bool, zone: bool, precision: u8) -> Option<String> {
    let value = TimestampParser::new(TimestampForm { iso, zone }, precision).parse(text.as_bytes())?;
    let mut out = Vec::new();
    write_timestamp(&mut out, Moment::of_value(value, precision), b' ');
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn timestamps_are_read_as_flinks_sql_form() {
    let cases: &[(&str, &str)] = &[
        ("2020-01-01 12:34:56", "2020-01-01 12:34:56"),
        ("2020-01-01 12:34:56.1", "2020-01-01 12:34:56.1"),
        ("2020-01-01 12:34:56.123456789", "2020-01-01 12:34:56.123456789"),
        ("2020-01-01 12:34:56.", "2020-01-01 12:34:56"),
        ("2020-02-30 00:00:00", "2020-02-29 00:00:00"),
        ("1900-02-29 12:34:56", "1900-02-28 12:34:56"),
        ("2020-01-01 24:00:00", "2020-01-02 00:00:00"),
        ("2020-01-01 24:00:00.0", "2020-01-02 00:00:00"),
        ("1969-12-31 23:59:59.999", "1969-12-31 23:59:59.999"),
        ("1700-01-01 00:00:00", "1700-01-01 00:00:00"),
        ("2020-01-01 12:34:56.1234567891", ""),
        ("2020-01-01 12:34", ""),
        ("2020-01-01T12:34:56", ""),
        ("2020-01-01", ""),
        ("2020-1-1 1:2:3", ""),
        (" 2020-01-01 12:34:56", ""),
        ("2020-01-01 12:34:56Z", ""),
        ("2020-13-30 00:00:00", ""),
        ("2020-00-01 00:00:00", ""),
        ("2020-01-00 00:00:00", ""),
        ("2020-01-32 00:00:00", ""),
        ("2020-01-01 12:60:00", ""),
        ("2020-01-01 12:34:60", ""),
        ("2020-01-01 24:00:01", ""),
        ("2020-01-01 24:00:00.1", ""),
        ("2020-01-01 25:00:00", ""),
        ("20-01-01 00:00:00", ""),
        ("10000-01-01 00:00:00", ""),
        ("+2020-01-01 00:00:00", ""),
        ("2020-01-01 12:34:56.123abc", ""),
        ("2020-01-01 12:34:56,1", ""),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text, false, false, 9).unwrap_or_default(), *expected, "{text:?}");
    }
}

#[test]
fn timestamps_far_away_fit_milliseconds_but_not_nanoseconds() {
    for (text, expected) in [
        ("0001-01-01 00:00:00", "0001-01-01 00:00:00"),
        ("9999-12-31 23:59:59.999", "9999-12-31 23:59:59.999"),
        ("+12020-01-01 00:00:00", "+12020-01-01 00:00:00"),
        ("-0001-01-02 00:00:00", "-0001-01-02 00:00:00"),
        ("0000-01-01 00:00:00", "0000-01-01 00:00:00"),
        ("-2020-01-01 12:34:56", "-2020-01-01 12:34:56"),
        ("+200000000-01-01 00:00:00", "+200000000-01-01 00:00:00"),
    ] {
        assert_eq!(parse(text, false, false, 3).as_deref(), Some(expected));
        assert_eq!(parse(text, false, false, 9), None);
    }
    for text in
        ["-0000-01-01 00:00:00", "+999999999-01-01 00:00:00", "+9999999999-01-01 00:00:00", "12020-01-01 00:00:00"]
    {
        assert_eq!(parse(text, false, false, 3), None);
    }
}

#[test]
fn timestamps_are_read_in_iso_form_and_with_a_zone() {
    let cases: &[(&str, bool, bool, &str)] = &[
        ("2020-01-01T12:34:56.5", true, false, "2020-01-01 12:34:56.5"),
        ("2020-01-01t12:34:56", true, false, "2020-01-01 12:34:56"),
        ("2020-01-01T12:34", true, false, "2020-01-01 12:34:00"),
        ("2020-01-01 12:34:56", true, false, ""),
        ("2020-01-01T12:34:56Z", true, false, ""),
        ("2020-02-30T12:34:56", true, false, ""),
        ("2020-01-01T24:00:00", true, false, ""),
        ("2020-01-01T24:00", true, false, ""),
        ("2020-02-30T12:34:56Z", true, true, "2020-02-29 12:34:56"),
        ("2020-01-01T24:00Z", true, true, "2020-01-02 00:00:00"),
        ("2020-01-01t12:34:56Z", true, true, ""),
        ("2020-01-01T12:34Z", true, true, "2020-01-01 12:34:00"),
        ("2020-01-01T12:34:56.1Z", true, true, "2020-01-01 12:34:56.1"),
        ("2020-01-01T12:34:56", true, true, ""),
        ("2020-01-01 12:34:56Z", false, true, "2020-01-01 12:34:56"),
        ("2020-01-01 12:34:56.123Z", false, true, "2020-01-01 12:34:56.123"),
        ("2020-01-01 12:34:56.Z", false, true, "2020-01-01 12:34:56"),
        ("2020-01-01 12:34:56", false, true, ""),
        ("2020-01-01 12:34:56z", false, true, ""),
        ("2020-01-01 12:34:56+00:00", false, true, ""),
        ("2020-01-01 12:34Z", false, true, ""),
    ];
    for (text, iso, zone, expected) in cases {
        assert_eq!(parse(text, *iso, *zone, 3).unwrap_or_default(), *expected, "{text:?}");
    }
}

#[test]
fn digits_behind_the_precision_are_cut() {
    for (precision, expected) in
        [(0, "12:34:56"), (1, "12:34:56.9"), (3, "12:34:56.987"), (5, "12:34:56.98765"), (9, "12:34:56.987654321")]
    {
        let read = parse("1960-01-01 12:34:56.987654321", false, false, precision);
        assert_eq!(read, Some(format!("1960-01-01 {expected}")));
    }
}

#[test]
fn a_parser_does_not_mistake_the_next_date_for_the_last() {
    let mut parser = TimestampParser::new(TimestampForm { iso: false, zone: false }, 0);
    let days = ["1970-01-02", "1970-01-02", "1970-01-03", "1970-13-01", "1970-01-03", "1970-01-01"];
    let read = days.map(|day| parser.parse(format!("{day} 00:00:00").as_bytes()).map(|millis| millis / 86_400_000));
    assert_eq!(read, [Some(1), Some(1), Some(2), None, Some(2), Some(0)]);
}

#[test]
fn dates_are_read_strictly_for_json_and_leniently_for_csv() {
    let cases: &[(&str, Option<i32>, Option<i32>)] = &[
        ("2020-01-01", Some(18_262), Some(18_262)),
        ("2020-1-1", None, Some(18_262)),
        ("2020-02-29", Some(18_321), Some(18_321)),
        ("2020-02-30", None, Some(18_322)),
        ("2021-02-29", None, Some(18_687)),
        ("2020-04-31", None, Some(18_383)),
        ("0001-01-01", Some(-719_162), Some(-719_162)),
        ("9999-12-31", Some(2_932_896), Some(2_932_896)),
        ("+12020-01-01", Some(3_670_687), None),
        ("-0001-01-01", Some(-719_893), None),
        ("0000-01-01", Some(-719_528), Some(-719_528)),
        ("2020-13-01", None, None),
        ("2020-00-01", None, None),
        ("2020-01-00", None, None),
        ("2020-01-32", None, None),
        ("2020-01-001", None, None),
        (" 2020-01-01", None, None),
        ("2020-01-01 ", None, None),
        ("20-01-01", None, None),
        ("10000-01-01", None, None),
        ("2020-01-01T00:00:00", None, None),
        ("", None, None),
    ];
    for (text, json, csv) in cases {
        assert_eq!((parse_date(text.as_bytes()), parse_sql_date(text.as_bytes())), (*json, *csv), "{text:?}");
    }
}

#[test]
fn times_need_seconds_in_json_but_not_in_csv() {
    const MILLI: i64 = 1_000_000;
    let cases: &[(&str, Option<i64>, Option<i64>)] = &[
        ("12:34:56", Some(45_296_000 * MILLI), Some(45_296_000 * MILLI)),
        ("12:34:56.789", Some(45_296_789 * MILLI), Some(45_296_789 * MILLI)),
        ("12:34:56.", Some(45_296_000 * MILLI), Some(45_296_000 * MILLI)),
        ("12:34", None, Some(45_240_000 * MILLI)),
        ("24:00:00", Some(0), None),
        ("23:59:60", None, None),
        ("1:2:3", None, None),
        (" 12:34:56", None, None),
        ("12:34:56Z", None, None),
        ("12:34:56.1234567890", None, None),
        ("", None, None),
    ];
    for (text, json, csv) in cases {
        assert_eq!((parse_time(text.as_bytes(), true), parse_time(text.as_bytes(), false)), (*json, *csv), "{text:?}");
    }
}

#[test]
fn base64_needs_padding_and_skips_blanks() {
    let cases: &[(&str, Option<&[u8]>)] = &[
        ("", Some(b"")),
        ("aGVsbG8=", Some(b"hello")),
        ("aGVs bG8=", Some(b"hello")),
        ("aGVs\nbG8=", Some(b"hello")),
        ("aGVsbG==", Some(b"hell")),
        (" aGVsbG8= ", Some(b"hello")),
        ("aGV sbG8=", None),
        ("aGVsbG8", None),
        ("!!", None),
        ("aGVsbG8-_w==", None),
        ("a", None),
        ("====", None),
        ("aG=a", None),
    ];
    for (text, expected) in cases {
        let mut out = b"kept".to_vec();
        let read = decode_base64(text.as_bytes(), &mut out);
        assert_eq!(read.map(|()| &out[4..]), *expected, "{text:?}");
        assert!(read.is_some() || out == b"kept");
    }
    for length in 0..20_u8 {
        let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(73)).collect();
        let (mut text, mut back) = (Vec::new(), Vec::new());
        write_base64(&mut text, &bytes);
        assert!(decode_base64(&text, &mut back).is_some());
        assert_eq!(back, bytes);
    }
}
