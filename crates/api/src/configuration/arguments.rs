//! The arguments of the command line that an environment takes.

use std::path::PathBuf;

use riverrun_base::{Error, Result};

/// What the command line says about jobs.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The configuration file.
    pub(crate) file: Option<PathBuf>,
    /// Configuration keys and values, in order.
    pub(crate) settings: Vec<(String, String)>,
}

impl Arguments {
    /// Reads those that an environment takes, and passes over the others.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Self::default();
        let (mut resumes, mut from, mut needs_from) = (false, false, None);
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            if let Some(setting) = argument.strip_prefix("-D").filter(|_| !argument.starts_with("--")) {
                let setting = if setting.is_empty() { value("-D", None, &mut arguments)? } else { setting.to_owned() };
                let (key, value) = setting
                    .split_once('=')
                    .ok_or_else(|| Error::user(format!("'-D {setting}' has no value")).hint("write -D key=value"))?;
                parsed.settings.push((key.trim().to_owned(), value.trim().to_owned()));
                continue;
            }
            let (name, written) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut recovery = |key: &str, value: String| {
                parsed.settings.push((format!("execution.state-recovery.{key}"), value));
            };
            match name {
                "--config" => parsed.file = Some(value(name, written, &mut arguments)?.into()),
                "--resume" => {
                    resumes = true;
                    recovery("resume", "true".to_owned());
                }
                "-s" | "--from" | "--fromSavepoint" => {
                    from = true;
                    recovery("path", placed(value(name, written, &mut arguments)?));
                }
                "-rm" | "--claim-mode" | "--claimMode" => {
                    needs_from = Some(name.to_owned());
                    recovery("claim-mode", claim_mode(&value(name, written, &mut arguments)?)?);
                }
                "-n" | "--allow-non-restored-state" | "--allowNonRestoredState" => {
                    needs_from = Some(name.to_owned());
                    recovery("ignore-unclaimed-state", "true".to_owned());
                }
                _ => {}
            }
        }
        if from && resumes {
            return Err(Error::user("'--from' and '--resume' cannot both be given")
                .hint("'--resume' finds the last checkpoint by itself"));
        }
        match needs_from.filter(|_| !from) {
            Some(name) => Err(Error::user(format!("'{name}' needs '--from PATH'"))),
            None => Ok(parsed),
        }
    }
}

fn value(name: &str, written: Option<String>, rest: &mut impl Iterator<Item = String>) -> Result<String> {
    let value = written.or_else(|| rest.next()).filter(|value| !value.is_empty());
    value.ok_or_else(|| Error::user(format!("'{name}' needs a value")))
}

/// A path that means the same from any folder.
fn placed(path: String) -> String {
    if path.contains("://") || path.starts_with("file:/") {
        return path;
    }
    let absolute = std::path::absolute(&path).ok().and_then(|path| path.into_os_string().into_string().ok());
    absolute.unwrap_or(path)
}

fn claim_mode(text: &str) -> Result<String> {
    match text.to_ascii_lowercase().as_str() {
        "claim" => Ok("CLAIM".to_owned()),
        "no_claim" | "no-claim" => Ok("NO_CLAIM".to_owned()),
        "legacy" => Err(Error::user("there is no claim mode 'legacy'")
            .hint("Flink 2 has it no more: 'no_claim' leaves the files to you too, and never needs them later")),
        other => Err(Error::user(format!("there is no claim mode '{other}'")).hint("it is one of claim, no_claim")),
    }
}
