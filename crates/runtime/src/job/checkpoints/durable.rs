//! A job's place in the checkpoint log: what it goes on from, and what it leaves behind.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result};
use riverrun_checkpoints::{
    Checkpoint, CheckpointLog, Created, Slot, SlotSummary, Snapshot, StoreOptions, Stores, find_jobs, new_job_id,
    resolve, restore_point,
};
use riverrun_protocol::CheckpointId;
use riverrun_protocol::checkpoint_log::{self as protocol, LogEntry, LogError, Own};

use super::NodeIdentity;
use crate::job::{Restoration, Retention};
use crate::{Checkpointing, JobGraph, Recovery};

/// How often a takeover is tried while other attempts take slots.
const TAKEOVER_TRIES: usize = 16;

/// The log of a job that takes checkpoints, or is restored from one.
pub(crate) struct Durable {
    pub(crate) log: Arc<CheckpointLog>,
    /// How checkpoints are taken; `None` if none are.
    pub(crate) checkpointing: Option<Checkpointing>,
    pub(crate) job_id: Arc<str>,
    job_name: String,
    /// Where the job started from, until it has a checkpoint of its own.
    origin: Option<Snapshot>,
    /// Whether the job may refer to the origin's files.
    claims: bool,
    allow_non_restored_state: bool,
    resumes: bool,
    /// A folder that ends with the job.
    temporary: Option<PathBuf>,
}

/// The beginning of an attempt.
pub(crate) struct Takeover {
    pub(crate) slot: CheckpointId,
    pub(crate) attempt: u64,
    pub(crate) restoration: Option<Arc<Restoration>>,
    /// The checkpoint that is restored, if it is one of the log.
    pub(crate) restored: Option<CheckpointId>,
    /// The complete checkpoints of the log.
    pub(crate) live: Vec<CheckpointId>,
    /// Its skipped slots.
    pub(crate) skipped: Vec<CheckpointId>,
    /// Whether state files of what is restored must not be referred to.
    pub(crate) starts_full: bool,
    /// Whether what is restored is committed for certain.
    pub(crate) is_committed: bool,
}

/// How a takeover went.
pub(crate) enum TakenOver {
    /// The attempt begins.
    Begins(Box<Takeover>),
    /// Another process has the job, or has ended it.
    Fenced(Error),
    /// Rows of this checkpoint are lost, and there is none before it to go back to.
    NothingBefore(CheckpointId),
}

impl Durable {
    /// Opens what the settings of a job name; `None` where it neither takes checkpoints nor starts from one.
    ///
    /// # Errors
    /// The folder cannot be written, or there is no such checkpoint.
    pub(crate) fn open(graph: &JobGraph) -> Result<Option<Self>> {
        let settings = &graph.settings;
        let stores = match settings.stores.clone() {
            Some(stores) => stores,
            None => Arc::new(Stores::new(OptionReader::new("stores", Default::default()).read::<StoreOptions>()?)?),
        };
        let directory = settings.checkpointing.as_ref().and_then(|checkpointing| checkpointing.directory.as_deref());
        let origin = match &settings.recovery {
            Recovery::From { path, .. } => {
                let origin = resolve(&stores, path)?;
                tracing::info!(job = graph.name, "goes on from {}", origin.url);
                Some(origin)
            }
            Recovery::Resume if directory.is_none() => {
                return Err(Error::user(
                    "there is nothing that the job could go on from by '--resume': it keeps no checkpoints",
                )
                .hint(
                    "SET 'execution.checkpointing.interval' = '10 s' and 'execution.checkpointing.dir' = '/folder'",
                ));
            }
            Recovery::Resume | Recovery::Fresh => None,
        };
        if settings.checkpointing.is_none() && origin.is_none() {
            return Ok(None);
        }
        let mut job_id = new_job_id();
        let directory = settings.checkpointing.as_ref().and_then(|checkpointing| checkpointing.directory.clone());
        let (directory, temporary) = match directory {
            Some(directory) => {
                stores.open_checked(&directory)?;
                (directory, None)
            }
            None => {
                let folder = std::env::temp_dir().join(format!("riverrun-{job_id}"));
                if settings.checkpointing.is_some() {
                    tracing::warn!(
                        job = graph.name,
                        "checkpoints are in a temporary folder: the job survives failures, but not the end of its process; set 'execution.checkpointing.dir'"
                    );
                }
                (folder.to_string_lossy().into_owned(), Some(folder))
            }
        };
        let mut resumes = false;
        if temporary.is_none() {
            let found = find_jobs(&stores, &directory, &graph.name)?;
            match (found.first(), &settings.recovery) {
                (Some(job), Recovery::Resume) => {
                    tracing::info!(job = graph.name, "goes on from its last checkpoint, {}", job.url);
                    job_id.clone_from(&job.job_id);
                }
                (None, Recovery::Resume) => {
                    tracing::info!(
                        job = graph.name,
                        "begins anew: there is no checkpoint of a job of this name in {directory}"
                    );
                }
                (Some(job), Recovery::Fresh) => tracing::info!(
                    job = graph.name,
                    "begins anew, though an earlier run has left {}; --resume goes on from there",
                    job.url
                ),
                _ => {}
            }
            resumes = matches!(settings.recovery, Recovery::Resume);
        }
        let (claims, allow_non_restored_state) = match settings.recovery {
            Recovery::From { claim, allow_non_restored_state, .. } => (claim, allow_non_restored_state),
            _ => (true, false),
        };
        Ok(Some(Self {
            log: Arc::new(CheckpointLog::open(stores, &directory, &job_id)?),
            checkpointing: settings.checkpointing.clone(),
            job_id: job_id.into(),
            job_name: graph.name.clone(),
            origin,
            claims,
            allow_non_restored_state,
            resumes,
            temporary,
        }))
    }

    /// Takes the next slot of the log, and with it what is to be restored: what the log says, or the checkpoint before `lost`.
    /// `own` is what this process had of the job.
    ///
    /// # Errors
    /// The log cannot be read or written, or what it says cannot be restored into these nodes.
    pub(crate) fn take_over(
        &self,
        nodes: &[NodeIdentity],
        max_parallelism: usize,
        own: &mut Option<Own>,
        lost: Option<CheckpointId>,
    ) -> Result<TakenOver> {
        if self.checkpointing.is_none() {
            return Ok(TakenOver::Begins(Box::new(self.without_log(nodes, max_parallelism)?)));
        }
        for _ in 0..TAKEOVER_TRIES {
            let slots = self.log.read()?;
            // A damaged slot is told as what it is.
            restore_point(&slots)?;
            let log = protocol::CheckpointLog::new(slots.iter().filter_map(|(id, slot)| Some((*id, entry(slot)?))));
            let next = match lost {
                Some(lost) => log.rollback(*own, lost),
                None => log.takeover(*own),
            };
            let next = match next {
                Ok(next) => next,
                Err(LogError::NothingBefore(lost)) => return Ok(TakenOver::NothingBefore(lost)),
                Err(LogError::Fenced { .. }) => return Ok(TakenOver::Fenced(self.taken())),
                Err(LogError::Removed) => {
                    let error = Error::external("another process has brought the job to its end");
                    return Ok(TakenOver::Fenced(error.with("checkpoints in", self.log.url())));
                }
                Err(LogError::Missing(checkpoint)) => {
                    return Err(Error::external(format!(
                        "checkpoint {checkpoint} is not there any more: somebody has removed it"
                    ))
                    .with("checkpoints in", self.log.url()));
                }
            };
            let takeover = Slot::Takeover { attempt: next.attempt, restores: next.restores, at_ms: now_ms() };
            let before = own.map_or(CheckpointId(0), |own| own.slot);
            *own = Some(Own { attempt: next.attempt, slot: before });
            if self.log.write(next.slot, &takeover)? == Created::Exists {
                continue;
            }
            *own = Some(Own { attempt: next.attempt, slot: next.slot });
            // What is left over costs room and nothing else.
            if let Err(error) = self.log.remove_leftovers(next.attempt) {
                tracing::warn!(job = self.job_name, %error, "what an earlier attempt left behind could not be removed");
            }
            let checkpoint = match (next.restores, &self.origin) {
                (Some(restored), _) => Some(self.log.load(restored)?),
                (None, Some(origin)) => Some(origin.checkpoint.clone()),
                (None, None) => None,
            };
            let starts_full = next.restores.is_none() && self.origin.is_some() && !self.claims;
            let restoration =
                checkpoint.map(|checkpoint| self.restoration(checkpoint, nodes, max_parallelism)).transpose()?;
            return Ok(TakenOver::Begins(Box::new(Takeover {
                slot: next.slot,
                attempt: next.attempt,
                restoration,
                restored: next.restores,
                live: next.live,
                skipped: next.skipped,
                starts_full,
                is_committed: next.is_committed,
            })));
        }
        Err(Error::external("other attempts of the job take over again and again")
            .with("checkpoints in", self.log.url())
            .hint("run the job once"))
    }

    /// Another process has the job.
    pub(crate) fn taken(&self) -> Error {
        Error::external("another process has taken the job over").with("checkpoints in", self.log.url())
    }

    fn without_log(&self, nodes: &[NodeIdentity], max_parallelism: usize) -> Result<Takeover> {
        let checkpoint = self.origin.as_ref().map(|origin| origin.checkpoint.clone());
        let restoration =
            checkpoint.map(|checkpoint| self.restoration(checkpoint, nodes, max_parallelism)).transpose()?;
        let (slot, live) = (CheckpointId(0), Vec::new());
        Ok(Takeover {
            slot,
            attempt: 1,
            restoration,
            restored: None,
            live,
            skipped: Vec::new(),
            starts_full: false,
            is_committed: true,
        })
    }

    /// Checks that a checkpoint fits the job.
    fn restoration(
        &self,
        checkpoint: Checkpoint,
        nodes: &[NodeIdentity],
        max_parallelism: usize,
    ) -> Result<Arc<Restoration>> {
        check_fit(&checkpoint, nodes, max_parallelism, self.allow_non_restored_state)?;
        let log = Arc::clone(&self.log);
        let open = Box::new(move |file: &_| log.open_state(file).map(std::borrow::Cow::into_owned));
        Ok(Arc::new(Restoration { checkpoint: Arc::new(checkpoint), open }))
    }

    /// The checkpoint of this number, without its operators.
    pub(crate) fn blank(&self, id: CheckpointId, attempt: u64, is_savepoint: bool) -> Checkpoint {
        Checkpoint {
            id,
            job_id: self.job_id.to_string(),
            job_name: self.job_name.clone(),
            attempt,
            triggered_ms: 0,
            completed_ms: now_ms(),
            is_savepoint,
            operators: Vec::new(),
        }
    }

    /// Removes what need not stay when the job has ended: `failed`, or by itself (`finished`), or because somebody stopped it.
    pub(crate) fn clean_up(&self, failed: bool, finished: bool) {
        let retention = self.checkpointing.as_ref().map_or(Retention::None, |checkpointing| checkpointing.retention);
        let stays = failed || !finished && (self.resumes || retention == Retention::RetainOnCancellation);
        if let Some(folder) = &self.temporary {
            // It may never have been made.
            let _ = std::fs::remove_dir_all(folder);
        } else if self.checkpointing.is_some() && !stays {
            if let Err(error) = self.log.remove_all() {
                tracing::warn!(job = self.job_name, %error, "the checkpoints of the job could not be removed");
            }
        } else if self.checkpointing.is_some() {
            let latest = self.log.read().ok().and_then(|slots| restore_point(&slots).ok().flatten());
            if let Some(latest) = latest {
                tracing::info!(job = self.job_name, "its last checkpoint is {}", self.log.slot_url(latest));
            }
        }
    }
}

/// Checks that a checkpoint fits a job with these nodes, which may know none for some of its state if that is to be left out.
pub(crate) fn check_fit(
    checkpoint: &Checkpoint,
    nodes: &[NodeIdentity],
    max_parallelism: usize,
    leaves_out: bool,
) -> Result<()> {
    let place = |error: Error| error.with("checkpoint", checkpoint.id);
    for state in &checkpoint.operators {
        let Some(node) = nodes.iter().find(|node| node.uid == state.uid) else {
            if leaves_out {
                tracing::warn!(
                    operator = state.name,
                    uid = state.uid,
                    "the job has no such operator: its state is left out"
                );
                continue;
            }
            let uids: BTreeSet<&str> = nodes.iter().map(|node| node.uid.as_str()).collect();
            return Err(place(
                Error::user(format!(
                    "the job has no operator for the state of '{}', whose uid is '{}'",
                    state.name, state.uid
                ))
                .hint(format!(
                    "its operators are {}; start with --allow-non-restored-state to leave that state out",
                    uids.into_iter().collect::<Vec<_>>().join(", ")
                )),
            ));
        };
        if state.kind != node.kind_tag() {
            return Err(place(Error::user(format!(
                "'{}' is a {}, and its state is that of a {}",
                state.uid,
                node.kind_tag(),
                state.kind
            ))));
        }
        let has_keyed = state.subtasks.iter().any(|subtask| !subtask.keyed.is_empty());
        if has_keyed && state.max_parallelism as usize != max_parallelism {
            return Err(place(
                Error::user(format!(
                    "state that was stored with the maximum parallelism {} cannot be restored with {max_parallelism}",
                    state.max_parallelism
                ))
                .with("operator", &state.name)
                .hint(format!("SET 'pipeline.max-parallelism' = '{}'", state.max_parallelism)),
            ));
        }
    }
    Ok(())
}

/// A slot as the protocol knows it; a damaged one decides nothing.
fn entry(slot: &SlotSummary) -> Option<LogEntry> {
    match slot {
        SlotSummary::Completed { attempt, .. } => Some(LogEntry::Completed { attempt: *attempt }),
        SlotSummary::Takeover { attempt, restores, .. } => {
            Some(LogEntry::Takeover { attempt: *attempt, restores: *restores })
        }
        SlotSummary::Skipped { attempt } => Some(LogEntry::Skipped { attempt: *attempt }),
        SlotSummary::Damaged { .. } => None,
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
