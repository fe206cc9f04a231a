//! What a source reads: which topics, from where, to where. Decided from options alone.

use std::collections::BTreeMap;

use regex::Regex;
use riverrun_base::{Error, Result, Secret};

use crate::options::{BoundedMode, StartupMode, parse_offsets};

/// The topics of a table.
#[derive(Clone, Debug)]
pub(crate) enum Topics {
    /// These.
    List(Vec<String>),
    /// Those whose whole name matches.
    Pattern {
        /// As the user wrote it.
        text: String,
        /// Anchored at both ends.
        regex: Regex,
    },
    /// Any.
    Any,
}

impl Topics {
    /// Reads `topic` and `topic-pattern`.
    ///
    /// # Errors
    /// Neither or both are given, or the pattern is no regular expression.
    pub(crate) fn new(list: Option<Vec<String>>, pattern: Option<String>) -> Result<Self> {
        match (list, pattern) {
            (Some(_), Some(_)) => {
                Err(Error::user("'topic' and 'topic-pattern' cannot both be given").hint("keep one of them"))
            }
            (None, None) => {
                Err(Error::user("one of 'topic' and 'topic-pattern' is required").hint("add 'topic' = '...'"))
            }
            (Some(list), None) if list.is_empty() => {
                Err(Error::user("the option 'topic' names no topic").with("option", "topic"))
            }
            (Some(list), None) => Ok(Self::List(list)),
            (None, Some(text)) => {
                let regex = Regex::new(&format!("^(?:{text})$")).map_err(|error| {
                    Error::user(format!("'{text}' is not a regular expression that can be used here"))
                        .caused_by(error)
                        .with("option", "topic-pattern")
                        .hint("Java's look-around and back-references are not supported")
                })?;
                Ok(Self::Pattern { text, regex })
            }
        }
    }

    /// Every topic, for a writer whose records name theirs.
    pub(crate) fn any() -> Self {
        Self::Any
    }

    /// The topic, where there is exactly one.
    pub(crate) fn single(&self) -> Option<&str> {
        match self {
            Self::List(list) => match list.as_slice() {
                [topic] => Some(topic),
                _ => None,
            },
            Self::Pattern { .. } | Self::Any => None,
        }
    }

    /// Whether a topic belongs to the table.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        match self {
            Self::List(list) => list.iter().any(|name| name == topic),
            Self::Pattern { regex, .. } => regex.is_match(topic),
            Self::Any => true,
        }
    }
}

/// Where reading starts in the partitions that are there when the job starts. Those that come later are read from their beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the beginning.
    Earliest,
    /// At the end.
    Latest,
    /// Where the group has committed.
    Committed,
    /// At the first record at or after this time, in milliseconds since 1970; at the end where there is none.
    Timestamp(i64),
    /// At these offsets, by topic and partition. Another partition: where the group has committed, or at the beginning.
    Offsets(BTreeMap<(String, i32), i64>),
}

/// Where reading ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nowhere.
    Never,
    /// At the end as it is when the partition is found.
    Latest,
    /// Where the group has committed.
    Committed,
    /// Before the first record at or after this time, in milliseconds since 1970; at the end where there is none.
    Timestamp(i64),
    /// Before these offsets, by topic and partition. Other partitions are not read.
    Offsets(BTreeMap<(String, i32), i64>),
}

/// What to do without a position, or with one whose records the broker has removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Go to the beginning.
    Earliest,
    /// Go to the end.
    Latest,
    /// Fail.
    Fail,
}

/// Reads the startup options.
///
/// # Errors
/// The mode misses its option, or `specific-offsets` meets several topics.
pub(crate) fn start(
    mode: StartupMode,
    timestamp: Option<i64>,
    offsets: Option<&str>,
    topics: &Topics,
) -> Result<Start> {
    Ok(match mode {
        StartupMode::Earliest => Start::Earliest,
        StartupMode::Latest => Start::Latest,
        StartupMode::Group => Start::Committed,
        StartupMode::Timestamp => {
            Start::Timestamp(required(timestamp, "scan.startup.timestamp-millis", "scan.startup.mode", mode)?)
        }
        StartupMode::Specific => {
            let text = required(offsets, "scan.startup.specific-offsets", "scan.startup.mode", mode)?;
            Start::Offsets(specific(topics, text, "scan.startup.specific-offsets")?)
        }
    })
}

/// Reads the bounded options.
///
/// # Errors
/// As [`start`].
pub(crate) fn stop(mode: BoundedMode, timestamp: Option<i64>, offsets: Option<&str>, topics: &Topics) -> Result<Stop> {
    Ok(match mode {
        BoundedMode::Unbounded => Stop::Never,
        BoundedMode::Latest => Stop::Latest,
        BoundedMode::Group => Stop::Committed,
        BoundedMode::Timestamp => {
            Stop::Timestamp(required(timestamp, "scan.bounded.timestamp-millis", "scan.bounded.mode", mode)?)
        }
        BoundedMode::Specific => {
            let text = required(offsets, "scan.bounded.specific-offsets", "scan.bounded.mode", mode)?;
            Stop::Offsets(specific(topics, text, "scan.bounded.specific-offsets")?)
        }
    })
}

/// Refuses the modes that ask a consumer group when there is none.
///
/// # Errors
/// `properties.group.id` is missing.
pub(crate) fn check_group(start: &Start, stop: &Stop, group: Option<&str>) -> Result<()> {
    let mode = match (start, stop) {
        (Start::Committed, _) => "scan.startup.mode",
        (_, Stop::Committed) => "scan.bounded.mode",
        _ => return Ok(()),
    };
    if group.is_some() {
        return Ok(());
    }
    let other = if mode == "scan.startup.mode" {
        "'scan.startup.mode' = 'earliest-offset'"
    } else {
        "'scan.bounded.mode' = 'latest-offset'"
    };
    Err(Error::user(format!("'{mode}' is 'group-offsets', which needs 'properties.group.id'"))
        .with("option", mode)
        .hint(format!("add 'properties.group.id' = '...', or say {other}")))
}

/// Reads `properties.auto.offset.reset`. Without it, reading starts as Flink's startup mode implies, and goes on at the beginning where
/// records are gone: what is lost is then as little as it can be.
///
/// # Errors
/// The value is another one.
pub(crate) fn reset(properties: &BTreeMap<String, Secret>, start: &Start) -> Result<Reset> {
    match properties.get("auto.offset.reset").map(|value| value.expose().trim().to_lowercase()).as_deref() {
        None if *start == Start::Committed => Ok(Reset::Fail),
        None | Some("earliest") => Ok(Reset::Earliest),
        Some("latest") => Ok(Reset::Latest),
        Some("none") => Ok(Reset::Fail),
        Some(other) => Err(Error::user(format!("'{other}' is not one of earliest, latest, none"))
            .with("option", "properties.auto.offset.reset")),
    }
}

fn required<T>(value: Option<T>, option: &str, mode_option: &str, mode: impl std::fmt::Display) -> Result<T> {
    value.ok_or_else(|| {
        Error::user(format!("'{mode_option}' = '{mode}' needs '{option}'")).hint(format!("add '{option}' = '...'"))
    })
}

/// The offsets that a text gives for the partitions of the one topic.
fn specific(topics: &Topics, text: &str, option: &str) -> Result<BTreeMap<(String, i32), i64>> {
    let Some(topic) = topics.single() else {
        return Err(
            Error::user(format!("'{option}' needs a table of one topic")).hint("declare a table for each topic")
        );
    };
    let offsets = parse_offsets(text, option)?;
    Ok(offsets.into_iter().map(|(partition, offset)| ((topic.to_owned(), partition), offset)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn list(names: &[&str]) -> Topics {
        Topics::new(Some(names.iter().map(|name| (*name).to_owned()).collect()), None).unwrap()
    }

    #[test]
    fn a_pattern_matches_whole_names_as_in_java() {
        let topics = Topics::new(None, Some("orders|orders-[0-9]+".into())).unwrap();
        assert!(topics.contains("orders") && topics.contains("orders-12"));
        assert!(!topics.contains("orders-x") && !topics.contains("my-orders") && !topics.contains("orders-1x"));
        assert_eq!(topics.single(), None);
    }

    #[test]
    fn wrong_topics_are_refused() {
        let error = |list: Option<&[&str]>, pattern: Option<&str>| {
            let list = list.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            Topics::new(list, pattern.map(str::to_owned)).unwrap_err().to_string()
        };
        assert!(error(None, None).contains("add 'topic'"));
        assert!(error(Some(&["a"]), Some("b")).contains("cannot both"));
        assert!(error(Some(&[]), None).contains("no topic"));
        assert!(error(None, Some("a(?=b)")).contains("look-around"));
    }

    #[test]
    fn every_mode_needs_its_own_option() {
        let one = list(&["t"]);
        assert_eq!(start(StartupMode::Timestamp, Some(7), None, &one).unwrap(), Start::Timestamp(7));
        assert_eq!(
            stop(BoundedMode::Specific, None, Some("partition:1,offset:5"), &one).unwrap(),
            Stop::Offsets([(("t".to_owned(), 1), 5)].into())
        );
        let error = start(StartupMode::Timestamp, None, None, &one).unwrap_err().to_string();
        assert!(error.contains("'scan.startup.mode' = 'timestamp' needs 'scan.startup.timestamp-millis'"), "{error}");
        let error = start(StartupMode::Specific, None, Some("partition:0,offset:1"), &list(&["a", "b"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("one topic"), "{error}");
        let error = stop(BoundedMode::Specific, None, None, &one).unwrap_err().to_string();
        assert!(error.contains("scan.bounded.specific-offsets"), "{error}");
    }

    #[test]
    fn group_offsets_need_a_group() {
        assert!(check_group(&Start::Committed, &Stop::Never, Some("g")).is_ok());
        assert!(check_group(&Start::Earliest, &Stop::Latest, None).is_ok());
        let error = check_group(&Start::Committed, &Stop::Never, None).unwrap_err().to_string();
        assert!(error.contains("properties.group.id") && error.contains("earliest-offset"), "{error}");
        assert!(check_group(&Start::Earliest, &Stop::Committed, None).is_err());
    }

    #[test]
    fn the_reset_follows_the_property_and_then_the_mode() {
        let property = |value: &str| BTreeMap::from([("auto.offset.reset".to_owned(), Secret::new(value))]);
        assert_eq!(reset(&property("Latest"), &Start::Committed).unwrap(), Reset::Latest);
        assert_eq!(reset(&property("none"), &Start::Earliest).unwrap(), Reset::Fail);
        assert_eq!(reset(&BTreeMap::new(), &Start::Committed).unwrap(), Reset::Fail);
        assert_eq!(reset(&BTreeMap::new(), &Start::Latest).unwrap(), Reset::Earliest);
        assert!(reset(&property("smallest"), &Start::Earliest).is_err());
    }
}
