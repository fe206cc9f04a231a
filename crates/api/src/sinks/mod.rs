//! Sinks that need no system outside.

mod collect;
mod discard;
#[cfg(feature = "http")]
pub(crate) mod http;
mod print;

pub(crate) use collect::CollectSink;
pub use discard::DiscardingSink;
pub use print::PrintSink;
