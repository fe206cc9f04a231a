//! The reference page of all options.

use std::fmt::Write as _;

use super::{Topic, TopicKind, told};

/// The page in Markdown.
pub(super) fn render(topics: &[Topic]) -> String {
    let mut text = String::from(
        "# Options\n\nMade from the definitions by `riverrun options --markdown > docs/options.md`; a test compares the two. \
        On the command line: \
        `riverrun options`,\n`riverrun options kafka`.\n\n\
        A duration is a number and a unit (`10 s`, `5 min`; without a unit, milliseconds), a size likewise (`2 mb`). \
        `#` in a key stands for the name of a column, `*`\nfor any rest.\n",
    );
    for (kind, title) in
        [(TopicKind::Connector, "Connectors"), (TopicKind::Format, "Formats"), (TopicKind::Settings, "Settings")]
    {
        let _ = writeln!(text, "\n## {title}");
        for topic in topics.iter().filter(|topic| topic.kind == kind) {
            if kind != TopicKind::Settings {
                let _ = writeln!(text, "\n### {}", topic.name);
            }
            let _ = writeln!(text, "\n{}", topic.description);
            options(&mut text, topic);
            metadata(&mut text, topic);
        }
    }
    text
}

fn options(text: &mut String, topic: &Topic) {
    if topic.options.is_empty() {
        return;
    }
    text.push_str("\n| option | type | default | |\n|---|---|---|---|\n");
    for option in &topic.options {
        let default = match option.spec.default {
            Some(default) => cell(&format!("`{default}`")),
            None if option.spec.required => "required".to_owned(),
            None => String::new(),
        };
        let kind = cell(option.spec.type_name);
        let _ = writeln!(text, "| `{}` | {kind} | {default} | {} |", option.key, cell(&told(&option.spec)));
    }
}

fn metadata(text: &mut String, topic: &Topic) {
    if topic.metadata.is_empty() {
        return;
    }
    text.push_str("\n| metadata | type | written | |\n|---|---|---|---|\n");
    for key in &topic.metadata {
        let written = if key.writable { "yes" } else { "no" };
        let (data_type, description) = (cell(&format!("`{}`", key.data_type)), cell(key.description));
        let _ = writeln!(text, "| `{}` | {data_type} | {written} | {description} |", key.key);
    }
}

/// Text for a cell of a table. What Markdown would take for markup is escaped, except in `code`.
fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        match c {
            '`' => code = !code,
            '|' => escaped.push('\\'),
            '*' | '_' | '<' if !code => escaped.push('\\'),
            _ => {}
        }
        escaped.push(if c == '\n' { ' ' } else { c });
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_outside_of_code() {
        assert_eq!(cell("a*b_c|d<e> `x*|y`"), r"a\*b\_c\|d\<e> `x*\|y`");
    }
}
