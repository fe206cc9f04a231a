//! The options of the command line that say what a job goes on from, under Flink's names.

use clap::{Args, ValueHint};

use crate::commands::placed;

/// What the jobs go on from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recovery")]
pub(crate) struct RecoveryArgs {
    /// Go on from the last checkpoint that a job of the same name has left in 'execution.checkpointing.dir'; begin anew
    /// where there is none
    #[arg(long, conflicts_with = "from")]
    resume: bool,
    /// Go on from this checkpoint or savepoint: its folder, or the _metadata in it
    #[arg(short = 's', long, value_name = "PATH", visible_alias = "fromSavepoint", value_hint = ValueHint::DirPath)]
    from: Option<String>,
    /// Whose its files are then: no_claim leaves them to you, and the first checkpoint is written whole; with claim the job's
    /// checkpoints refer to them, so they must stay (Flink's -rm, --claimMode)
    #[arg(long, value_name = "MODE", alias = "claimMode", requires = "from", conflicts_with = "resume", value_parser = claim_mode)]
    claim_mode: Option<&'static str>,
    /// Leave out state of operators that the job does not have
    #[arg(short = 'n', long, alias = "allowNonRestoredState", requires = "from", conflicts_with = "resume")]
    allow_non_restored_state: bool,
}

impl RecoveryArgs {
    /// The settings that they stand for.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        if self.resume {
            settings.push(("execution.state-recovery.resume", "true".to_owned()));
        }
        if let Some(path) = &self.from {
            settings.push(("execution.state-recovery.path", placed(path)));
        }
        if let Some(mode) = self.claim_mode {
            settings.push(("execution.state-recovery.claim-mode", mode.to_owned()));
        }
        if self.allow_non_restored_state {
            settings.push(("execution.state-recovery.ignore-unclaimed-state", "true".to_owned()));
        }
        settings
    }
}

fn claim_mode(text: &str) -> Result<&'static str, String> {
    match text.to_ascii_lowercase().as_str() {
        "claim" => Ok("CLAIM"),
        "no_claim" | "no-claim" => Ok("NO_CLAIM"),
        "legacy" => {
            Err("Flink 2 has it no more: 'no_claim' leaves the files to you too, and never needs them later".to_owned())
        }
        _ => Err("possible values: claim, no_claim".to_owned()),
    }
}

/// The arguments of the program, with the option that Flink writes as `-rm` as the parser knows it.
pub(crate) fn flinks_arguments(arguments: impl Iterator<Item = std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = arguments.collect();
    if arguments.get(1).is_some_and(|command| command == "run") {
        arguments
            .iter_mut()
            .filter(|argument| *argument == "-rm")
            .for_each(|argument| *argument = "--claim-mode".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        recovery: RecoveryArgs,
    }

    fn settings(arguments: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        let line = ["riverrun", "run"].iter().chain(arguments).map(std::ffi::OsString::from);
        let mut line = flinks_arguments(line);
        line.remove(1);
        Line::try_parse_from(line).map(|line| line.recovery.settings()).map_err(|error| error.to_string())
    }

    #[test]
    fn flinks_spellings_are_taken_too() {
        let expected = [
            ("execution.state-recovery.path", "/c/chk-3".to_owned()),
            ("execution.state-recovery.claim-mode", "CLAIM".to_owned()),
            ("execution.state-recovery.ignore-unclaimed-state", "true".to_owned()),
        ];
        for arguments in [
            &["--from", "/c/chk-3", "--claim-mode", "claim", "--allow-non-restored-state"][..],
            &["-s", "/c/chk-3", "-rm", "CLAIM", "-n"],
            &["--fromSavepoint", "/c/chk-3", "--claimMode", "claim", "--allowNonRestoredState"],
        ] {
            assert_eq!(settings(arguments).unwrap(), expected, "{arguments:?}");
        }
        assert_eq!(settings(&["--resume"]).unwrap(), [("execution.state-recovery.resume", "true".to_owned())]);
        assert_eq!(settings(&[]).unwrap(), []);
    }

    #[test]
    fn what_contradicts_itself_or_is_gone_is_refused() {
        for (arguments, expected) in [
            (&["--from", "/c", "-rm", "legacy"][..], "Flink 2 has it no more: 'no_claim'"),
            (&["--from", "/c", "-rm", "mine"], "possible values: claim, no_claim"),
            (&["--from", "/c", "--resume"], "cannot be used with"),
            (&["-n"], "--from <PATH>"),
            (&["--resume", "--claim-mode", "claim"], "cannot be used with"),
        ] {
            let error = settings(arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }
}
