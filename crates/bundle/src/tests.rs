//! What every connector owes its users, held for all of them at once.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_base::MemorySize;
use riverrun_base::options::{OptionSpec, OptionValue};

use crate::connectors;

/// Lower case words between hyphens, in parts between dots; a part can be a wildcard.
fn is_well_named(key: &str) -> bool {
    is_named_in(key, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// As [`is_well_named`], or in Java's way (`nameServerAddress`) where people know a connector's options by such names.
fn is_known_name(connector: &str, key: &str) -> bool {
    let is_java = |key: &str| key.starts_with(|c: char| c.is_ascii_lowercase());
    is_well_named(key)
        || connector == "rocketmq" && is_java(key) && is_named_in(key, |byte: u8| byte.is_ascii_alphanumeric())
}

fn is_named_in(key: &str, letter: impl Fn(u8) -> bool) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(&letter);
    let part = |part: &str| matches!(part, "#" | "*") || part.split('-').all(word);
    !key.is_empty() && key.split('.').all(part)
}

/// Whether a default is a value of the option's type.
fn is_read(spec: &OptionSpec, default: &str) -> bool {
    match spec.type_name {
        "Enum" => spec.values.contains(&default),
        "Integer" | "Long" => i64::parse(default).is_ok(),
        "Double" => f64::parse(default).is_ok(),
        "Boolean" => bool::parse(default).is_ok(),
        "Duration" => Duration::parse(default).is_ok(),
        "MemorySize" => MemorySize::parse(default).is_ok(),
        _ => true,
    }
}

#[test]
fn every_connector_has_a_name_of_its_own_and_says_what_it_is() {
    let mut names = BTreeSet::new();
    for connector in connectors().iter() {
        assert!(is_well_named(connector.name) && names.insert(connector.name), "{}", connector.name);
        assert!(connector.description.ends_with('.'), "{}", connector.name);
        assert!(connector.source.is_some() || connector.sink.is_some(), "{}", connector.name);
    }
    assert!(names.is_superset(&["blackhole", "datagen", "filesystem", "print"].into()));
}

#[test]
fn every_option_is_named_described_and_has_a_default_of_its_type() {
    for connector in connectors().iter() {
        let mut keys = BTreeSet::new();
        for spec in (connector.options)() {
            let option = format!("{} of {}", spec.key, connector.name);
            assert!(
                is_known_name(connector.name, spec.key),
                "{option} is not in lower case words between hyphens and dots"
            );
            assert!(keys.insert(spec.key), "{option} is defined twice");
            assert!(spec.description.len() > 5 && spec.description.ends_with('.'), "{option} is not described");
            assert!(!spec.required || spec.default.is_none(), "{option} is required and has a default");
            assert!(
                spec.default.is_none_or(|default| is_read(&spec, default)),
                "{option} has a default that cannot be read"
            );
        }
    }
}

#[test]
fn every_metadata_key_is_described_and_defined_once() {
    for connector in connectors().iter() {
        let mut keys = BTreeSet::new();
        for metadata in (connector.metadata)() {
            let key = format!("{} of {}", metadata.key, connector.name);
            assert!(is_well_named(metadata.key) && keys.insert(metadata.key), "{key}");
            assert!(metadata.description.len() > 5, "{key} is not described");
        }
    }
}

#[test]
fn names_that_are_not_well_formed_are_told_apart() {
    for name in ["topic", "sink.buffer-flush.max-rows", "fields.#.kind", "properties.*", "a1.b2"] {
        assert!(is_well_named(name), "{name}");
    }
    for name in ["", "Topic", "a_b", "a..b", "a-", "-a", "a.#b", "fields."] {
        assert!(!is_well_named(name), "{name}");
    }
}
