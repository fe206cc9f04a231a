//! When checkpoints are taken, when they are complete, what is committed then, and what may be removed.
//!
//! ```text
//!           trigger                all tasks                slot written          sinks answered
//! (nothing) -------> in flight ---------------> writable ----------------> complete ----------> committed
//!                        | expired, declined        |  taken: Fenced          |  lost: FailJob
//!                        v                          v                         v
//!                     aborted                   (the end)                 (the end)
//! ```
//!
//! | word | meaning |
//! |---|---|
//! | checkpoint | a cut through all streams, named by a [`CheckpointId`](crate::CheckpointId) that is used once per attempt |
//! | slot | a place in the [checkpoint log](crate::checkpoint_log) with the same number, written once by whoever is first |
//! | aborted | will not be completed by this attempt: its slot is skipped, and what tasks prepared for it is the next one's |
//! | complete | its slot is written: from now on this is what a restart goes back to |
//! | committed | every transactional sink has made its rows visible |

mod coordinator;
mod events;
mod settings;
#[cfg(test)]
mod tests;

pub use coordinator::{CheckpointCoordinator, Start};
pub use events::{
    Action, CheckpointFailure, CheckpointKind, Decline, Event, FailReason, RequestError, RequestId, RequestKind,
    SlotOutcome,
};
pub use settings::CheckpointSettings;
