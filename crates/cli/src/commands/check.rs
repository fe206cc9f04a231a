//! `riverrun check`.

use clap::Args;
use riverrun_sql::Outcome;

use super::{print, warn, warn_of_settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::script::ScriptArgs;

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    script: ScriptArgs,
}

impl CheckArgs {
    pub(super) fn run(self, screen: &Screen) -> Result<Exit, Failure> {
        let mut checked = self.script.check()?;
        warn_of_settings(&checked, screen);
        let mut jobs = 0;
        for statement in &checked.statements {
            match statement.execute(&mut checked.session)? {
                Outcome::Done { warning } => warn(statement, warning, screen),
                Outcome::Insert(_) | Outcome::Query(_) => jobs += 1,
                Outcome::Table(_) => {}
            }
        }
        let number = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        print(&format!(
            "{}, {}, no mistake found\n",
            number(checked.statements.len(), "statement"),
            number(jobs, "job")
        ))
    }
}
