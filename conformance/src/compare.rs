//! When two answers are the same.

use crate::case::{Answer, Case};

/// What differs between Flink's answer and ours; `None` where nothing does. An error must be an error, found before the job runs unless
/// Flink found it in the running job; its words are our own.
pub fn differs(case: &Case, ours: &Answer) -> Option<String> {
    match (&case.answer, ours) {
        (Answer::Error { class, message }, Answer::Error { class: our_class, message: our_message }) => {
            // Flink computes some constants when it plans, we when the job runs; both refuse before a row is out.
            let early = class != "runtime" && class != "plan";
            (early && our_class == "runtime")
                .then(|| format!("Flink refuses ({class}: {message}), ours fails at run time: {our_message}"))
        }
        (Answer::Error { class, message }, Answer::Rows { lines, .. }) => {
            Some(format!("Flink refuses ({class}: {message}), ours answers {lines:?}"))
        }
        (Answer::Rows { .. }, Answer::Error { class, message }) => Some(format!("ours refuses ({class}): {message}")),
        (Answer::Rows { schema, lines }, Answer::Rows { schema: our_schema, lines: our_lines }) => {
            if schema != our_schema {
                return Some(format!("schema\n  Flink {schema}\n  ours  {our_schema}"));
            }
            let (mut theirs, mut ours) = (lines.clone(), our_lines.clone());
            if case.unordered {
                theirs.sort();
                ours.sort();
            }
            (theirs != ours).then(|| format!("rows\n  Flink {theirs:?}\n  ours  {ours:?}"))
        }
    }
}
