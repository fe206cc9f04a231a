//! Scripts as the session sees them.

use riverrun_base::Position;

use crate::parser::{Hints, Statement, position};

/// A script that has been read.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its statements, in order.
    pub steps: Vec<Step>,
}

/// A statement of a script.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) statement: Statement,
    pub(crate) hints: std::sync::Arc<Hints>,
}

impl Step {
    /// Where the statement begins.
    pub fn position(&self) -> Option<Position> {
        position(self.statement.span)
    }
}
