//! `riverrun`, the program: runs Flink SQL scripts in one process.
//!
//! Results go to standard output; everything else, errors, logs, the live view and summaries, to standard error.

mod commands;
mod exit;
mod failure;
mod jobs;
mod logging;
mod output;
mod screen;
mod script;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;

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
    let cli = Cli::parse();
    let screen = screen::Screen::on_stderr();
    logging::start(cli.verbose, &screen);
    match cli.command.run(&screen) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.print(&failure.render(screen.has_colors()));
            failure.exit.into()
        }
    }
}
