//! Why an attempt brought nothing. One failure may concern many rows, so it can be cloned; it becomes an [`Error`] where it leaves the crate.

use riverrun_base::{Error, Kind};

/// Why an attempt brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may work when it is tried again.
    Passing(Passing),
    /// It fails again and again.
    Refused(Refusal),
}

/// What may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passing {
    pub(crate) reason: String,
    pub(crate) stale: Stale,
    /// Whether the server may have carried it out nonetheless.
    pub(crate) is_open: bool,
}

/// What is known no more, and must be looked up before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// All is where it was: it is too busy.
    Nothing,
    /// Where the region is.
    Region,
    /// Whether the server is, and so where its regions are.
    Server,
}

/// What stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl Failure {
    pub(crate) fn passing(stale: Stale, reason: impl Into<String>) -> Self {
        Self::Passing(Passing { reason: reason.into(), stale, is_open: false })
    }

    pub(crate) fn refused(kind: Kind, message: impl Into<String>) -> Self {
        Self::Refused(Refusal { kind, message: message.into(), hint: None })
    }

    /// With what can be done about it.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.hint = Some(hint);
        }
        self
    }

    /// Notes that the server may have carried it out.
    pub(crate) fn open(mut self) -> Self {
        if let Self::Passing(passing) = &mut self {
            passing.is_open = true;
        }
        self
    }

    /// A server that answers what cannot be read. A new connection may help, as after any loss.
    pub(crate) fn malformed(what: &str) -> Self {
        Self::passing(Stale::Server, format!("{what} is malformed")).open()
    }
}

impl Refusal {
    pub(crate) fn error(self) -> Error {
        let error = Error::new(self.kind, self.message);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
