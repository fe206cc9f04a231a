//! `riverrun savepoint`, `stop`, `cancel` and `checkpoint`: what Flink's client does to a running job, and what it prints.

use std::path::absolute;

use clap::{Args, Subcommand, ValueHint};
use riverrun_base::Result;
use riverrun_cluster_model::{CheckpointInfo, CheckpointRequest, SavepointInfo, SavepointRequest, StopRequest};

use super::inspect::InspectArgs;
use super::print;
use crate::client::{AddressArgs, Client, JobArgs};
use crate::exit::Exit;
use crate::failure::Failure;

/// Of which job, and where to.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SavepointArgs {
    #[command(subcommand)]
    command: Option<SavepointCommand>,
    /// The job's id, or its name where only one job has it
    #[arg(value_name = "JOB", required = true)]
    job: Option<String>,
    /// The folder of savepoints: a path, or a URI with the scheme file, hdfs or s3; the job's
    /// 'execution.checkpointing.savepoint-dir' without it
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: Option<String>,
    #[command(flatten)]
    address: AddressArgs,
}

/// What else can be done with savepoints.
#[derive(Debug, Subcommand)]
enum SavepointCommand {
    /// Show what is in a savepoint or checkpoint: operators, keys, bytes, positions
    Inspect(InspectArgs),
}

/// Which job to stop, and where its savepoint goes.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The folder of savepoints; the job's 'execution.checkpointing.savepoint-dir' without it
    #[arg(short = 'p', long = "savepoint-path", alias = "savepointPath", value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: Option<String>,
    /// Bring event time to its end first, so that open windows fire; the job is not to go on then
    #[arg(short, long)]
    drain: bool,
}

/// Which job to cancel.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    job: JobArgs,
}

/// Which job to take a checkpoint of.
#[derive(Debug, Args)]
pub(crate) struct CheckpointArgs {
    #[command(flatten)]
    job: JobArgs,
}

impl SavepointArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if let Some(SavepointCommand::Inspect(inspect)) = self.command {
            return inspect.run();
        }
        let job = self.job.unwrap_or_default();
        steer(&self.address, &job, |client, job| {
            say(&format!("Triggering savepoint for job {job}.\nWaiting for response...\n"));
            let request =
                SavepointRequest { target_directory: self.directory.as_deref().map(placed), ..Default::default() };
            let path = format!("/jobs/{job}/savepoints");
            let SavepointInfo { location } = client.trigger(&path, &request, &path)?;
            Ok(format!(
                "Savepoint completed. Path: {location}\nYou can resume your program from this savepoint with the run command.\n"
            ))
        })
    }
}

impl StopArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        steer(&self.job.address, &self.job.job, |client, job| {
            let what = if self.drain { "Draining" } else { "Suspending" };
            say(&format!("{what} job \"{job}\" with a savepoint.\n"));
            let request = StopRequest {
                target_directory: self.directory.as_deref().map(placed),
                drain: self.drain,
                trigger_id: None,
            };
            let outcomes = format!("/jobs/{job}/savepoints");
            let SavepointInfo { location } = client.trigger(&format!("/jobs/{job}/stop"), &request, &outcomes)?;
            Ok(format!("Savepoint completed. Path: {location}\n"))
        })
    }
}

impl CancelArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        steer(&self.job.address, &self.job.job, |client, job| {
            say(&format!("Cancelling job {job}.\n"));
            client.cancel(job)?;
            Ok(format!("Cancelled job {job}.\n"))
        })
    }
}

impl CheckpointArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        steer(&self.job.address, &self.job.job, |client, job| {
            say(&format!("Triggering checkpoint for job {job}.\nWaiting for response...\n"));
            let path = format!("/jobs/{job}/checkpoints");
            let CheckpointInfo { checkpoint_id } = client.trigger(&path, &CheckpointRequest::default(), &path)?;
            Ok(format!(
                "Checkpoint {checkpoint_id} for job {job} completed.\nYou can resume your program from this checkpoint with the run command.\n"
            ))
        })
    }
}

/// Does something to the job that a user names, and prints what it says.
fn steer(
    address: &AddressArgs,
    named: &str,
    act: impl FnOnce(&Client, &str) -> Result<String>,
) -> Result<Exit, Failure> {
    let acted = address.client().and_then(|client| {
        let job = client.find(named)?;
        act(&client, &job)
    });
    print(&acted.map_err(Failure::before_running)?)
}

/// Tells what is begun. That nobody reads it is no reason not to do it.
fn say(text: &str) {
    drop(print(text));
}

/// A folder as a process in another folder finds it.
pub(crate) fn placed(path: &str) -> String {
    if path.contains("://") || path.starts_with("file:/") {
        return path.to_owned();
    }
    // What is there loses its links and `..`.
    let found = std::fs::canonicalize(path).or_else(|_| absolute(path));
    found.ok().and_then(|path| path.into_os_string().into_string().ok()).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_so_that_they_are_found_from_elsewhere() {
        for kept in ["s3://bucket/a", "hdfs://n:1/a", "file:/tmp", "file:///tmp"] {
            assert_eq!(placed(kept), kept);
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(placed("not/there"), here.join("not/there").display().to_string());
        assert_eq!(placed("src/.."), here.canonicalize().unwrap().display().to_string());
    }
}
