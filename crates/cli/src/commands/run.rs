//! `riverrun run`.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::Args;
use riverrun_base::{Error, Result};
use riverrun_sql::Outcome;

use super::{warn, warn_of_settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::jobs::{Endpoints, Jobs};
use crate::output::{Broken, Output, QueryPrinter, print_table};
use crate::recovery::RecoveryArgs;
use crate::rest::DEFAULT_ADDRESS;
use crate::screen::Screen;
use crate::script::{Checked, ScriptArgs};

/// What to run, and how to show it.
#[derive(Debug, Args)]
#[command(after_help = "\
The whole script is checked before anything runs. Then statement after statement is carried out:
an INSERT runs in the background (SET 'table.dml-sync' = 'true' waits for it), a SELECT is printed
until it ends. At the end all INSERTs are waited for; the first job that fails ends the others.

Ctrl-C or SIGTERM stops all jobs in order: sources end, sinks write what they hold, a job that takes
checkpoints takes a last one. A second signal cancels them at once.

Settings of the script hold over those of the command line, and these over those of '--config'.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    script: ScriptArgs,
    /// How results are written to standard output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Serve the control endpoint, Flink's REST API, at this address, for 'riverrun list', 'savepoint', 'stop', 'cancel'
    /// and 'checkpoint'; the jobs' metrics are at /metrics there
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = DEFAULT_ADDRESS)]
    rest: Option<String>,
    /// Serve the jobs' metrics for Prometheus, and nothing else, at this address, such as localhost:9249
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    #[command(flatten)]
    recovery: RecoveryArgs,
}

impl RunArgs {
    pub(super) fn run(self, screen: &Screen) -> Result<Exit, Failure> {
        let checked = self.script.check_with(&self.recovery.settings())?;
        let address = |option: &str, address: &Option<String>| {
            let resolved = address.as_deref().map(|address| resolve(option, address)).transpose();
            resolved.map_err(Failure::before_running)
        };
        let endpoints =
            Endpoints { rest: address("--rest=", &self.rest)?, metrics: address("--metrics ", &self.metrics)? };
        // Rows that the connector 'print' writes and live lines would overwrite each other.
        let prints = checked.statements.iter().any(|statement| statement.script.text.contains("'print'"));
        let mut jobs = Jobs::new(screen, endpoints, prints).map_err(Failure::before_running)?;
        warn_of_settings(&checked, screen);
        let carried_out = self.carry_out(checked, &mut jobs, screen);
        jobs.finish(carried_out)
    }

    /// Carries statement after statement out. False when the run has to end before the last one.
    fn carry_out(&self, checked: Checked, jobs: &mut Jobs, screen: &Screen) -> Result<bool, Failure> {
        let Checked { mut session, statements, .. } = checked;
        for statement in &statements {
            if jobs.is_ending() {
                return Ok(false);
            }
            match statement.execute(&mut session)? {
                Outcome::Done { warning } => warn(statement, warning, screen),
                Outcome::Table(table) => match print_table(self.output, &table) {
                    Ok(()) => {}
                    Err(Broken::ReaderGone) => return Ok(false),
                    Err(Broken::Failed(error)) => return Err(Failure::of_job(error)),
                },
                Outcome::Insert(job) => {
                    let waits = job.waits;
                    let job = jobs.insert(*job, statement)?;
                    if waits {
                        jobs.wait_for(job);
                    }
                }
                Outcome::Query(job) => {
                    let width = session.column_width();
                    let printer =
                        width.and_then(|width| QueryPrinter::new(self.output, &job.columns, job.updating, width));
                    let printer = printer.map_err(|error| statement.failure(error))?;
                    jobs.query(*job, printer, statement)?;
                }
            }
        }
        Ok(true)
    }
}

/// The address that an option names.
fn resolve(option: &str, address: &str) -> Result<SocketAddr> {
    let wrong = || {
        Error::user(format!("'{option}{address}' is not an address")).hint("write host:port, such as localhost:9249")
    };
    let mut found = address.to_socket_addrs().map_err(|error| wrong().caused_by(error))?;
    found.next().ok_or_else(wrong)
}
