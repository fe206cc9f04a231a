//! What a checkpoint holds of a prepared transaction.

use std::fmt;

use riverrun_base::{Error, Result};
use riverrun_connect::Committable;
use riverrun_protocol::CheckpointId;

use super::{Branch, Owner};

const FORM: &str = "riverrun-jdbc-transaction 1";

/// A prepared transaction, named so that any process can commit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// Whose it is: of another job where its savepoint was restored.
    pub(crate) owner: Owner,
    pub(crate) branch: Branch,
    pub(crate) checkpoint: CheckpointId,
    /// How many rows it has.
    pub(crate) rows: u64,
}

impl Prepared {
    pub(crate) fn encode(&self) -> Committable {
        let Self { owner, branch, checkpoint, rows } = self;
        Committable(
            format!("{FORM}\n{}\n{}\n{branch}\n{}\n{rows}", owner.job, owner.operator, checkpoint.0).into_bytes(),
        )
    }

    /// # Errors
    /// It was written by another version, or for another kind of database.
    pub(crate) fn decode(committable: &Committable) -> Result<Self> {
        let text = std::str::from_utf8(&committable.0).unwrap_or_default();
        let mut lines = text.lines();
        if lines.next() != Some(FORM) {
            return Err(Error::user(
                "the checkpoint holds no transactions of MySQL, MariaDB or PostgreSQL for this sink",
            )
            .hint("restore it with the url, and the version of Riverrun, that it was taken with"));
        }
        Self::read(lines).ok_or_else(|| Error::data("a transaction in the checkpoint is damaged").with("read", text))
    }

    fn read<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        // they become part of statements
        let word = |text: &str| {
            (!text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| text.to_owned())
        };
        let owner = Owner { job: word(lines.next()?)?, operator: word(lines.next()?)? };
        let branch = lines.next()?.parse().ok()?;
        let checkpoint = CheckpointId(lines.next()?.parse().ok()?);
        Some(Self { owner, branch, checkpoint, rows: lines.next()?.parse().ok()? })
    }
}

impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, branch, rows, .. } = self;
        write!(f, "{owner}-{branch} ({rows} rows)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use riverrun_connect::JobContext;

    use super::*;

    #[test]
    fn what_is_stored_is_read_and_what_is_not_is_refused() {
        let prepared = Prepared {
            owner: Owner::of(&JobContext::default()),
            branch: Branch { attempt: 3, subtask: 1, number: 99 },
            checkpoint: CheckpointId(7),
            rows: 5,
        };
        let stored = prepared.encode();
        // checkpoints of this version stay readable
        assert_eq!(
            String::from_utf8(stored.0.clone()).unwrap(),
            "riverrun-jdbc-transaction 1\n99aa06d3014798d86001c324468d497f\n2d06800538d394c2\n3-1-99\n7\n5"
        );
        assert_eq!(Prepared::decode(&stored).unwrap(), prepared);
        let refused = |bytes: &[u8]| Prepared::decode(&Committable(bytes.to_vec())).unwrap_err().to_string();
        assert!(refused(b"riverrun-jdbc-transaction 2\n").contains("the version of Riverrun, that it was taken with"));
        assert!(refused(&[0xff, 0]).contains("holds no transactions"));
        for cut in [40, 70, stored.0.len() - 1] {
            assert!(refused(&stored.0[..cut]).contains("is damaged"), "{cut}");
        }
        let quoted = String::from_utf8(stored.0).unwrap().replace("2d06", "'; D");
        assert!(refused(quoted.as_bytes()).contains("is damaged"));
    }
}
