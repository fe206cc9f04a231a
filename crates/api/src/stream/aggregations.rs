//! Running aggregations of a keyed stream: for each record, the aggregate of all records of its key so far.

use std::ops::AddAssign;

use super::{DataStream, KeyedStream};
use crate::functions::KeySelector;
use crate::{Key, Record, State};

/// Flink names a field by its name or position; here a closure leads to it. For [`sum`](Self::sum), [`min`](Self::min) and
/// [`max`](Self::max) it gives the field to change, as the result is the key's first record with that field changed. For
/// [`min_by`](Self::min_by) and [`max_by`](Self::max_by) it gives what records are compared by, as the result is a record as it came.
///
/// ```
/// use riverrun::prelude::*;
///
/// let fares = [(1u64, 5, 'x'), (1, 2, 'y'), (1, 9, 'z')];
/// let env = StreamExecutionEnvironment::new();
/// let sums = env.from_collection(fares).key_by(|(driver, _, _)| *driver).sum(|(_, fare, _)| fare);
/// assert_eq!(sums.execute_and_collect("sums")?, [(1, 5, 'x'), (1, 7, 'x'), (1, 16, 'x')]);
/// let cheapest = env.from_collection(fares).key_by(|(driver, _, _)| *driver).min_by(|(_, fare, _)| *fare);
/// assert_eq!(cheapest.execute_and_collect("cheapest")?, [(1, 5, 'x'), (1, 2, 'y'), (1, 2, 'y')]);
/// # Ok::<(), riverrun::Error>(())
/// ```
impl<T, K, S> KeyedStream<T, K, S>
where
    T: Record + State,
    K: Key,
    S: KeySelector<T, K>,
{
    /// The sum of a field; the other fields are those of the key's first record. Numbers overflow as Rust's do.
    pub fn sum<N, F>(self, field: F) -> DataStream<T>
    where
        N: AddAssign + Clone,
        F: Fn(&mut T) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.aggregation(move |mut sum, mut value| {
            *field(&mut sum) += field(&mut value).clone();
            sum
        })
    }

    /// The smallest value of a field; the other fields are those of the key's first record. What cannot be compared, as NaN, is passed over.
    pub fn min<N, F>(self, field: F) -> DataStream<T>
    where
        N: PartialOrd + Clone,
        F: Fn(&mut T) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.aggregation(move |mut least, mut value| {
            if *field(&mut value) < *field(&mut least) {
                *field(&mut least) = field(&mut value).clone();
            }
            least
        })
    }

    /// The largest value of a field; the other fields are those of the key's first record. What cannot be compared, as NaN, is passed over.
    pub fn max<N, F>(self, field: F) -> DataStream<T>
    where
        N: PartialOrd + Clone,
        F: Fn(&mut T) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.aggregation(move |mut most, mut value| {
            if *field(&mut value) > *field(&mut most) {
                *field(&mut most) = field(&mut value).clone();
            }
            most
        })
    }

    /// The record with the smallest value, the first of several. What cannot be compared, as NaN, is passed over.
    pub fn min_by<N, F>(self, value: F) -> DataStream<T>
    where
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.aggregation(move |least, other| if value(&other) < value(&least) { other } else { least })
    }

    /// The record with the largest value, the first of several. What cannot be compared, as NaN, is passed over.
    pub fn max_by<N, F>(self, value: F) -> DataStream<T>
    where
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.aggregation(move |most, other| if value(&other) > value(&most) { other } else { most })
    }

    fn aggregation(self, reduce: impl FnMut(T, T) -> T + Clone + Send + Sync + 'static) -> DataStream<T> {
        self.reduce(reduce).name("Keyed Aggregation")
    }
}
