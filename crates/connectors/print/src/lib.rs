//! The print and blackhole connectors.
