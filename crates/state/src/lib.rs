//! Keyed state of operators.
