//! The commands, one file each.

mod check;
mod completions;
mod explain;
#[cfg(feature = "http")]
mod failover;
mod inspect;
mod list;
mod options;
mod run;
mod steering;

use clap::Subcommand;

pub(crate) use steering::placed;

use crate::exit::Exit;
use crate::failure::{Failure, render_warning};
use crate::screen::Screen;
use crate::script::{Checked, Statement};

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run SQL scripts
    Run(run::RunArgs),
    /// Say whether SQL scripts are right: plan every statement, connect to nothing
    Check(check::CheckArgs),
    /// Show the plan of every query and INSERT of SQL scripts; connect to nothing
    Explain(explain::ExplainArgs),
    /// List the jobs of a running process
    List(list::ListArgs),
    /// Take a savepoint of a running job, or show what is in one
    Savepoint(steering::SavepointArgs),
    /// Take a checkpoint of a running job
    Checkpoint(steering::CheckpointArgs),
    /// Stop a running job with a savepoint
    Stop(steering::StopArgs),
    /// End a running job at once
    Cancel(steering::CancelArgs),
    /// Read what could not be delivered by HTTP, and send it again
    #[cfg(feature = "http")]
    Failover(failover::FailoverArgs),
    /// List the options of a connector or format, or the settings
    Options(options::OptionsArgs),
    /// Print a script that completes commands in a shell
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Carries the command out.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn run(self, screen: &Screen) -> Result<Exit, Failure> {
        match self {
            Self::Run(args) => args.run(screen),
            Self::Check(args) => args.run(screen),
            Self::Explain(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Savepoint(args) => args.run(),
            Self::Checkpoint(args) => args.run(),
            Self::Stop(args) => args.run(),
            Self::Cancel(args) => args.run(),
            #[cfg(feature = "http")]
            Self::Failover(args) => args.run(screen),
            Self::Options(args) => args.run(),
            Self::Completions(args) => args.run(),
        }
    }
}

/// Tells what the settings on the command line make the user know.
fn warn_of_settings(checked: &Checked, screen: &Screen) {
    for warning in &checked.warnings {
        screen.print(&format!("warning: {warning}\n"));
    }
}

/// Tells what a statement makes the user know.
fn warn(statement: &Statement, warning: Option<String>, screen: &Screen) {
    if let Some(warning) = warning {
        screen.print(&render_warning(&warning, &statement.script, statement.step.position(), screen.has_colors()));
    }
}

/// Writes a text to standard output; that nobody reads it to its end is no failure.
fn print(text: &str) -> Result<Exit, Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(crate::output::Broken::from) {
        Ok(()) | Err(crate::output::Broken::ReaderGone) => Ok(Exit::Done),
        Err(crate::output::Broken::Failed(error)) => Err(Failure::of_job(error)),
    }
}
