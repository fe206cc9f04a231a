//! The configuration keys that a session understands, under Flink's names.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use riverrun_base::options::{OptionReader, OptionSet, OptionSpec};
use riverrun_base::{Error, Result, nearest};
use riverrun_runtime::{JobConfiguration, JobSettings, StoreOptions};

riverrun_base::option_enum! {
    /// How a job runs.
    pub(crate) enum RuntimeMode {
        /// Rows are processed as they come.
        "streaming" => Streaming,
        /// All rows first.
        "batch" => Batch,
    }
}

riverrun_base::option_enum! {
    /// What happens to NULL in a column that is NOT NULL.
    pub(crate) enum NotNullEnforcer {
        /// The job fails.
        "ERROR" => Error,
        /// The row is dropped.
        "DROP" => Drop,
    }
}

riverrun_base::options! {
    /// The settings of a session.
    pub(crate) struct Settings {
        /// Only `streaming` is supported; bounded sources end by themselves in it.
        "execution.runtime-mode" => runtime_mode: RuntimeMode = "streaming",
        /// Time zone of TIMESTAMP_LTZ in text and of the functions that know the time of day; `default` is the machine's.
        "table.local-time-zone" => local_time_zone: String = "default",
        /// A split that brings no row for so long no longer holds the watermark back; 0 waits for it.
        "table.exec.source.idle-timeout" => idle_timeout: Duration = "0 ms",
        /// Whether operators emit one change for each key of a batch; `false` emits a change for every row, and is slower.
        "table.exec.mini-batch.enabled" => mini_batch: bool = "true",
        /// Accepted for Flink's scripts: batches are never held back for long.
        "table.exec.mini-batch.allow-latency" => mini_batch_latency: Option<Duration>,
        /// Accepted for Flink's scripts: batches have some thousand rows.
        "table.exec.mini-batch.size" => mini_batch_size: Option<u64>,
        /// What happens to NULL in a column that is NOT NULL.
        "table.exec.sink.not-null-enforcer" => not_null_enforcer: NotNullEnforcer = "ERROR",
        /// How long state of a key is kept after its last change. Accepted with a warning: state is kept for ever yet.
        "table.exec.state.ttl" => state_ttl: Duration = "0 ms",
        /// Whether an INSERT is waited for before the next statement.
        "table.dml-sync" => dml_sync: bool = "false",
        /// Accepted for Flink's scripts: results are always printed as they come.
        "sql-client.execution.result-mode" | "execution.result-mode" => result_mode: Option<String>,
        /// Accepted for Flink's scripts.
        "sql-client.display.max-column-width" | "sql-client.display.max-column-width.streaming" => column_width: Option<u32>,
    }
}

/// A configuration key, for the reference page.
pub type SettingSpec = OptionSpec;

/// The configuration keys there are.
pub fn setting_specs() -> impl Iterator<Item = &'static SettingSpec> {
    JobConfiguration::specs().chain(Settings::specs())
}

/// Reads the settings that a session has.
///
/// # Errors
/// A value has the wrong type, or asks for what is not supported yet.
pub(crate) fn read(values: &BTreeMap<String, String>) -> Result<(Settings, JobConfiguration)> {
    let mut reader = OptionReader::new("the session", values.clone());
    let settings: Settings = reader.read()?;
    let job = JobConfiguration::read(&mut reader)?;
    reader.finish()?;
    if settings.runtime_mode == RuntimeMode::Batch {
        return Err(Error::not_supported("execution.runtime-mode = batch")
            .hint("streaming mode reads bounded sources to their end too"));
    }
    settings.zone()?;
    Ok((settings, job))
}

/// Every name of the option that has this one, by which another value of it may be known.
pub(crate) fn spellings(key: &str) -> impl Iterator<Item = &'static str> {
    let spec = setting_specs().find(|spec| spec.key == key || spec.older_keys.contains(&key));
    spec.into_iter().flat_map(|spec| std::iter::once(spec.key).chain(spec.older_keys.iter().copied()))
}

/// Checks one SET, and says what the user should know about it.
///
/// # Errors
/// There is no such key (the error names the nearest), or the value is wrong.
pub(crate) fn check(key: &str, value: &str) -> Result<Option<String>> {
    let known = |spec: &&OptionSpec| {
        spec.key == key
            || spec.older_keys.contains(&key)
            || spec.key.strip_suffix('*').is_some_and(|prefix| key.starts_with(prefix))
    };
    let Some(spec) = setting_specs().find(known) else {
        let error = Error::user(format!("unknown configuration key '{key}'"));
        return Err(match nearest(key, setting_specs().map(|spec| spec.key)) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint("'riverrun options' lists the keys there are"),
        });
    };
    let value = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    // One of them may need another, which is set next.
    if JobConfiguration::is_of_stores(spec.key) {
        return OptionReader::new("the session", value).read::<StoreOptions>().map(|_| None);
    }
    let (settings, ..) = read(&value)?;
    Ok(match spec.key {
        "table.exec.state.ttl" if !settings.state_ttl.is_zero() => Some(format!(
            "'{key}' has no effect yet: state is kept for ever, which is right but needs memory for every key."
        )),
        _ => None,
    })
}

impl Settings {
    /// The session's time zone.
    pub(crate) fn zone(&self) -> Result<Tz> {
        let name = self.local_time_zone.trim();
        if name == "default" {
            return Ok(machine_zone());
        }
        zone_named(name).ok_or_else(|| {
            let error = Error::user(format!("'{name}' is not a time zone")).with("option", "table.local-time-zone");
            match nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error.hint("write a name such as 'UTC' or 'Europe/Berlin'"),
            }
        })
    }

    /// A job's settings, with what the session has to say about them.
    pub(crate) fn job(&self, job: JobSettings) -> JobSettings {
        JobSettings { source_batch_rows: if self.mini_batch { job.source_batch_rows } else { 1 }, ..job }
    }
}

fn zone_named(name: &str) -> Option<Tz> {
    // Fixed offsets of whole hours have names with the sign turned round: GMT+08:00 is Etc/GMT-8.
    if let Some(offset) =
        name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).filter(|offset| !offset.is_empty())
    {
        let hours: i32 = offset.strip_suffix(":00").unwrap_or(offset).parse().ok()?;
        return format!("Etc/GMT{:+}", -hours).parse().ok();
    }
    name.parse().ok()
}

/// The zone that the machine is set to: `TZ`, then `/etc/timezone`, then where `/etc/localtime` points; UTC where none tells.
fn machine_zone() -> Tz {
    let from_link = || {
        let target = std::fs::read_link("/etc/localtime").ok()?;
        let target = target.to_str()?;
        target.split_once("zoneinfo/").and_then(|(_, name)| zone_named(name))
    };
    let from_variable = std::env::var("TZ").ok().and_then(|name| zone_named(name.trim_start_matches(':')));
    let from_file = || std::fs::read_to_string("/etc/timezone").ok().and_then(|name| zone_named(name.trim()));
    from_variable.or_else(from_file).or_else(from_link).unwrap_or(Tz::UTC)
}

/// Whether a key's value must not be shown.
pub(crate) fn is_secret(key: &str) -> bool {
    setting_specs().any(|spec| spec.secret && (spec.key == key || spec.older_keys.contains(&key)))
}

/// A value as SET shows it.
pub(crate) fn defaults() -> BTreeMap<String, String> {
    setting_specs().filter_map(|spec| spec.default.map(|default| (spec.key.to_owned(), default.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_defaults_can_be_read() {
        let (settings, job) = read(&BTreeMap::new()).unwrap();
        assert_eq!(job.settings().parallelism, 1);
        assert!(settings.mini_batch);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = check("paralelism.default", "2").unwrap_err().to_string();
        assert_eq!(error, "unknown configuration key 'paralelism.default'; did you mean 'parallelism.default'?");
        assert!(check("table.exec.state.ttl", "3 s").unwrap().is_some());
        assert!(check("execution.checkpointing.interval", "3 s").unwrap().is_none());
    }

    #[test]
    fn a_setting_that_needs_another_can_be_set_first() {
        assert!(check("s3.access-key", "k").unwrap().is_none());
        assert!(check("s3.path.style.access", "perhaps").is_err());
    }

    #[test]
    fn secrets_are_known_under_all_their_names() {
        assert!(is_secret("s3.secret-key") && is_secret("s3.secret.key"));
        assert!(!is_secret("s3.endpoint"));
    }

    #[test]
    fn zones_are_names_or_whole_hours() {
        assert_eq!(zone_named("Europe/Berlin"), Some(Tz::Europe__Berlin));
        assert_eq!(zone_named("GMT+08:00"), Some(Tz::Etc__GMTMinus8));
        assert_eq!(zone_named("Mars"), None);
    }
}
