//! The scripts that a command line names: read, split into statements, checked.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::sync::Arc;

use clap::{Args, ValueHint};
use riverrun_base::{Error, Result};
use riverrun_sql::{Session, Step};

use crate::config;
use crate::failure::Failure;

/// Scripts and the settings they run with.
#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    /// SQL scripts, one after another in one session; '-' reads standard input
    #[arg(value_name = "FILE", required_unless_present = "statements", value_hint = ValueHint::FilePath)]
    files: Vec<OsString>,
    /// A statement, or several; runs after the files; can be repeated
    #[arg(short = 'e', long = "execute", value_name = "STATEMENT")]
    statements: Vec<String>,
    /// Settings from a configuration file of Flink: config.yaml, or the older flink-conf.yaml
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<OsString>,
    /// A setting, as by SET at the beginning, over those of '--config'; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The parallelism of operators that name none (parallelism.default)
    #[arg(short, long, value_name = "N")]
    parallelism: Option<usize>,
}

/// A script's text, and what it is called in messages.
#[derive(Debug)]
pub(crate) struct ScriptText {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A statement and the script it is in.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) script: Arc<ScriptText>,
    pub(crate) step: Step,
}

/// A session with its settings, and all statements; each was planned, and none has run.
pub(crate) struct Checked {
    pub(crate) session: Session,
    pub(crate) statements: Vec<Statement>,
    /// What the settings of the command line, and of its configuration file, make the user know.
    pub(crate) warnings: Vec<String>,
}

impl ScriptArgs {
    /// Reads and plans everything; connects to nothing.
    pub(crate) fn check(&self) -> Result<Checked, Failure> {
        self.check_with(&[])
    }

    /// As [`Self::check`], with more settings of the command line.
    pub(crate) fn check_with(&self, settings: &[(&str, String)]) -> Result<Checked, Failure> {
        let mut session = Session::new(riverrun_bundle::connectors());
        let warnings = self.configure(&mut session, settings).map_err(Failure::before_running)?;
        let mut statements = Vec::new();
        for script in self.texts().map_err(Failure::before_running)? {
            let script = Arc::new(script);
            let parsed =
                session.parse(&script.text).map_err(|error| Failure::before_running(error).in_script(&script))?;
            statements.extend(parsed.steps.into_iter().map(|step| Statement { script: Arc::clone(&script), step }));
        }
        let mut rehearsal = session.clone();
        for statement in &statements {
            // What comes out is a job that never starts.
            statement.execute(&mut rehearsal)?;
        }
        Ok(Checked { session, statements, warnings })
    }

    fn configure(&self, session: &mut Session, settings: &[(&str, String)]) -> Result<Vec<String>> {
        let mut warnings = match &self.config {
            Some(file) => config::apply(file, session)?,
            None => Vec::new(),
        };
        for setting in &self.settings {
            let (key, value) = config::key_value(setting)?;
            warnings.extend(session.set(key, value)?);
        }
        if let Some(parallelism) = self.parallelism {
            warnings.extend(session.set("parallelism.default", &parallelism.to_string())?);
        }
        for (key, value) in settings {
            warnings.extend(session.set(key, value)?);
        }
        Ok(warnings)
    }

    fn texts(&self) -> Result<Vec<ScriptText>> {
        let files = self.files.iter().map(|file| read(file));
        let statements =
            self.statements.iter().map(|text| Ok(ScriptText { name: "-e".to_owned(), text: text.clone() }));
        files.chain(statements).collect()
    }
}

impl Statement {
    /// Carries the statement out in a session; an error knows its place.
    pub(crate) fn execute(&self, session: &mut Session) -> Result<riverrun_sql::Outcome, Failure> {
        session.execute(&self.step).map_err(|error| self.failure(error))
    }

    /// The statement's failure before it ran.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        Failure::before_running(self.placed(error)).in_script(&self.script)
    }

    /// The failure of the job that the statement has become.
    pub(crate) fn job_failure(&self, error: Error) -> Failure {
        Failure::of_job(self.placed(error)).in_script(&self.script)
    }

    fn placed(&self, error: Error) -> Error {
        match self.step.position() {
            Some(position) => error.at(position),
            None => error,
        }
    }
}

fn read(file: &OsStr) -> Result<ScriptText> {
    let (name, bytes) = if file == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
        ("<stdin>".to_owned(), read)
    } else {
        (file.to_string_lossy().into_owned(), std::fs::read(file))
    };
    let bytes = bytes.map_err(|error| {
        let error = Error::user(format!("cannot read the script '{name}'")).caused_by(error);
        // An address behind `--rest` without `=` is taken for a script.
        let is_address = name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if is_address { error.hint(format!("if it is an address, write --rest={name}")) } else { error }
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::user(format!("the script '{name}' is not UTF-8 in line {line}")).hint("save it as UTF-8")
    })?;
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(ScriptText { name, text })
}
