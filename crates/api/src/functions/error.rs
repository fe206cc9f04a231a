//! How a function fails.

use std::fmt::Display;

use riverrun_base::Error;

/// Any error; `?` makes one of every error type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a function of a program answers. An error fails the job, which restarts as its restart strategy says; a
/// [`riverrun_base::Error`] keeps its kind, so that one that is the user's mistake is not tried again.
pub type FnResult<T = ()> = Result<T, BoxError>;

/// What a function failed with, as an error of the job.
pub(crate) fn function_failed(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::data("the function failed").caused_by(error),
    }
}

/// The same, for the record of which it was called: the how manieth of its subtask, and its event time.
pub(crate) fn at_record(error: BoxError, subtask: usize, record: u64, timestamp: Option<i64>) -> Error {
    let error = function_failed(error).with("subtask", subtask).with("record", Nth(record));
    match timestamp {
        Some(timestamp) => error.with("timestamp", timestamp),
        None => error,
    }
}

/// `the 17th of the subtask`, counted from 1.
struct Nth(u64);

impl Display for Nth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "number {} of the subtask", self.0)
    }
}
