//! Sources that need no system outside, and what one's own are made of.

mod function;
mod generator;
mod into_source;
mod rate_limiter;
mod socket;

pub use function::{FunctionSource, InputStatus, SourceFunction, SourceOutput};
pub use generator::GeneratorSource;
pub use into_source::{IntoSource, OfConnector, OfProgram};
pub use rate_limiter::{RateLimiter, RateLimiterStrategy};
pub(crate) use socket::SocketTextStream;
