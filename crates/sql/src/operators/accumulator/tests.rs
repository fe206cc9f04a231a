#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::sync::Arc;

use arrow::array::{BooleanArray, Float64Array, Int8Array, Int32Array, Int64Array, StringArray};
use arrow::compute;
use arrow::datatypes::DataType as ArrowType;
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use riverrun_data::{DataType, LogicalType};

use super::*;
use crate::types;

/// A call of a function on an argument of this type.
fn call(function: AggregateFunction, argument: &LogicalType, distinct: bool) -> AggregateCall {
    let argument_type = DataType::nullable(argument.clone());
    let data_type = match function {
        AggregateFunction::Count => DataType::not_null(LogicalType::BigInt),
        AggregateFunction::Sum => types::sum_type(&argument_type).unwrap(),
        AggregateFunction::Avg => types::avg_type(&argument_type).unwrap(),
        AggregateFunction::Min | AggregateFunction::Max => argument_type.clone(),
        AggregateFunction::User(_) => unreachable!("an aggregate of a program"),
    };
    AggregateCall { function, argument: Some(0), argument_type, distinct, filter: None, data_type }
}

/// An accumulator with one slot.
struct One(Box<dyn Accumulator>);

impl One {
    fn new(function: AggregateFunction, argument: &LogicalType) -> Self {
        Self::of(&call(function, argument, false), true)
    }

    fn of(call: &AggregateCall, retracts: bool) -> Self {
        let mut accumulator = accumulator(call, retracts).unwrap();
        accumulator.resize(1);
        Self(accumulator)
    }

    fn add(&mut self, values: impl Array + 'static) -> &mut Self {
        self.update(Arc::new(values), 1)
    }

    fn take_back(&mut self, values: impl Array + 'static) -> &mut Self {
        self.update(Arc::new(values), -1)
    }

    fn update(&mut self, values: ArrayRef, sign: i8) -> &mut Self {
        let (slots, signs) = (vec![0; values.len()], vec![sign; values.len()]);
        self.0.update(&Updates { slots: &slots, argument: Some(&values), signs: Some(&signs) }).unwrap();
        self
    }

    fn result(&self) -> String {
        text(&self.0.results(&[0]).unwrap(), 0)
    }
}

fn text(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) { "NULL".to_owned() } else { array_value_to_string(array, row).unwrap() }
}

fn decimals(texts: &[&str], precision: u8, scale: i8) -> ArrayRef {
    compute::cast(&StringArray::from(texts.to_vec()), &ArrowType::Decimal128(precision, scale)).unwrap()
}

#[test]
fn integers_wrap_around_in_the_type_of_their_sum() {
    assert_eq!(
        One::new(AggregateFunction::Sum, &LogicalType::Int).add(Int32Array::from(vec![i32::MAX, 1])).result(),
        i32::MIN.to_string()
    );
    assert_eq!(
        One::new(AggregateFunction::Sum, &LogicalType::TinyInt).add(Int8Array::from(vec![100, 100])).result(),
        "-56"
    );
    assert_eq!(
        One::new(AggregateFunction::Sum, &LogicalType::BigInt).add(Int64Array::from(vec![i64::MAX, 1])).result(),
        i64::MIN.to_string()
    );
}

#[test]
fn averages_of_integers_are_truncated_and_their_sums_do_not_wrap_early() {
    assert_eq!(One::new(AggregateFunction::Avg, &LogicalType::Int).add(Int32Array::from(vec![-7, 0])).result(), "-3");
    assert_eq!(
        One::new(AggregateFunction::Avg, &LogicalType::TinyInt).add(Int8Array::from(vec![127, 127, 126])).result(),
        "126"
    );
    assert_eq!(One::new(AggregateFunction::Avg, &LogicalType::Int).add(Int32Array::from(vec![None])).result(), "NULL");
}

#[test]
fn a_decimal_sum_beyond_38_digits_is_null_until_it_comes_back() {
    let big = "99999999999999999999999999999999999999";
    let mut sum = One::new(AggregateFunction::Sum, &LogicalType::Decimal(38, 0));
    assert_eq!(sum.update(decimals(&[big], 38, 0), 1).result(), big);
    // Four times this is beyond 128 bits too.
    for _ in 0..4 {
        assert_eq!(sum.update(decimals(&[big], 38, 0), 1).result(), "NULL");
    }
    sum.update(decimals(&[big, big, big, big], 38, 0), -1);
    assert_eq!(sum.update(decimals(&["-1"], 38, 0), 1).result(), "99999999999999999999999999999999999998");
    let mut average = One::new(AggregateFunction::Avg, &LogicalType::Decimal(38, 0));
    assert_eq!(average.update(decimals(&[big, big], 38, 0), 1).result(), "NULL");
}

#[test]
fn averages_of_decimals_are_rounded_half_up_to_six_digits_at_least() {
    let mut average = One::new(AggregateFunction::Avg, &LogicalType::Decimal(10, 2));
    assert_eq!(average.update(decimals(&["1.00", "0.00", "0.00"], 10, 2), 1).result(), "0.333333");
    assert_eq!(average.update(decimals(&["1.00"], 10, 2), 1).result(), "0.500000");
    let mut halves = One::new(AggregateFunction::Avg, &LogicalType::Decimal(10, 6));
    assert_eq!(halves.update(decimals(&["0.000001", "0.000000"], 10, 6), 1).result(), "0.000001");
    let mut halves = One::new(AggregateFunction::Avg, &LogicalType::Decimal(10, 6));
    assert_eq!(halves.update(decimals(&["-0.000001", "0.000000"], 10, 6), 1).result(), "-0.000001");
}

#[test]
fn extremes_of_texts_booleans_and_doubles_are_as_they_sort() {
    for retracts in [false, true] {
        let best = |function, argument: LogicalType| One::of(&call(function, &argument, false), retracts);
        let texts = || StringArray::from(vec![Some("b"), None, Some("a"), Some("ä")]);
        assert_eq!(best(AggregateFunction::Min, LogicalType::STRING).add(texts()).result(), "a");
        assert_eq!(best(AggregateFunction::Max, LogicalType::STRING).add(texts()).result(), "ä");
        assert_eq!(
            best(AggregateFunction::Max, LogicalType::Boolean).add(BooleanArray::from(vec![false, true])).result(),
            "true"
        );
        assert_eq!(
            best(AggregateFunction::Min, LogicalType::Double).add(Float64Array::from(vec![1.5, -0.5])).result(),
            "-0.5"
        );
        assert_eq!(
            best(AggregateFunction::Max, LogicalType::Double)
                .add(Float64Array::from(vec![1.5, f64::INFINITY]))
                .result(),
            "inf"
        );
        assert_eq!(best(AggregateFunction::Min, LogicalType::STRING).result(), "NULL");
    }
}

#[test]
fn the_next_best_value_follows_one_that_is_taken_back() {
    let mut least = One::new(AggregateFunction::Min, &LogicalType::BigInt);
    least.add(Int64Array::from(vec![3, 1, 1, 2]));
    assert_eq!(least.take_back(Int64Array::from(vec![1])).result(), "1");
    assert_eq!(least.take_back(Int64Array::from(vec![1])).result(), "2");
    assert_eq!(least.take_back(Int64Array::from(vec![2, 3])).result(), "NULL");
}

#[test]
fn what_is_taken_back_before_it_came_does_not_count_when_it_comes() {
    for (function, distinct) in [(AggregateFunction::Count, true), (AggregateFunction::Max, false)] {
        let mut one = One::of(&call(function, &LogicalType::BigInt, distinct), true);
        let nothing = one.result();
        one.take_back(Int64Array::from(vec![5]));
        assert_eq!(one.result(), nothing);
        assert_eq!(one.add(Int64Array::from(vec![5])).result(), nothing);
        assert_ne!(one.add(Int64Array::from(vec![5])).result(), nothing);
    }
}

#[test]
fn an_argument_of_another_type_is_an_error() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let mut sum = accumulator(&call(AggregateFunction::Sum, &LogicalType::BigInt, false), true).unwrap();
    sum.resize(1);
    assert!(sum.update(&Updates { slots: &[0], argument: Some(&text), signs: None }).is_err());
    assert!(sum.update(&Updates { slots: &[0], argument: None, signs: None }).is_err());
}

const SLOTS: u32 = 3;

/// What happens to an accumulator next.
#[derive(Clone, Debug)]
enum Step {
    /// Rows with their slots; with a number, a row that the slot has is taken back instead.
    Update(Vec<(u32, Option<i8>, Option<usize>)>),
    Merge(u32, u32),
    Clear(u32),
}

fn step(retracts: bool) -> impl Strategy<Value = Step> {
    let taken = if retracts { prop::option::of(any::<usize>()).boxed() } else { Just(None).boxed() };
    let row = (0..SLOTS, prop::option::weighted(0.8, -5i8..5), taken);
    prop_oneof![
        5 => prop::collection::vec(row, 0..12).prop_map(Step::Update),
        1 => (0..SLOTS, 1..SLOTS).prop_map(|(into, by)| Step::Merge(into, (into + by) % SLOTS)),
        1 => (0..SLOTS).prop_map(Step::Clear),
    ]
}

/// The result over these values, which stand for one of the types tested.
fn expected(function: AggregateFunction, distinct: bool, values: &[i64], argument: &LogicalType) -> String {
    let mut values = values.to_vec();
    if distinct {
        values.sort_unstable();
        values.dedup();
    }
    let count = i64::try_from(values.len()).unwrap();
    let sum: i64 = values.iter().sum();
    let shown = |value: i64| match argument {
        LogicalType::Decimal(..) => format!("{value}.00"),
        LogicalType::Double => format!("{value}.0"),
        // Texts sort as the numbers do.
        LogicalType::VarChar(_) => format!("{:02}", value + 50),
        _ => value.to_string(),
    };
    match function {
        AggregateFunction::User(_) => unreachable!("an aggregate of a program"),
        AggregateFunction::Count => count.to_string(),
        _ if values.is_empty() => "NULL".to_owned(),
        AggregateFunction::Sum => shown(sum),
        AggregateFunction::Min => shown(values.iter().min().copied().unwrap()),
        AggregateFunction::Max => shown(values.iter().max().copied().unwrap()),
        AggregateFunction::Avg => match argument {
            LogicalType::Decimal(..) => {
                let millionths = (sum.abs() * 2_000_000 + count) / (2 * count) * sum.signum();
                format!(
                    "{}{}.{:06}",
                    if millionths < 0 { "-" } else { "" },
                    millionths.abs() / 1_000_000,
                    millionths.abs() % 1_000_000
                )
            }
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            LogicalType::Double => {
                array_value_to_string(&Float64Array::from(vec![sum as f64 / count as f64]), 0).unwrap()
            }
            _ => (sum / count).to_string(),
        },
    }
}

fn column(values: &[Option<i8>], argument: &LogicalType) -> ArrayRef {
    match argument {
        LogicalType::VarChar(_) => Arc::new(
            values
                .iter()
                .map(|value| value.map(|value| format!("{:02}", i16::from(value) + 50)))
                .collect::<StringArray>(),
        ),
        other => compute::cast(&Int8Array::from(values.to_vec()), &arrow_type(other)).unwrap(),
    }
}

/// Drives an accumulator beside the values that each slot has, and compares all results after each step.
fn compare(function: AggregateFunction, argument: &LogicalType, distinct: bool, retracts: bool, steps: &[Step]) {
    let call = call(function.clone(), argument, distinct);
    let mut accumulator = accumulator(&call, retracts).unwrap();
    accumulator.resize(SLOTS as usize);
    let mut model: Vec<Vec<i64>> = vec![Vec::new(); SLOTS as usize];
    for step in steps {
        match step {
            Step::Update(rows) => {
                let (mut slots, mut values, mut signs) = (Vec::new(), Vec::new(), Vec::new());
                for (slot, value, taken) in rows {
                    let has = &mut model[*slot as usize];
                    match taken.filter(|_| !has.is_empty()) {
                        Some(place) => {
                            values.push(i8::try_from(has.swap_remove(place % has.len())).ok());
                            signs.push(-1);
                        }
                        None => {
                            has.extend(value.map(i64::from));
                            values.push(*value);
                            signs.push(1);
                        }
                    }
                    slots.push(*slot);
                }
                let column = column(&values, argument);
                accumulator
                    .update(&Updates {
                        slots: &slots,
                        argument: Some(&column),
                        signs: signs.contains(&-1).then_some(signs.as_slice()),
                    })
                    .unwrap();
            }
            Step::Merge(into, from) => {
                accumulator.merge(*into, *from).unwrap();
                let moved = std::mem::take(&mut model[*from as usize]);
                model[*into as usize].extend(moved);
            }
            Step::Clear(slot) => {
                accumulator.clear(*slot);
                model[*slot as usize].clear();
            }
        }
        let slots: Vec<u32> = (0..SLOTS).rev().collect();
        let results = accumulator.results(&slots).unwrap();
        assert_eq!(*results.data_type(), arrow_type(&call.data_type.logical));
        for (row, slot) in slots.iter().enumerate() {
            let wanted = expected(function.clone(), distinct, &model[*slot as usize], argument);
            assert_eq!(
                text(&results, row),
                wanted,
                "{function:?} distinct {distinct} of {argument}, slot {slot} has {:?}",
                model[*slot as usize]
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_accumulator_is_a_function_of_the_values_it_has(retracts in any::<bool>(), taking in prop::collection::vec(step(true), 1..12), adding in prop::collection::vec(step(false), 1..12)) {
        use AggregateFunction::{Avg, Count, Max, Min, Sum};
        let steps = if retracts { taking } else { adding };
        for distinct in [false, true] {
            for function in [Count, Sum, Avg, Min, Max] {
                for argument in [LogicalType::BigInt, LogicalType::Decimal(10, 2), LogicalType::Double] {
                    compare(function.clone(), &argument, distinct, retracts, &steps);
                }
            }
            for function in [Count, Min, Max] {
                compare(function, &LogicalType::STRING, distinct, retracts, &steps);
            }
        }
    }
}
