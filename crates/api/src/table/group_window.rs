//! Windows that a table is grouped by.

use riverrun_base::Result;

use super::expression::{Expression, Windows, lower};

/// Windows of fixed length, one behind the other.
///
/// ```
/// use riverrun::table::{Tumble, col, lit};
///
/// let hours = Tumble::over(lit(1).hours()).on(col("transaction_time")).as_("log_ts");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Tumble(WindowOn);

/// Windows of fixed length that begin more often than one ends.
#[derive(Clone, Debug)]
#[must_use]
pub struct Slide(WindowOn);

/// Windows that end when nothing has come for some time.
#[derive(Clone, Debug)]
#[must_use]
pub struct Session(WindowOn);

/// A sliding window whose slide is still to be told.
#[derive(Clone, Debug)]
#[must_use]
pub struct SlideOver(Expression);

/// What a window is over.
#[derive(Clone, Debug)]
struct WindowOn {
    function: &'static str,
    lengths: Vec<Expression>,
}

/// A window on a time attribute, without its name.
#[derive(Clone, Debug)]
#[must_use]
pub struct WindowOnTime {
    window: WindowOn,
    time: Expression,
}

/// A window with the name by which `group_by` and `select` refer to it.
#[derive(Clone, Debug)]
pub struct GroupWindow {
    on: WindowOnTime,
    alias: String,
}

impl Tumble {
    /// Windows of this length: `lit(10).minutes()`.
    pub fn over(size: Expression) -> Self {
        Self(WindowOn { function: "TUMBLE", lengths: vec![size] })
    }

    /// The column of event time, or of processing time.
    pub fn on(self, time: Expression) -> WindowOnTime {
        WindowOnTime { window: self.0, time }
    }
}

impl Slide {
    /// Windows of this length.
    pub fn over(size: Expression) -> SlideOver {
        SlideOver(size)
    }

    /// The column of event time, or of processing time.
    pub fn on(self, time: Expression) -> WindowOnTime {
        WindowOnTime { window: self.0, time }
    }
}

impl SlideOver {
    /// One begins so often.
    pub fn every(self, slide: Expression) -> Slide {
        Slide(WindowOn { function: "HOP", lengths: vec![slide, self.0] })
    }
}

impl Session {
    /// A window ends when nothing has come for so long.
    pub fn with_gap(gap: Expression) -> Self {
        Self(WindowOn { function: "SESSION", lengths: vec![gap] })
    }

    /// The column of event time, or of processing time.
    pub fn on(self, time: Expression) -> WindowOnTime {
        WindowOnTime { window: self.0, time }
    }
}

impl WindowOnTime {
    /// Gives the window a name.
    #[must_use]
    pub fn as_(self, alias: impl Into<String>) -> GroupWindow {
        GroupWindow { on: self, alias: alias.into() }
    }
}

impl GroupWindow {
    pub(super) fn alias(&self) -> &str {
        &self.alias
    }

    /// The window in the planner's form.
    ///
    /// # Errors
    /// A length is no constant.
    pub(super) fn lowered(&self) -> Result<Windows> {
        let WindowOnTime { window, time } = &self.on;
        let mut arguments = vec![lower(time, None)?];
        for length in &window.lengths {
            arguments.push(lower(length, None)?);
        }
        Ok(Windows { alias: self.alias.clone(), function: window.function, arguments })
    }
}
