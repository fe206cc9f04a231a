//! What every implementation of a contract must hold: suites that drive it as the engine does, and worse.

pub mod two_phase;
