//! The checkpoint log: what a checkpoint holds, where it is stored, and how one is found again.
//!
//! [`Stores`] opens a [`Storage`] by URL: a folder of a disk, of HDFS, of S3. In it, a [`CheckpointLog`] holds the numbered slots of one
//! job, and its state files. [`resolve`] and [`find_jobs`] find what a user wants to go on from.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use riverrun_base::options::OptionReader;
//! use riverrun_checkpoints::{CheckpointLog, Created, Slot, Stores, new_job_id};
//!
//! # fn main() -> riverrun_base::Result<()> {
//! let options = OptionReader::new("stores", BTreeMap::new()).read()?;
//! let stores = Arc::new(Stores::new(options)?);
//! let folder = std::env::temp_dir().join(new_job_id());
//! let log = CheckpointLog::open(stores, &folder.display().to_string(), &new_job_id())?;
//!
//! let takeover = Slot::Takeover { attempt: 1, restores: None, at_ms: 0 };
//! let number = log.next_slot()?;
//! assert_eq!(log.write(number, &takeover)?, Created::Written);
//! assert_eq!(log.write(number, &takeover)?, Created::Exists);
//! assert_eq!(log.read()?.len(), 1);
//! # log.remove_all()?;
//! # std::fs::remove_dir_all(folder).map_err(|error| riverrun_base::Error::external(error.to_string()))?;
//! # Ok(())
//! # }
//! ```

mod codec;
mod log;
mod metadata;
mod snapshot;
pub mod storage;

pub use log::{CheckpointLog, SlotSummary, new_job_id, restore_point};
pub use metadata::{Checkpoint, OperatorState, Slot, StateChain, StateData, StateFile, SubtaskState};
pub use snapshot::{FoundJob, Snapshot, find_jobs, resolve};
pub use storage::{Created, Storage, StoreOptions, Stores};
