//! Sources that need no system outside.

mod generator;

pub use generator::GeneratorSource;
