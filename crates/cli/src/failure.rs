//! An error as the user sees it: what is wrong, where in the script, and the remedy.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;

use riverrun_base::{Error, Kind, Position};
use unicode_width::UnicodeWidthChar;

use crate::exit::Exit;
use crate::script::ScriptText;

/// What ended the program, and its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    script: Option<Arc<ScriptText>>,
    pub(crate) exit: Exit,
}

impl Failure {
    /// An error found before anything ran.
    pub(crate) fn before_running(error: Error) -> Self {
        let exit = if matches!(error.kind(), Kind::User | Kind::Data) { Exit::Mistake } else { Exit::JobFailed };
        Self { error, script: None, exit }
    }

    /// An error of a job.
    pub(crate) fn of_job(error: Error) -> Self {
        Self { error, script: None, exit: Exit::JobFailed }
    }

    /// Says which text the error's position is in.
    pub(crate) fn in_script(mut self, script: &Arc<ScriptText>) -> Self {
        self.script = Some(Arc::clone(script));
        self
    }

    /// The lines to show.
    pub(crate) fn render(&self, colors: bool) -> String {
        let mut text = headline(&self.error, colors);
        if let (Some(script), Some(position)) = (&self.script, self.error.position()) {
            show_place(&mut text, script, position, colors);
        }
        let bug = "this is a bug of Riverrun, not of your script; please report it with the script";
        let hint =
            chain(&self.error).find_map(Error::hint_text).or((self.error.kind() == Kind::Internal).then_some(bug));
        if let Some(hint) = hint {
            let _ = writeln!(text, "{}: {hint}", paint("hint", "1;36", colors));
        }
        text
    }
}

/// The error, and those of its causes that are of the same kind and so have places and hints of their own.
fn chain(error: &Error) -> impl Iterator<Item = &Error> {
    fn cause<'e>(error: &&'e Error) -> Option<&'e Error> {
        let error: &'e Error = error;
        error.source()?.downcast_ref::<Error>()
    }
    std::iter::successors(Some(error), cause)
}

/// A warning with its place.
pub(crate) fn render_warning(message: &str, script: &ScriptText, position: Option<Position>, colors: bool) -> String {
    let place = position
        .map(|position| format!(" ({}:{}:{})", script.name, position.line, position.column))
        .unwrap_or_default();
    format!("{}: {message}{place}\n", paint("warning", "1;33", colors))
}

/// A line that a job tells its user.
pub(crate) fn render_told(text: &str, is_warning: bool, colors: bool) -> String {
    if is_warning { format!("{}: {text}\n", paint("warning", "1;33", colors)) } else { format!("{text}\n") }
}

/// `error: ` with the message, its causes and its context.
fn headline(error: &Error, colors: bool) -> String {
    let label = if error.kind() == Kind::Internal { "internal error" } else { "error" };
    let mut text = format!("{}: {}", paint(label, "1;31", colors), error.message());
    let mut cause = error.source();
    while let Some(source) = cause {
        let said =
            source.downcast_ref::<Error>().map_or_else(|| source.to_string(), |error| error.message().to_owned());
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        cause = source.source();
    }
    // Several layers may have told the same place.
    let mut places: Vec<String> = Vec::new();
    for (key, value) in chain(error).flat_map(Error::context) {
        let place = format!("{key}: {value}");
        let told = [place.clone(), format!("{key} {value}"), format!("{key} '{value}'")];
        if !told.iter().any(|told| text.contains(told) || places.iter().any(|place| place.contains(told))) {
            places.push(place);
        }
    }
    if !places.is_empty() {
        let _ = write!(text, " ({})", places.join(", "));
    }
    text.push('\n');
    text
}

/// The line of the script, with the place underlined.
fn show_place(text: &mut String, script: &ScriptText, position: Position, colors: bool) {
    let gutter = " ".repeat(position.line.to_string().len());
    let _ = writeln!(text, "{gutter}--> {}:{}:{}", script.name, position.line, position.column);
    let index = usize::try_from(position.line).unwrap_or(usize::MAX).saturating_sub(1);
    let Some(line) = script.text.lines().nth(index) else { return };
    let before = usize::try_from(position.column).unwrap_or(usize::MAX).saturating_sub(1);
    let length = usize::try_from(position.length).unwrap_or(usize::MAX).max(1);
    let blanks: String = line.chars().take(before).map(|c| if c == '\t' { "\t" } else { &"  "[..width(c)] }).collect();
    let marked: usize = line.chars().skip(before).take(length).map(width).sum();
    let marks = "^".repeat(marked.max(1));
    let _ = writeln!(text, "{gutter} |");
    let _ = writeln!(text, "{} | {line}", position.line);
    let _ = writeln!(text, "{gutter} | {blanks}{}", paint(&marks, "1;31", colors));
}

fn width(c: char) -> usize {
    c.width().unwrap_or(0).min(2)
}

fn paint(text: &str, style: &str, colors: bool) -> String {
    if colors { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, error: Error) -> String {
        let script = Arc::new(ScriptText { name: "a.sql".into(), text: text.into() });
        Failure::before_running(error).in_script(&script).render(false)
    }

    #[test]
    fn the_place_is_underlined_and_the_remedy_follows() {
        let error = Error::user("unknown column 'amout'").with("table", "t").hint("did you mean 'amount'?");
        let shown = render("SELECT\n\tamout FROM t", error.at(Position { line: 2, column: 2, length: 5 }));
        let expected = "error: unknown column 'amout' (table: t)\n --> a.sql:2:2\n  |\n2 | \tamout FROM t\n  | \t^^^^^\nhint: did you mean 'amount'?\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn wide_characters_move_the_underline_and_a_place_behind_the_end_is_still_marked() {
        let at = |column, length| Error::user("x").at(Position { line: 1, column, length });
        assert!(render("'日本' || a", at(9, 1)).ends_with("1 | '日本' || a\n  |           ^\n"));
        assert!(render("SELECT", at(7, 1)).ends_with("1 | SELECT\n  |       ^\n"));
        assert!(render("ab", at(1, 50)).ends_with("1 | ab\n  | ^^\n"));
    }

    #[test]
    fn causes_are_told_once_and_a_bug_asks_for_a_report() {
        let error = Error::internal("a plan failed").caused_by(std::io::Error::other("deep"));
        let shown = Failure::before_running(error).render(false);
        assert!(shown.starts_with("internal error: a plan failed: deep\nhint: this is a bug of Riverrun"), "{shown}");
    }

    #[test]
    fn a_cause_keeps_its_place_and_its_remedy() {
        let cause = Error::external("access denied").with("user", "u").hint("check the password");
        let error = Error::external("cannot connect").caused_by(cause).with("table", "t");
        assert_eq!(
            Failure::of_job(error).render(false),
            "error: cannot connect: access denied (table: t, user: u)\nhint: check the password\n"
        );
    }

    #[test]
    fn a_place_is_told_once() {
        let error = Error::user("'x' is wrong")
            .with("option", "a")
            .with("of", "connector 'c' of table t")
            .with("table", "t")
            .with("line", 3);
        assert_eq!(
            Failure::before_running(error).render(false),
            "error: 'x' is wrong (option: a, of: connector 'c' of table t, line: 3)\n"
        );
    }

    #[test]
    fn mistakes_and_failures_have_their_exit_codes() {
        assert_eq!(Failure::before_running(Error::user("x")).exit, Exit::Mistake);
        assert_eq!(Failure::before_running(Error::internal("x")).exit, Exit::JobFailed);
        assert_eq!(Failure::of_job(Error::user("x")).exit, Exit::JobFailed);
    }
}
