//! `riverrun explain`.

use clap::Args;

use super::print;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::script::ScriptArgs;

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    script: ScriptArgs,
}

impl ExplainArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut checked = self.script.check()?;
        let mut text = String::new();
        for statement in &checked.statements {
            let plan = checked.session.explain_step(&statement.step).map_err(|error| statement.failure(error))?;
            if let Some(plan) = plan {
                let place = statement.step.position().map(|position| format!(":{}", position.line)).unwrap_or_default();
                text += &format!(
                    "{}-- {}{place}\n{}\n",
                    if text.is_empty() { "" } else { "\n" },
                    statement.script.name,
                    plan.trim_end()
                );
            }
            statement.execute(&mut checked.session)?;
        }
        print(&text)
    }
}
