//! Flink's configuration file: `config.yaml`, with nested or flat keys, or the lines of the older `flink-conf.yaml`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use riverrun_base::{Error, Result};
use serde_json::Value;

/// The name of the file whose lines are no YAML: `key: value`, where all behind the first colon and blank is the value.
const OLDER_FILE: &str = "flink-conf.yaml";
/// What the keys begin with by which Flink sets up its processes, its class path and what its JVM does. None has a meaning here.
const OF_FLINKS_PROCESSES: &[&str] = &[
    "$internal.",
    "akka.",
    "blob.",
    "classloader.",
    "cluster.",
    "containerized.",
    "daemon.",
    "deployment.",
    "env.",
    "execution.attached",
    "execution.batch.",
    "execution.batch-",
    "execution.job-listeners",
    "execution.shutdown-on-",
    "execution.target",
    "flamegraph.",
    "fs.",
    "heartbeat.",
    "high-availability",
    "historyserver.",
    "io.",
    "jobmanager.",
    "jobstore.",
    "kubernetes.",
    "metrics.",
    "numberOfTaskSlots",
    "pekko.",
    "pipeline.auto-generate-uids",
    "pipeline.auto-watermark-interval",
    "pipeline.cached-files",
    "pipeline.classpaths",
    "pipeline.closure-cleaner-level",
    "pipeline.default-kryo-serializers",
    "pipeline.force-",
    "pipeline.generic-types",
    "pipeline.jars",
    "pipeline.object-reuse",
    "pipeline.registered-",
    "pipeline.serialization-info",
    "plugin.",
    "process.",
    "python.",
    "queryable-state.",
    "resourcemanager.",
    "rest.",
    "s3.",
    "security.",
    "slot.",
    "slotmanager.",
    "sql-gateway.",
    "state.backend.",
    "state.storage.",
    "task.",
    "taskmanager.",
    "web.",
    "yarn.",
    "zookeeper.",
];

/// The keys and values of a file, nested keys joined by dots.
///
/// # Errors
/// There is no such file, or it is none of this kind.
pub fn read_configuration_file(file: impl AsRef<Path>) -> Result<BTreeMap<String, String>> {
    let file = file.as_ref();
    let name = file.to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::user(format!("cannot read the configuration '{name}'")).caused_by(error))?;
    let values = if file.file_name() == Some(OsStr::new(OLDER_FILE)) { lines(&text) } else { yaml(&text) };
    values.map_err(|error| error.with("file", name))
}

/// Whether a key of Flink's configuration sets up Flink's own processes, and so has no meaning here.
pub fn is_of_flinks_processes(key: &str) -> bool {
    OF_FLINKS_PROCESSES.iter().any(|prefix| key.starts_with(prefix))
}

fn yaml(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    // A file of comments holds no document.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(values);
    }
    let document: Value = serde_saphyr::from_str(text).map_err(|error| {
        let error = Error::user("the configuration is no YAML")
            .caused_by(Error::user(error.to_string().trim().replace('\n', " ")));
        error.hint(format!("a file with lines that YAML does not take can be named {OLDER_FILE}"))
    })?;
    match document {
        Value::Object(_) => flatten("", document, &mut values)?,
        Value::Null => {}
        _ => return Err(Error::user("the configuration holds no keys").hint("write a line 'key: value' for each")),
    }
    Ok(values)
}

/// Adds what is under a key.
fn flatten(key: &str, value: Value, values: &mut BTreeMap<String, String>) -> Result<()> {
    let text = match value {
        // As Flink: a key without a value is not set.
        Value::Null => return Ok(()),
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(&key, value, values)?;
            }
            return Ok(());
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            items.join(";")
        }
        scalar_value => scalar(&scalar_value),
    };
    match values.insert(key.to_owned(), text) {
        None => Ok(()),
        Some(_) => Err(Error::user(format!("the configuration key '{key}' stands twice"))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The older form, as Flink 1 read it.
fn lines(text: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let pair = line.split_once(": ").map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = pair.filter(|(key, value)| !key.is_empty() && !value.is_empty()) else {
            // `key:` is a key without a value.
            if line.ends_with(':') {
                continue;
            }
            return Err(Error::user(format!("'{line}' is no setting"))
                .with("line", index + 1)
                .hint("write 'key: value'"));
        };
        // The last one holds.
        values.insert(key.to_owned(), value.to_owned());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(values: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    #[test]
    fn nested_and_flat_keys_are_one() {
        let text = "\
# a comment
parallelism.default: 4
execution:
  checkpointing:
    interval: 10 s
    incremental: true
state.checkpoints:
  dir: file:///c
  num-retained: 3
restart-strategy.exponential-delay.backoff-multiplier: 1.5
pipeline.jars: [a.jar, b.jar]
pipeline.name:
";
        assert_eq!(
            pairs(&yaml(text).unwrap()),
            [
                ("execution.checkpointing.incremental", "true"),
                ("execution.checkpointing.interval", "10 s"),
                ("parallelism.default", "4"),
                ("pipeline.jars", "a.jar;b.jar"),
                ("restart-strategy.exponential-delay.backoff-multiplier", "1.5"),
                ("state.checkpoints.dir", "file:///c"),
                ("state.checkpoints.num-retained", "3"),
            ]
        );
        assert!(yaml("# nothing\n\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for (text, expected) in [
            ("a: b: c", "no YAML"),
            ("- a", "holds no keys"),
            ("just text", "holds no keys"),
            ("a.b: 1\na:\n  b: 2", "'a.b' stands twice"),
            ("a: 1\na: 2", "no YAML"),
        ] {
            let error = yaml(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
        }
        let error = lines("a: 1\nb = 2").unwrap_err().to_string();
        assert_eq!(error, "'b = 2' is no setting (line: 2); write 'key: value'");
    }

    #[test]
    fn older_lines_are_cut_at_the_first_colon_and_blank() {
        let text = "a.b: -Dx: *y # why\n\nc: 1\nc: 2\nempty:\n";
        assert_eq!(pairs(&lines(text).unwrap()), [("a.b", "-Dx: *y"), ("c", "2")]);
    }
}
