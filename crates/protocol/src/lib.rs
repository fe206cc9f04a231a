//! The pure state machines: events in, actions out.
