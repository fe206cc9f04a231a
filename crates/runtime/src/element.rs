//! What flows between operators.

use riverrun_protocol::{CheckpointId, Timestamp};

/// A batch, or what is said between batches. Elements keep their order on every way through the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element<B> {
    /// Rows.
    Data(B),
    /// No row at or before this time follows.
    Watermark(Timestamp),
    /// Nothing comes for now: do not wait for this input's watermark.
    Idle,
    /// The input goes on after [`Element::Idle`].
    Active,
    /// A checkpoint cuts the stream here.
    Barrier(Barrier),
    /// Nothing follows. After [`MAX_WATERMARK`](riverrun_protocol::MAX_WATERMARK) the input is exhausted; without it,
    /// the job was stopped in order.
    End,
}

/// The cut of a checkpoint through a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Which checkpoint.
    pub checkpoint: CheckpointId,
}
