//! Functions that put the values of many rows together.

use std::sync::Arc;

use arrow::array::ArrayRef;
use riverrun_base::{Error, Result};
use riverrun_data::DataType;
use riverrun_sql::{UserAccumulators, UserAggregate, UserFunction, UserSignature};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::IntoUserFunction;
use super::call::Arguments;
use crate::State;
use crate::table::rows::{Builder, data_type_of};

/// Puts the values of many rows together in an accumulator, from which a result is made.
///
/// ```
/// use riverrun::table::{AggregateFunction, TableEnvironment, aggregate};
///
/// /// The mean of values that count more or less.
/// struct WeightedAverage;
///
/// impl AggregateFunction for WeightedAverage {
///     type Arguments = (i64, i64);
///     type Accumulator = (i64, i64);
///     type Result = Option<i64>;
///     const RETRACTS: bool = true;
///
///     fn create_accumulator(&self) -> (i64, i64) {
///         (0, 0)
///     }
///
///     fn accumulate(&self, (sum, weights): &mut (i64, i64), (value, weight): (i64, i64)) {
///         *sum += value * weight;
///         *weights += weight;
///     }
///
///     fn retract(&self, (sum, weights): &mut (i64, i64), (value, weight): (i64, i64)) {
///         *sum -= value * weight;
///         *weights -= weight;
///     }
///
///     fn get_value(&self, (sum, weights): &(i64, i64)) -> Option<i64> {
///         (*weights != 0).then(|| sum / weights)
///     }
/// }
///
/// let env = TableEnvironment::create();
/// env.create_temporary_function("weighted_average", aggregate(WeightedAverage));
/// let query = "SELECT weighted_average(v, w) AS mean FROM (VALUES (10, 1), (20, 3)) AS t(v, w)";
/// let rows = env.sql_query(query)?.execute()?.collect()?;
/// assert_eq!(rows.last().map(ToString::to_string).as_deref(), Some("+I[17]"));
/// # Ok::<(), riverrun::Error>(())
/// ```
pub trait AggregateFunction: Send + Sync + 'static {
    /// The arguments: a tuple, or one value. A row with NULL where no `Option` is, is left out.
    type Arguments: DeserializeOwned + 'static;
    /// What is known of the rows so far. It is state: it is stored in checkpoints.
    type Accumulator: State;
    /// The result.
    type Result: Serialize + DeserializeOwned + 'static;
    /// Whether [`retract`](Self::retract) is written: without it, the function is refused over an input that updates its rows.
    const RETRACTS: bool = false;
    /// Whether [`merge`](Self::merge) is written: without it, the function is refused in session windows.
    const MERGES: bool = false;

    /// An accumulator without rows.
    fn create_accumulator(&self) -> Self::Accumulator;

    /// Adds a row.
    fn accumulate(&self, accumulator: &mut Self::Accumulator, arguments: Self::Arguments);

    /// Takes a row back that was added.
    fn retract(&self, accumulator: &mut Self::Accumulator, arguments: Self::Arguments) {
        let _ = (accumulator, arguments);
    }

    /// Adds what another accumulator holds.
    fn merge(&self, accumulator: &mut Self::Accumulator, other: Self::Accumulator) {
        let _ = (accumulator, other);
    }

    /// The result for the rows so far.
    fn get_value(&self, accumulator: &Self::Accumulator) -> Self::Result;
}

/// An [`AggregateFunction`], to be created under a name.
pub fn aggregate<F: AggregateFunction>(function: F) -> impl IntoUserFunction {
    Aggregate(Arc::new(function))
}

struct Aggregate<F>(Arc<F>);

impl<F: AggregateFunction> IntoUserFunction for Aggregate<F> {
    fn into_user_function(self) -> UserFunction {
        UserFunction::Aggregate(Arc::new(self))
    }
}

impl<F: AggregateFunction> UserAggregate for Aggregate<F> {
    fn signature(&self, arguments: &[DataType]) -> Result<UserSignature> {
        Arguments::<F::Arguments>::signature(arguments, data_type_of::<F::Result>()?, false)
    }

    fn retracts(&self) -> bool {
        F::RETRACTS
    }

    fn merges(&self) -> bool {
        F::MERGES
    }

    fn accumulators(&self, signature: &UserSignature) -> Result<Box<dyn UserAccumulators>> {
        let (function, returns) = (Arc::clone(&self.0), signature.returns.clone());
        Ok(Box::new(Accumulators { function, slots: Vec::new(), returns }))
    }
}

struct Accumulators<F: AggregateFunction> {
    function: Arc<F>,
    slots: Vec<F::Accumulator>,
    returns: DataType,
}

impl<F: AggregateFunction> Accumulators<F> {
    fn take(&mut self, slot: u32) -> F::Accumulator {
        std::mem::replace(&mut self.slots[slot as usize], self.function.create_accumulator())
    }
}

impl<F: AggregateFunction> UserAccumulators for Accumulators<F> {
    fn resize(&mut self, slots: usize) {
        let slots = slots.max(self.slots.len());
        self.slots.resize_with(slots, || self.function.create_accumulator());
    }

    fn update(&mut self, slots: &[u32], arguments: &[ArrayRef], signs: Option<&[i8]>) -> Result<()> {
        let (function, accumulators) = (&self.function, &mut self.slots);
        Arguments::<F::Arguments>::each(arguments, slots.len(), |row, arguments| {
            let Some(arguments) = arguments else { return Ok(()) };
            let accumulator = &mut accumulators[slots[row] as usize];
            match signs.map_or(1, |signs| signs[row]) {
                0 => {}
                1.. => function.accumulate(accumulator, arguments),
                _ => function.retract(accumulator, arguments),
            }
            Ok(())
        })
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        let from = self.take(from);
        self.function.merge(&mut self.slots[into as usize], from);
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.take(slot);
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let mut results = Builder::of(&self.returns)?;
        for slot in slots {
            results.push(&self.function.get_value(&self.slots[*slot as usize]))?;
        }
        results.finish()
    }

    fn freeze(&self, slot: u32) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(&self.slots[slot as usize])
            .map_err(|error| Error::user("an accumulator cannot be stored").caused_by(error))
    }

    fn restore(&mut self, slot: u32, state: &[u8]) -> Result<()> {
        self.slots[slot as usize] = rmp_serde::from_slice(state)
            .map_err(|error| Error::user("a stored accumulator is of another type").caused_by(error))?;
        Ok(())
    }
}
