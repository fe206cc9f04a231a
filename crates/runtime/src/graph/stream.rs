//! A stream: what flows out of one or several nodes.

use crate::Exchange;

/// The output of a node, or of several in union, on its way to consumers. Cloning it adds no node.
#[derive(Clone, Debug)]
pub struct Stream<B> {
    pub(crate) origins: Vec<Origin<B>>,
}

/// One node of those whose output a stream holds.
#[derive(Clone, Debug)]
pub(crate) struct Origin<B> {
    pub(crate) node: usize,
    /// How it goes on; without an exchange, forward where the parallelisms agree, and else in turn.
    pub(crate) exchange: Option<Exchange<B>>,
}

impl<B> Stream<B> {
    pub(crate) fn of(node: usize) -> Self {
        Self { origins: vec![Origin { node, exchange: None }] }
    }
}
