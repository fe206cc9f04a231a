//! `riverrun list`, as Flink's client prints it.

use std::fmt::Write as _;

use chrono::{DateTime, Local};
use clap::Args;
use riverrun_cluster_model::{JobOverview, JobsOverview};

use super::print;
use crate::client::AddressArgs;
use crate::exit::Exit;
use crate::failure::Failure;

/// Which jobs.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
    /// Only those that run (which is so without '--all')
    #[arg(short, long, conflicts_with = "all")]
    running: bool,
    #[command(flatten)]
    address: AddressArgs,
}

impl ListArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let jobs = self.address.client().and_then(|client| client.get("/jobs/overview"));
        let JobsOverview { jobs } = jobs.map_err(Failure::before_running)?;
        print(&listed(&jobs, self.all))
    }
}

fn listed(jobs: &[JobOverview], all: bool) -> String {
    let (mut running, mut ended): (Vec<&JobOverview>, Vec<&JobOverview>) =
        jobs.iter().partition(|job| job.end_time < 0);
    for jobs in [&mut running, &mut ended] {
        jobs.sort_by_key(|job| job.start_time);
    }
    let mut text = String::new();
    if running.is_empty() {
        text.push_str("No running jobs.\n");
    } else {
        block(&mut text, "------------------ Running/Restarting Jobs -------------------", &running);
    }
    if all && !ended.is_empty() {
        block(&mut text, "---------------------- Terminated Jobs -----------------------", &ended);
    }
    text
}

fn block(text: &mut String, title: &str, jobs: &[&JobOverview]) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{title}");
    for job in jobs {
        let start = DateTime::from_timestamp_millis(job.start_time).unwrap_or_default().with_timezone(&Local);
        let _ = writeln!(text, "{} : {} : {} ({})", start.format("%d.%m.%Y %H:%M:%S"), job.jid, job.name, job.state);
    }
    let _ = writeln!(text, "--------------------------------------------------------------");
}

#[cfg(test)]
mod tests {
    use riverrun_cluster_model::TaskCounts;

    use super::*;

    #[test]
    fn jobs_that_run_come_first_and_the_oldest_of_them() {
        let job = |jid: &str, start_time, end_time, state: &str| JobOverview {
            jid: jid.into(),
            name: format!("job {jid}"),
            state: state.into(),
            start_time,
            end_time,
            duration: 0,
            tasks: TaskCounts::default(),
            pending_operators: 0,
        };
        let jobs = [job("c", 3, 9, "FINISHED"), job("b", 2_000, -1, "RUNNING"), job("a", 1_000, -1, "RESTARTING")];
        let lines = |all| {
            let text = listed(&jobs, all);
            // The time is local.
            text.lines().map(|line| line.rsplit(" : ").take(2).collect::<Vec<_>>().join("|")).collect::<Vec<_>>()
        };
        assert_eq!(lines(false)[1..3], ["job a (RESTARTING)|a", "job b (RUNNING)|b"]);
        assert_eq!(lines(false).len(), 4);
        assert_eq!(lines(true)[5..6], ["job c (FINISHED)|c"]);
        assert_eq!(listed(&[], true), "No running jobs.\n");
    }
}
