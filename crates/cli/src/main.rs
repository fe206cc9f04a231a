//! `riverrun`, the program: runs Flink SQL scripts in one process.
//!
//! Results go to standard output; everything else, errors, logs, the live view and summaries, to standard error.

mod client;
mod commands;
mod config;
mod exit;
mod failure;
mod jobs;
mod logging;
mod news;
mod output;
mod recovery;
mod rest;
mod screen;
mod script;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;
use riverrun_base::Error;

use crate::commands::Command;
use crate::failure::Failure;

/// Flink SQL in one process.
#[derive(Debug, Parser)]
#[command(name = "riverrun", bin_name = "riverrun", version)]
#[command(after_help = "\
Exit code: 0 done, 1 a job failed, 2 the user's mistake, found before anything ran;
130 (SIGINT) or 143 (SIGTERM) when a signal left statements undone, or a second one canceled jobs.")]
struct Cli {
    /// Log more (-vv: everything); RIVERRUN_LOG takes filters, such as 'warn,riverrun_kafka=debug'
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(recovery::flinks_arguments(std::env::args_os()));
    let screen = screen::Screen::on_stderr();
    logging::start(cli.verbose, &screen);
    // A panic is a bug: one line says where, and it ends the job, or the program, as an error.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("panicked at {place}: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| cli.command.run(&screen)));
    match outcome.unwrap_or_else(|_| Err(Failure::of_job(Error::internal("the program panicked")))) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.print(&failure.render(screen.has_colors()));
            failure.exit.into()
        }
    }
}
