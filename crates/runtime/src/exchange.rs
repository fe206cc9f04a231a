//! How a stream goes from the subtasks of one operator to those of another.

use std::fmt;
use std::sync::Arc;

use riverrun_base::Result;

/// Writes the key group of each row of a batch into a vector, which is empty when it is called.
pub type Partitioner<B> = Arc<dyn Fn(&B, &mut Vec<u32>) -> Result<()> + Send + Sync>;

/// Writes for each row of a batch the index of its consumer, of so many, into a vector, which is empty when it is called.
pub type Director<B> = Arc<dyn Fn(&B, usize, &mut Vec<u32>) -> Result<()> + Send + Sync>;

/// How rows find their consumer. Watermarks, barriers and the end go to every consumer.
#[derive(Clone)]
pub enum Exchange<B> {
    /// To the subtask of the same index; both sides have the same parallelism.
    Forward,
    /// To the subtask that owns the row's key group. Rows of a key stay in order.
    Hash(Partitioner<B>),
    /// Batch by batch to one subtask after another.
    Rebalance,
    /// Batch by batch to one after another of those consumers that are this producer's share, as few as there can be.
    Rescale,
    /// To the consumer that a function names.
    Directed(Director<B>),
    /// Every row to every subtask.
    Broadcast,
    /// Every row to the first subtask.
    Global,
}

impl<B> Exchange<B> {
    /// To the subtask that owns the row's key group.
    pub fn hash(partitioner: impl Fn(&B, &mut Vec<u32>) -> Result<()> + Send + Sync + 'static) -> Self {
        Self::Hash(Arc::new(partitioner))
    }
}

impl<B> fmt::Debug for Exchange<B> {
    /// The name of the strategy, as Flink's plans show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "FORWARD",
            Self::Hash(_) => "HASH",
            Self::Rebalance => "REBALANCE",
            Self::Rescale => "RESCALE",
            Self::Directed(_) => "CUSTOM",
            Self::Broadcast => "BROADCAST",
            Self::Global => "GLOBAL",
        })
    }
}
