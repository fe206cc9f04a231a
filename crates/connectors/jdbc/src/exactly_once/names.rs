//! The names of prepared transactions.
//!
//! `riverrun-<job>-<operator>` (58 bytes) is what all of an operator's transactions begin with, and what they are found
//! by; `<attempt>-<subtask>-<number>` is the rest. MySQL takes 64 bytes for each of the two, PostgreSQL 199 for both.

use std::fmt;
use std::str::FromStr;

use riverrun_connect::JobContext;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Whose transactions they are: an operator of a job. All attempts of the job have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The job's id, or its hash where it is not 32 hexadecimal digits.
    pub(crate) job: String,
    /// The hash of the operator's uid: 16 hexadecimal digits.
    pub(crate) operator: String,
}

impl Owner {
    pub(crate) fn of(job: &JobContext) -> Self {
        let is_id = job.id.len() == 32 && job.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = if is_id { job.id.to_lowercase() } else { format!("{:032x}", xxh3_128(job.id.as_bytes())) };
        Self { job: id, operator: format!("{:016x}", xxh3_64(job.operator.as_bytes())) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "riverrun-{}-{}", self.job, self.operator)
    }
}

/// One transaction of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Branch {
    pub(crate) attempt: u64,
    pub(crate) subtask: usize,
    /// PostgreSQL: the transaction's number in the server. MySQL and MariaDB: random.
    pub(crate) number: u64,
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.attempt, self.subtask, self.number)
    }
}

impl FromStr for Branch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let (Some(attempt), Some(subtask), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        Ok(Self {
            attempt: attempt.parse().map_err(drop)?,
            subtask: subtask.parse().map_err(drop)?,
            number: number.parse().map_err(drop)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn owner(job: &str, operator: &str) -> Owner {
        Owner::of(&JobContext { id: job.into(), operator: operator.into(), ..JobContext::default() })
    }

    #[test]
    fn names_fit_whatever_the_ids_are() {
        let id = "0123456789abcdef0123456789ABCDEF";
        assert_eq!(owner(id, "sink").job, id.to_lowercase());
        for job in ["", id, "it's", &"x".repeat(1000)] {
            let name = owner(job, &"uid'\\".repeat(100)).to_string();
            assert_eq!(name.len(), 58);
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
        }
        assert_ne!(owner("a", "s"), owner("b", "s"));
        assert_ne!(owner("a", "s"), owner("a", "t"));
        // names outlive the process, and the version
        assert_eq!(owner("", "sink").to_string(), "riverrun-99aa06d3014798d86001c324468d497f-d438f4765884f136");
        let largest = Branch { attempt: u64::MAX, subtask: usize::MAX, number: u64::MAX };
        assert!(largest.to_string().len() <= 64);
        assert_eq!(largest.to_string().parse(), Ok(largest));
        for wrong in ["", "1-2", "1-2-3-4", "a-2-3", "1-2--3"] {
            assert_eq!(wrong.parse::<Branch>(), Err(()), "{wrong}");
        }
    }
}
