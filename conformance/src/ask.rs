//! Asks Riverrun what Flink was asked.

use std::path::Path;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_sql::{Column, Outcome, QueryJob, Session};

use crate::case::{Answer, Case};

/// How long one statement's job may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Riverrun's answer to a case: each in a session of its own, one change for each row, time zone UTC. `data` is the folder of the
/// cases' files, `out` an empty folder.
///
/// # Errors
/// The session cannot be made, which is a bug; what a statement fails with is an [`Answer`].
pub fn answer(case: &Case, data: &Path, out: &Path) -> Result<Answer> {
    let mut session = Session::new(riverrun_bundle::connectors());
    session.set("table.exec.mini-batch.enabled", "false")?;
    session.set("table.local-time-zone", "UTC")?;
    // As the answers were recorded.
    session.set("restart-strategy.type", "none")?;
    let mut last = Answer::Rows { schema: "result STRING".into(), lines: vec!["+I[OK]".into()] };
    for text in [&case.setup, &case.statements] {
        let text = text.replace("${DATA}", &data.to_string_lossy()).replace("${OUT}", &out.to_string_lossy());
        let script = match session.parse(&text) {
            Ok(script) => script,
            Err(error) => return Ok(failed("parse", &error)),
        };
        for step in &script.steps {
            match session.execute(step) {
                Err(error) => return Ok(failed("validation", &error)),
                Ok(outcome) => match run(outcome) {
                    Ok(answer) => last = answer,
                    Err(error) => return Ok(failed("runtime", &error)),
                },
            }
        }
    }
    Ok(hide_paths(last, data, out))
}

fn run(outcome: Outcome) -> Result<Answer> {
    match outcome {
        Outcome::Done { .. } => Ok(Answer::Rows { schema: "result STRING".into(), lines: vec!["+I[OK]".into()] }),
        Outcome::Table(table) => {
            let one_text = table.columns.len() == 1 && table.columns.iter().all(|column| column.name == "result");
            let lines = if one_text {
                table
                    .rows
                    .iter()
                    .flatten()
                    .flatten()
                    .flat_map(|text| text.trim_end().lines())
                    .map(|line| format!("| {line}").trim_end().to_owned())
                    .collect()
            } else {
                table.rows.iter().map(|row| line("+I", row)).collect()
            };
            Ok(Answer::Rows { schema: schema(&table.columns), lines })
        }
        Outcome::Insert(job) => {
            job.start()?.wait()?;
            Ok(Answer::Rows { schema: "result STRING".into(), lines: vec!["+I[OK]".into()] })
        }
        Outcome::Query(query) => rows(*query),
    }
}

fn rows(query: QueryJob) -> Result<Answer> {
    let schema = schema(&query.columns);
    let deadline = Instant::now() + LIMIT;
    let (job, mut rows) = query.start()?;
    let mut lines = Vec::new();
    while let Some(batch) = rows.next(Duration::from_millis(100))? {
        lines.extend(batch.iter().map(|row| line(row.kind.short(), &row.values)));
        if Instant::now() > deadline {
            job.cancel();
            return Err(Error::external("the query does not end"));
        }
    }
    job.wait()?;
    Ok(Answer::Rows { schema, lines })
}

fn schema(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect::<Vec<_>>().join(", ")
}

/// A row as the files have it, with control characters escaped.
fn line(kind: &str, values: &[Option<String>]) -> String {
    let fields: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    let mut line = format!("{kind}[");
    for c in fields.join(", ").chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push(']');
    line
}

fn failed(class: &str, error: &Error) -> Answer {
    Answer::Error { class: class.into(), message: error.to_string() }
}

fn hide_paths(answer: Answer, data: &Path, out: &Path) -> Answer {
    let hide =
        |text: String| text.replace(&*data.to_string_lossy(), "${DATA}").replace(&*out.to_string_lossy(), "${OUT}");
    match answer {
        Answer::Rows { schema, lines } => Answer::Rows { schema, lines: lines.into_iter().map(hide).collect() },
        error => error,
    }
}
