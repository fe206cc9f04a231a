//! Every line was seen in Flink 2.3's own classes, unless its test says that we differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use riverrun_data::LogicalType as T;
use riverrun_data::RowField;

use crate::testing::{Table, array, column, map, not_null};

fn table(options: &[(&str, &str)], columns: &[RowField]) -> Table {
    Table::new("csv", options, columns)
}

fn abc() -> Vec<RowField> {
    vec![column("a", T::Int), column("b", T::STRING), column("c", T::Double)]
}

fn ab() -> Vec<RowField> {
    vec![column("a", T::Int), column("b", T::STRING)]
}

fn error(options: &[(&str, &str)], columns: &[RowField]) -> String {
    Table::try_new("csv", options, columns).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_row_has_a_field_for_each_column() {
    table(&[], &abc()).reads(&[
        ("1,x,2.5", "(1 | 'x' | 2.5)"),
        (" 1 , x , 2.5 ", "(1 | ' x ' | 2.5)"),
        ("1,x,2.5,", "(1 | 'x' | 2.5)"),
        ("1,x,2.5, ", "(1 | 'x' | 2.5)"),
        ("1,x,2.5,\"\"", "(1 | 'x' | 2.5)"),
        ("1,x,2.5\n2,y,3", "(1 | 'x' | 2.5)"),
        ("1,x,2.5\r\n", "(1 | 'x' | 2.5)"),
        ("1,x\r,2.5", "!"),
        ("\u{feff}1,x,1", "(1 | 'x' | 1.0)"),
        ("\u{feff}\"1\",x,1", "(1 | 'x' | 1.0)"),
        ("1,x", "!"),
        ("1", "!"),
        ("", "!"),
        ("\n", "!"),
        ("1,x,2.5,9", "!"),
        ("1,x,2.5,,", "!"),
    ]);
    assert_eq!(
        table(&[], &abc()).read(b"1,x"),
        "the row has 2 of 3 fields (row: '1,x'); with 'csv.ignore-parse-errors' the fields that are missing are NULL"
    );
}

#[test]
fn an_empty_field_is_an_empty_text_and_no_number() {
    table(&[], &abc()).reads(&[
        ("1,,2", "(1 | '' | 2.0)"),
        ("1,\"\",2", "(1 | '' | 2.0)"),
        (",,", "!"),
        ("1,x,", "!"),
        ("1,x, ", "!"),
        ("\"\",x,1", "!"),
    ]);
    assert_eq!(
        table(&[], &abc()).read(b",x,1"),
        "cannot read '' as INT (column: a); to read empty fields as NULL, set 'csv.null-literal' to ''"
    );
    table(&[], &[column("b", T::STRING)]).reads(&[
        ("\"\"", "('')"),
        ("\n", "('')"),
        ("\r\n", "('')"),
        ("a\rb", "('a')"),
        ("a\nb", "('a')"),
    ]);
}

#[test]
fn quotes_hold_delimiters_line_ends_and_doubled_quotes() {
    table(&[], &ab()).reads(&[
        ("\"1\",\"x\"", "(1 | 'x')"),
        ("1,\"a,b\"", "(1 | 'a,b')"),
        ("1,\"a\nb\"", "(1 | 'a\nb')"),
        ("1,\"a\"\"b\"", "(1 | 'a\"b')"),
        ("1,\"\"\"x\"\"\"", "(1 | '\"x\"')"),
        ("1,a\"b", "(1 | 'a\"b')"),
        ("1, \"ab\"", "(1 | ' \"ab\"')"),
        ("1,\"ab\" ", "(1 | 'ab')"),
        ("1,\"ab\"\t,", "(1 | 'ab')"),
        ("1,\"ab\"c", "!"),
        ("1,\"ab\" c", "!"),
        ("\"1\"2,x", "!"),
        ("1,\"ab", "!"),
        ("1,\"x\"\"", "!"),
        ("1,\"\"x\"", "!"),
    ]);
}

#[test]
fn whole_numbers_may_stand_between_blanks() {
    table(&[], &[column("a", T::TinyInt), column("b", T::SmallInt)]).reads(&[
        ("-128,-32768", "(-128 | -32768)"),
        (" 1 ,\t2 ", "(1 | 2)"),
        ("128,1", "!"),
        ("1,32768", "!"),
        ("1.5,2", "!"),
    ]);
    table(&[], &[column("a", T::BigInt)]).reads(&[
        ("9223372036854775807", "(9223372036854775807)"),
        ("-9223372036854775808", "(-9223372036854775808)"),
        ("+1", "(1)"),
        ("9223372036854775808", "!"),
        ("\u{a0}12", "!"),
        ("null", "!"),
    ]);
}

#[test]
fn booleans_are_true_or_anything_else() {
    table(&[], &[column("b", T::Boolean)]).reads(&[
        ("true", "(true)"),
        (" TRUE ", "(true)"),
        ("t", "(false)"),
        ("1", "(false)"),
        ("\"\"", "(false)"),
    ]);
}

#[test]
fn floating_point_numbers_overflow_to_infinity() {
    table(&[], &[column("f", T::Float), column("d", T::Double)]).reads(&[
        ("1.1,1e3", "(1.1 | 1000.0)"),
        ("1e40,1e400", "(Infinity | Infinity)"),
        ("NaN,-Infinity", "(NaN | -Infinity)"),
        ("inf,1", "!"),
    ]);
}

#[test]
fn decimals_are_rounded_and_null_where_they_do_not_fit() {
    table(&[], &[column("d", T::Decimal(5, 2))]).reads(&[
        ("1.235", "(1.24)"),
        ("-1.235", "(-1.24)"),
        ("999.995", "(NULL)"),
        ("1e2", "(100.00)"),
        (" 1.2", "!"),
        ("NaN", "!"),
        ("\"\"", "!"),
    ]);
}

#[test]
fn dates_and_times_are_read_as_java_sql_does() {
    let columns =
        [column("d", T::Date), column("t", T::Time(2)), column("s", T::Timestamp(3)), column("z", T::TimestampLtz(0))];
    table(&[], &columns).reads(&[
        (
            "2020-02-30,12:34:56.789, 2020-01-01 12:34:56.1239 ,2020-01-01 12:34:56.9Z",
            "(2020-03-01 | 12:34:56.78 | 2020-01-01T12:34:56.123 | 2020-01-01T12:34:56)",
        ),
        (
            "2020-1-1,12:34,\"2020-01-01 24:00:00\",1970-01-01 00:00:00Z",
            "(2020-01-01 | 12:34:00 | 2020-01-02T00:00:00 | 1970-01-01T00:00:00)",
        ),
        (" 2020-01-01,12:34,2020-01-01 00:00:00,1970-01-01 00:00:00Z", "!"),
        ("2020-01-01,24:00:00,2020-01-01 00:00:00,1970-01-01 00:00:00Z", "!"),
        ("2020-01-01,12:34,2020-01-01T00:00:00,1970-01-01 00:00:00Z", "!"),
        ("2020-01-01,12:34,2020-01-01 00:00:00,1970-01-01 00:00:00", "!"),
    ]);
}

#[test]
fn bytes_are_base64_and_lengths_are_not_looked_at() {
    let columns =
        [column("b", T::BYTES), column("x", T::Binary(2)), column("c", T::Char(3)), column("v", T::VarChar(3))];
    table(&[], &columns).reads(&[
        ("aGVsbG8=,aGVsbG8=,a,abcdef", "(x'68656c6c6f' | x'68656c6c6f' | 'a' | 'abcdef')"),
        ("!!,,a,a", "!"),
        ("aGVsbG8,,a,a", "!"),
    ]);
}

#[test]
fn what_is_no_utf8_is_refused_or_its_row_skipped() {
    let strict = table(&[], &ab());
    assert_eq!(strict.read(b"1,a\xFFb"), "'a\u{fffd}b' is not valid UTF-8 (column: b)");
    assert_eq!(strict.read("1,é世😀".as_bytes()), "(1 | 'é世😀')");
    // Half a character in one row and its rest in the next.
    assert_eq!(
        table(&[("ignore-parse-errors", "true")], &ab()).read_file(b"1,\xC3\n2,\xA9\n3,\xC3\xA9\n"),
        "(3 | 'é')"
    );
}

#[test]
fn arrays_and_rows_have_their_elements_between_semicolons() {
    table(&[], &[column("a", array(T::Int)), column("s", array(T::STRING))]).reads(&[
        ("1;2;3,a;b", "([1, 2, 3] | ['a', 'b'])"),
        (" 1 ; 2 , a ; b ", "([1, 2] | [' a ', ' b '])"),
        ("\"1;2\",\"a;\"\"b\"", "([1, 2] | ['a', '\"b'])"),
        (",", "([] | [])"),
        (" , ", "([] | [])"),
        ("1,;", "([1] | ['', ''])"),
        ("1,a;", "([1] | ['a', ''])"),
        ("1;;3,", "!"),
        ("1;x,", "!"),
        ("1,\"a\";\"b\"", "!"),
    ]);
    let row = T::Row(vec![column("x", T::Int), column("y", T::STRING)]);
    table(&[], &[column("a", T::STRING), column("r", row)]).reads(&[
        ("a,1;x", "('a' | (1 | 'x'))"),
        (",1;", "('' | (1 | ''))"),
        ("a,", "('a' | NULL)"),
        ("a, ", "('a' | NULL)"),
        ("a,1;x;3", "('a' | (1 | 'x'))"),
        ("a,1", "!"),
        ("a,x;y", "!"),
    ]);
    let nested = table(&[], &[column("r", T::Row(vec![column("x", T::Int)]))]);
    assert_eq!(nested.read(b"q"), "cannot read 'q' as INT (column: r.x)");
    table(&[("array-element-delimiter", "|")], &[column("a", array(T::Int))]).reads(&[("1|2", "([1, 2])")]);
}

#[test]
fn the_null_literal_is_null_quoted_or_not() {
    table(&[("null-literal", "n/a")], &abc()).reads(&[
        ("n/a,n/a,n/a", "(NULL | NULL | NULL)"),
        ("\"n/a\",\"n/a\",\"n/a\"", "(NULL | NULL | NULL)"),
        ("1, n/a,1", "(1 | ' n/a' | 1.0)"),
        (" n/a,x,1", "!"),
        ("1,,2", "(1 | '' | 2.0)"),
    ]);
    table(&[("null-literal", "")], &abc()).reads(&[
        (",,", "(NULL | NULL | NULL)"),
        ("\"\",\"\",\"\"", "(NULL | NULL | NULL)"),
        (" ,,", "!"),
    ]);
    table(&[("null-literal", "NULL")], &[column("a", array(T::Int)), column("s", array(T::STRING))])
        .reads(&[("1;NULL,a;NULL", "([1, NULL] | ['a', NULL])")]);
}

#[test]
fn the_null_literal_makes_arrays_and_rows_null_where_flink_reads_one_null() {
    let row = T::Row(vec![column("x", T::Int), column("y", T::STRING)]);
    let columns = [column("a", array(T::Int)), column("r", row)];
    table(&[("null-literal", "NULL")], &columns).reads(&[("NULL,NULL", "(NULL | NULL)")]);
    // Unless it is empty.
    table(&[("null-literal", "")], &columns).reads(&[(",", "([] | NULL)")]);
}

#[test]
fn a_column_that_is_not_null_takes_none() {
    let columns = [not_null("a", T::Int), column("b", T::STRING)];
    assert_eq!(
        table(&[("null-literal", "")], &columns).read(b",x"),
        "NULL in a column that is NOT NULL (column: a, type: INT NOT NULL)"
    );
    table(&[("ignore-parse-errors", "true")], &columns).reads(&[("x,y", "-"), ("1,y", "(1 | 'y')")]);
    table(&[], &[not_null("d", T::Decimal(3, 0))]).reads(&[("1000", "!")]);
    let nested = [
        column("a", T::Array(Box::new(riverrun_data::DataType::not_null(T::Int)))),
        column("r", T::Row(vec![not_null("x", T::Int), column("y", T::Int)])),
    ];
    table(&[("null-literal", "")], &nested).reads(&[
        (",", "([] | NULL)"),
        ("1,2;", "([1] | (2 | NULL))"),
        ("1;,1;2", "!"),
        ("1,;2", "!"),
    ]);
}

#[test]
fn ignoring_errors_makes_fields_null_and_skips_rows() {
    table(&[("ignore-parse-errors", "true")], &abc()).reads(&[
        ("x,y,z", "(NULL | 'y' | NULL)"),
        ("1", "(1 | NULL | NULL)"),
        (",,", "(NULL | '' | NULL)"),
        ("1,x,2.5,", "(1 | 'x' | 2.5)"),
        ("1,2,3,4", "-"),
        ("", "-"),
        ("1,\"ab,2", "-"),
        ("1,\"ab\"c,2", "-"),
    ]);
    let row = T::Row(vec![column("x", T::Int), column("y", T::Int)]);
    table(&[("ignore-parse-errors", "true")], &[column("a", T::Int), column("r", row), column("c", array(T::Int))])
        .reads(&[
            ("1,5,1;2", "(1 | (5 | NULL) | [1, 2])"),
            ("1,5;6;7,1;x;2", "(1 | (5 | 6) | [1, NULL, 2])"),
            ("1,,", "(1 | NULL | [])"),
        ]);
}

#[test]
fn options_widen_and_narrow_what_is_read() {
    table(&[("empty-string-as-null", "true")], &abc()).reads(&[
        (",,", "(NULL | NULL | NULL)"),
        ("\"\",\"\",1", "(NULL | NULL | 1.0)"),
        (" ,,1", "!"),
    ]);
    table(&[("trim-spaces", "true")], &abc()).reads(&[
        (" 1 , x y , 2 ", "(1 | 'x y' | 2.0)"),
        ("1,\" x \",2", "(1 | ' x ' | 2.0)"),
        ("1, \" x \" ,2", "(1 | ' x ' | 2.0)"),
        ("1,\tx\t,2", "(1 | 'x' | 2.0)"),
    ]);
    table(&[("trim-spaces", "true")], &[column("a", array(T::STRING))]).reads(&[("\" a ; b \"", "(['a', 'b'])")]);
    table(&[("ignore-trailing-unmappable", "true")], &abc()).reads(&[
        ("1,x,2,3,4", "(1 | 'x' | 2.0)"),
        ("1,x,2,\"y", "!"),
        ("1,x,2,\"y\"z", "!"),
        ("1,x", "!"),
    ]);
    table(&[("allow-trailing-comma", "false")], &abc()).reads(&[("1,x,2,", "!"), ("1,x,2", "(1 | 'x' | 2.0)")]);
    table(&[("fail-on-missing-columns", "true"), ("ignore-parse-errors", "true")], &abc()).reads(&[("1,x", "-")]);
}

#[test]
fn delimiters_quotes_and_escapes_can_be_chosen() {
    for (written, message) in [
        ("|", "1|x"),
        ("\\t", "1\tx"),
        ("\t", "1\tx"),
        ("\\u0001", "1\u{1}x"),
        ("\\001", "1\u{1}x"),
        ("\\u0000", "1\0x"),
        ("€", "1€x"),
        (" ", "1 x "),
    ] {
        table(&[("field-delimiter", written)], &ab()).reads(&[(message, "(1 | 'x')")]);
    }
    table(&[("field-delimiter", "€")], &ab()).reads(&[("1€\"a€\"\"b\"", "(1 | 'a€\"b')"), ("1€â", "(1 | 'â')")]);
    table(&[("field-delimiter", " ")], &ab()).reads(&[("1 \"x\" ", "(1 | 'x')"), ("1  x", "!")]);
    table(&[("quote-character", "'")], &ab()).reads(&[
        ("1,'a,b'", "(1 | 'a,b')"),
        ("1,\"x\"", "(1 | '\"x\"')"),
        ("1,'it''s'", "(1 | 'it's')"),
    ]);
    table(&[("quote-character", "é")], &ab()).reads(&[("1,éa,bé", "(1 | 'a,b')"), ("1,éaééèbé", "(1 | 'aéèb')")]);
    table(&[("disable-quote-character", "true")], &ab()).reads(&[("1,\"x", "(1 | '\"x')"), ("1,\"a,b\"", "!")]);
    table(&[("escape-character", "\\")], &ab()).reads(&[
        ("1,a\\,b", "(1 | 'a,b')"),
        ("1,a\\nb", "(1 | 'a\nb')"),
        ("1,a\\\nb", "(1 | 'a\nb')"),
        ("1,\"a\\\"b\"", "(1 | 'a\"b')"),
        ("1,\"x\\ty\\rz\\0\\q\"", "(1 | 'x\ty\rz\0q')"),
        ("1,a\\\\b", "(1 | 'a\\b')"),
        ("1\\0,x", "(1 | 'x')"),
        ("1,a\\é\"\"", "(1 | 'aé\"\"')"),
        ("1,x\\", "!"),
        ("1,\"x\\", "!"),
    ]);
    table(&[("escape-character", "\\")], &[column("a", array(T::STRING))]).reads(&[("a\\;b", "(['a', 'b'])")]);
}

#[test]
fn comments_and_blank_lines_are_skipped_on_demand() {
    let commented = table(&[("allow-comments", "true")], &ab());
    commented.reads(&[
        ("#1,x", "!"),
        (" #1,x", "!"),
        ("", "!"),
        ("\n", "!"),
        ("1,#x", "(1 | '#x')"),
        ("#c\n1,x", "(1 | 'x')"),
        ("   \n1,x", "(1 | 'x')"),
        ("\"#1\",x", "!"),
    ]);
    table(&[("allow-comments", "true")], &[column("a", T::STRING), column("b", T::STRING)])
        .reads(&[("  x,y", "('x' | 'y')"), ("  \"x\",y", "('x' | 'y')")]);
    table(&[], &ab()).reads(&[("#1,x", "!")]);
    for (file, rows) in [
        ("#c\n1,x\n#d\n2,y\n", "(1 | 'x') (2 | 'y')"),
        ("1,x\n\n2,y\n  \n3,z\n", "(1 | 'x') (2 | 'y') (3 | 'z')"),
        ("1,x\n  # c\n2,y\n#", "(1 | 'x') (2 | 'y')"),
        ("1,\"x\n#c\"\n2,y\n", "(1 | 'x\n#c') (2 | 'y')"),
    ] {
        assert_eq!(commented.read_file(file.as_bytes()), rows);
    }
}

#[test]
fn files_are_split_at_every_line_end_outside_of_quotes() {
    let plain = table(&[], &ab());
    for file in ["1,x\n2,y\n", "1,x\r\n2,y\r\n", "1,x\r2,y\r", "1,x\r2,y\n", "1,x\n2,y"] {
        assert_eq!(plain.read_file(file.as_bytes()), "(1 | 'x') (2 | 'y')", "{file:?}");
    }
    for (file, rows) in [
        ("1,x\n2,\"a\nb\"\n3,\"c\r\nd\"\r\n", "(1 | 'x') (2 | 'a\nb') (3 | 'c\r\nd')"),
        ("1,\"a\"\"\n\"\n2,\"\"\n", "(1 | 'a\"\n') (2 | '')"),
        ("1,a\"b\n2,\"\"\n", "(1 | 'a\"b') (2 | '')"),
        ("\u{feff}\"1\",\"x\n\"\n", "(1 | 'x\n')"),
        ("", ""),
    ] {
        assert_eq!(plain.read_file(file.as_bytes()), rows, "{file:?}");
    }
    assert_eq!(plain.read_file(b"1,\"x"), "a quoted field has no closing quote (row: '1,\"x')");
    assert!(plain.read_file(b"1,x\n\n2,y").starts_with("the message holds no row"));
    assert_eq!(table(&[], &[column("b", T::STRING)]).read_file(b"a\n\n  \nb\n\n"), "('a') ('') ('  ') ('b') ('')");
    let lenient = table(&[("ignore-parse-errors", "true")], &ab());
    assert_eq!(
        lenient.read_file(b"1,x\n\"bad\"x,y\nz,w\n3\n4,b,c\n5,e"),
        "(1 | 'x') (NULL | 'w') (3 | NULL) (5 | 'e')"
    );
    assert_eq!(lenient.read_file(b"1,x\n\n2,y"), "(1 | 'x') (2 | 'y')");
    let escaped = table(&[("escape-character", "\\")], &ab());
    assert_eq!(escaped.read_file(b"1,x\\\n2\n2,y\n"), "(1 | 'x\n2') (2 | 'y')");
}

#[test]
fn a_record_waits_for_its_end() {
    let decoder = table(&[], &ab()).decoder();
    for (piece, consumed) in
        [("1,x", 0), ("1,x\n2", 4), ("1,\"x\n", 0), ("1,x\r", 0), ("1,x\r\n", 5), ("1,x\r2", 4), ("1,\"x\"\n2,\"y", 6)]
    {
        let mut ranges = Vec::new();
        assert_eq!(decoder.split(piece.as_bytes(), false, &mut ranges).unwrap(), consumed, "{piece:?}");
        assert_eq!(ranges.len(), usize::from(consumed > 0));
    }
}

#[test]
fn the_first_message_that_cannot_be_read_is_named() {
    let messages: Vec<String> = (0..3000)
        .map(|n| {
            if n == 2500 {
                "1,x,bad".into()
            } else if n >= 2600 {
                "bad,x".into()
            } else {
                format!("{n},x,1")
            }
        })
        .collect();
    let messages: Vec<&[u8]> = messages.iter().map(String::as_bytes).collect();
    let mut decoder = table(&[], &abc()).decoder();
    let error = decoder.decode(&messages).unwrap_err();
    assert_eq!((error.message, error.error.to_string().as_str()), (2500, "cannot read 'bad' as DOUBLE (column: c)"));
    // A decoder that failed starts afresh.
    assert_eq!(decoder.decode(&messages[..2500]).unwrap().rows.num_rows(), 2500);
    let mut decoder =
        table(&[("ignore-parse-errors", "true")], &[not_null("a", T::Int), column("b", T::STRING)]).decoder();
    let decoded = decoder.decode(&[b"1,x", b"bad,x", b"\"", b"2,y"]).unwrap();
    assert_eq!((decoded.messages, decoded.skipped), (Some(vec![0, 3]), 2));
}

#[test]
fn long_texts_are_shortened_in_errors() {
    let long = "é".repeat(1000);
    let error = table(&[], &[column("a", T::Int)]).read(long.as_bytes());
    assert_eq!(error, format!("cannot read '{}...' as INT (column: a)", "é".repeat(80)));
}

#[test]
fn texts_are_quoted_as_jackson_does() {
    table(&[], &ab()).writes(&[
        (r#"{"a":1,"b":"x"}"#, "1,x"),
        (r#"{"a":1,"b":null}"#, "1,"),
        (r#"{"a":null,"b":""}"#, ","),
        (r#"{"a":-1,"b":"a,b"}"#, "-1,\"a,b\""),
        (r#"{"a":1,"b":"a\"b"}"#, "1,\"a\"\"b\""),
        (r#"{"a":1,"b":" a"}"#, "1,\" a\""),
        (r#"{"a":1,"b":"a\nb"}"#, "1,\"a\nb\""),
        (r#"{"a":1,"b":"a\rb"}"#, "1,\"a\rb\""),
        (r##"{"a":1,"b":"#a"}"##, "1,\"#a\""),
        (r#"{"a":1,"b":"a'b"}"#, "1,\"a'b\""),
        (r#"{"a":1,"b":"a+b"}"#, "1,\"a+b\""),
        (r#"{"a":1,"b":"a;b.c:d-e_f/g"}"#, "1,a;b.c:d-e_f/g"),
        (r#"{"a":1,"b":"é"}"#, "1,é"),
        (r#"{"a":1,"b":"\\"}"#, "1,\"\\\""),
        (r#"{"a":1,"b":"abcdefghijklmnopqrstuvwx"}"#, "1,abcdefghijklmnopqrstuvwx"),
        (r#"{"a":1,"b":"abcdefghijklmnopqrstuvwxy"}"#, "1,\"abcdefghijklmnopqrstuvwxy\""),
        (r#"{"a":1,"b":"éééééééééééééééééééééééé"}"#, "1,éééééééééééééééééééééééé"),
        (r#"{"a":1,"b":"ééééééééééééééééééééééééé"}"#, "1,\"ééééééééééééééééééééééééé\""),
        (r#"{"a":1,"b":"😀😀😀😀😀😀😀😀😀😀😀😀"}"#, "1,😀😀😀😀😀😀😀😀😀😀😀😀"),
        (r#"{"a":1,"b":"😀😀😀😀😀😀😀😀😀😀😀😀😀"}"#, "1,\"😀😀😀😀😀😀😀😀😀😀😀😀😀\""),
    ]);
    table(&[("field-delimiter", "|")], &ab()).writes(&[
        (r#"{"a":1,"b":"x"}"#, "1|\"x\""),
        (r#"{"a":1,"b":"}"}"#, "1|}"),
        (r#"{"a":-1,"b":"a|b"}"#, "-1|\"a|b\""),
    ]);
    table(&[("field-delimiter", "\\t")], &ab())
        .writes(&[(r#"{"a":1,"b":"a,b"}"#, "1\ta,b"), (r#"{"a":1,"b":"a\tb"}"#, "1\t\"a\tb\"")]);
    table(&[("field-delimiter", "€")], &ab())
        .writes(&[(r#"{"a":1,"b":"é"}"#, "1€\"é\""), (r#"{"a":1,"b":"世"}"#, "1€世")]);
    table(&[("quote-character", "'")], &ab()).writes(&[(r#"{"a":1,"b":"a,b'c\"d"}"#, "1,'a,b''c\"d'")]);
    table(&[("quote-character", "é")], &ab()).writes(&[(r#"{"a":1,"b":"é"}"#, "1,éééé")]);
    table(&[("disable-quote-character", "true")], &ab()).writes(&[(r#"{"a":1,"b":"a,b\"c\nd"}"#, "1,a,b\"c\nd")]);
    table(&[("escape-character", "\\")], &ab())
        .writes(&[(r#"{"a":1,"b":"a\"c\\e"}"#, "1,\"a\"\"c\\\\e\""), (r#"{"a":1,"b":"a\\e"}"#, "1,\"a\\\\e\"")]);
    table(&[("escape-character", "|")], &ab())
        .writes(&[(r#"{"a":1,"b":"a|b"}"#, "1,\"a||b\""), (r#"{"a":1,"b":"x}\\"}"#, "1,x}\\")]);
    table(&[("null-literal", "n,a")], &ab()).writes(&[("{}", "n,a,n,a")]);
}

#[test]
fn other_types_are_written_as_flink_does() {
    let columns = [column("d", T::Double), column("f", T::Float), column("b", T::Boolean), column("x", T::BYTES)];
    table(&[], &columns).writes(&[
        (r#"{"d":1e10,"f":0.1,"b":true,"x":"aGVsbG8="}"#, "1.0E10,0.1,true,aGVsbG8="),
        (
            r#"{"d":"NaN","f":"-Infinity","b":false,"x":"aGVsbG8hISEhISEhISEhISEhISEhISEhISE="}"#,
            "NaN,-Infinity,false,\"aGVsbG8hISEhISEhISEhISEhISEhISEhISE=\"",
        ),
    ]);
    let columns = [
        column("d", T::Date),
        column("t", T::Time(3)),
        column("a", T::Timestamp(0)),
        column("b", T::Timestamp(3)),
        column("z", T::TimestampLtz(9)),
    ];
    let row = r#"{"d":"2020-01-02","t":"12:34:56.780","a":"2020-01-02 12:34:00","b":"2020-01-02 12:34:56.100","z":"2020-01-02 12:34:56.000000001Z"}"#;
    table(&[], &columns).writes(&[
        (row, "2020-01-02,12:34:56.78,\"2020-01-02 12:34:00\",\"2020-01-02 12:34:56.1\",\"2020-01-02 12:34:56.000000001Z\""),
        (r#"{"d":"+12020-01-02","a":"0000-01-01 00:00:00","b":"-0001-01-02 00:00:00"}"#, "\"+12020-01-02\",,\"0000-01-01 00:00:00\",\"-0001-01-02 00:00:00\","),
    ]);
    table(&[("field-delimiter", "|")], &columns[..2]).writes(&[(row, "\"2020-01-02\"|\"12:34:56.78\"")]);
    let columns = [column("d", T::Decimal(10, 2)), column("e", T::Decimal(38, 0)), column("h", T::Decimal(20, 10))];
    let row = r#"{"d":1.5,"e":100000,"h":0.0000001}"#;
    table(&[], &columns).writes(&[(row, "1.50,100000,0.0000001000")]);
    table(&[("write-bigdecimal-in-scientific-notation", "true")], &columns).writes(&[(row, "1.5,1E+5,1E-7")]);
}

#[test]
fn arrays_and_rows_are_written_as_one_text() {
    let row = T::Row(vec![column("x", T::Int), column("y", T::STRING), column("z", T::Timestamp(3))]);
    let columns = [column("a", array(T::Int)), column("b", array(T::STRING)), column("r", row)];
    table(&[], &columns).writes(&[
        (
            r#"{"a":[1,2,null],"b":["a","b;c",null,"d,e","f\"g",""],"r":{"x":1,"y":"q","z":"2020-01-01 00:00:00"}}"#,
            "1;2;,\"a;b;c;;d,e;f\"\"g;\",\"1;q;2020-01-01 00:00:00\"",
        ),
        (r#"{"a":[],"b":[],"r":{}}"#, ",,;;"),
        ("{}", ",,"),
    ]);
    table(&[("null-literal", "NULL")], &columns).writes(&[
        (r#"{"a":[1,2,null],"b":["a",null],"r":{"x":1}}"#, "1;2;NULL,a;NULL,1;NULL;NULL"),
        ("{}", "NULL,NULL,NULL"),
    ]);
    let nested = [
        column("a", array(T::Decimal(10, 2))),
        column("r", T::Row(vec![column("x", T::Decimal(5, 2)), column("y", T::Double), column("z", T::Boolean)])),
    ];
    table(&[("write-bigdecimal-in-scientific-notation", "true")], &nested).writes(&[(
        r#"{"a":[1.5,100,0.01],"r":{"x":100,"y":1e10,"z":true}}"#,
        "\"1.5;1E+2;0.01\",\"1E+2;1.0E10;true\"",
    )]);
}

#[test]
fn types_that_csv_cannot_hold_are_refused() {
    for logical in [
        T::IntervalDayTime,
        T::IntervalYearMonth,
        T::Null,
        map(T::Int),
        array(array(T::Int)),
        array(T::Row(vec![column("a", T::Int)])),
        T::Row(vec![column("a", array(T::Int))]),
    ] {
        assert!(error(&[], &[column("ok", T::Int), column("m", logical.clone())]).contains("(column: m)"), "{logical}");
    }
}

#[test]
fn wrong_options_are_refused() {
    for (options, expected) in [
        (&[("field-delimiter", "||")] as &[_], "'csv.field-delimiter' must be one character, but is '||'"),
        (&[("field-delimiter", "")], "'csv.field-delimiter' must be one character, but is ''"),
        (&[("array-element-delimiter", "ab")], "'csv.array-element-delimiter' must be one character, but is 'ab'"),
        (
            &[("quote-character", "'"), ("disable-quote-character", "true")],
            "'csv.quote-character' cannot be set when 'csv.disable-quote-character' is true",
        ),
        (&[("quote-character", ",")], "'csv.quote-character' and 'csv.field-delimiter' are the same character"),
        (&[("field-delimiter", "\\n")], "'csv.field-delimiter' cannot be a line end"),
    ] {
        assert_eq!(error(options, &ab()), expected);
    }
    assert!(error(&[("field-delimeter", "|")], &ab()).contains("did you mean 'csv.field-delimiter'?"));
}
