//! `riverrun options`: what can be written in `WITH (...)` and in SET, from the definitions that the connectors themselves read.

mod page;
mod terminal;

use std::fmt::Write as _;

use clap::Args;
use clap::builder::PossibleValuesParser;
use riverrun_base::options::OptionSpec;
use riverrun_connect::MetadataKey;
use riverrun_formats::FORMATS;

use super::print;
use crate::exit::Exit;
use crate::failure::Failure;

/// The topic of a session's configuration keys.
const SETTINGS: &str = "settings";

/// Options of what.
#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    /// A connector, a format, or 'settings'; all are named without it
    #[arg(value_parser = PossibleValuesParser::new(topics().into_iter().map(|topic| topic.name)))]
    topic: Option<String>,
    /// Print the reference page of everything, in Markdown
    #[arg(long, conflicts_with = "topic")]
    markdown: bool,
}

/// Something that has options.
struct Topic {
    name: &'static str,
    kind: TopicKind,
    description: &'static str,
    options: Vec<Listed>,
    metadata: Vec<MetadataKey>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TopicKind {
    Connector,
    Format,
    Settings,
}

/// An option with the key that a user writes.
struct Listed {
    key: String,
    spec: OptionSpec,
}

impl OptionsArgs {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let topics = topics();
        if self.markdown {
            return print(&page::render(&topics));
        }
        match self.topic.and_then(|name| topics.iter().find(|topic| topic.name == name)) {
            Some(topic) => print(&terminal::topic(topic)),
            None => print(&terminal::overview(&topics)),
        }
    }
}

/// Everything that has options: connectors, formats, the session.
fn topics() -> Vec<Topic> {
    let connectors = riverrun_bundle::connectors();
    let connectors = connectors.iter().map(|connector| Topic {
        name: connector.name,
        kind: TopicKind::Connector,
        description: connector.description,
        options: listed("", &(connector.options)()),
        metadata: (connector.metadata)(),
    });
    let formats = FORMATS.iter().map(|format| Topic {
        name: format.name,
        kind: TopicKind::Format,
        description: format.description,
        options: listed(&format!("{}.", format.name), (format.options)()),
        metadata: Vec::new(),
    });
    let settings = Topic {
        name: SETTINGS,
        kind: TopicKind::Settings,
        description: "What SET 'key' = 'value' and --set key=value take.",
        options: riverrun_sql::setting_specs().map(|spec| Listed { key: spec.key.to_owned(), spec: *spec }).collect(),
        metadata: Vec::new(),
    };
    connectors.chain(formats).chain([settings]).collect()
}

fn listed(prefix: &str, specs: &[OptionSpec]) -> Vec<Listed> {
    specs.iter().map(|spec| Listed { key: format!("{prefix}{}", spec.key), spec: *spec }).collect()
}

/// The description, with the values of an enumeration and the older keys.
fn told(spec: &OptionSpec) -> String {
    let mut text = spec.description.split_whitespace().collect::<Vec<_>>().join(" ");
    if !spec.values.is_empty() {
        let _ = write!(
            text,
            " One of {}.",
            spec.values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
        );
    }
    if !spec.older_keys.is_empty() {
        let _ = write!(
            text,
            " Older: {}.",
            spec.older_keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        );
    }
    text
}
