//! The time after which a system aborts a transaction by itself.

use std::time::Duration;

use crate::TaskContext;

/// What is known about it, and what follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TransactionTimeout {
    /// The system aborts a transaction that is older.
    pub(super) after: Option<Duration>,
    /// A commit is late behind this part of it.
    pub(super) warn_at: Option<f64>,
    /// Whether an older transaction that cannot be committed is given up.
    pub(super) ignore_failures: bool,
}

impl TransactionTimeout {
    /// Warns, at the start of an attempt, how long an outage may last.
    pub(super) fn check(&self, context: &TaskContext) {
        let (Some(timeout), Some(interval)) = (self.after, context.job.checkpoint_interval) else {
            return;
        };
        let operator = &context.job.operator;
        match timeout.checked_sub(interval).filter(|outage| !outage.is_zero()) {
            Some(outage) => tracing::warn!(
                %operator, ?timeout, ?interval,
                "an outage of more than {outage:?} loses the rows of a checkpoint: the system aborts its transactions after their time-out"
            ),
            None => tracing::warn!(
                %operator, ?timeout, ?interval,
                "transactions time out before the next checkpoint commits them: raise the time-out, or take checkpoints more often"
            ),
        }
    }

    /// Warns when a transaction of this age is committed late.
    pub(super) fn warn(&self, age: Duration) {
        if let Some(timeout) = self.after.filter(|_| self.is_late(age)) {
            tracing::warn!(
                ?age,
                ?timeout,
                "a transaction has been open for a time that is close to its time-out, or exceeds it"
            );
        }
    }

    fn is_late(&self, age: Duration) -> bool {
        matches!((self.after, self.warn_at), (Some(after), Some(ratio)) if age > after.mul_f64(ratio))
    }

    /// Whether a failure to commit a transaction of this age is passed over.
    pub(super) fn forgives(&self, age: Duration) -> bool {
        self.ignore_failures && self.after.is_some_and(|after| age > after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_late_behind_the_ratio_and_forgiven_behind_the_timeout() {
        let second = Duration::from_secs(1);
        let timeout = TransactionTimeout { after: Some(second * 10), warn_at: Some(0.8), ignore_failures: true };
        assert!(!timeout.is_late(second * 8) && timeout.is_late(second * 9));
        assert!(!timeout.forgives(second * 10) && timeout.forgives(second * 11));
        assert!(!TransactionTimeout { ignore_failures: false, ..timeout }.forgives(second * 11));
        let endless = TransactionTimeout { after: None, ..timeout };
        assert!(!endless.is_late(second * 1000) && !endless.forgives(second * 1000));
    }
}
