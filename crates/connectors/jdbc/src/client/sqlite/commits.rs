//! Rows and the note that they were written, in one transaction.

use rusqlite::OptionalExtension;

use super::{Changes, Sqlite};
use crate::dialect::WriteSql;
use crate::exactly_once::{Branch, Owner};
use crate::remote::Target;
use crate::retry::Outcome;
use crate::statement::Statement;
use crate::values::Parameters;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS riverrun_commits (job TEXT NOT NULL, operator TEXT NOT NULL, \
     checkpoint INTEGER NOT NULL, branch TEXT NOT NULL, PRIMARY KEY (job, operator, checkpoint, branch)) WITHOUT ROWID";

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It was written now.
    Now,
    /// It was in already.
    Before,
    /// It is not known, but one of this later checkpoint was in already.
    Superseded(i64),
}

/// Rows that are written once.
pub(crate) struct Delivery<'a> {
    pub(crate) owner: &'a Owner,
    /// Tells them from all others of the owner.
    pub(crate) branch: &'a Branch,
    pub(crate) checkpoint: i64,
    pub(crate) content: Content<'a>,
}

/// What is written.
pub(crate) enum Content<'a> {
    /// Changes of a table, one after the other.
    Rows { changes: &'a [Changes<'a>], target: &'a Target, sql: &'a WriteSql },
    /// A program's statement, for each row of parameters.
    Parameters { statement: &'a Statement, parameters: &'a Parameters },
}

impl Sqlite {
    /// Makes the table that remembers deliveries, if it is missing.
    pub(crate) fn remember_commits(&self) -> Outcome<()> {
        Ok(self.connection.execute_batch(CREATE)?)
    }

    /// Writes one delivery, unless it or a later one is in already; all of it or nothing.
    pub(crate) fn deliver(&self, delivery: &Delivery<'_>) -> Outcome<Delivered> {
        self.in_transaction(|| {
            if let Some(earlier) = self.found(delivery)? {
                return Ok(earlier);
            }
            match &delivery.content {
                Content::Rows { changes, target, sql } => {
                    changes.iter().try_for_each(|changes| self.write_all(target, sql, changes))?;
                }
                Content::Parameters { statement, parameters } => self.execute_all(statement, parameters)?,
            }
            self.connection.execute(
                "INSERT INTO riverrun_commits (job, operator, checkpoint, branch) VALUES (?1, ?2, ?3, ?4)",
                (&delivery.owner.job, &delivery.owner.operator, delivery.checkpoint, delivery.branch.to_string()),
            )?;
            Ok(Delivered::Now)
        })
    }

    /// Forgets deliveries of an owner before this checkpoint; all without one.
    pub(crate) fn forget_commits(&self, owner: &Owner, before: Option<i64>) -> Outcome<()> {
        self.connection.execute(
            "DELETE FROM riverrun_commits WHERE job = ?1 AND operator = ?2 AND (?3 IS NULL OR checkpoint < ?3)",
            (&owner.job, &owner.operator, before),
        )?;
        Ok(())
    }

    /// A checkpoint is delivered after those before it, which are then forgotten.
    fn found(&self, Delivery { owner, branch, checkpoint, .. }: &Delivery<'_>) -> Outcome<Option<Delivered>> {
        let found: Option<(bool, i64)> = self
            .connection
            .query_row(
                "SELECT branch = ?4, checkpoint FROM riverrun_commits \
                 WHERE job = ?1 AND operator = ?2 AND (checkpoint > ?3 OR branch = ?4) ORDER BY 1 DESC, 2 DESC LIMIT 1",
                (&owner.job, &owner.operator, checkpoint, branch.to_string()),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        Ok(found.map(|(itself, later)| if itself { Delivered::Before } else { Delivered::Superseded(later) }))
    }
}
