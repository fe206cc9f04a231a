//! Functions that put values together.

use crate::{Record, State};

/// Puts two values together into one; associative.
pub trait ReduceFunction<T>: Clone + Send + Sync + 'static {
    /// Both in one.
    fn reduce(&mut self, first: T, second: T) -> T;
}

impl<T, F: FnMut(T, T) -> T + Clone + Send + Sync + 'static> ReduceFunction<T> for F {
    fn reduce(&mut self, first: T, second: T) -> T {
        self(first, second)
    }
}

/// Puts values together in an accumulator, from which a result is made.
///
/// ```
/// use riverrun::functions::AggregateFunction;
///
/// /// The mean of numbers.
/// #[derive(Clone)]
/// struct Average;
///
/// impl AggregateFunction for Average {
///     type In = f64;
///     type Accumulator = (f64, u64);
///     type Out = f64;
///
///     fn create_accumulator(&self) -> (f64, u64) {
///         (0.0, 0)
///     }
///
///     fn add(&self, value: &f64, (sum, count): &mut (f64, u64)) {
///         *sum += value;
///         *count += 1;
///     }
///
///     fn get_result(&self, (sum, count): &(f64, u64)) -> f64 {
///         sum / *count as f64
///     }
///
///     fn merge(&self, a: (f64, u64), b: (f64, u64)) -> (f64, u64) {
///         (a.0 + b.0, a.1 + b.1)
///     }
/// }
/// ```
pub trait AggregateFunction: Clone + Send + Sync + 'static {
    /// What is put together.
    type In: Record;
    /// What is known of the values so far. It is state: it is stored in checkpoints.
    type Accumulator: State;
    /// The result.
    type Out: Record;

    /// An accumulator without values.
    fn create_accumulator(&self) -> Self::Accumulator;

    /// Adds a value.
    fn add(&self, value: &Self::In, accumulator: &mut Self::Accumulator);

    /// The result for the values so far.
    fn get_result(&self, accumulator: &Self::Accumulator) -> Self::Out;

    /// Both in one. Only windows that merge (sessions) need it.
    fn merge(&self, a: Self::Accumulator, b: Self::Accumulator) -> Self::Accumulator;
}
