//! Options as a terminal shows them.

use std::fmt::Write as _;

use super::{Topic, TopicKind, told};

/// Lines are broken here.
const WIDTH: usize = 100;

/// What there is, by kind.
pub(super) fn overview(topics: &[Topic]) -> String {
    let mut text = String::new();
    let width = topics.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    for (kind, title) in
        [(TopicKind::Connector, "Connectors"), (TopicKind::Format, "Formats"), (TopicKind::Settings, "Session")]
    {
        let _ = writeln!(text, "{title}:");
        for topic in topics.iter().filter(|topic| topic.kind == kind) {
            let _ = writeln!(text, "  {:width$}  {}", topic.name, topic.description);
        }
        text.push('\n');
    }
    text + "Options of one: riverrun options NAME\n"
}

/// Every option of one topic.
pub(super) fn topic(topic: &Topic) -> String {
    let title = match topic.kind {
        TopicKind::Connector => format!("'connector' = '{}'", topic.name),
        TopicKind::Format => format!("'format' = '{}'", topic.name),
        TopicKind::Settings => "SET 'key' = 'value'".to_owned(),
    };
    let mut text = format!("{title}: {}\n", topic.description);
    for option in &topic.options {
        let default = match option.spec.default {
            Some(default) => format!(", default '{default}'"),
            None if option.spec.required => ", required".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(text, "\n'{}'  {}{default}", option.key, option.spec.type_name);
        wrap(&mut text, &told(&option.spec));
    }
    if topic.options.is_empty() {
        text.push_str("\nIt has no options.\n");
    }
    if !topic.metadata.is_empty() {
        text.push_str("\nMetadata columns (METADATA FROM '...'):\n");
    }
    for key in &topic.metadata {
        let _ = writeln!(
            text,
            "\n'{}'  {}{}",
            key.key,
            key.data_type,
            if key.writable { ", also written" } else { ", VIRTUAL" }
        );
        wrap(&mut text, key.description);
    }
    text
}

/// Appends a paragraph, indented, in lines of at most [`WIDTH`].
fn wrap(text: &mut String, paragraph: &str) {
    const INDENT: &str = "    ";
    let mut length = 0;
    for word in paragraph.split_whitespace() {
        let word = word.replace('`', "'");
        let width = word.chars().count();
        if length == 0 || length + 1 + width > WIDTH {
            text.push_str(if length == 0 { INDENT } else { "\n    " });
            length = INDENT.len();
        } else {
            text.push(' ');
            length += 1;
        }
        text.push_str(&word);
        length += width;
    }
    if length > 0 {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_between_words() {
        let mut text = String::new();
        wrap(&mut text, &"word ".repeat(40));
        assert!(
            text.lines().count() > 1 && text.lines().all(|line| line.starts_with("    word") && line.len() <= WIDTH),
            "{text}"
        );
    }
}
