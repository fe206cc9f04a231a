//! Sizes of files, lengths of lines, and words that have no place in a repository.

use std::path::Path;

use super::{Source, Violation};

/// What is larger is not read in one sitting.
const SOURCE_LINES_MAX: usize = 700;
const LINE_CHARS_MAX: usize = 160;
/// For a line that holds a text, which the formatter does not break, or a comment that becomes a user's text.
const TEXT_LINE_CHARS_MAX: usize = 240;
/// What is larger is data, and is made or fetched by who needs it.
const FILE_BYTES_MAX: usize = 500_000;

/// Files that people write, and not data of tests.
const WRITTEN: &[&str] =
    &["rs", "toml", "md", "sh", "py", "sql", "java", "js", "ts", "css", "html", "xml", "yml", "yaml", "run"];
const PROGRAMS: &[&str] = &["rs", "sh", "py", "java", "js", "ts"];

/// Words refused, and why. Joined here, so that this file may hold them.
const WORDS: &[(&str, &str)] = &[
    (concat!("to", "do!"), "what does not work yet is refused with an error that says so"),
    (concat!("db", "g!"), "left over from a search for a bug"),
    (concat!("TO", "DO"), "do it, or open an issue"),
    (concat!("FIX", "ME"), "do it, or open an issue"),
    (concat!("XX", "X"), "do it, or open an issue"),
];

/// Folders of one machine.
const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/river", "run/")];

pub(super) fn check_size(path: &Path, bytes: usize) -> Vec<Violation> {
    let message = format!("{bytes} bytes; {FILE_BYTES_MAX} at most: make it, fetch it, or cut it down");
    if bytes > FILE_BYTES_MAX { vec![Violation::of(path, message)] } else { Vec::new() }
}

pub(super) fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    let (path, lines) = (&source.path, source.text.lines().count());
    if PROGRAMS.contains(&source.extension()) && lines > SOURCE_LINES_MAX {
        let message =
            format!("{lines} lines; {SOURCE_LINES_MAX} at most: find the second subject in it, and give it a file");
        violations.push(Violation::of(path, message));
    }
    // a script without an extension is written too
    let written = WRITTEN.contains(&source.extension()) || source.text.starts_with("#!");
    for (index, line) in source.text.lines().enumerate() {
        let length = line.chars().count();
        let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let holds_text = is_test || line.contains('"') || line.trim_start().starts_with("///");
        let most = if holds_text { TEXT_LINE_CHARS_MAX } else { LINE_CHARS_MAX };
        if source.extension() == "rs" && length > most {
            violations.push(Violation::at(path, index, format!("{length} characters; {most} at most")));
        }
        let refused = WORDS.iter().filter(|(word, _)| written && has_word(line, word));
        violations.extend(refused.map(|(word, why)| Violation::at(path, index, format!("`{word}`: {why}"))));
        let places = PLACES.iter().filter(|place| has_path(line, place));
        violations
            .extend(places.map(|place| Violation::at(path, index, format!("`{place}` is a folder of one machine"))));
    }
    violations
}

/// Whether the word stands alone: with nothing beside it that could belong to it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let goes_on = word.ends_with(is_word) && after.starts_with(is_word);
        !before.ends_with(is_word) && !goes_on
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether a path begins so here, and not inside a longer one.
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| !line[..at].ends_with(|c: char| is_word(c) || "./-~:}*".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&Source { path: path.into(), text: text.to_owned() }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn refused_words_are_found_where_they_stand_alone() {
        let fix = WORDS[3].0;
        let expected = format!("a.rs:2: `{fix}`: do it, or open an issue");
        assert_eq!(messages("a.rs", &format!("fn a() {{}}\n// {fix}: later\nlet {fix}ER = 1;\n")), [expected]);
        assert_eq!(messages("a.csv", fix), [""; 0]);
    }

    #[test]
    fn folders_of_one_machine_are_found_and_parts_of_paths_are_not() {
        let place = PLACES[0];
        assert_eq!(messages("a.txt", &format!("see {place}x")).len(), 1);
        assert_eq!(messages("a.txt", &format!("see https://host{place}x and ./a{place}x")), [""; 0]);
    }

    #[test]
    fn sources_are_short_and_so_are_their_lines() {
        assert!(messages("a.rs", &"\n".repeat(701))[0].starts_with("a.rs: 701 lines; 700 at most"));
        assert_eq!(messages("a.rs", &"\n".repeat(700)), [""; 0]);
        assert_eq!(messages("a.md", &"\n".repeat(701)), [""; 0]);
        assert!(messages("a.rs", &"é".repeat(161))[0].starts_with("a.rs:1: 161 characters"));
        assert_eq!(messages("a.rs", &"é".repeat(160)), [""; 0]);
    }

    #[test]
    fn large_files_are_refused() {
        assert_eq!(check_size(Path::new("a.bin"), FILE_BYTES_MAX), []);
        assert_eq!(check_size(Path::new("a.bin"), FILE_BYTES_MAX + 1).len(), 1);
    }
}
