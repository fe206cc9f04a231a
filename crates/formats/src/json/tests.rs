//! Every line was seen in Flink 2.3's own classes, unless its test says that we differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use riverrun_data::{DataType, LogicalType as T, RowField};

use crate::testing::{Table, array, column, map, not_null, show};

fn table(options: &[(&str, &str)], columns: &[RowField]) -> Table {
    Table::new("json", options, columns)
}

fn abc() -> Vec<RowField> {
    vec![column("a", T::Int), column("b", T::STRING), column("c", T::Double)]
}

#[test]
fn fields_are_found_by_name_in_any_order() {
    table(&[], &abc()).reads(&[
        (r#"{"a":1,"b":"x","c":2.5}"#, "(1 | 'x' | 2.5)"),
        (r#"{"c":2.5,"b":"x","a":1}"#, "(1 | 'x' | 2.5)"),
        (r#"  {  "a" : 1 , "b" : "x" }  "#, "(1 | 'x' | NULL)"),
        (r#"{"\u0061":1}"#, "(1 | NULL | NULL)"),
        (r#"{"A":1}"#, "(NULL | NULL | NULL)"),
        ("{}", "(NULL | NULL | NULL)"),
        (r#"{"a":1,"a":2}"#, "(2 | NULL | NULL)"),
        (r#"{"a":1,"z":{"deep":[1,{"x":"}"}]},"b":"x"}"#, "(1 | 'x' | NULL)"),
        ("\u{feff}{\"a\":1}", "(1 | NULL | NULL)"),
    ]);
    let mut decoder = table(&[], &abc()).decoder();
    let messages: [&[u8]; 5] = [
        br#"{"a":1,"b":"x"}"#,
        br#"{"b":"y","a":2}"#,
        br#"{"aa":9,"a":3,"bb":9,"b":"z"}"#,
        br#"{"a\"":9,"a":4}"#,
        br#"{"b":"w","a":5}"#,
    ];
    let rows = decoder.decode(&messages).unwrap().rows;
    assert_eq!(show(&rows), "(1 | 'x' | NULL) (2 | 'y' | NULL) (3 | 'z' | NULL) (4 | NULL | NULL) (5 | 'w' | NULL)");
}

#[test]
fn names_that_begin_alike_are_told_apart_in_any_order() {
    let names = ["a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghij", ""];
    let columns: Vec<RowField> = names.iter().map(|name| column(name, T::Int)).collect();
    let mut decoder = table(&[], &columns).decoder();
    let expected = |shown: &[usize]| {
        let values = (0..names.len()).map(|n| if shown.contains(&n) { n.to_string() } else { "NULL".into() });
        format!("({})", values.collect::<Vec<_>>().join(" | "))
    };
    for order in [&[0, 1, 2, 3, 4, 5, 6][..], &[6, 5, 4, 3, 2, 1, 0], &[3, 4, 2], &[1, 0], &[0], &[6], &[4], &[5], &[3]]
    {
        let fields: Vec<String> = order.iter().map(|n| format!("\"{}\":{n}", names[*n])).collect();
        let message = format!("{{{}}}", fields.join(","));
        // Twice, so that the second finds the order remembered.
        let rows = decoder.decode(&[message.as_bytes(), message.as_bytes()]).unwrap().rows;
        assert_eq!(show(&rows), format!("{0} {0}", expected(order)));
    }
}

#[test]
fn the_last_value_of_a_name_counts_even_behind_other_columns_where_flink_stops() {
    table(&[], &abc()).reads(&[(r#"{"a":1,"a":2,"b":"x","c":1}"#, "(2 | 'x' | 1.0)")]);
}

#[test]
fn a_message_holds_one_object_or_an_array_of_objects() {
    table(&[], &abc()).reads(&[
        ("", ""),
        ("[]", ""),
        (r#"[{"a":1},{"a":2}]"#, "(1 | NULL | NULL) (2 | NULL | NULL)"),
        (r#"{"a":1} {"a":2}"#, "(1 | NULL | NULL)"),
        (r#"{"a":1}xyz"#, "(1 | NULL | NULL)"),
        (" ", "!"),
        ("null", "!"),
        ("1", "!"),
        ("\"x\"", "!"),
        (r#"[{"a":1},2]"#, "!"),
        ("[[{\"a\":1}]]", "!"),
    ]);
    let decoded = table(&[], &abc()).decoder().decode(&[b"{}", b"", b"[{},{}]", b"{}"]).unwrap();
    assert_eq!((decoded.messages, decoded.skipped), (Some(vec![0, 2, 2, 3]), 0));
    table(&[("ignore-parse-errors", "true")], &abc())
        .reads(&[(r#"[{"a":1},5,{"a":2}]"#, "(1 | NULL | NULL) (2 | NULL | NULL)")]);
}

#[test]
fn what_is_no_json_is_refused() {
    for message in [
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        "{'a':1}",
        "{a:1}",
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":5.}"#,
        r#"{"a":-}"#,
        r#"{"a":NaN}"#,
        r#"{"z":tru}"#,
        r#"{"a":1,"b":"x","c":2.5,"z":"#,
        r#"{"a":1,"z":nul}"#,
        r#"{"a":1]"#,
        r#"{"a" 12}"#,
        r#"{"a":}"#,
        r#"{,"a":1}"#,
        r#"{"b":"x",,"c":1}"#,
        r#"{"b":truefalse}"#,
        r#"{"b":nulll}"#,
        r#"{"b":1x}"#,
        r#"{"z":[1,]}"#,
        r#"{"z":{"a"}}"#,
        r#"{"z":{"a":1,}}"#,
        r#"{"z":[1}"#,
        r#"/*c*/{"b":1}"#,
        r#"{"b":"x"#,
        r#"{"b":"\x"}"#,
        r#"{"z":"\u12"}"#,
        r#"{"z":["\u+123"]}"#,
        r#"{"b":"\"#,
        "{",
        "[",
        "abc",
    ] {
        let error = table(&[], &abc()).read(message.as_bytes());
        assert!(error.starts_with("the message is no JSON: expected "), "{message}: {error}");
        table(&[("ignore-parse-errors", "true")], &abc()).reads(&[(message, "-")]);
    }
    let error = table(&[], &abc()).read(br#"{"a":1 "b":2}"#);
    assert_eq!(error, r#"the message is no JSON: expected ',' or '}' at byte 7 (message: '{"a":1 "b":2}')"#);
    let deep = format!("{{\"z\":{}{}}}", "[".repeat(1001), "]".repeat(1001));
    assert!(table(&[], &abc()).read(deep.as_bytes()).contains("1000 levels"));
}

#[test]
fn values_are_taken_leniently() {
    table(&[], &abc()).reads(&[
        (r#"{"a":"1","b":2,"c":"2.5"}"#, "(1 | '2' | 2.5)"),
        (r#"{"a":" 1 ","b":true,"c":" 2.5 "}"#, "(1 | 'true' | 2.5)"),
        (r#"{"a":1.9,"b":1.50,"c":1}"#, "(1 | '1.50' | 1.0)"),
        (r#"{"a":-1.9,"b":1E+2,"c":1e2}"#, "(-1 | '1E+2' | 100.0)"),
        (r#"{"a":1e2,"b":null,"c":null}"#, "(100 | NULL | NULL)"),
        (r#"{"a":-0,"c":-0}"#, "(0 | NULL | -0.0)"),
        (r#"{"a":"+1","c":"1d"}"#, "(1 | NULL | 1.0)"),
        (r#"{"c":"NaN"}"#, "(NULL | NULL | NaN)"),
        (r#"{"c":1e400}"#, "(NULL | NULL | Infinity)"),
        (r#"{"a":"1.5"}"#, "!"),
        (r#"{"a":2147483648}"#, "!"),
        (r#"{"a":99999999999999999999}"#, "!"),
        (r#"{"a":true}"#, "!"),
        (r#"{"a":""}"#, "!"),
        (r#"{"a":[1]}"#, "!"),
        (r#"{"a":{"x":1}}"#, "!"),
        (r#"{"c":true}"#, "!"),
        (r#"{"c":[]}"#, "!"),
    ]);
    assert_eq!(table(&[], &abc()).read(br#"{"a":"abc"}"#), "cannot read 'abc' as INT (column: a)");
    table(&[], &[column("a", T::TinyInt), column("b", T::SmallInt), column("c", T::BigInt), column("d", T::Float)])
        .reads(&[
            (r#"{"a":127,"b":32767,"c":9223372036854775807,"d":1.1}"#, "(127 | 32767 | 9223372036854775807 | 1.1)"),
            (r#"{"a":"1","c":1.9,"d":16777217}"#, "(1 | NULL | 1 | 1.6777216E7)"),
            (r#"{"c":9007199254740993.0,"d":1e40}"#, "(NULL | NULL | 9007199254740992 | Infinity)"),
            (r#"{"a":128}"#, "!"),
            (r#"{"a":1.5}"#, "!"),
            (r#"{"b":1.5}"#, "!"),
            (r#"{"c":9223372036854775808}"#, "!"),
            (r#"{"c":1e30}"#, "!"),
        ]);
    table(&[], &[column("a", T::Boolean)]).reads(&[
        (r#"{"a":true}"#, "(true)"),
        (r#"{"a":" TRUE "}"#, "(true)"),
        (r#"{"a":1}"#, "(false)"),
        (r#"{"a":"x"}"#, "(false)"),
    ]);
    table(&[], &[column("d", T::Decimal(5, 2))]).reads(&[
        (r#"{"d":1.235}"#, "(1.24)"),
        (r#"{"d":" 1.2 "}"#, "(1.20)"),
        (r#"{"d":1e2}"#, "(100.00)"),
        (r#"{"d":1000}"#, "(NULL)"),
        (r#"{"d":"x"}"#, "!"),
        (r#"{"d":true}"#, "!"),
        (r#"{"d":""}"#, "!"),
    ]);
    table(&[], &[column("i", T::IntervalYearMonth), column("j", T::IntervalDayTime)])
        .reads(&[(r#"{"i":12,"j":"1000"}"#, "(12 | 1000)")]);
}

#[test]
fn strings_have_escapes_and_take_any_value() {
    table(&[], &[column("b", T::STRING)]).reads(&[
        (r#"{"b":"a\u00e9\n\"\/\ud83d\ude00\b\f\r\t\\"}"#, "('aé\n\"/😀\u{8}\u{c}\r\t\\')"),
        (r#"{"b":"\ud83d"}"#, "('?')"),
        (r#"{"b":"\ud83dx\ude00"}"#, "('?x?')"),
        ("{\"b\":\"a\tb\nc\"}", "('a\tb\nc')"),
        (r#"{"b":"12345678\"2345678\\"}"#, "('12345678\"2345678\\')"),
        (r#"{"b":{"x":1, "y" : [1, 2.50,"z"]}}"#, r#"('{"x":1,"y":[1,2.5,"z"]}')"#),
        (
            r#"{"b":[1.0,1e5,100000000000000000000,-0,-0.0,12345678901234567890.5,1e400,"é\u0001\/😀"]}"#,
            r#"('[1.0,100000.0,100000000000000000000,0,-0.0,1.2345678901234567E19,"Infinity","é\u0001/😀"]')"#,
        ),
        (r#"{"b":123456789012345678901234567890.10}"#, "('123456789012345678901234567890.10')"),
        (r#"{"b":"\x"}"#, "!"),
        (r#"{"b":"\u12"}"#, "!"),
        (r#"{"b":"\u+123"}"#, "!"),
    ]);
    assert_eq!(
        table(&[], &[column("b", T::STRING)]).read(b"{\"b\":\"\xFF\"}"),
        "'\u{fffd}' is not valid UTF-8 (column: b)"
    );
    table(&[], &[column("c", T::Char(3)), column("v", T::VarChar(3)), column("x", T::Binary(2))]).reads(&[
        (r#"{"c":"a","v":"abcdef","x":"aGVs\nbG8="}"#, "('a' | 'abcdef' | x'68656c6c6f')"),
        (r#"{"x":"!!"}"#, "!"),
        (r#"{"x":1}"#, "!"),
    ]);
}

#[test]
fn dates_and_times_follow_the_standard_that_is_chosen() {
    let columns =
        [column("d", T::Date), column("m", T::Time(3)), column("t", T::Timestamp(3)), column("l", T::TimestampLtz(3))];
    table(&[], &columns).reads(&[
        (
            r#"{"d":"2020-01-01","m":"12:34:56.7891","t":"2020-01-01 12:34:56.123","l":"2020-01-01 12:34:56.1Z"}"#,
            "(2020-01-01 | 12:34:56.789 | 2020-01-01T12:34:56.123 | 2020-01-01T12:34:56.1)",
        ),
        (r#"{"m":"24:00:00","t":"2020-02-30 12:34:56"}"#, "(NULL | 00:00:00 | 2020-02-29T12:34:56 | NULL)"),
        (r#"{"d":"2020-02-30"}"#, "!"),
        (r#"{"d":18262}"#, "!"),
        (r#"{"m":"12:34"}"#, "!"),
        (r#"{"t":"2020-01-01T12:34:56"}"#, "!"),
        (r#"{"t":" 2020-01-01 12:34:56"}"#, "!"),
        (r#"{"t":1577882096000}"#, "!"),
        (r#"{"l":"2020-01-01 12:34:56"}"#, "!"),
    ]);
    table(&[("timestamp-format.standard", "ISO-8601")], &columns).reads(&[
        (
            r#"{"t":"2020-01-01T12:34:56.5","l":"2020-01-01T12:34Z","m":"12:34:56"}"#,
            "(NULL | 12:34:56 | 2020-01-01T12:34:56.5 | 2020-01-01T12:34:00)",
        ),
        (r#"{"t":"2020-01-01 12:34:56"}"#, "!"),
    ]);
}

#[test]
fn a_time_keeps_its_digits_where_flink_keeps_three() {
    table(&[], &[column("a", T::Time(0)), column("b", T::Time(9))])
        .reads(&[(r#"{"a":"12:34:56.789","b":"12:34:56.789123456"}"#, "(12:34:56 | 12:34:56.789123456)")]);
}

#[test]
fn nested_values_are_read_into_nested_columns() {
    let row = T::Row(vec![column("x", T::Int), column("y", T::Row(vec![column("z", T::STRING)]))]);
    table(&[], &[column("r", row)]).reads(&[
        (r#"{"r":{"x":1,"y":{"z":"q"}}}"#, "((1 | ('q')))"),
        (r#"{"r":{"y":{}}}"#, "((NULL | (NULL)))"),
        (r#"{"r":null}"#, "(NULL)"),
        ("{}", "(NULL)"),
        (r#"{"r":[1]}"#, "!"),
        (r#"{"r":1}"#, "!"),
    ]);
    table(&[], &[column("a", array(T::Int)), column("s", array(T::STRING))]).reads(&[
        (r#"{"a":[1,2,null],"s":["x",1,true,null,[1 , 2]]}"#, "([1, 2, NULL] | ['x', '1', 'true', NULL, '[1,2]'])"),
        (r#"{"a":[],"s":null}"#, "([] | NULL)"),
        (r#"{"a":1}"#, "!"),
        (r#"{"a":[1,"x"]}"#, "!"),
    ]);
    table(&[], &[column("m", map(T::Int)), column("s", T::Multiset(Box::new(DataType::not_null(T::STRING))))]).reads(
        &[
            (r#"{"m":{"a":1,"b":null},"s":{"a":1,"b":2}}"#, "({'a'=1, 'b'=NULL} | {'a'=1, 'b'=2})"),
            (r#"{"m":{"a":1,"b":3,"\u0061":2},"s":{}}"#, "({'a'=2, 'b'=3} | {})"),
            (r#"{"m":[]}"#, "!"),
        ],
    );
    table(&[], &[column("m", map(array(T::Row(vec![column("a", T::Int)]))))])
        .reads(&[(r#"{"m":{"k":[{"a":1},null,{}]}}"#, "({'k'=[(1), NULL, (NULL)]})")]);
    assert_eq!(
        table(&[], &[column("r", T::Row(vec![column("x", T::Int)]))]).read(br#"{"r":{"x":"q"}}"#),
        "cannot read 'q' as INT (column: r.x)"
    );
}

#[test]
fn missing_fields_are_null_or_refused() {
    let strict = table(
        &[("fail-on-missing-field", "true")],
        &[column("a", T::Int), column("r", T::Row(vec![column("x", T::Int), column("y", T::Int)]))],
    );
    strict.reads(&[(r#"{"a":1,"r":null}"#, "(1 | NULL)"), (r#"{"a":1}"#, "!"), (r#"{"a":1,"r":{"x":1}}"#, "!")]);
    assert_eq!(strict.read(br#"{"a":1,"r":{"x":1}}"#), "the field is missing (column: r.y)");
}

#[test]
fn a_column_that_is_not_null_takes_none() {
    let columns = [not_null("a", T::Int), column("b", T::STRING)];
    assert_eq!(
        table(&[], &columns).read(br#"{"b":"x"}"#),
        "NULL in a column that is NOT NULL (column: a, type: INT NOT NULL)"
    );
    table(&[("ignore-parse-errors", "true")], &columns).reads(&[
        (r#"{"b":"x"}"#, "-"),
        (r#"{"a":"q"}"#, "-"),
        (r#"{"a":1}"#, "(1 | NULL)"),
    ]);
    let nested = [column(
        "r",
        T::Row(vec![
            not_null("x", T::Int),
            not_null("s", T::STRING),
            not_null("a", array(T::Int)),
            not_null("m", map(T::Int)),
        ]),
    )];
    table(&[], &nested).reads(&[
        (r#"{"r":null}"#, "(NULL)"),
        (r#"{"r":{}}"#, "!"),
        (r#"{"r":{"x":1,"s":"","a":[],"m":{}}}"#, "((1 | '' | [] | {}))"),
    ]);
}

#[test]
fn ignoring_errors_makes_values_null_and_skips_messages() {
    table(&[("ignore-parse-errors", "true")], &abc()).reads(&[
        (r#"{"a":"x","b":"y","c":1}"#, "(NULL | 'y' | 1.0)"),
        (r#"{"a":[1],"b":"y"}"#, "(NULL | 'y' | NULL)"),
        (r#"{"a":"x","b":"y""#, "-"),
    ]);
    assert_eq!(table(&[("ignore-parse-errors", "true")], &abc()).read(b"{\"a\":1,\"b\":\"\xFF\"}"), "-");
    table(&[("ignore-parse-errors", "true")], &[column("m", map(T::Int)), column("x", T::Int)])
        .reads(&[(r#"{"m":{"a":"x","b":2},"x":1}"#, "({'a'=NULL, 'b'=2} | 1)"), (r#"{"m":[1],"x":1}"#, "(NULL | 1)")]);
    table(&[("ignore-parse-errors", "true")], &[column("a", array(T::Int)), column("x", T::Int)])
        .reads(&[(r#"{"a":[1,"z",4],"x":1}"#, "([1, NULL, 4] | 1)")]);
}

#[test]
fn after_a_value_of_the_wrong_kind_the_next_is_read_where_flink_loses_its_place() {
    let lenient = table(&[("ignore-parse-errors", "true")], &[column("a", T::Int), column("b", T::STRING)]);
    lenient.reads(&[(r#"{"a":{"b":"q"},"b":"y"}"#, "(NULL | 'y')")]);
    let row = T::Row(vec![column("p", T::Int)]);
    table(&[("ignore-parse-errors", "true")], &[column("r", row), column("x", T::Int)])
        .reads(&[(r#"{"r":[1,2],"x":1}"#, "(NULL | 1)")]);
}

#[test]
fn the_first_message_that_cannot_be_read_is_named() {
    let mut decoder = table(&[], &abc()).decoder();
    let error = decoder.decode(&[b"{}", b"", b"[{},{},{}]", br#"{"c":"q"}"#, br#"{"a":"q"}"#, b"{"]).unwrap_err();
    assert_eq!((error.message, error.error.to_string().as_str()), (3, "cannot read 'q' as DOUBLE (column: c)"));
    let error = decoder.decode(&[b"{}", b"{", br#"{"a":"q"}"#]).unwrap_err();
    assert_eq!(error.message, 1);
    assert_eq!(decoder.decode(&[b"{}"]).unwrap().rows.num_rows(), 1);
}

#[test]
fn lines_of_a_file_are_messages() {
    assert_eq!(table(&[], &abc()).read_file(b"{\"a\":1}\r\n\n{\"a\":2}"), "(1 | NULL | NULL) (2 | NULL | NULL)");
}

#[test]
fn texts_are_escaped_as_jackson_does() {
    table(&[], &[column("b", T::STRING)]).writes(&[
        (r#"{"b":"x\"y\\z\n\t\u0001é/"}"#, r#"{"b":"x\"y\\z\n\t\u0001é/"}"#),
        (r#"{"b":"\b\f\r\u001f"}"#, r#"{"b":"\b\f\r\u001F"}"#),
        (r#"{"b":"😀"}"#, r#"{"b":"\uD83D\uDE00"}"#),
        ("{\"b\":\"\u{7f}\u{2028}<>&'\"}", "{\"b\":\"\u{7f}\u{2028}<>&'\"}"),
        ("{}", r#"{"b":null}"#),
    ]);
    table(&[], &[column("a\"b", T::Int)]).writes(&[(r#"{"a\"b":1}"#, r#"{"a\"b":1}"#)]);
}

#[test]
fn numbers_are_written_as_java_does() {
    table(&[], &[column("c", T::Double), column("f", T::Float)]).writes(&[
        (r#"{"c":1e10,"f":1e10}"#, r#"{"c":1.0E10,"f":1.0E10}"#),
        (r#"{"c":0.001,"f":1e-5}"#, r#"{"c":0.001,"f":1.0E-5}"#),
        (r#"{"c":"NaN","f":"-Infinity"}"#, r#"{"c":"NaN","f":"-Infinity"}"#),
        (r#"{"c":-0.0,"f":1.1}"#, r#"{"c":-0.0,"f":1.1}"#),
    ]);
    let columns = [column("d", T::Decimal(10, 2)), column("e", T::Decimal(38, 0)), column("h", T::Decimal(20, 10))];
    let row = r#"{"d":100,"e":100000,"h":0.0000001}"#;
    table(&[], &columns).writes(&[
        (row, r#"{"d":1E+2,"e":1E+5,"h":1E-7}"#),
        (r#"{"d":0,"e":123,"h":0.5}"#, r#"{"d":0,"e":123,"h":0.5}"#),
    ]);
    table(&[("encode.decimal-as-plain-number", "true")], &columns)
        .writes(&[(row, r#"{"d":100.00,"e":100000,"h":0.0000001000}"#)]);
    table(&[], &[column("i", T::IntervalYearMonth), column("j", T::IntervalDayTime), column("s", T::TinyInt)])
        .writes(&[(r#"{"i":12,"j":1000,"s":-1}"#, r#"{"i":12,"j":1000,"s":-1}"#)]);
}

#[test]
fn dates_and_times_are_written_without_trailing_zeros() {
    let columns = [
        column("d", T::Date),
        column("t", T::Time(3)),
        column("a", T::Timestamp(0)),
        column("b", T::Timestamp(3)),
        column("e", T::Timestamp(9)),
        column("l", T::TimestampLtz(3)),
    ];
    let row = r#"{"d":"2020-01-02","t":"12:34:56.780","a":"2020-01-02 12:34:00","b":"2020-01-02 12:34:56.100","e":"2020-01-02 12:34:00.000000001","l":"2020-01-02 12:34:56.1Z"}"#;
    table(&[], &columns).writes(&[(
        row,
        r#"{"d":"2020-01-02","t":"12:34:56.78","a":"2020-01-02 12:34:00","b":"2020-01-02 12:34:56.1","e":"2020-01-02 12:34:00.000000001","l":"2020-01-02 12:34:56.1Z"}"#,
    )]);
    table(&[("timestamp-format.standard", "ISO-8601")], &columns)
        .reads(&[("{}", "(NULL | NULL | NULL | NULL | NULL | NULL)")]);
    let iso = table(&[("timestamp-format.standard", "ISO-8601")], &columns[3..]);
    let rows = table(&[], &columns[3..]).decoder().decode(&[row.as_bytes()]).unwrap().rows;
    assert_eq!(
        iso.write(rows).unwrap(),
        [r#"{"b":"2020-01-02T12:34:56.1","e":"2020-01-02T12:34:00.000000001","l":"2020-01-02T12:34:56.1Z"}"#]
    );
}

#[test]
fn nested_values_are_written_and_nulls_left_out_on_demand() {
    let row = T::Row(vec![column("x", T::Int), column("y", T::STRING)]);
    let columns = [
        column("r", row),
        column("a", array(T::Int)),
        column("m", map(T::Int)),
        column("b", T::BYTES),
        column("o", T::Boolean),
    ];
    let message = r#"{"r":{"x":1},"a":[1,null],"m":{"k":1,"j":null},"b":"aGVsbG8=","o":true}"#;
    table(&[], &columns).writes(&[
        (message, r#"{"r":{"x":1,"y":null},"a":[1,null],"m":{"k":1,"j":null},"b":"aGVsbG8=","o":true}"#),
        ("{}", r#"{"r":null,"a":null,"m":null,"b":null,"o":null}"#),
    ]);
    table(&[("encode.ignore-null-fields", "true")], &columns).writes(&[
        (message, r#"{"r":{"x":1},"a":[1,null],"m":{"k":1,"j":null},"b":"aGVsbG8=","o":true}"#),
        ("{}", "{}"),
    ]);
    let deep = [column("m", map(array(T::Row(vec![column("a", T::Int), column("t", T::Timestamp(3))]))))];
    table(&[], &deep).writes(&[(
        r#"{"m":{"k":[{"a":1,"t":"2020-01-01 00:00:00"},null]}}"#,
        r#"{"m":{"k":[{"a":1,"t":"2020-01-01 00:00:00"},null]}}"#,
    )]);
}

#[test]
fn wrong_options_and_types_are_refused() {
    let error = |options: &[(&str, &str)], columns: &[RowField]| {
        Table::try_new("json", options, columns).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(
        error(&[("fail-on-missing-field", "true"), ("ignore-parse-errors", "true")], &abc()),
        "'json.fail-on-missing-field' and 'json.ignore-parse-errors' cannot both be true"
    );
    assert!(error(&[("timestamp-format.standard", "RFC")], &abc()).contains("SQL, ISO-8601"));
    let int_keys = T::Map(Box::new(DataType::not_null(T::Int)), Box::new(DataType::nullable(T::Int)));
    assert!(
        error(&[], &[column("m", array(int_keys))])
            .starts_with("format 'json' cannot hold MAP<INT NOT NULL, INT> (column: m)")
    );
    assert!(error(&[], &[column("n", T::Null)]).contains("(column: n)"));
    table(
        &[("map-null-key.mode", "LITERAL"), ("map-null-key.literal", "x"), ("decode.json-parser.enabled", "false")],
        &abc(),
    );
}
