//! The error of Riverrun's boundaries.
//!
//! A crate may keep finer errors inside. What leaves it is an [`Error`]: a [`Kind`] that tells who can mend it, whether a
//! retry can help, the message, the place (key and value pairs, from the innermost outwards) and a hint with the remedy.

use std::fmt;

/// The result of an operation that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user's input: a script, an option, an argument. Found before anything runs where possible.
    User,
    /// A record that cannot be read or written as the table says.
    Data,
    /// A system outside: broker, database, disk, network.
    External,
    /// A bug of Riverrun.
    Internal,
    /// The consequence of another error or of a request to stop; never the cause of a job's failure.
    Canceled,
}

/// A place in the text of a script, counted from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// How many characters of that line are meant; at least 1.
    pub length: u64,
}

/// An error with its context. It is one pointer wide, so that results stay small.
///
/// ```
/// use riverrun_base::Error;
///
/// let error = Error::user("unknown option 'topics'").with("table", "orders").hint("did you mean 'topic'?");
/// assert_eq!(error.to_string(), "unknown option 'topics' (table: orders); did you mean 'topic'?");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    retryable: bool,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    position: Option<Position>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            retryable: false,
            message: message.into(),
            context: Vec::new(),
            hint: None,
            position: None,
            source: None,
        }))
    }

    /// The user's mistake.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(Kind::User, message)
    }

    /// A record that cannot be read or written.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// A failure of a system outside.
    pub fn external(message: impl Into<String>) -> Self {
        Self::new(Kind::External, message)
    }

    /// A bug of Riverrun.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The consequence of a stop, not a cause.
    pub fn canceled() -> Self {
        Self::new(Kind::Canceled, "canceled")
    }

    /// Something that Flink has and Riverrun does not have yet.
    pub fn not_supported(what: impl fmt::Display) -> Self {
        Self::user(format!("{what} is not supported yet"))
    }

    /// Adds where it happened. Inner places are added first.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Says what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Places the error in the script, unless a more exact place is known already.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Marks that the same operation may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Who can mend it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the same operation may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether it only follows from a stop.
    pub fn is_canceled(&self) -> bool {
        self.0.kind == Kind::Canceled
    }

    /// The primary message, without context and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, from the innermost place outwards.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// What the reader can do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The place in the script.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut source = self.0.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !self.0.message.contains(&text) {
                write!(f, ": {text}")?;
            }
            source = cause.source();
        }
        for (n, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if n == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_shows_message_causes_places_and_remedy_on_one_line() {
        let io = std::io::Error::other("connection refused");
        let error = Error::external("cannot reach the broker")
            .caused_by(io)
            .with("topic", "t")
            .with("table", "orders")
            .hint("is it running?");
        assert_eq!(
            error.to_string(),
            "cannot reach the broker: connection refused (topic: t, table: orders); is it running?"
        );
    }

    #[test]
    fn the_first_position_wins() {
        let exact = Position { line: 2, column: 3, length: 4 };
        let coarse = Position { line: 1, column: 1, length: 1 };
        assert_eq!(Error::user("x").at(exact).at(coarse).position(), Some(exact));
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
