//! `riverrun savepoint inspect`: what is in a savepoint or checkpoint.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use riverrun_base::Result;
use riverrun_base::options::{OptionReader, OptionSet};
use riverrun_checkpoints::{
    Checkpoint, CheckpointLog, OperatorState, Snapshot, StateChain, StateData, StateFile, StoreOptions, Stores, resolve,
};
use riverrun_formats::text::{Moment, write_timestamp};
use riverrun_runtime::StoredSplits;

use super::print;
use super::steering::placed;
use crate::config::{key_value, matches};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::jobs::numbers::{count, length, rows};

/// Bytes that are shown of what cannot be read.
const SHOWN_BYTES: usize = 40;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The folder of a savepoint or checkpoint, or its _metadata: a path, or a URI with the scheme
    /// file, hdfs or s3
    #[arg(value_name = "PATH", value_hint = ValueHint::DirPath)]
    path: String,
    /// Read all state, too, and say whether it is as it was written
    #[arg(long)]
    verify: bool,
    /// How its store is reached, such as s3.endpoint=http://localhost:9000; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Read these settings from a configuration file of Flink
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<OsString>,
}

impl InspectArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        print(&self.shown().map_err(Failure::before_running)?)
    }

    fn shown(&self) -> Result<String> {
        let stores = Arc::new(self.stores()?);
        let snapshot = resolve(&stores, &placed(&self.path))?;
        let mut text = shown(&snapshot)?;
        if self.verify {
            let files = verify(&stores, &snapshot)?;
            let _ = writeln!(text, "\nall state is as it was written: {} read", count(files, "file"));
        }
        Ok(text)
    }

    fn stores(&self) -> Result<Stores> {
        let mut values = BTreeMap::new();
        if let Some(file) = &self.config {
            let known = |key: &str| StoreOptions::specs().iter().any(|spec| matches(spec, key));
            values.extend(riverrun_runtime::read_configuration_file(file)?.into_iter().filter(|(key, _)| known(key)));
        }
        for setting in &self.settings {
            let (key, value) = key_value(setting)?;
            values.insert(key.to_owned(), value.to_owned());
        }
        let mut reader = OptionReader::new("a store", values);
        let options = reader.read()?;
        reader.finish()?;
        Stores::new(options)
    }
}

/// Reads every state file; an error names the first that is damaged.
fn verify(stores: &Arc<Stores>, snapshot: &Snapshot) -> Result<u64> {
    let log = CheckpointLog::open(Arc::clone(stores), &snapshot.url, &snapshot.checkpoint.job_id)?;
    let mut files = 0;
    for file in snapshot.checkpoint.stored_files() {
        log.open_state(file)?;
        files += 1;
    }
    Ok(files)
}

/// All of it as text.
fn shown(snapshot: &Snapshot) -> Result<String> {
    let Snapshot { checkpoint, url, job_folder } = snapshot;
    let kind = if job_folder.is_none() { "savepoint" } else { "checkpoint" };
    let took = Duration::from_millis(u64::try_from(checkpoint.completed_ms - checkpoint.triggered_ms).unwrap_or(0));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{kind} {} of job {} ({})", checkpoint.id, checkpoint.job_name, checkpoint.job_id);
    let _ = writeln!(text, "  in {url}");
    let _ = writeln!(
        text,
        "  taken {} UTC in {}, by attempt {}",
        moment(checkpoint.triggered_ms),
        length(took),
        checkpoint.attempt
    );
    let _ = writeln!(
        text,
        "  {} of state in {}, {}",
        bytes(checkpoint.state_bytes()),
        count(checkpoint.operators.len() as u64, "operator"),
        stored(checkpoint)
    );
    for operator in &checkpoint.operators {
        text.push('\n');
        show_operator(&mut text, operator)?;
    }
    Ok(text)
}

/// In how many files the state is.
fn stored(checkpoint: &Checkpoint) -> String {
    let mut paths: Vec<&str> = Vec::new();
    for file in checkpoint.stored_files() {
        if let StateData::Stored { path, .. } = &file.data {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    paths.dedup();
    match paths.len() {
        0 => "all of it in the metadata".to_owned(),
        files => format!("{} beside the metadata", count(files as u64, "file")),
    }
}

fn show_operator(text: &mut String, operator: &OperatorState) -> Result<()> {
    let OperatorState { uid, name, kind, parallelism, max_parallelism, subtasks, .. } = operator;
    let _ = writeln!(text, "{name}");
    let _ = write!(text, "  {kind}, uid '{uid}', parallelism {parallelism}");
    let chains: Vec<&StateChain> = subtasks.iter().flat_map(|subtask| &subtask.keyed).collect();
    if !chains.is_empty() {
        let _ = write!(text, " of {max_parallelism}");
    }
    if let Some(watermark) = subtasks.iter().map(|subtask| subtask.watermark).min().flatten() {
        let _ = write!(text, ", watermark {}", watermark_text(watermark));
    }
    text.push('\n');
    if kind == "source" {
        show_splits(text, &StoredSplits::of(operator)?);
    } else {
        let own: Vec<&[u8]> = subtasks.iter().filter_map(|subtask| subtask.own.as_deref()).collect();
        if !own.is_empty() {
            let length: usize = own.iter().map(|own| own.len()).sum();
            let _ = writeln!(text, "  {} of its own in {}", bytes(length as u64), count(own.len() as u64, "subtask"));
        }
    }
    show_keyed(text, &chains);
    if !operator.committables.is_empty() {
        let length: usize = operator.committables.iter().map(Vec::len).sum();
        let _ = writeln!(
            text,
            "  {} to commit, {}",
            count(operator.committables.len() as u64, "transaction"),
            bytes(length as u64)
        );
    }
    Ok(())
}

fn show_splits(text: &mut String, splits: &StoredSplits) {
    let StoredSplits { unfinished, known } = splits;
    let finished = known.len().saturating_sub(unfinished.len());
    let _ = write!(text, "  {}", count(known.len() as u64, "split"));
    if finished > 0 {
        let _ = write!(text, ", {finished} of them read to the end");
    }
    text.push('\n');
    let mut unfinished: Vec<_> = unfinished.iter().collect();
    unfinished.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    for (split, watermark) in unfinished {
        let _ = write!(text, "    {}: {}", split.id, position(&split.position));
        if let Some(watermark) = watermark {
            let _ = write!(text, ", watermark {}", watermark_text(*watermark));
        }
        text.push('\n');
    }
}

/// The keyed state in sum, and by ranges of key groups. Rows are those of all files: a key that changed stands in several.
fn show_keyed(text: &mut String, chains: &[&StateChain]) {
    let amount = |files: &mut dyn Iterator<Item = &StateFile>| {
        let (mut number, mut total_rows, mut total_bytes) = (0, 0, 0);
        for file in files {
            number += 1;
            total_rows += file.rows;
            total_bytes += file.bytes();
        }
        format!("{}, {} in {}", rows(total_rows), bytes(total_bytes), count(number, "snapshot"))
    };
    if chains.is_empty() {
        return;
    }
    let _ = writeln!(text, "  by key: {}", amount(&mut chains.iter().flat_map(|chain| &chain.files)));
    for chain in chains {
        let (first, last) = (chain.key_groups.start, chain.key_groups.end.saturating_sub(1));
        let _ = writeln!(text, "    key groups {first} to {last}: {}", amount(&mut chain.files.iter()));
    }
}

/// A position of a source: text, or the fields of a JSON object, as it is; other bytes as hexadecimal digits.
fn position(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "at its beginning".to_owned();
    }
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(bytes) {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} {value}")).collect();
        return if fields.is_empty() { "at its beginning".to_owned() } else { fields.join(", ") };
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => {
            let mut text = "x'".to_owned();
            for byte in bytes.iter().take(SHOWN_BYTES) {
                let _ = write!(text, "{byte:02x}");
            }
            text + if bytes.len() > SHOWN_BYTES { "...'" } else { "'" }
        }
    }
}

fn bytes(number: u64) -> String {
    count(number, "byte")
}

fn watermark_text(watermark: i64) -> String {
    match watermark {
        riverrun_runtime::MAX_WATERMARK => "at the end of time".to_owned(),
        riverrun_runtime::NO_WATERMARK => "none yet".to_owned(),
        watermark => moment(watermark),
    }
}

/// A moment in UTC, given in milliseconds since 1970.
fn moment(ms: i64) -> String {
    let mut text = Vec::new();
    write_timestamp(&mut text, Moment::of_value(ms, 3), b' ');
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests;
