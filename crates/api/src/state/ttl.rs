//! Time to live: state that expires some time after it was last used.

use std::time::Duration;

use riverrun_base::{Error, Result};

/// How long state lives, and what becomes of it then. Time is that of day, as the operator's clock tells it.
///
/// Each value expires on its own; in a list each element, in a map each entry. Expired state is gone for its function at once, unless
/// [`StateVisibility::ReturnExpiredIfNotCleanedUp`] says otherwise, and leaves memory and checkpoints when it is read, or when clean-up comes
/// by.
///
/// State that was stored without it is restored as used at the time of the restore; state that was stored with it is restored without
/// as it is (Flink since 2.2).
///
/// ```
/// use std::time::Duration;
/// use riverrun::state::{StateTtlConfig, UpdateType, ValueStateDescriptor};
///
/// let ttl = StateTtlConfig::new(Duration::from_secs(3600)).set_update_type(UpdateType::OnReadAndWrite);
/// let last_login = ValueStateDescriptor::<i64>::new("last login").enable_time_to_live(ttl);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTtlConfig {
    ttl: Duration,
    update_type: UpdateType,
    visibility: StateVisibility,
    background: bool,
    incremental: Option<Steps>,
    full_snapshot: bool,
}

/// What makes state live on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateType {
    /// To write it.
    #[default]
    OnCreateAndWrite,
    /// To write or to read it.
    OnReadAndWrite,
}

/// Whether expired state is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateVisibility {
    /// It never is.
    #[default]
    NeverReturnExpired,
    /// It is read as long as it is there, which is once where nothing cleans up before.
    ReturnExpiredIfNotCleanedUp,
}

impl StateTtlConfig {
    /// State lives for `ttl`, which is at least a millisecond, after it was written; it is cleaned up in the background.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            update_type: UpdateType::default(),
            visibility: StateVisibility::default(),
            background: true,
            incremental: None,
            full_snapshot: false,
        }
    }

    /// What makes state live on.
    #[must_use]
    pub fn set_update_type(mut self, update_type: UpdateType) -> Self {
        self.update_type = update_type;
        self
    }

    /// Whether expired state is seen.
    #[must_use]
    pub fn set_state_visibility(mut self, visibility: StateVisibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Leaves expired state out of full snapshots (savepoints, and the first checkpoint of a job), and drops it then.
    #[must_use]
    pub fn cleanup_full_snapshot(mut self) -> Self {
        self.full_snapshot = true;
        self
    }

    /// Looks at the state of `cleanup_size` keys, in turn, after each record whose function used this state; after each record of the
    /// operator, with `run_cleanup_for_every_record`.
    #[must_use]
    pub fn cleanup_incrementally(mut self, cleanup_size: usize, run_cleanup_for_every_record: bool) -> Self {
        self.incremental = Some(Steps { keys: cleanup_size, every_record: run_cleanup_for_every_record });
        self
    }

    /// Leaves out what is done by default, which is [`cleanup_incrementally(5, false)`](Self::cleanup_incrementally).
    #[must_use]
    pub fn disable_cleanup_in_background(mut self) -> Self {
        self.background = false;
        self
    }

    /// What accesses need to know.
    pub(super) fn ttl(&self) -> Result<Ttl> {
        let millis = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        if millis == 0 {
            return Err(Error::user("the time to live of a state is less than a millisecond"));
        }
        Ok(Ttl {
            millis,
            reads_count: self.update_type == UpdateType::OnReadAndWrite,
            shows_expired: self.visibility == StateVisibility::ReturnExpiredIfNotCleanedUp,
        })
    }

    pub(super) fn cleanup(&self) -> Cleanup {
        let by_default = self.background.then_some(Steps { keys: 5, every_record: false });
        Cleanup { steps: self.incremental.or(by_default), next: 0, full_snapshot: self.full_snapshot }
    }
}

/// What an access to state with a time to live needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ttl {
    pub(super) millis: i64,
    /// Whether to read state makes it live on.
    pub(super) reads_count: bool,
    /// Whether expired state is seen.
    pub(super) shows_expired: bool,
}

impl Ttl {
    /// Whether what was last used at a time has expired.
    #[inline]
    pub(super) fn has_expired(self, used: i64, now: i64) -> bool {
        used.saturating_add(self.millis) <= now
    }
}

/// When expired state of a column is dropped without being read.
#[derive(Clone, Debug)]
pub(super) struct Cleanup {
    pub(super) steps: Option<Steps>,
    /// The slot that is looked at next.
    pub(super) next: u32,
    pub(super) full_snapshot: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) keys: usize,
    pub(super) every_record: bool,
}

/// How much of a cell has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Nothing,
    Part,
    All,
}
