//! Transactions that outlive their writer: how they are named, what commits them, and how each stands.
//!
//! **Ids.** `<prefix>-<job>-<operator>-<attempt>-<subtask>-<number>`. Recovery lists the ids of the cluster and takes those that read back as
//! this form, so that leftovers are found whatever the parallelism was, and the prefixes `a`, `ab` and `a-b` do not meet. The operator is in it because
//! several sinks of one job may have the same prefix, and must not abort each other's. The attempt is in it because the restored checkpoint
//! holds ids of an earlier attempt, which must not be used again before a later checkpoint is complete.
//!
//! **A transaction has an epoch of its own.** A coordinator commits by id, producer id and epoch; those stay the same for all transactions
//! of one producer, so a late commit of one would publish the rows that the next has written so far. Each transaction therefore is the only
//! one of its producer: the next begins with a new producer, which raises the epoch (KIP-98).

use std::collections::BTreeMap;

use riverrun_base::{Error, Result};
use riverrun_connect::{Committable, JobContext};
use serde::{Deserialize, Serialize};

use crate::broker::Described;

/// The first encoding of a committable.
const ENCODING: u8 = 1;

/// The names of transactional ids of one sink in one attempt of its job.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    prefix: String,
    job: String,
    operator: String,
    attempt: u64,
}

/// What an id says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    /// The job.
    job: &'a str,
    /// The operator.
    operator: &'a str,
    /// The attempt.
    attempt: u64,
}

impl Ids {
    /// The names of an attempt's ids.
    pub(crate) fn new(prefix: &str, job: &JobContext) -> Self {
        Self { prefix: prefix.to_owned(), job: digest(&job.id), operator: digest(&job.operator), attempt: job.attempt }
    }

    /// The id of a writer's transaction.
    pub(crate) fn id(&self, subtask: usize, number: usize) -> String {
        let Self { prefix, job, operator, attempt } = self;
        format!("{prefix}-{job}-{operator}-{attempt}-{subtask}-{number}")
    }

    /// Whose id it is; `None` for one of another prefix.
    pub(crate) fn owner<'a>(&self, id: &'a str) -> Option<Owner<'a>> {
        let rest = id.strip_prefix(self.prefix.as_str())?.strip_prefix('-')?;
        let parts: Vec<&str> = rest.split('-').collect();
        let [job, operator, attempt, subtask, number] = *parts.as_slice() else { return None };
        let is_digest = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digest(job) || !is_digest(operator) || !is_number(subtask) || !is_number(number) {
            return None;
        }
        Some(Owner { job, operator, attempt: attempt.parse().ok()? })
    }

    /// The ids that an attempt has to take over before it writes, out of `listed`: ids with whether a transaction is open. `restores` says whether
    /// the attempt goes on from a checkpoint.
    ///
    /// Those of this operator are taken over, whatever their job; of other operators only what cannot be in a checkpoint that another sink of
    /// this job is about to commit: where nothing is restored, what other jobs have left. An id without an open transaction is taken over where
    /// a writer may still live that has it, which the attempt after that writer's has not done yet: in the latest attempt of each job.
    /// Attempts behind this one are left alone: where there are any, this is the one that should not live.
    pub(crate) fn leftovers<'a>(&self, listed: &'a [(String, bool)], restores: bool) -> Vec<&'a str> {
        let mut latest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut owned = Vec::new();
        for (id, is_open) in listed {
            let Some(owner) = self.owner(id) else { continue };
            if owner.job == self.job && owner.attempt >= self.attempt {
                continue;
            }
            if owner.operator == self.operator || !restores && owner.job != self.job {
                let attempt = latest.entry((owner.job, owner.operator)).or_default();
                *attempt = owner.attempt.max(*attempt);
                owned.push((id.as_str(), owner, *is_open));
            }
        }
        let is_latest = |owner: &Owner<'_>| latest.get(&(owner.job, owner.operator)) == Some(&owner.attempt);
        owned.into_iter().filter(|(_, owner, is_open)| *is_open || is_latest(owner)).map(|(id, _, _)| id).collect()
    }
}

/// Sixteen hexadecimal digits for a name of any form: FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>).
fn digest(name: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", name.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// A transaction whose rows are all in the brokers' logs: what a checkpoint holds of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    encoding: u8,
    /// The transactional id.
    pub(crate) id: String,
    /// The producer's id.
    pub(crate) producer: i64,
    /// The producer's epoch.
    pub(crate) epoch: i16,
    /// When the first row came, by the broker's clock, in milliseconds since 1970.
    pub(crate) start_ms: i64,
    /// How many rows it has.
    pub(crate) rows: u64,
    /// In how many partitions.
    pub(crate) partitions: usize,
    /// The place of one of the rows.
    pub(crate) witness: Witness,
}

/// The place of a row, which tells in the end whether its transaction was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Witness {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// The offset.
    pub(crate) offset: i64,
}

/// How a prepared transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can be committed.
    Open,
    /// Its commit is decided, and the brokers are writing it into the partitions.
    Committing,
    /// All of it is visible.
    Committed,
    /// The broker gave it up.
    Aborted,
    /// Its id was used again since, or has expired: the coordinator has forgotten how it ended.
    Forgotten,
}

impl Prepared {
    /// A transaction that was found open, with all its rows written.
    pub(crate) fn new(id: String, described: &Described, rows: u64, witness: Witness) -> Self {
        let Described { start_ms, producer, epoch, partitions, .. } = *described;
        Self { encoding: ENCODING, id, producer, epoch, start_ms, rows, partitions, witness }
    }

    /// As a checkpoint holds it.
    ///
    /// # Errors
    /// A bug.
    pub(crate) fn encode(&self) -> Result<Committable> {
        let bytes = serde_json::to_vec(self);
        bytes.map(Committable).map_err(|error| Error::internal("cannot encode a transaction").caused_by(error))
    }

    /// Reads what a checkpoint holds.
    ///
    /// # Errors
    /// The bytes are no transaction, or of a newer version of Riverrun.
    pub(crate) fn decode(committable: &Committable) -> Result<Self> {
        let prepared: Self = serde_json::from_slice(&committable.0)
            .map_err(|error| Error::external("the checkpoint holds no Kafka transaction").caused_by(error))?;
        if prepared.encoding == ENCODING {
            return Ok(prepared);
        }
        Err(Error::not_supported(format!("a Kafka transaction in encoding {}", prepared.encoding))
            .hint("a newer version of Riverrun has written the checkpoint"))
    }

    /// How it stands, by what its coordinator says.
    pub(crate) fn standing(&self, described: Option<&Described>) -> Standing {
        let Some(Described { state, start_ms, producer, epoch, .. }) = described else { return Standing::Forgotten };
        if *producer != self.producer || *epoch < self.epoch {
            return Standing::Forgotten;
        }
        // Giving a transaction up raises the epoch by one, so that its producer is fenced.
        let ended_here = *epoch == self.epoch || *epoch == self.epoch.wrapping_add(1);
        match state.as_str() {
            "Ongoing" if *epoch == self.epoch && *start_ms == self.start_ms => Standing::Open,
            "PrepareCommit" if *epoch == self.epoch => Standing::Committing,
            "CompleteCommit" if *epoch == self.epoch => Standing::Committed,
            "PrepareAbort" | "CompleteAbort" | "PrepareEpochFence" if ended_here => Standing::Aborted,
            // Nothing was written since the producer began.
            "Empty" if *epoch == self.epoch => Standing::Aborted,
            _ => Standing::Forgotten,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn job(id: &str, operator: &str, attempt: u64) -> JobContext {
        JobContext { id: id.into(), operator: operator.into(), attempt, ..JobContext::default() }
    }

    #[test]
    fn an_id_reads_back_under_its_own_prefix_only() {
        let id = Ids::new("a", &job("j", "o", 3)).id(7, 2);
        let expected = Owner { job: &digest("j"), operator: &digest("o"), attempt: 3 };
        assert_eq!(Ids::new("a", &job("x", "y", 1)).owner(&id).unwrap(), expected);
        for other in ["", "ab", "a-b", "b", "a-"] {
            let ids = Ids::new(other, &job("j", "o", 3));
            assert_eq!(ids.owner(&id), None, "{other}");
            assert_eq!(Ids::new("a", &job("j", "o", 3)).owner(&ids.id(7, 2)), None, "{other}");
        }
        for foreign in ["a-1-2", "a", "a-0-0-1-2-3", &id[..id.len() - 1], &format!("{id}x")] {
            assert_eq!(Ids::new("a", &job("j", "o", 3)).owner(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn leftovers_are_those_of_the_operator_and_of_jobs_before() {
        let of = |id: &str, operator: &str, attempt, number| Ids::new("p", &job(id, operator, attempt)).id(0, number);
        let (own, own_old, empty, sibling) =
            (of("j", "o", 2, 0), of("j", "o", 1, 0), of("j", "o", 2, 1), of("j", "s", 2, 0));
        let (fenced, before, before_sibling) = (of("j", "o", 1, 1), of("i", "o", 9, 0), of("i", "s", 9, 0));
        let listed = [
            (own.clone(), true),
            (own_old.clone(), true),
            (empty.clone(), false),
            (sibling, true),
            (fenced, false),
            (before.clone(), false),
            (before_sibling.clone(), true),
            ("else".to_owned(), true),
            (of("j", "o", 3, 0), true),
            (of("j", "o", 4, 0), false),
        ];
        let ids = Ids::new("p", &job("j", "o", 3));
        assert_eq!(ids.leftovers(&listed, true), [&own, &own_old, &empty, &before]);
        assert_eq!(ids.leftovers(&listed, false), [&own, &own_old, &empty, &before, &before_sibling]);
    }

    fn described(state: &str, epoch: i16) -> Described {
        Described { state: state.into(), start_ms: 100, producer: 5, epoch, partitions: 1 }
    }

    fn prepared() -> Prepared {
        let witness = Witness { topic: "t".into(), partition: 0, offset: 9 };
        Prepared::new("id".into(), &described("Ongoing", 4), 3, witness)
    }

    #[test]
    fn a_committable_reads_back() {
        let prepared = prepared();
        assert_eq!(Prepared::decode(&prepared.encode().unwrap()).unwrap(), prepared);
        let newer = Prepared { encoding: 2, ..prepared };
        assert!(Prepared::decode(&newer.encode().unwrap()).unwrap_err().to_string().contains("newer version"));
        assert!(Prepared::decode(&Committable(b"x".to_vec())).is_err());
        // What the first version wrote stays readable.
        let first = br#"{"encoding":1,"id":"p-1","producer":7,"epoch":2,"start_ms":3,"rows":4,"partitions":5,"witness":{"topic":"t","partition":6,"offset":8}}"#;
        let read = Prepared::decode(&Committable(first.to_vec())).unwrap();
        assert_eq!((read.id.as_str(), read.producer, read.epoch, read.witness.offset), ("p-1", 7, 2, 8));
    }

    #[test]
    fn only_the_very_transaction_is_open() {
        let prepared = prepared();
        let cases = [
            (described("Ongoing", 4), Standing::Open),
            (Described { start_ms: 101, ..described("Ongoing", 4) }, Standing::Forgotten),
            (Described { producer: 6, ..described("Ongoing", 4) }, Standing::Forgotten),
            (described("Ongoing", 5), Standing::Forgotten),
            (described("PrepareCommit", 4), Standing::Committing),
            (described("CompleteCommit", 4), Standing::Committed),
            (described("CompleteCommit", 5), Standing::Forgotten),
            (described("PrepareAbort", 4), Standing::Aborted),
            (described("PrepareAbort", 5), Standing::Aborted),
            (described("CompleteAbort", 5), Standing::Aborted),
            (described("CompleteAbort", 6), Standing::Forgotten),
            (described("Empty", 4), Standing::Aborted),
            (described("Empty", 5), Standing::Forgotten),
        ];
        for (described, standing) in cases {
            assert_eq!(prepared.standing(Some(&described)), standing, "{described:?}");
        }
        assert_eq!(prepared.standing(None), Standing::Forgotten);
    }
}
