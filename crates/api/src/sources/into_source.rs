//! What `add_source` takes.

use riverrun_connect::Source;
use riverrun_data::Records;

use super::{FunctionSource, SourceFunction};
use crate::Record;

/// A source of a connector, or a [`SourceFunction`] of the program. `Kind` tells the two apart, and is never named.
pub trait IntoSource<T: Record, Kind> {
    /// The source.
    type Source: Source<Records<T>> + 'static;

    /// The source.
    fn into_source(self) -> Self::Source;
}

/// Already a source.
#[derive(Debug)]
pub struct OfConnector;

/// A function of the program.
#[derive(Debug)]
pub struct OfProgram;

impl<T: Record, S: Source<Records<T>> + 'static> IntoSource<T, OfConnector> for S {
    type Source = S;

    fn into_source(self) -> S {
        self
    }
}

impl<F: SourceFunction> IntoSource<F::Out, OfProgram> for F {
    type Source = FunctionSource<F>;

    fn into_source(self) -> FunctionSource<F> {
        FunctionSource(self)
    }
}
