#![allow(clippy::unwrap_used, reason = "tests")]
use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray, StringArray, StructArray,
    Time32MillisecondArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;
use riverrun_base::Kind;

use super::*;
use crate::{GroupTable, Tracker};

fn layout(description: &str, keys: &[DataType], values: &[DataType]) -> StateLayout {
    let fields = |types: &[DataType]| -> Vec<FieldRef> {
        types.iter().map(|data_type| Arc::new(Field::new("column", data_type.clone(), true))).collect()
    };
    StateLayout {
        description: description.to_owned(),
        keys: fields(keys),
        values: fields(values),
        max_parallelism: 128,
    }
}

fn rows(change: RowChange, keys: Vec<ArrayRef>, values: Vec<ArrayRef>) -> FrozenRows {
    let rows = keys.first().or(values.first()).map_or(0, |column| column.len());
    FrozenRows {
        changes: Changes::All(change),
        rows,
        keys: Some(FrozenColumns::ready(keys)),
        values: vec![FrozenColumns::ready(values)],
    }
}

fn numbers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn numbers_of(column: &ArrayRef) -> Vec<i64> {
    column.as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn values_of_every_type_come_back_bit_for_bit() {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(1)])),
        Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(1)])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(1)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(1)])),
        Arc::new(Float32Array::from(vec![Some(f32::NAN), None, Some(-0.0)])),
        Arc::new(Float64Array::from(vec![Some(0.1 + 0.2), None, Some(-0.0)])),
        Arc::new(Decimal128Array::from(vec![Some(i128::MIN), None, Some(1)])),
        Arc::new(Decimal128Array::from(vec![Some(-5), None, Some(1)]).with_precision_and_scale(10, 2).unwrap()),
        Arc::new(Date32Array::from(vec![Some(-1), None, Some(1)])),
        Arc::new(Time32MillisecondArray::from(vec![Some(1), None, Some(2)])),
        Arc::new(Time64MicrosecondArray::from(vec![Some(1), None, Some(2)])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(2)])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(2)]).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None, Some(2)])),
        Arc::new(DurationMillisecondArray::from(vec![Some(-1), None, Some(2)])),
        Arc::new(IntervalYearMonthArray::from(vec![Some(-1), None, Some(2)])),
        Arc::new(StringArray::from(vec![Some("ä"), None, Some("")])),
        Arc::new(BinaryArray::from_iter(vec![Some([0u8, 255]), None, Some([1, 2])])),
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ])),
        Arc::new(StructArray::new(
            vec![Field::new("a", DataType::Int64, true)].into(),
            vec![numbers([1, 2, 3])],
            Some(vec![true, false, true].into()),
        )),
    ];
    for column in columns {
        let data_type = column.data_type().clone();
        let layout = layout("types", std::slice::from_ref(&data_type), &[DataType::Int64, data_type.clone()]);
        let values = vec![numbers([1, 2, 3]), column.clone()];
        let frozen = vec![rows(RowChange::Put, vec![column.clone()], values.clone())];
        let (bytes, count) = layout.encode(frozen).unwrap();
        let decoded = layout.decode(bytes, 0..=127).unwrap();
        assert_eq!((count, decoded.len()), (3, 1), "{data_type}");
        assert_eq!(decoded[0].keys[0].to_data(), column.to_data(), "{data_type}");
        assert_eq!(decoded[0].values[1].to_data(), column.to_data(), "{data_type}");
    }
}

#[test]
fn rows_go_to_those_that_own_their_key_groups_and_rows_about_all_keys_to_everybody() {
    let layout = layout("numbers", &[DataType::Int64], &[DataType::Int64]);
    let about_all = FrozenRows {
        changes: Changes::All(RowChange::Delete),
        rows: 1,
        keys: None,
        values: vec![FrozenColumns::ready(vec![numbers([-1])])],
    };
    let frozen = || rows(RowChange::Put, vec![numbers(0..1000)], vec![numbers(0..1000)]);
    let (bytes, _) = layout.encode(vec![about_all, frozen()]).unwrap();
    let mut found = Vec::new();
    for range in [0..=0, 1..=42, 43..=127] {
        let mut groups = Vec::new();
        for part in layout.decode(bytes.clone(), range.clone()).unwrap() {
            let put = part.only(RowChange::Put).unwrap();
            key_groups(&put.keys, put.rows(), 128, &mut groups).unwrap();
            assert!(groups.iter().all(|group| range.contains(group)));
            assert_eq!(put.keys, put.values);
            found.extend(numbers_of(&put.values[0]));
            let deleted = part.only(RowChange::Delete).unwrap();
            assert_eq!((numbers_of(&deleted.values[0]), deleted.keys[0].null_count()), (vec![-1], 1));
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..1000).collect::<Vec<_>>());
}

#[test]
fn many_small_parts_are_stored_together() {
    let layout = layout("numbers", &[DataType::Int64], &[DataType::Int64]);
    let parts = (0..1000).map(|n| rows(RowChange::Put, vec![numbers([n])], vec![numbers([n])])).collect();
    let (bytes, count) = layout.encode(parts).unwrap();
    assert_eq!(count, 1000);
    assert!(bytes.len() < 30_000, "{}", bytes.len());
    assert_eq!(layout.decode(bytes, 0..=127).unwrap().len(), 1);
    let (nothing, count) = layout.encode(Vec::new()).unwrap();
    assert_eq!((layout.decode(nothing, 0..=127).unwrap().len(), count), (0, 0));
}

#[test]
fn state_of_something_else_is_refused_with_what_is_stored_and_what_is_wanted() {
    let (int, text) = (DataType::Int64, DataType::Utf8);
    let stored = layout("GROUP BY (k BIGINT)", std::slice::from_ref(&int), std::slice::from_ref(&int));
    let (bytes, _) = stored.encode(vec![rows(RowChange::Put, vec![numbers([1])], vec![numbers([1])])]).unwrap();
    let refused = |wanted: StateLayout| wanted.decode(bytes.clone(), 0..=127).unwrap_err();

    let error = refused(layout("GROUP BY (j BIGINT)", std::slice::from_ref(&int), std::slice::from_ref(&int)));
    assert_eq!(error.kind(), Kind::User);
    let message = error.to_string();
    assert!(
        message.contains("stored state is of GROUP BY (k BIGINT)") && message.contains("has GROUP BY (j BIGINT)"),
        "{message}"
    );
    let error = refused(layout("GROUP BY (k BIGINT)", &[text], std::slice::from_ref(&int)));
    assert!(error.to_string().contains("Int64") && error.to_string().contains("Utf8"), "{error}");
    let error = refused(StateLayout { max_parallelism: 256, ..stored.clone() });
    assert!(error.to_string().contains("'pipeline.max-parallelism' = '128'"), "{error}");

    // Without the mark of the end, all rows are there.
    for end in (0..bytes.len()).filter(|end| *end + 8 != bytes.len()) {
        assert!(stored.decode(bytes[..end].to_vec(), 0..=127).is_err(), "the first {end} bytes");
    }
    let mut newer = bytes.clone();
    newer[MAGIC.len()] = 9;
    assert!(stored.decode(newer, 0..=127).unwrap_err().to_string().contains("version 9"));
}

/// What version 1 wrote, in hexadecimal digits.
const VERSION_1: &str = include_str!("version_1.hex");

#[test]
fn version_1_stays_readable() {
    let layout = layout("GROUP BY (k STRING) SELECT SUM(v BIGINT)", &[DataType::Utf8], &[DataType::Int64]);
    let digits: Vec<u8> = VERSION_1.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
    let decoded = layout.decode(bytes, 0..=127).unwrap();
    let deleted = decoded[0].only(RowChange::Delete).unwrap();
    let put = decoded[0].only(RowChange::Put).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("äöü")]));
    let gone: ArrayRef = Arc::new(StringArray::from(vec!["gone"]));
    assert_eq!((deleted.keys, put.keys), (vec![gone], vec![texts]));
    assert_eq!(numbers_of(&put.values[0]), [1, -2, i64::MAX]);
}

/// Writes the file of [`version_1_stays_readable`]: `cargo test -p riverrun-state write_version_1 -- --ignored`, before that version is
/// ever released in another shape.
#[test]
#[ignore = "writes a file"]
fn write_version_1() {
    let layout = layout("GROUP BY (k STRING) SELECT SUM(v BIGINT)", &[DataType::Utf8], &[DataType::Int64]);
    let text = |texts: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
    let deleted =
        FrozenRows { values: Vec::new(), ..rows(RowChange::Delete, vec![text(vec![Some("gone")])], Vec::new()) };
    let put = rows(RowChange::Put, vec![text(vec![Some("a"), None, Some("äöü")])], vec![numbers([1, -2, i64::MAX])]);
    let (bytes, _) = layout.encode(vec![deleted, put]).unwrap();
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = digits.chunks(32).map(|line| line.concat() + "\n").collect();
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/keyed_rows/version_1.hex"), lines.concat()).unwrap();
}

/// What happens to a table of keys with a number each.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<(i64, i64)>),
    Remove(Vec<i64>),
    Snapshot { full: bool },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0i64..40, any::<i64>()), 0..6).prop_map(Step::Put),
        2 => prop::collection::vec(0i64..40, 0..4).prop_map(Step::Remove),
        4 => prop::bool::weighted(0.1).prop_map(|full| Step::Snapshot { full }),
        1 => Just(Step::Restart),
    ]
}

/// A table of keys with a number each, and what was stored of it.
struct Stored {
    table: GroupTable,
    tracker: Tracker,
    values: Vec<i64>,
    restored: Vec<Vec<u8>>,
    own: Vec<Vec<u8>>,
}

impl Stored {
    fn new() -> Self {
        let table = GroupTable::new(&[DataType::Int64]).unwrap();
        Self { table, tracker: Tracker::with_least(1), values: Vec::new(), restored: Vec::new(), own: Vec::new() }
    }

    fn put(&mut self, keys: Vec<i64>, values: &[i64]) -> Vec<u32> {
        let mut slots = Vec::new();
        self.table.intern(&[numbers(keys.clone())], keys.len(), &mut slots).unwrap();
        self.values.resize(self.table.slots(), 0);
        slots.iter().zip(values).for_each(|(slot, value)| self.values[*slot as usize] = *value);
        slots
    }

    fn remove(&mut self, keys: Vec<i64>) -> Vec<u32> {
        let count = keys.len();
        let slots = self.put(keys, &vec![0; count]);
        self.tracker.remove(&self.table, &slots).unwrap();
        slots.iter().for_each(|slot| self.table.remove(*slot));
        slots
    }

    fn snapshot(&mut self, layout: &StateLayout, full: bool) {
        let cut = self.tracker.cut(&self.table, full);
        if let Some((slots, mut frozen)) = cut.delta {
            let values = numbers(slots.iter().map(|slot| self.values[*slot as usize]));
            let values = vec![FrozenColumns::ready(vec![values])];
            let keys = Some(self.table.freeze(&slots).unwrap());
            frozen.push(FrozenRows { changes: Changes::All(RowChange::Put), rows: slots.len(), keys, values });
            self.own.push(layout.encode(frozen).unwrap().0);
        }
        if let Some(count) = cut.suffices {
            self.restored.clear();
            self.own.drain(..self.own.len() - count);
        }
    }

    fn restart(&self, layout: &StateLayout) -> Self {
        let mut new = Self::new();
        new.restored = [self.restored.clone(), self.own.clone()].concat();
        for delta in new.restored.clone() {
            for rows in layout.decode(delta, 0..=127).unwrap() {
                let deleted = rows.only(RowChange::Delete).unwrap();
                new.remove(numbers_of(&deleted.keys[0]));
                let put = rows.only(RowChange::Put).unwrap();
                new.put(numbers_of(&put.keys[0]), &numbers_of(&put.values[0]));
            }
        }
        new.tracker.restored(&new.table);
        new
    }

    fn content(&self) -> Vec<(i64, i64)> {
        let used = self.table.used();
        let keys = numbers_of(&self.table.keys(&used).unwrap()[0]);
        let mut content: Vec<_> = keys.into_iter().zip(used.iter().map(|slot| self.values[*slot as usize])).collect();
        content.sort_unstable();
        content
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens, the last deltas hold what is there, and there are never more of them than it takes to write everything twice.
    #[test]
    fn the_last_deltas_hold_everything(steps in prop::collection::vec(step(), 1..200)) {
        let layout = layout("numbers", &[DataType::Int64], &[DataType::Int64]);
        let mut stored = Stored::new();
        let mut snapshots_since = 0;
        for step in steps {
            match step {
                Step::Put(mut rows) => {
                    rows.sort_by_key(|(key, _)| *key);
                    rows.dedup_by_key(|(key, _)| *key);
                    let (keys, values): (Vec<i64>, Vec<i64>) = rows.into_iter().unzip();
                    let slots = stored.put(keys, &values);
                    let end = stored.table.slots();
                    stored.tracker.mark(&slots, end);
                }
                Step::Remove(keys) => {
                    stored.remove(keys);
                }
                Step::Snapshot { full } => {
                    stored.snapshot(&layout, full);
                    snapshots_since += 1;
                    prop_assert_eq!(stored.restart(&layout).content(), stored.content());
                    prop_assert!(stored.own.len() <= 82);
                    prop_assert!(snapshots_since < 82 || stored.restored.is_empty() || stored.own.is_empty());
                }
                Step::Restart => {
                    stored.snapshot(&layout, false);
                    let restarted = stored.restart(&layout);
                    prop_assert_eq!(restarted.content(), stored.content());
                    stored = restarted;
                    snapshots_since = 0;
                }
            }
        }
    }
}
