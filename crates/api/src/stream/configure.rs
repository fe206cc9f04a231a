//! The configuration of an environment: from keys, from a file, from the command line, and by the methods for common keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use riverrun_base::options::OptionSpec;
use riverrun_base::{Error, Result, format_duration, nearest};
use riverrun_runtime::{JobConfiguration, RestartStrategy, is_of_flinks_processes, read_configuration_file};

use super::StreamExecutionEnvironment;
use super::environment::read;
use crate::configuration::Arguments;

/// The keys of scripts, which a file may hold beside those of jobs.
const OF_SQL: [&str; 2] = ["table.", "sql-client."];

impl StreamExecutionEnvironment {
    /// An environment as the command line of this program says. It takes what `riverrun run` takes, under Flink's names, and passes over all
    /// else, which is the program's own ([`ParameterTool`](crate::ParameterTool)):
    ///
    /// | argument | |
    /// |---|---|
    /// | `-D key=value`, `-Dkey=value` | sets a configuration key; it holds over the file |
    /// | `--config FILE` | Flink's `config.yaml`, or `flink-conf.yaml` |
    /// | `--resume` | goes on from the last checkpoint that a job of the same name has left in `execution.checkpointing.dir` |
    /// | `-s PATH`, `--from PATH`, `--fromSavepoint PATH` | goes on from this checkpoint or savepoint |
    /// | `-rm MODE`, `--claim-mode MODE`, `--claimMode MODE` | whose its files are then: `no_claim`, `claim` |
    /// | `-n`, `--allow-non-restored-state`, `--allowNonRestoredState` | leaves out state of operators that the job does not have |
    ///
    /// What the program sets afterwards holds over it. Such a program behaves in a terminal as `riverrun run` does: see
    /// [`Self::set_stop_on_signals`].
    ///
    /// # Errors
    /// An argument lacks its value, the file cannot be read, or a key or value is wrong.
    pub fn from_args() -> Result<Self> {
        let env = Self::from_arguments(std::env::args().skip(1))?;
        env.set_stop_on_signals(true);
        Ok(env)
    }

    /// As [`Self::from_args`], for arguments from elsewhere, and without signals.
    ///
    /// # Errors
    /// As [`Self::from_args`].
    pub fn from_arguments<A: Into<String>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        let arguments = Arguments::parse(arguments.into_iter().map(Into::into))?;
        let env = match &arguments.file {
            Some(file) => Self::from_config_file(file)?,
            None => Self::new(),
        };
        for (key, value) in arguments.settings {
            env.set(&key, value)?;
        }
        Ok(env)
    }

    /// An environment with these configuration keys.
    ///
    /// # Errors
    /// There is no such key, or a value is wrong.
    pub fn from_configuration<K: AsRef<str>, V: Into<String>>(
        configuration: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let env = Self::new();
        for (key, value) in configuration {
            env.set(key.as_ref(), value)?;
        }
        Ok(env)
    }

    /// An environment with the keys of a file: Flink's `config.yaml`, or the older `flink-conf.yaml`. Keys of Flink's own processes and those
    /// of scripts have no effect here.
    ///
    /// # Errors
    /// The file cannot be read, or a key or value is wrong.
    pub fn from_config_file(file: impl AsRef<Path>) -> Result<Self> {
        let (env, name) = (Self::new(), file.as_ref().display().to_string());
        let mut unused = Vec::new();
        for (key, value) in read_configuration_file(file)? {
            if is_known(&key) || !(is_of_flinks_processes(&key) || OF_SQL.iter().any(|start| key.starts_with(start))) {
                env.set(&key, value).map_err(|error| error.with("file", &name))?;
            } else {
                unused.push(key);
            }
        }
        if !unused.is_empty() {
            tracing::warn!("{name}: these keys have no effect here: {}", unused.join(", "));
        }
        Ok(env)
    }

    /// Sets a configuration key, as `execution.checkpointing.interval`.
    ///
    /// # Errors
    /// There is no such key, or the value is wrong; the error names the nearest key.
    pub fn set(&self, key: &str, value: impl Into<String>) -> Result<&Self> {
        let value = value.into();
        if !is_known(key) {
            let error = Error::user(format!("unknown configuration key '{key}'"));
            return Err(match nearest(key, JobConfiguration::specs().map(|spec| spec.key)) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error,
            });
        }
        // One that needs another, which is set next, is looked at when the job starts.
        if !JobConfiguration::is_of_stores(key) {
            read(&BTreeMap::from([(key.to_owned(), value.clone())]))?;
        }
        self.configuration.borrow_mut().insert(key.to_owned(), value);
        Ok(self)
    }

    /// What was set, by configuration key.
    pub fn get_configuration(&self) -> BTreeMap<String, String> {
        self.configuration.borrow().clone()
    }

    /// How many subtasks operators have that say nothing else.
    ///
    /// # Errors
    /// What was set is wrong.
    pub fn get_parallelism(&self) -> Result<usize> {
        read(&self.configuration.borrow()).map(|configuration| configuration.pipeline().parallelism)
    }

    /// The number of key groups, and so the largest parallelism.
    ///
    /// # Errors
    /// What was set is wrong.
    pub fn get_max_parallelism(&self) -> Result<usize> {
        read(&self.configuration.borrow()).map(|configuration| configuration.pipeline().max_parallelism)
    }

    /// Where state is kept (`state.backend.type`): `hashmap`, in memory, with checkpoints of what has changed, is the only one.
    ///
    /// # Errors
    /// Another is asked for.
    pub fn set_state_backend(&self, name: &str) -> Result<&Self> {
        self.set("state.backend.type", name)
    }

    /// Restarts a failed job so many times, each time after a delay (`restart-strategy.type` = fixed-delay).
    pub fn set_fixed_delay_restart(&self, attempts: u32, delay: Duration) -> &Self {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.set_restart_strategy(&RestartStrategy::FixedDelay { attempts, delay_ms })
    }

    /// Restarts a failed job never (`restart-strategy.type` = none).
    pub fn set_no_restart(&self) -> &Self {
        self.set_restart_strategy(&RestartStrategy::None)
    }

    /// When a failed job is restarted (`restart-strategy.type`, and the keys of the one that it names). [`RestartStrategy`] has Flink's
    /// defaults: `RestartStrategy::exponential_delay()`.
    pub fn set_restart_strategy(&self, strategy: &RestartStrategy) -> &Self {
        let millis = |millis: u64| format_duration(Duration::from_millis(millis));
        let (name, keys): (&str, Vec<(&str, String)>) = match strategy {
            RestartStrategy::None => ("none", Vec::new()),
            RestartStrategy::FixedDelay { attempts, delay_ms } => {
                ("fixed-delay", vec![("attempts", attempts.to_string()), ("delay", millis(*delay_ms))])
            }
            RestartStrategy::FailureRate { max_failures, interval_ms, delay_ms } => {
                let keys = vec![
                    ("max-failures-per-interval", max_failures.to_string()),
                    ("failure-rate-interval", millis(*interval_ms)),
                    ("delay", millis(*delay_ms)),
                ];
                ("failure-rate", keys)
            }
            RestartStrategy::ExponentialDelay { initial_ms, max_ms, multiplier, reset_ms, jitter, attempts } => {
                let mut keys = vec![
                    ("initial-backoff", millis(*initial_ms)),
                    ("max-backoff", millis(*max_ms)),
                    ("backoff-multiplier", multiplier.to_string()),
                    ("reset-backoff-threshold", millis(*reset_ms)),
                    ("jitter-factor", jitter.to_string()),
                ];
                keys.extend(attempts.map(|attempts| ("attempts-before-reset-backoff", attempts.to_string())));
                ("exponential-delay", keys)
            }
        };
        self.insert("restart-strategy.type", name.to_owned());
        for (key, value) in keys {
            self.insert(&format!("restart-strategy.{name}.{key}"), value);
        }
        self
    }

    /// Whether SIGINT (Ctrl-C) and SIGTERM go to the running jobs: the first stops them in order (sources end, sinks write what they hold,
    /// a job that takes checkpoints takes a last one; `execute` then returns as if the input had ended), the second cancels them, the third ends the
    /// program. Off unless the environment comes [from the command line](Self::from_args), as a library leaves its process's signals alone. Once it was
    /// on for a job, the handler stays for the life of the process; while no job runs, a signal ends the program as before.
    pub fn set_stop_on_signals(&self, stop: bool) -> &Self {
        self.stops_on_signals.set(stop);
        self
    }
}

/// Whether there is such a key.
fn is_known(key: &str) -> bool {
    let known = |spec: &OptionSpec| {
        spec.key == key
            || spec.older_keys.contains(&key)
            || spec.key.strip_suffix('*').is_some_and(|prefix| key.starts_with(prefix))
    };
    JobConfiguration::specs().any(known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn from(arguments: &[&str]) -> Result<BTreeMap<String, String>> {
        StreamExecutionEnvironment::from_arguments(arguments.iter().copied()).map(|env| env.get_configuration())
    }

    fn pairs(configuration: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        configuration.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    #[test]
    fn the_command_line_holds_over_the_file_and_leaves_the_programs_arguments_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let text = "parallelism.default: 4\nexecution.checkpointing:\n  interval: 10 s\ntaskmanager.numberOfTaskSlots: 2\ntable.dml-sync: true\n";
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let found =
            from(&["--config", file, "--pages", "6", "-D", "parallelism.default=2", "-Dpipeline.name=x", "--fast"]);
        let expected =
            [("execution.checkpointing.interval", "10 s"), ("parallelism.default", "2"), ("pipeline.name", "x")];
        assert_eq!(pairs(&found.unwrap()), expected);
        std::fs::write(file, "parallelism.defalt: 4\n").unwrap();
        let error = from(&["--config", file]).unwrap_err().to_string();
        assert!(error.contains("did you mean 'parallelism.default'?") && error.contains(file), "{error}");
    }

    #[test]
    fn a_job_goes_on_as_flinks_spellings_say() {
        let path = std::path::absolute("c/chk-3").unwrap().display().to_string();
        for arguments in [
            &["--from", "c/chk-3", "--claim-mode", "claim", "--allow-non-restored-state"][..],
            &["-s", "c/chk-3", "-rm", "CLAIM", "-n"],
            &["--fromSavepoint=c/chk-3", "--claimMode", "claim", "--allowNonRestoredState"],
        ] {
            let expected = [
                ("execution.state-recovery.claim-mode", "CLAIM"),
                ("execution.state-recovery.ignore-unclaimed-state", "true"),
                ("execution.state-recovery.path", path.as_str()),
            ];
            assert_eq!(pairs(&from(arguments).unwrap()), expected, "{arguments:?}");
        }
        assert_eq!(pairs(&from(&["--resume"]).unwrap()), [("execution.state-recovery.resume", "true")]);
    }

    #[test]
    fn what_contradicts_itself_or_lacks_its_value_is_refused() {
        for (arguments, expected) in [
            (&["--from"][..], "'--from' needs a value"),
            (&["--from", "/c", "--resume"], "cannot both"),
            (&["-n"], "needs '--from PATH'"),
            (&["--from", "/c", "-rm", "legacy"], "no_claim"),
            (&["--from", "/c", "-rm", "mine"], "claim, no_claim"),
            (&["-D", "parallelism.default"], "write -D key=value"),
            (&["-Dparalelism.default=1"], "did you mean 'parallelism.default'?"),
            (&["-Dparallelism.default=many"], "many"),
        ] {
            let error = from(arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn setters_set_flinks_keys() {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(3).set_max_parallelism(64).set_restart_strategy(&RestartStrategy::failure_rate());
        assert_eq!((env.get_parallelism().unwrap(), env.get_max_parallelism().unwrap()), (3, 64));
        let configured = env.get_configuration();
        assert_eq!(configured["restart-strategy.failure-rate.failure-rate-interval"], "1 min");
        env.set_restart_strategy(&RestartStrategy::exponential_delay());
        assert!(env.job_graph("x").is_err_and(|error| error.to_string().contains("no streams")));
        let refused = env.set_state_backend("rocksdb").err().unwrap().to_string();
        assert!(refused.contains("'rocksdb'") && refused.contains("hashmap"), "{refused}");
        assert!(env.set_state_backend("hashmap").is_ok());
    }
}
