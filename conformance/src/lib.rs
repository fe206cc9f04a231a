//! Holds Riverrun's SQL to the recorded answers of Apache Flink.
//!
//! `cases/*.test` are Flink's answers (README.md tells the form). [`read_cases`] reads a file of them, [`answer`] asks Riverrun the same, [`differs`]
//! compares. Where Riverrun answers otherwise, `waivers.txt` says why, case by case; a waiver that is not needed any more fails the test.

mod ask;
mod case;
mod compare;
mod waivers;

pub use ask::answer;
pub use case::{Answer, Case, read_cases};
pub use compare::differs;
pub use waivers::Waivers;
