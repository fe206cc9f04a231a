//! Sinks that need no system outside.

mod collect;
mod discard;
mod print;

pub(crate) use collect::CollectSink;
pub use discard::DiscardingSink;
pub use print::PrintSink;
