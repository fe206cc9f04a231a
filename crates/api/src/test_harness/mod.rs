//! Tests of functions and pipelines, without threads: a harness is told what comes and when, and shows what comes out, what is kept, and
//! what a restore brings back.
//!
//! ```
//! use riverrun::prelude::*;
//! use riverrun::test_harness::OneInputStreamOperatorTestHarness;
//!
//! # fn main() -> Result<(), riverrun::Error> {
//! let mut harness = OneInputStreamOperatorTestHarness::new(|words: DataStream<String>| {
//!     words.map(|word| (word, 1)).key_by(|(word, _)| word.clone()).reduce(|(word, a), (_, b)| (word, a + b))
//! });
//! harness.open()?;
//! harness.process_element("to".to_owned(), 10)?;
//! harness.process_element("be".to_owned(), 20)?;
//! harness.process_element("to".to_owned(), 30)?;
//! assert_eq!(harness.extract_output_values()[2], ("to".to_owned(), 2));
//! assert_eq!(harness.num_keyed_state_entries()?, 2);
//!
//! let snapshot = harness.snapshot()?;
//! harness.set_parallelism(3).initialize_state(&snapshot)?;
//! harness.process_element("to".to_owned(), 40)?;
//! assert_eq!(harness.extract_output_values(), [("to".to_owned(), 3)]);
//! # Ok(())
//! # }
//! ```
//!
//! Where Flink's harnesses take an operator, these take a function from streams to a stream: one operator, or a whole pipeline without
//! its source. With a [parallelism](OneInputStreamOperatorTestHarness::set_parallelism), all subtasks are there, and exchanges deal records
//! out to them. All of it runs in the caller's thread, and when a call returns, its record has gone as far as it goes.
//! [`ProcessFunctionTestHarnesses`] makes harnesses of process functions. What a function returns as an error is the error of the call.

mod core;
mod one_input;
mod output;
mod process_functions;
mod two_input;

#[cfg(test)]
mod tests;

pub use one_input::{KeyedOneInputStreamOperatorTestHarness, OneInputStreamOperatorTestHarness};
pub use output::{StreamElement, StreamRecord};
pub use process_functions::ProcessFunctionTestHarnesses;
pub use two_input::{KeyedTwoInputStreamOperatorTestHarness, TwoInputStreamOperatorTestHarness};
