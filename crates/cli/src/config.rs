//! The settings of a configuration file, given to a session.

use std::ffi::OsStr;

use riverrun_base::options::OptionSpec;
use riverrun_base::{Error, Result, nearest};
use riverrun_runtime::{is_of_flinks_processes, read_configuration_file};
use riverrun_sql::{Session, setting_specs};

/// Gives a session the settings of a file. Answers what the user should know about it.
///
/// # Errors
/// As [`read_configuration_file`], or a key is unknown, or its value wrong.
pub(crate) fn apply(file: &OsStr, session: &mut Session) -> Result<Vec<String>> {
    let name = file.to_string_lossy();
    let (mut warnings, mut of_flink) = (Vec::new(), Vec::new());
    for (key, value) in read_configuration_file(file)? {
        if setting_specs().any(|spec| matches(spec, &key)) {
            let warning = session.set(&key, &value).map_err(|error| error.with("file", &name))?;
            warnings.extend(warning.map(|warning| format!("{warning} ({name})")));
        } else if is_of_flinks_processes(&key) {
            of_flink.push(key);
        } else {
            let error = Error::user(format!("unknown configuration key '{key}'")).with("file", &name);
            return Err(match nearest(&key, setting_specs().map(|spec| spec.key)) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error.hint("'riverrun options settings' lists the keys there are"),
            });
        }
    }
    if !of_flink.is_empty() {
        warnings.push(format!("{name}: keys of Flink's own processes have no effect here: {}", of_flink.join(", ")));
    }
    Ok(warnings)
}

/// Whether a key is that of an option, under its present name or an older one.
pub(crate) fn matches(spec: &OptionSpec, key: &str) -> bool {
    spec.key == key
        || spec.older_keys.contains(&key)
        || spec.key.strip_suffix('*').is_some_and(|prefix| key.len() > prefix.len() && key.starts_with(prefix))
}

/// The two sides of `key=value` on the command line.
///
/// # Errors
/// There is no `=`.
pub(crate) fn key_value(setting: &str) -> Result<(&str, &str)> {
    let Some((key, value)) = setting.split_once('=') else {
        return Err(Error::user(format!("'--set {setting}' has no value")).hint("write --set key=value"));
    };
    Ok((key.trim(), value.trim()))
}
