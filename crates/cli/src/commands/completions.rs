//! `riverrun completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::print;
use crate::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "riverrun", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}
