//! What a connector implements, and how the engine finds it.
//!
//! Three phases, a rule each. *Validate* ([`Connector::source`], [`Connector::sink`]) is pure: a script is checked without its systems.
//! *Open* ([`Source::enumerator`], [`Source::reader`], [`Sink::writer`]) may connect, in the thread of the task that owns the result.
//! *Run* is plain synchronous calls from that thread; whatever works in the background ends when its owner is dropped.

mod cancellation;
mod connector;
mod context;
mod counter;
mod io;
mod measure;
mod sink;
mod source;
mod two_phase;
mod write_ahead;

pub use cancellation::Cancellation;
pub use connector::{Connector, Connectors, LeftOut, MetadataKey, OpenSink, OpenSource};
pub use context::{JobContext, MetadataColumn, TableContext, TaskContext};
pub use counter::{Counter, Counters};
pub use io::io_runtime;
pub use measure::{Gauge, Histogram, HistogramStatistics, Measure, Measures, Meter};
pub use sink::{Commit, Commits, Committable, Committer, Flush, Sink, SinkWriter};
pub use source::{Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId};
pub use two_phase::{TransactionId, TwoPhaseCommit, TwoPhaseCommitSink};
pub use write_ahead::{GroupWriter, WriteAheadLog};
