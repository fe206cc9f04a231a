//! `riverrun failover`: what the connector `http` could not deliver.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use clap::{Args, Subcommand};
use riverrun_base::{Error, Result, parse_duration};
use riverrun_bundle::http_failover::{Failover, Filter, Replay};
use riverrun_runtime::read_configuration_file;

use super::print;
use crate::config::key_value;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// What to do with a failover store.
#[derive(Debug, Args)]
pub(crate) struct FailoverArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what could not be delivered
    List(ListArgs),
    /// Show it whole, as JSON, a record a line
    Show(ListArgs),
    /// Send it again, and remove what is answered with success
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// So many at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Say what would be sent; send and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// So many requests a second to a destination at most
    #[arg(long)]
    rate: Option<f64>,
}

/// Which store, and which records in it.
#[derive(Debug, Args)]
struct StoreArgs {
    /// A YAML file with the options of the sink, as in WITH (...)
    #[arg(long)]
    config: Option<OsString>,
    /// An option of the sink: sink.failover.storage=local
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The second store, behind the first
    #[arg(long)]
    second: bool,
    /// Only records for this host, or host:port
    #[arg(long)]
    host: Option<String>,
    /// Only records whose error has this in it
    #[arg(long)]
    error: Option<String>,
    /// Only records given up since then: 2026-01-31T12:00:00Z, or '2 h' ago
    #[arg(long)]
    since: Option<String>,
    /// Only records given up before: 2026-01-31T12:00:00Z, or '10 min' ago
    #[arg(long)]
    until: Option<String>,
}

impl FailoverArgs {
    pub(super) fn run(self, screen: &Screen) -> Result<Exit, Failure> {
        match self.action {
            Action::List(args) => args.listed(line),
            Action::Show(args) => args.listed(|kept| serde_json::to_string(&kept.envelope).unwrap_or_default()),
            Action::Replay(args) => args.run(screen),
        }
    }
}

impl ListArgs {
    fn listed(&self, shown: impl Fn(&riverrun_bundle::http_failover::Kept) -> String) -> Result<Exit, Failure> {
        let (mut failover, filter) = self.store.open().map_err(Failure::before_running)?;
        let mut text = String::new();
        for kept in failover.list(&filter, self.limit).map_err(Failure::before_running)? {
            text.push_str(&shown(&kept));
            text.push('\n');
        }
        print(&text)
    }
}

impl ReplayArgs {
    fn run(self, screen: &Screen) -> Result<Exit, Failure> {
        if self.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err(Failure::before_running(Error::user("'--rate' is a number of requests a second, more than 0")));
        }
        let (mut failover, filter) = self.store.open().map_err(Failure::before_running)?;
        let replay = Replay { dry_run: self.dry_run, rate: self.rate };
        let name = failover.name().to_owned();
        let outcome = failover
            .replay(&filter, &replay, |so_far| {
                screen.print(&format!("{} sent again, {} of them delivered\n", so_far.selected, so_far.delivered));
            })
            .map_err(Failure::of_job)?;
        let text = match self.dry_run {
            true => format!("{} would be sent again, {} others stay in {name}\n", outcome.selected, outcome.skipped),
            false => format!(
                "{} delivered and removed, {} failed and {} others stay in {name}\n",
                outcome.delivered, outcome.failed, outcome.skipped
            ),
        };
        print(&text)?;
        Ok(if outcome.failed > 0 { Exit::JobFailed } else { Exit::Done })
    }
}

impl StoreArgs {
    fn open(&self) -> Result<(Failover, Filter)> {
        let mut options: BTreeMap<String, String> = match &self.config {
            Some(file) => read_configuration_file(file)?,
            None => BTreeMap::new(),
        };
        for setting in &self.set {
            let (key, value) = key_value(setting)?;
            options.insert(key.to_owned(), value.to_owned());
        }
        let moment = |text: &Option<String>| text.as_deref().map(moment).transpose();
        let filter = Filter {
            since_ms: moment(&self.since)?,
            until_ms: moment(&self.until)?,
            host: self.host.clone(),
            error: self.error.clone(),
        };
        Ok((Failover::open(&options, self.second)?, filter))
    }
}

/// A moment, or so long ago, in milliseconds since 1970.
fn moment(text: &str) -> Result<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.timestamp_millis());
    }
    let ago = parse_duration(text).map_err(|_| {
        Error::user(format!("'{text}' is no moment")).hint("write 2026-01-31T12:00:00Z, or '2 h' for two hours ago")
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(i64::MAX))
}

fn line(kept: &riverrun_bundle::http_failover::Kept) -> String {
    let (envelope, mut text) = (&kept.envelope, String::new());
    let at = DateTime::from_timestamp_millis(kept.timestamp_ms).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{} {} {} ({} tries): {}",
        at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
        envelope.method,
        envelope.url.escape_debug(),
        envelope.tries,
        envelope.error.escape_debug()
    );
    text
}
