//! The cases that Riverrun answers otherwise than Flink, each with its reason.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result};

/// Reasons by case. A line of the file is `topic/case: reason`, or `topic/*: reason` for a whole topic; `#` begins a comment.
#[derive(Clone, Debug, Default)]
pub struct Waivers(BTreeMap<String, String>);

impl Waivers {
    /// Reads the file.
    ///
    /// # Errors
    /// A line without a reason, or a case that is named twice.
    pub fn read(text: &str) -> Result<Self> {
        let mut waivers = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some((case, reason)) = line.split_once(": ") else {
                return Err(Error::user(format!("'{line}' gives no reason")).hint("write topic/case: reason"));
            };
            if waivers.insert(case.to_owned(), reason.to_owned()).is_some() {
                return Err(Error::user(format!("'{case}' is waived twice")));
            }
        }
        Ok(Self(waivers))
    }

    /// Why a case may differ.
    pub fn reason(&self, case: &str) -> Option<&str> {
        let whole = || self.0.get(&format!("{}/*", case.split('/').next().unwrap_or_default()));
        self.0.get(case).or_else(whole).map(String::as_str)
    }

    /// Whether the whole topic of a case is waived, so that a case that is answered alike needs no word.
    pub fn is_topic(&self, case: &str) -> bool {
        !self.0.contains_key(case) && self.reason(case).is_some()
    }

    /// The waived cases of a topic.
    pub fn of_topic<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(move |case| case.split_once('/').is_some_and(|(of, _)| of == topic && !case.ends_with("/*")))
    }
}
