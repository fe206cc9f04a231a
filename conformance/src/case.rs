//! A file of cases.

use riverrun_base::{Error, Result};

/// Statements, and what Flink answered.
#[derive(Clone, Debug)]
pub struct Case {
    /// `file/name`.
    pub name: String,
    /// Whether the rows have no order.
    pub unordered: bool,
    /// The statements that every case of the file begins with.
    pub setup: String,
    /// The case's own statements.
    pub statements: String,
    /// What Flink answered to the last, or the first error.
    pub answer: Answer,
}

/// An answer in the form of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A schema line, and a changelog or text, line by line.
    Rows {
        /// `name TYPE, ...`.
        schema: String,
        /// `+I[...]`, or `| text`.
        lines: Vec<String>,
    },
    /// An error: `parse`, `validation`, `plan` or `runtime`, and its message.
    Error {
        /// Where it was found.
        class: String,
        /// What it says.
        message: String,
    },
}

/// Reads the cases of a file; `topic` is the file's name without its ending.
///
/// # Errors
/// The file does not have the form; the error names the case.
pub fn read_cases(topic: &str, text: &str) -> Result<Vec<Case>> {
    let mut lines = text.lines().peekable();
    let mut setup = String::new();
    let mut cases = Vec::new();
    while let Some(line) = lines.next() {
        if line == "setup" {
            setup = statements(&mut lines);
        } else if let Some(name) = line.strip_prefix("case ") {
            let (name, unordered) = match name.strip_suffix(" unordered") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let name = format!("{topic}/{name}");
            let statements = statements(&mut lines);
            let answer: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let answer =
                read_answer(&answer).ok_or_else(|| Error::user("the case has no answer").with("case", &name))?;
            cases.push(Case { name, unordered, setup: setup.clone(), statements, answer });
        }
    }
    Ok(cases)
}

fn statements<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    lines.take_while(|line| *line != "----").collect::<Vec<_>>().join("\n")
}

fn read_answer(lines: &[&str]) -> Option<Answer> {
    let (first, rest) = lines.split_first()?;
    if let Some(error) = first.strip_prefix("error: ") {
        let (class, message) = error.split_once("  ").unwrap_or((error, ""));
        return Some(Answer::Error { class: class.to_owned(), message: message.to_owned() });
    }
    let schema = first.strip_prefix("schema: ")?.to_owned();
    Some(Answer::Rows { schema, lines: rest.iter().map(|line| (*line).to_owned()).collect() })
}
