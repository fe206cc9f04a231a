//! Tests of the functions of arrays, maps and rows, with answers of Flink 2.3.
#![allow(clippy::unwrap_used, reason = "tests")]

use riverrun_data::LogicalType as L;

use crate::functions::tests::{Arg, call, constant as c, error_of, null, text_of, type_of, typed};

fn array(values: &[Arg]) -> Arg {
    call("ARRAY", values, 1).unwrap()
}

fn map(values: &[Arg]) -> Arg {
    call("MAP", values, 1).unwrap()
}

fn ints(values: &[i32]) -> Arg {
    array(&values.iter().map(|value| c(*value)).collect::<Vec<_>>())
}

fn all(name: &str, cases: &[(&[Arg], &str)]) {
    for (args, expected) in cases {
        assert_eq!(text_of(name, args), *expected, "{name} {args:?}");
    }
}

#[test]
fn construction_finds_the_common_type() {
    assert_eq!(type_of("ARRAY", &[c("a"), c("bcd")]), "ARRAY<VARCHAR(3) NOT NULL> NOT NULL");
    assert_eq!(type_of("ARRAY", &[c(1), typed("2.5", L::Decimal(2, 1))]), "ARRAY<DECIMAL(11, 1) NOT NULL> NOT NULL");
    assert_eq!(type_of("MAP", &[c("a"), c(1)]), "MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL");
    assert_eq!(type_of("ROW", &[c(1), c("a")]), "ROW<`EXPR$0` INT NOT NULL, `EXPR$1` CHAR(1) NOT NULL> NOT NULL");
    all("ARRAY", &[(&[c(1), null(L::Int)], "[1, NULL]"), (&[ints(&[1]), ints(&[2, 3])], "[[1], [2, 3]]")]);
    all(
        "MAP",
        &[
            (&[c("a"), c(1), c("a"), c(2)], "{a=2}"),
            (&[c("k"), null(L::Int)], "{k=NULL}"),
            (&[c(1), ints(&[2])], "{1=[2]}"),
        ],
    );
    all("ROW", &[(&[c(1), c("a"), c(true)], "(1, a, TRUE)")]);
    assert!(error_of("ARRAY", &[c(1), c("a")]).contains("same type"));
    assert!(error_of("MAP", &[c(1)]).contains("even number"));
}

#[test]
fn access() {
    let a = || ints(&[7, 8]);
    all(
        "ITEM",
        &[
            (&[a(), c(1)], "7"),
            (&[a(), c(3)], "NULL"),
            (&[a(), null(L::Int)], "NULL"),
            (&[map(&[c("a"), c(1)]), c("a")], "1"),
            (&[map(&[c("a"), c(1)]), c("b")], "NULL"),
            (&[map(&[c("a"), c(1)]), null(L::STRING)], "NULL"),
        ],
    );
    assert!(error_of("ITEM", &[a(), c(0)]).contains("index starting at 1 but was 0"));
    let row = call("ROW", &[c(1), c("a")], 1).unwrap();
    assert_eq!(text_of("FIELD", &[row.clone(), c("EXPR$1")]), "a");
    assert!(error_of("FIELD", &[row, c("EXPR$2")]).contains("did you mean"));
    all("CARDINALITY", &[(&[a()], "2"), (&[map(&[c("a"), c(1)])], "1"), (&[null(a().0.logical)], "NULL")]);
    all("ELEMENT", &[(&[ints(&[7])], "7")]);
    assert!(error_of("ELEMENT", &[a()]).contains("more than one element"));
}

#[test]
fn elements_are_found_removed_and_added() {
    let with_null = || array(&[c(1), null(L::Int)]);
    all(
        "ARRAY_CONTAINS",
        &[
            (&[with_null(), null(L::Int)], "TRUE"),
            (&[ints(&[1, 2]), c(3)], "FALSE"),
            (&[null(ints(&[1]).0.logical), c(1)], "NULL"),
        ],
    );
    all(
        "ARRAY_POSITION",
        &[(&[ints(&[1, 2]), c(2)], "2"), (&[ints(&[1, 2]), c(3)], "0"), (&[with_null(), null(L::Int)], "NULL")],
    );
    all("ARRAY_REMOVE", &[(&[ints(&[1, 2, 1]), c(1)], "[2]"), (&[with_null(), null(L::Int)], "[1]")]);
    all("ARRAY_APPEND", &[(&[ints(&[1]), c(2)], "[1, 2]"), (&[ints(&[1]), null(L::Int)], "[1, NULL]")]);
    all("ARRAY_PREPEND", &[(&[ints(&[1]), c(0)], "[0, 1]")]);
    all("ARRAY_REVERSE", &[(&[ints(&[1, 2])], "[2, 1]")]);
    all(
        "ARRAY_JOIN",
        &[
            (&[array(&[c("a"), null(L::STRING), c("c")]), c("-")], "a-c"),
            (&[array(&[c("a"), null(L::STRING), c("c")]), c("-"), c("N")], "a-N-c"),
        ],
    );
}

#[test]
fn slices_count_from_either_end() {
    let a = || ints(&[1, 2, 3, 4]);
    all(
        "ARRAY_SLICE",
        &[
            (&[a(), c(2), c(3)], "[2, 3]"),
            (&[a(), c(-2)], "[3, 4]"),
            (&[a(), c(-2), c(-1)], "[3, 4]"),
            (&[a(), c(0), c(2)], "[1, 2]"),
            (&[a(), c(3), c(10)], "[3, 4]"),
            (&[a(), c(3), c(2)], "[]"),
            (&[a(), c(5)], "[]"),
            (&[a(), c(-9), c(2)], "[1, 2]"),
        ],
    );
}

#[test]
fn order_and_sets() {
    let with_null = || array(&[c(3), null(L::Int), c(1)]);
    all(
        "ARRAY_SORT",
        &[
            (&[with_null()], "[NULL, 1, 3]"),
            (&[with_null(), c(false)], "[3, 1, NULL]"),
            (&[with_null(), c(true), c(false)], "[1, 3, NULL]"),
            (&[with_null(), c(false), c(true)], "[NULL, 3, 1]"),
        ],
    );
    all("ARRAY_MAX", &[(&[with_null()], "3")]);
    all("ARRAY_MIN", &[(&[array(&[c("b"), c("a")])], "a")]);
    all("ARRAY_DISTINCT", &[(&[array(&[c(1), null(L::Int), null(L::Int), c(1)])], "[1, NULL]")]);
    all("ARRAY_UNION", &[(&[array(&[c(1), null(L::Int)]), array(&[null(L::Int), c(2)])], "[1, NULL, 2]")]);
    all("ARRAY_EXCEPT", &[(&[ints(&[1, 1, 2, 3]), ints(&[2])], "[1, 3]")]);
    all("ARRAY_INTERSECT", &[(&[ints(&[1, 1, 2, 3]), ints(&[1, 3, 3])], "[1, 3]")]);
    all("ARRAY_CONCAT", &[(&[ints(&[1]), ints(&[2, 3])], "[1, 2, 3]")]);
}

#[test]
fn maps() {
    let m = || map(&[c("a"), c(1)]);
    all("MAP_KEYS", &[(&[m()], "[a]")]);
    all("MAP_VALUES", &[(&[m()], "[1]")]);
    all("MAP_ENTRIES", &[(&[m()], "[(a, 1)]")]);
    all("MAP_FROM_ARRAYS", &[(&[array(&[c("a"), c("b")]), ints(&[1, 2])], "{a=1, b=2}")]);
    all("MAP_UNION", &[(&[m(), map(&[c("a"), c(2), c("b"), c(3)])], "{a=2, b=3}")]);
    assert_eq!(type_of("MAP_ENTRIES", &[m()]), "ARRAY<ROW<`key` CHAR(1) NOT NULL, `value` INT NOT NULL>> NOT NULL");
    assert!(
        error_of("MAP_FROM_ARRAYS", &[array(&[c("a"), c("b")]), ints(&[1])]).contains("length of the keys array 2")
    );
}
