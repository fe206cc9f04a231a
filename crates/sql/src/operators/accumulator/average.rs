//! AVG: of integers truncated to their type, of decimals rounded half up to the scale of the result.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
use arrow::compute;
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_state::FrozenColumns;

use super::decimal_sum::DecimalSum;
use super::stored::StateColumn;
use super::sum::Sum;
use super::{Accumulator, Updates};

/// The mean of values of type `argument`.
pub(super) fn average(argument: &DataType, result: &DataType) -> Result<Box<dyn Accumulator>> {
    Ok(match (argument, result) {
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, _) => {
            Box::new(Average { sums: Sum::<Int64Type>::default(), result: result.clone() })
        }
        (DataType::Float32 | DataType::Float64, _) => {
            Box::new(Average { sums: Sum::<Float64Type>::default(), result: result.clone() })
        }
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) if from <= to => {
            Box::new(Average { sums: DecimalSum::new(*from), result: result.clone() })
        }
        _ => return Err(Error::internal(format!("AVG of {argument} as {result}"))),
    })
}

/// Sums from which means are computed.
trait Mean: Accumulator {
    /// The argument in the type in which it is summed.
    fn widened(argument: &ArrayRef) -> Result<ArrayRef>;

    /// The means in some slots; NULL where there are no values.
    fn means(&self, slots: &[u32], result: &DataType) -> Result<ArrayRef>;
}

struct Average<S> {
    sums: S,
    result: DataType,
}

impl<S: Mean> Accumulator for Average<S> {
    fn resize(&mut self, slots: usize) {
        self.sums.resize(slots);
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let argument = S::widened(rows.argument()?)?;
        self.sums.update(&Updates { argument: Some(&argument), ..*rows })
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        self.sums.merge(into, from)
    }

    fn clear(&mut self, slot: u32) {
        self.sums.clear(slot);
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.sums.means(slots, &self.result)
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        self.sums.state_columns()
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        self.sums.freeze(slots)
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.sums.restore(slots, columns)
    }
}

impl Mean for Sum<Int64Type> {
    fn widened(argument: &ArrayRef) -> Result<ArrayRef> {
        compute::cast(argument, &DataType::Int64).map_err(failed)
    }

    fn means(&self, slots: &[u32], result: &DataType) -> Result<ArrayRef> {
        let means: Int64Array =
            slots.iter().map(|slot| self.get(*slot).map(|(sum, count)| sum.wrapping_div(count))).collect();
        compute::cast(&means, result).map_err(failed)
    }
}

impl Mean for Sum<Float64Type> {
    fn widened(argument: &ArrayRef) -> Result<ArrayRef> {
        compute::cast(argument, &DataType::Float64).map_err(failed)
    }

    fn means(&self, slots: &[u32], result: &DataType) -> Result<ArrayRef> {
        #[allow(clippy::cast_precision_loss, reason = "a mean of so many values is no more exact")]
        let means: Float64Array =
            slots.iter().map(|slot| self.get(*slot).map(|(sum, count)| sum / count as f64)).collect();
        compute::cast(&means, result).map_err(failed)
    }
}

impl Mean for DecimalSum {
    fn widened(argument: &ArrayRef) -> Result<ArrayRef> {
        Ok(argument.clone())
    }

    fn means(&self, slots: &[u32], result: &DataType) -> Result<ArrayRef> {
        let DataType::Decimal128(precision, scale) = *result else {
            return Err(Error::internal(format!("AVG of DECIMAL as {result}")));
        };
        let factor = 10i128
            .checked_pow(u32::from(scale.abs_diff(self.scale())))
            .ok_or_else(|| Error::internal("AVG with a scale beyond 38"))?;
        let mean = |slot: &u32| {
            let (sum, count) = self.get(*slot)?;
            divide_half_up(sum, factor, i128::from(count))
                .filter(|mean| Decimal128Type::is_valid_decimal_precision(*mean, precision))
        };
        let means: Decimal128Array = slots.iter().map(mean).collect();
        Ok(Arc::new(means.with_precision_and_scale(precision, scale).map_err(failed)?))
    }
}

/// `sum * factor / count`, rounded half away from zero; `None` beyond 128 bits. `count` is not 0.
fn divide_half_up(sum: i128, factor: i128, count: i128) -> Option<i128> {
    // The whole part first, so that the product stays small.
    let (whole, rest) = (sum / count, sum % count);
    let scaled = rest.checked_mul(factor)?;
    let (mut fraction, left) = (scaled / count, scaled % count);
    if left.unsigned_abs() * 2 >= count.unsigned_abs() {
        fraction += if (scaled < 0) == (count < 0) { 1 } else { -1 };
    }
    whole.checked_mul(factor)?.checked_add(fraction)
}

fn failed(error: ArrowError) -> Error {
    Error::internal("AVG failed").caused_by(error)
}
