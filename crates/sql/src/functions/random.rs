//! `RAND`, `RAND_INTEGER` and `UUID`.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the generator is defined on bits")]

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use arrow::array::Int64Array;
use arrow::datatypes::{DataType as ArrowType, Float64Type, Int32Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::signature::{Choice, any_nullable, bad_value, count, exactly};
use super::{Argument, Bound, ScalarFunction};
use crate::eval::{EvalContext, Rows, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["RAND"],
        usage: "RAND([seed])",
        description: "A random number from 0 to below 1; with a seed, the same sequence in every run.",
        choose: rand,
    },
    ScalarFunction {
        names: &["RAND_INTEGER"],
        usage: "RAND_INTEGER([seed,] bound)",
        description: "A random integer from 0 to below a bound; with a seed, the same sequence in every run.",
        choose: rand_integer,
    },
    ScalarFunction { names: &["UUID"], usage: "UUID()", description: "A random UUID (version 4).", choose: uuid },
];

/// The generator of `java.util.Random`, so that a seed gives the sequence that it gives in Flink.
struct JavaRandom(u64);

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

impl JavaRandom {
    fn new(seed: i64) -> Self {
        Self((seed as u64 ^ MULTIPLIER) & MASK)
    }

    fn bits(&mut self, count: u32) -> i32 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        (self.0 >> (48 - count)) as i32
    }

    fn double(&mut self) -> f64 {
        let high = i64::from(self.bits(26)) << 27;
        let low = i64::from(self.bits(27));
        (high + low) as f64 * (1.0 / (1_i64 << 53) as f64)
    }

    /// From 0 to below `bound`, which is positive.
    fn below(&mut self, bound: i32) -> i32 {
        if bound & (bound - 1) == 0 {
            return ((i64::from(bound) * i64::from(self.bits(31))) >> 31) as i32;
        }
        loop {
            let bits = self.bits(31);
            let value = bits % bound;
            // Rejects the last, incomplete run of numbers.
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }
}

/// A generator that goes on from batch to batch, made with the first row's seed.
type Seeded = Mutex<Option<JavaRandom>>;

fn with_generator<T>(
    seeded: &Seeded,
    seed: Option<i64>,
    compute: impl FnOnce(&mut JavaRandom) -> Result<T>,
) -> Result<T> {
    let mut generator = seeded.lock().unwrap_or_else(PoisonError::into_inner);
    compute(generator.get_or_insert_with(|| JavaRandom::new(seed.unwrap_or_default())))
}

fn first_seed(args: &[Value]) -> Result<Option<i64>> {
    let Some(seed) = args.first() else { return Ok(None) };
    let cells = seed.cells::<Int64Array>()?;
    Ok(if seed.array().is_empty() { None } else { cells.get(0) })
}

fn rand(args: &[Argument]) -> Choice {
    count(args, 0..=1)?;
    let arguments = args.iter().map(Argument::integer).collect::<Result<Vec<_>, _>>()?;
    let returns = DataType { logical: L::Double, nullable: any_nullable(args) };
    let seeded = Seeded::default();
    Ok(Bound::new(arguments, returns, move |args, context| {
        let rows = Rows::each(context);
        if args.is_empty() {
            return Ok(rows.numbers::<Float64Type>(&ArrowType::Float64, |_| fastrand::f64()));
        }
        with_generator(&seeded, first_seed(args)?, |generator| {
            Ok(rows.numbers::<Float64Type>(&ArrowType::Float64, |_| generator.double()))
        })
    })
    .volatile())
}

fn rand_integer(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    let arguments = args.iter().map(Argument::integer).collect::<Result<Vec<_>, _>>()?;
    let returns = DataType { logical: L::Int, nullable: any_nullable(args) };
    let seeded = Seeded::default();
    Ok(Bound::new(arguments, returns, move |args, context| {
        let bounds =
            args.last().ok_or_else(|| Error::internal("RAND_INTEGER without a bound"))?.cells::<Int64Array>()?;
        let bound = |row: usize| match bounds.get(row) {
            None => Ok(None),
            Some(bound) => match i32::try_from(bound) {
                Ok(bound) if bound > 0 => Ok(Some(bound)),
                _ => Err(bad_value(format!("RAND_INTEGER needs a positive bound of INT, not {bound}"))),
            },
        };
        let rows = Rows::each(context);
        if args.len() == 1 {
            return rows.try_numbers::<Int32Type>(&ArrowType::Int32, |row| {
                Ok(bound(row)?.map(|bound| fastrand::i32(0..bound)))
            });
        }
        with_generator(&seeded, first_seed(args)?, |generator| {
            rows.try_numbers::<Int32Type>(&ArrowType::Int32, |row| Ok(bound(row)?.map(|bound| generator.below(bound))))
        })
    })
    .volatile()
    .failing())
}

fn uuid(args: &[Argument]) -> Choice {
    let [] = exactly(args)?;
    Ok(Bound::new(Vec::new(), DataType::not_null(L::Char(36)), |_: &[Value], context: &EvalContext| {
        Rows::each(context).texts(|_, out| {
            // Version 4, variant 1 (RFC 9562).
            let bits = fastrand::u128(..) & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
            let _infallible = write!(
                out,
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                (bits >> 96) as u32,
                (bits >> 80) as u16,
                (bits >> 64) as u16,
                (bits >> 48) as u16,
                bits as u64 & 0xFFFF_FFFF_FFFF
            );
            Ok(true)
        })
    })
    .volatile())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_seed_gives_java_s_sequence() {
        let mut random = JavaRandom::new(1);
        assert_eq!(random.double(), 0.730_878_190_703_290_9);
        assert_eq!(random.double(), 0.410_080_811_492_201_66);
        let mut random = JavaRandom::new(42);
        assert_eq!([random.below(10), random.below(10), random.below(10)], [0, 3, 8]);
    }

    #[test]
    fn bounds_are_kept() {
        let mut random = JavaRandom::new(7);
        assert!((0..1000).all(|n| (0..=n).contains(&random.below(n + 1))));
    }
}
