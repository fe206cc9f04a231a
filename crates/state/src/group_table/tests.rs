#![allow(clippy::unwrap_used, reason = "tests")]
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array, Int64Array, NullArray,
    StringArray, Time32MillisecondArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use proptest::prelude::*;

use super::*;

fn intern(table: &mut GroupTable, columns: &[ArrayRef]) -> Vec<u32> {
    let mut slots = Vec::new();
    table.intern(columns, columns[0].len(), &mut slots).unwrap();
    slots
}

#[test]
fn equal_keys_share_a_slot_null_is_a_key_and_keys_come_back_as_they_were() {
    let numbers = || vec![Some(5), None, Some(5), None, Some(0)];
    let small = || vec![Some(5), None, Some(5), None, Some(0)];
    let texts = || vec![Some("a"), None, Some("a"), None, Some("")];
    let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; 5]));
    let columns: Vec<Vec<ArrayRef>> = vec![
        vec![Arc::new(Int64Array::from(numbers()))],
        vec![Arc::new(Int8Array::from(vec![Some(-5), None, Some(-5), None, Some(0)]))],
        vec![Arc::new(Date32Array::from(small()))],
        vec![Arc::new(Time32MillisecondArray::from(small()))],
        vec![Arc::new(Time64NanosecondArray::from(numbers()))],
        vec![Arc::new(TimestampMillisecondArray::from(numbers()))],
        vec![Arc::new(TimestampMicrosecondArray::from(numbers()).with_timezone("UTC"))],
        vec![Arc::new(StringArray::from(texts()))],
        vec![Arc::new(BinaryArray::from_iter(texts()))],
        vec![Arc::new(StringArray::from(texts())), ones.clone()],
        vec![Arc::new(Float64Array::from(vec![Some(0.5), None, Some(0.5), None, Some(f64::NAN)]))],
        vec![Arc::new(BooleanArray::from(vec![Some(true), None, Some(true), None, Some(false)]))],
        vec![Arc::new(
            Decimal128Array::from(vec![Some(5), None, Some(5), None, Some(0)]).with_precision_and_scale(5, 2).unwrap(),
        )],
        vec![Arc::new(Int64Array::from(numbers())), Arc::new(NullArray::new(5))],
    ];
    for columns in columns {
        let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
        let mut table = GroupTable::new(&types).unwrap();
        let slots = intern(&mut table, &columns);
        assert_eq!(slots, [0, 1, 0, 1, 2], "{types:?}");
        assert_eq!(&table.keys(&slots).unwrap(), &columns, "{types:?}");
        assert_eq!(&table.freeze(&slots).unwrap().get().unwrap(), &columns, "{types:?}");
        assert!(table.keys(&[]).unwrap().iter().all(|column| column.is_empty()));
    }
}

#[test]
fn a_table_without_key_columns_has_one_group() {
    let mut table = GroupTable::new(&[]).unwrap();
    let mut slots = Vec::new();
    table.intern(&[], 3, &mut slots).unwrap();
    assert_eq!((slots.as_slice(), table.len()), ([0, 0, 0].as_slice(), 1));
    table.remove(0);
    table.remove(0);
    assert!(table.is_empty());
    table.intern(&[], 1, &mut slots).unwrap();
    assert_eq!((slots.as_slice(), table.len()), ([0].as_slice(), 1));
}

#[test]
fn keys_of_every_length_are_told_apart() {
    let texts: Vec<String> = (0..60).map(|length| "x".repeat(length)).collect();
    let column: ArrayRef = Arc::new(StringArray::from(texts));
    let mut table = GroupTable::new(&[DataType::Utf8]).unwrap();
    let slots = intern(&mut table, std::slice::from_ref(&column));
    assert_eq!(slots, (0..60).collect::<Vec<_>>());
    assert_eq!(table.keys(&slots).unwrap(), [column]);
}

#[test]
fn a_column_of_another_type_is_refused() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    assert!(GroupTable::new(&[DataType::Utf8]).unwrap().intern(&[numbers], 1, &mut Vec::new()).is_err());
    assert!(GroupTable::new(&[DataType::Int64]).unwrap().intern(&[texts], 1, &mut Vec::new()).is_err());
}

/// Values that collide, lie next to each other, and span the whole range.
fn key() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        Just(None),
        (-20i64..20).prop_map(Some),
        (0i64..40).prop_map(|n| Some(n << 56)),
        any::<i64>().prop_map(Some)
    ]
}

proptest! {
    /// A table and a map do the same under any insertions and removals, and a slot never holds two keys.
    #[test]
    fn a_table_is_a_map_whose_slots_are_used_again(steps in prop::collection::vec((key(), any::<bool>()), 1..400)) {
        let texts = |key: Option<i64>| key.map(|key| format!("{key:>width$}", width = usize::from(key.unsigned_abs() % 2 == 0) * 30));
        let types = [vec![DataType::Int64], vec![DataType::Utf8], vec![DataType::Int64, DataType::Utf8]];
        let columns = |key: Option<i64>| -> [Vec<ArrayRef>; 3] {
            let number: ArrayRef = Arc::new(Int64Array::from(vec![key]));
            let text: ArrayRef = Arc::new(StringArray::from(vec![texts(key)]));
            [vec![number.clone()], vec![text.clone()], vec![number, text]]
        };
        for (n, types) in types.iter().enumerate() {
            let mut table = GroupTable::new(types).unwrap();
            let mut model: HashMap<Option<i64>, u32> = HashMap::new();
            let mut most = 0;
            for (key, insert) in &steps {
                let columns = &columns(*key)[n];
                if *insert {
                    let slot = intern(&mut table, columns)[0];
                    prop_assert_eq!(*model.entry(*key).or_insert(slot), slot);
                    prop_assert_eq!(&table.keys(&[slot]).unwrap(), columns);
                } else if let Some(slot) = model.remove(key) {
                    table.remove(slot);
                    table.remove(slot);
                }
                most = most.max(model.len());
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.slots(), most);
            }
            let mut slots: Vec<u32> = model.values().copied().collect();
            slots.sort_unstable();
            slots.dedup();
            prop_assert_eq!(slots.len(), model.len());
        }
    }
}
