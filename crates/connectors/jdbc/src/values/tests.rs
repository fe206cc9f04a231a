use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int64Array, RecordBatch, StringArray, Time32MillisecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};

use super::*;

#[test]
fn every_column_comes_back_as_it_went() {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        Arc::new(Float32Array::from(vec![Some(-0.0), None, Some(f32::MAX)])),
        Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None, Some(5e-324)])),
        Arc::new(Decimal128Array::from(vec![Some(-12_345), None, Some(0)]).with_precision_and_scale(10, 2).unwrap()),
        Arc::new(StringArray::from(vec![Some(""), None, Some("über")])),
        Arc::new(BinaryArray::from(vec![Some(&b""[..]), None, Some(&b"\0\xff"[..])])),
        Arc::new(Date32Array::from(vec![Some(-719_162), None, Some(2_932_896)])),
        Arc::new(Time32MillisecondArray::from(vec![Some(0), None, Some(86_399_999)])),
        Arc::new(Time64NanosecondArray::from(vec![Some(1), None, Some(86_399_999_999_999)])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(253_402_300_799_999)])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1)]).with_timezone("UTC")),
    ];
    let fields: Vec<Field> = arrays
        .iter()
        .enumerate()
        .map(|(n, array)| Field::new(format!("c{n}"), array.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let columns = columns(&batch).unwrap();
    let mut rows = RowsBuilder::new(batch.schema()).unwrap();
    for row in 0..batch.num_rows() {
        for (index, column) in columns.iter().enumerate() {
            rows.push(index, column.scalar(row)).unwrap();
        }
        rows.end_row();
    }
    assert_eq!((rows.rows(), rows.bytes()), (3, "über".len() + 2));
    assert_eq!(rows.finish().unwrap(), batch);
    assert_eq!(rows.finish().unwrap().num_rows(), 0, "a builder begins anew");
}

fn refused(arrow_type: ArrowType, nullable: bool, value: Scalar<'_>) -> String {
    let schema = Arc::new(Schema::new(vec![Field::new("c", arrow_type, nullable)]));
    RowsBuilder::new(schema).unwrap().push(0, value).unwrap_err().to_string()
}

#[test]
fn a_value_out_of_range_names_column_and_value() {
    assert_eq!(refused(ArrowType::Int8, true, Scalar::Int(128)), "128 does not fit column c of type TINYINT");
    assert_eq!(
        refused(ArrowType::Int64, true, Scalar::Unsigned(u64::MAX)),
        "18446744073709551615 does not fit column c of type BIGINT"
    );
    assert_eq!(refused(ArrowType::Int32, true, Scalar::Decimal(15, 1)), "1.5 does not fit column c of type INT");
    assert_eq!(
        refused(ArrowType::Decimal128(3, 1), true, Scalar::Int(100)),
        "100 does not fit column c of type DECIMAL(3, 1)"
    );
    assert_eq!(refused(ArrowType::Date32, true, Scalar::Text("x")), "'x' does not fit column c of type DATE");
    assert!(refused(ArrowType::Int32, false, Scalar::Null).starts_with("NULL in column c, which is NOT NULL"));
}

#[test]
fn decimals_are_read_written_and_rounded() {
    for (text, number) in [
        ("0", (0, 0)),
        ("-12.340", (-12_340, 3)),
        ("+.5", (5, 1)),
        ("7.", (7, 0)),
        ("1.5e3", (1_500, 0)),
        ("2E-3", (2, 3)),
    ] {
        assert_eq!(parse_decimal(text), Some(number), "{text}");
    }
    for text in ["", "-", ".", "1a", "1.2.3", "999999999999999999999999999999999999999", "e5"] {
        assert_eq!(parse_decimal(text), None, "{text}");
    }
    for (number, text) in
        [((0, 0), "0"), ((5, 3), "0.005"), ((-12_340, 3), "-12.340"), ((10i128.pow(37), 38), "0.1"), ((-7, 0), "-7")]
    {
        let mut out = Vec::new();
        write_decimal(&mut out, number.0, number.1);
        let written = String::from_utf8(out).unwrap();
        assert_eq!(
            written.trim_end_matches('0').trim_end_matches('.'),
            text.trim_end_matches('0').trim_end_matches('.')
        );
    }
    assert_eq!(rescale(125, 2, 1, 10), Some(13), "half goes away from zero");
    assert_eq!(rescale(-125, 2, 1, 10), Some(-13));
    assert_eq!(rescale(124, 2, 1, 10), Some(12));
    assert_eq!(rescale(5, 0, 3, 10), Some(5_000));
    assert_eq!(rescale(999, 1, 0, 2), None, "100 has three digits");
    assert_eq!(rescale(1, 76, 0, 38), Some(0));
}
