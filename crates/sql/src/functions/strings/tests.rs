//! Tests of the functions of text, with answers of Flink 2.3.

use riverrun_data::LogicalType as L;

use crate::functions::tests::{Arg, constant as c, error_of, null, text_of, type_of, typed};

fn all(name: &str, cases: &[(&[Arg], &str)]) {
    for (args, expected) in cases {
        assert_eq!(text_of(name, args), *expected, "{name} {args:?}");
    }
}

#[test]
fn case_changes() {
    all("UPPER", &[(&[c("aBc é")], "ABC É"), (&[c("straße")], "STRASSE"), (&[null(L::STRING)], "NULL")]);
    all("LOWER", &[(&[c("ABC É")], "abc é"), (&[c("ΑΣ")], "ας")]);
    all("INITCAP", &[(&[c("hello wORLD")], "Hello World"), (&[c("a-b_c d")], "A-B_C D"), (&[c("1abc éa")], "1abc éA")]);
    assert_eq!(type_of("UPPER", &[c("abc")]), "CHAR(3) NOT NULL");
}

#[test]
fn parts_of_a_text() {
    let s = || c("abcdef");
    all(
        "SUBSTRING",
        &[
            (&[s(), c(2)], "bcdef"),
            (&[s(), c(2), c(3)], "bcd"),
            (&[s(), c(0)], "abcdef"),
            (&[s(), c(0), c(2)], "ab"),
            (&[s(), c(-3)], "def"),
            (&[s(), c(-3), c(2)], "de"),
            (&[s(), c(7)], ""),
            (&[s(), c(5), c(10)], "ef"),
            (&[s(), c(2), c(0)], ""),
            (&[s(), c(-10), c(3)], ""),
            (&[s(), c(2), c(-1)], "NULL"),
            (&[c("日本語"), c(2), c(1)], "本"),
            (&[c("a😀b"), c(3)], "b"),
            (&[s(), c(2), c(i64::MAX)], "bcdef"),
            (&[s(), c(i64::MIN)], ""),
        ],
    );
    assert_eq!(type_of("SUBSTRING", &[s(), c(2)]), "VARCHAR(6)");
    all("LEFT", &[(&[s(), c(2)], "ab"), (&[c("abc"), c(10)], "abc"), (&[c("abc"), c(-1)], "")]);
    all(
        "RIGHT",
        &[(&[s(), c(2)], "ef"), (&[c("abc"), c(10)], "abc"), (&[c("日本"), c(1)], "本"), (&[c("abc"), c(-1)], "")],
    );
    all(
        "OVERLAY",
        &[
            (&[s(), c("XY"), c(3), c(2)], "abXYef"),
            (&[s(), c("XYZ"), c(2)], "aXYZef"),
            (&[c("abc"), c("Z"), c(10), c(1)], "abc"),
            (&[s(), c(""), c(2), c(3)], "aef"),
            (&[s(), c("XY"), c(0), c(2)], "abcdef"),
            (&[s(), c("XY"), c(6), c(9)], "abcdeXY"),
            (&[s(), c("XY"), c(7), c(0)], "abcdef"),
            (&[s(), c("XY"), c(2), c(-1)], "aXY"),
        ],
    );
    assert_eq!(type_of("OVERLAY", &[s(), c("XY"), c(3)]), "VARCHAR(8) NOT NULL");
    all("REVERSE", &[(&[c("日本é")], "é本日"), (&[c("a😀b")], "b😀a")]);
}

#[test]
fn trimming_removes_blanks_or_characters() {
    all(
        "TRIM",
        &[
            (&[c("  a b  ")], "a b"),
            (&[c("xyxaxyx"), c("xy")], "a"),
            (&[c("\ta\t")], "\ta\t"),
            (&[c("abc"), c("")], "abc"),
        ],
    );
    all("LTRIM", &[(&[c("  a  ")], "a  "), (&[c("xxaxx"), c("x")], "axx")]);
    all("RTRIM", &[(&[c("  a  ")], "  a"), (&[c("xxaxx"), c("x")], "xxa"), (&[null(L::STRING), c("x")], "NULL")]);
    assert_eq!(type_of("TRIM", &[c(" a ")]), "VARCHAR(3) NOT NULL");
    assert_eq!(type_of("BTRIM", &[c(" a ")]), "STRING NOT NULL");
}

#[test]
fn searching_counts_characters_from_one() {
    all(
        "POSITION",
        &[
            (&[c("b"), c("abcb")], "2"),
            (&[c("x"), c("abc")], "0"),
            (&[c(""), c("abc")], "1"),
            (&[c("b"), c("a😀b")], "3"),
            (&[c("a"), c("")], "0"),
        ],
    );
    all(
        "LOCATE",
        &[
            (&[c("b"), c("abcb"), c(3)], "4"),
            (&[c("b"), c("abcb"), c(0)], "2"),
            (&[c("b"), c("abcb"), c(-1)], "2"),
            (&[c("b"), c("abcb"), c(10)], "0"),
            (&[c(""), c("abc"), c(9)], "1"),
        ],
    );
    all(
        "INSTR",
        &[
            (&[c("abcb"), c("b")], "2"),
            (&[c("abcb"), c("b"), c(3)], "4"),
            (&[c("abcbab"), c("b"), c(1), c(2)], "4"),
            (&[c("abcbab"), c("b"), c(-1)], "6"),
            (&[c("abcbab"), c("b"), c(-1), c(2)], "4"),
            (&[c("abcb"), c("b"), c(-2)], "2"),
            (&[c("abc"), c("b"), c(0)], "0"),
            (&[c("abcb"), c("b"), c(1), c(5)], "0"),
            (&[c("aaaa"), c("aa"), c(1), c(2)], "2"),
            (&[c("aaaa"), c("aa"), c(-1), c(2)], "2"),
            (&[c("日本日"), c("日"), c(2)], "3"),
        ],
    );
    all("CHAR_LENGTH", &[(&[c("日本")], "2"), (&[c("😀")], "1"), (&[c("")], "0")]);
    all(
        "STARTSWITH",
        &[
            (&[c("abc"), c("ab")], "TRUE"),
            (&[c("abc"), c("")], "TRUE"),
            (&[null(L::STRING), c("")], "NULL"),
            (&[typed("ab", L::BYTES), typed("a", L::BYTES)], "TRUE"),
        ],
    );
}

#[test]
fn concatenation_keeps_or_skips_nulls() {
    assert_eq!(type_of("||", &[c("a"), c("bc")]), "CHAR(3) NOT NULL");
    assert_eq!(type_of("||", &[typed("a", L::STRING), c("bc")]), "STRING NOT NULL");
    all("||", &[(&[c("a"), c("bc")], "abc"), (&[c("a"), null(L::STRING)], "NULL")]);
    all("CONCAT", &[(&[c("a"), c("b"), c("c")], "abc"), (&[c("a"), null(L::STRING)], "NULL")]);
    all(
        "CONCAT_WS",
        &[
            (&[c(","), c(""), c("a"), null(L::STRING), c("b"), c("")], ",a,b,"),
            (&[c(","), null(L::STRING)], ""),
            (&[null(L::STRING), c("a")], "NULL"),
            (&[c(",")], ""),
        ],
    );
    assert!(error_of("||", &[c("a"), c(1)]).starts_with("Cannot apply '||' to arguments of type 'CHAR(1) || INT'"));
}

#[test]
fn padding_and_repetition() {
    all(
        "LPAD",
        &[
            (&[c("hi"), c(4), c("?")], "??hi"),
            (&[c("hi"), c(1), c("?")], "h"),
            (&[c("hi"), c(7), c("abc")], "abcabhi"),
            (&[c("hi"), c(-1), c("?")], "NULL"),
            (&[c("hi"), c(4), c("")], "NULL"),
            (&[c("hi"), c(0), c("?")], ""),
            (&[c("a"), c(5), c("日本")], "日本日本a"),
        ],
    );
    all(
        "RPAD",
        &[(&[c("hi"), c(5), c("ab")], "hiaba"), (&[c("hi"), c(2), c("")], "NULL"), (&[c("😀"), c(3), c("x")], "😀xx")],
    );
    all("REPEAT", &[(&[c("ab"), c(3)], "ababab"), (&[c("ab"), c(-1)], ""), (&[c(""), c(i64::MAX)], "")]);
    assert!(error_of("REPEAT", &[c("ab"), c(i64::MAX)]).contains("64 MB"));
    assert!(error_of("LPAD", &[c("ab"), c(i64::MAX), c("x")]).contains("64 MB"));
}

#[test]
fn replacement() {
    all(
        "REPLACE",
        &[
            (&[c("aaa"), c("a"), c("bb")], "bbbbbb"),
            (&[c("ababab"), c("abab"), c("z")], "zab"),
            (&[c("abc"), c(""), c("-")], "-a-b-c-"),
        ],
    );
    all(
        "TRANSLATE",
        &[
            (&[c("hello"), c("el"), c("ip")], "hippo"),
            (&[c("abc"), c("abc"), c("x")], "x"),
            (&[c("abcabc"), c("aa"), c("xy")], "xbcxbc"),
            (&[c("abc"), c("abc"), null(L::STRING)], ""),
        ],
    );
}

#[test]
fn splitting() {
    let s = || c("a,b,,d");
    all(
        "SPLIT_INDEX",
        &[
            (&[s(), c(","), c(0)], "a"),
            (&[s(), c(","), c(2)], ""),
            (&[s(), c(","), c(4)], "NULL"),
            (&[s(), c(","), c(-1)], "NULL"),
            (&[c(""), c(","), c(0)], "NULL"),
            (&[c("a1b1c"), c(49), c(2)], "c"),
            (&[c("a b c"), c(""), c(1)], "b"),
        ],
    );
    all(
        "SPLIT",
        &[
            (&[s(), c(",")], "[a, b, , d]"),
            (&[c("abc"), c("")], "[a, b, c]"),
            (&[c(""), c(",")], "[]"),
            (&[c("a,"), c(",")], "[a, ]"),
            (&[c("a"), null(L::STRING)], "NULL"),
        ],
    );
    all(
        "STR_TO_MAP",
        &[
            (&[c("a=1,b,c=")], "{a=1, b=NULL, c=}"),
            (&[c("")], "{}"),
            (&[c("a=1,a=2")], "{a=2}"),
            (&[c("a:1;b:2"), c(";"), c(":")], "{a=1, b=2}"),
        ],
    );
    all(
        "ELT",
        &[
            (&[c(2), c("a"), c("b")], "b"),
            (&[c(4), c("a"), c("b")], "NULL"),
            (&[c(0), c("a")], "NULL"),
            (&[c(1), null(L::STRING), c("b")], "NULL"),
        ],
    );
    assert_eq!(type_of("SPLIT", &[s(), c(",")]), "ARRAY<STRING> NOT NULL");
}

#[test]
fn regular_expressions() {
    all(
        "REGEXP_REPLACE",
        &[
            (&[c("foobar"), c("oo|ar"), c("")], "fb"),
            (&[c("abc"), c("(a)(b)"), c("$2$1")], "$2$1c"),
            (&[c("aaa"), c(""), c("-")], "-a-a-a-"),
            (&[c("a(b"), c("("), c("x")], "NULL"),
        ],
    );
    let text = || c("foothebar");
    let pattern = || c("foo(.*?)(bar)");
    all(
        "REGEXP_EXTRACT",
        &[
            (&[text(), pattern(), c(2)], "bar"),
            (&[text(), pattern()], "foothebar"),
            (&[c("abc"), c("a"), c(3)], "NULL"),
            (&[c("abc"), c("b"), c(-1)], "NULL"),
            (&[c("abc"), c("(x)?b"), c(1)], "NULL"),
        ],
    );
    all(
        "REGEXP",
        &[
            (&[c("foobar"), c("o+b")], "TRUE"),
            (&[c("abc"), c("")], "FALSE"),
            (&[c("a(b"), c("(")], "FALSE"),
            (&[null(L::STRING), c("(")], "NULL"),
        ],
    );
    all("REGEXP_COUNT", &[(&[c("abcabc"), c("b.")], "2"), (&[c("aaa"), c("")], "4"), (&[c("abc"), c("(")], "NULL")]);
    all("REGEXP_SUBSTR", &[(&[c("foobar"), c("o+.")], "oob"), (&[c("abc"), c("x")], "NULL")]);
    all("REGEXP_INSTR", &[(&[c("foobar"), c("b")], "4"), (&[c("abc"), c("x")], "0")]);
    all(
        "REGEXP_EXTRACT_ALL",
        &[
            (&[c("a1b22"), c("([a-z])([0-9]+)"), c(2)], "[1, 22]"),
            (&[c("a1b22"), c("[0-9]+")], "NULL"),
            (&[c("a1b22"), c("([0-9]+)")], "[1, 22]"),
            (&[c("aaa"), c("(x)")], "[]"),
            (&[c("a1"), c("(a)"), c(5)], "NULL"),
        ],
    );
    assert!(error_of("REGEXP", &[c("a"), c("a(?=b)")]).contains("not supported yet"));
}

#[test]
fn encodings() {
    all("ASCII", &[(&[c("abc")], "97"), (&[c("")], "0"), (&[c("é")], "-61")]);
    all("CHR", &[(&[c(97)], "a"), (&[c(233)], "é"), (&[c(353)], "a"), (&[c(-1)], "")]);
    all("TO_BASE64", &[(&[c("hello")], "aGVsbG8="), (&[c("é")], "w6k="), (&[c("")], "")]);
    all("FROM_BASE64", &[(&[c("aGVsbG8=")], "hello"), (&[c("YQ")], "a")]);
    assert!(error_of("FROM_BASE64", &[c("!!")]).contains("not base 64"));
    all("HEX", &[(&[c(15)], "F"), (&[c("é")], "C3A9"), (&[c(-128_i8)], "FFFFFFFFFFFFFF80")]);
    all("UNHEX", &[(&[c("616263")], "x'616263'"), (&[c("4")], "x'00'"), (&[c("zz")], "NULL"), (&[c("")], "x''")]);
    all(
        "ENCODE",
        &[
            (&[c("é"), c("UTF-8")], "x'c3a9'"),
            (&[c("é"), c("US-ASCII")], "x'3f'"),
            (&[c("a"), c("UTF-16")], "x'feff0061'"),
            (&[c("a"), c("UTF-16LE")], "x'6100'"),
        ],
    );
    all("DECODE", &[(&[typed("é", L::BYTES), c("utf-8")], "é"), (&[typed("é", L::BYTES), c("ISO-8859-1")], "Ã©")]);
    assert!(error_of("ENCODE", &[c("a"), c("bogus")]).contains("Unknown character set 'bogus'"));
}

#[test]
fn urls() {
    all("URL_ENCODE", &[(&[c("a b&ü/*~")], "a+b%26%C3%BC%2F*%7E")]);
    all("URL_DECODE", &[(&[c("a+b%26%C3%BC")], "a b&ü"), (&[c("%zz")], "NULL"), (&[c("%")], "NULL")]);
    let url = "http://user:pw@host:8080/a/b?x=1&y=2#ref";
    for (part, expected) in [
        ("HOST", "host"),
        ("AUTHORITY", "user:pw@host:8080"),
        ("USERINFO", "user:pw"),
        ("FILE", "/a/b?x=1&y=2"),
        ("REF", "ref"),
        ("PROTOCOL", "http"),
        ("PATH", "/a/b"),
        ("bogus", "NULL"),
    ] {
        assert_eq!(text_of("PARSE_URL", &[c(url), c(part)]), expected);
    }
    all(
        "PARSE_URL",
        &[
            (&[c(url), c("QUERY"), c("y")], "2"),
            (&[c("http://h/p"), c("QUERY")], "NULL"),
            (&[c("bad"), c("HOST")], "NULL"),
            (&[c("http://h"), c("PATH")], ""),
        ],
    );
}

#[test]
fn printf_follows_java() {
    all(
        "PRINTF",
        &[
            (&[c("%d-%s"), c(7), c("x")], "7-x"),
            (
                &[c("%05.2f|%s|%x|%%|%10s|%-5d|"), c(2.5), c(true), c(255), c("ab"), c(7)],
                "02.50|true|ff|%|        ab|7    |",
            ),
            (&[c("%s"), null(L::STRING)], "null"),
            (&[c("%d"), c("x")], "NULL"),
            (&[c("%2$s %1$s"), c("a"), c("b")], "b a"),
            (&[c("%,d"), c(1_234_567)], "1,234,567"),
            (&[c("%+d %(d"), c(1), c(-2)], "+1 (2)"),
            (&[c("%e"), c(12345.678)], "1.234568e+04"),
            (&[c("%.1f"), typed("2.25", L::Decimal(3, 2))], "2.3"),
            (&[c("%s"), c(1e10)], "1.0E10"),
            (&[c("%d")], "NULL"),
            (&[c("%X"), c(255)], "FF"),
        ],
    );
}

#[test]
fn kinds_of_characters() {
    all(
        "IS_ALPHA",
        &[
            (&[c("abc")], "TRUE"),
            (&[c("ab1")], "FALSE"),
            (&[c("é")], "TRUE"),
            (&[c("")], "FALSE"),
            (&[null(L::STRING)], "FALSE"),
        ],
    );
    all("IS_DIGIT", &[(&[c("123")], "TRUE"), (&[c("1.5")], "FALSE"), (&[c(5)], "TRUE"), (&[null(L::Int)], "FALSE")]);
    all(
        "IS_DECIMAL",
        &[
            (&[c("-1.5")], "TRUE"),
            (&[c("1e5")], "TRUE"),
            (&[c(".5")], "TRUE"),
            (&[c("5.")], "TRUE"),
            (&[c("")], "FALSE"),
            (&[c("1.2.3")], "FALSE"),
            (&[c("x")], "FALSE"),
        ],
    );
}
