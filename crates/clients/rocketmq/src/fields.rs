//! Header fields: texts by name, in the binary layout of `RocketMQSerializable` (`u16 key length, key, u32 value length,
//! value`, one behind another). Both directions use it: fields of an answer are found by scanning, without a table.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Fields under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldsBuilder(Vec<u8>);

impl FieldsBuilder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a field. A key or value whose length does not fit is cut by nobody: the caller has checked it.
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.push(key, value);
        self
    }

    pub(crate) fn number(self, key: &str, value: impl itoa::Integer) -> Self {
        self.text(key, itoa::Buffer::new().format(value))
    }

    pub(crate) fn flag(self, key: &str, value: bool) -> Self {
        self.text(key, if value { "true" } else { "false" })
    }

    pub(crate) fn push(&mut self, key: &str, value: &str) {
        self.0.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn finish(self) -> Fields {
        Fields(self.0.into())
    }
}

/// Fields received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Bytes);

impl Fields {
    /// Takes fields in the binary layout; a part that is cut off or no UTF-8 is as if it were absent.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        pairs(&self.0).find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.parse().ok()
    }
}

/// Names and values, in the order they stand.
pub(crate) fn pairs(bytes: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk()?;
        let (key, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (length, behind) = behind.split_first_chunk()?;
        let (value, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        rest = behind;
        Some((std::str::from_utf8(key).ok()?, std::str::from_utf8(value).ok()?))
    })
}

/// From JSON's object of texts; what is null is absent.
impl<'de> Deserialize<'de> for FieldsBuilder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = FieldsBuilder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_unit<E>(self) -> Result<FieldsBuilder, E> {
                Ok(FieldsBuilder::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldsBuilder, A::Error> {
                let mut fields = FieldsBuilder::with_capacity(256);
                while let Some((key, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    if let Some(value) = value {
                        fields.push(&key.0, &value.0);
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// A text that is borrowed where nothing in it was escaped.
#[derive(serde::Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) std::borrow::Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_json_are_the_same_as_binary_ones() {
        let json = r#"{"a":"x","b":null,"c":"line\nbreak \u00e9","d":"7"}"#;
        let fields = serde_json::from_str::<FieldsBuilder>(json).unwrap().finish();
        assert_eq!(fields.get("a"), Some("x"));
        assert_eq!(fields.get("b"), None);
        assert_eq!(fields.get("c"), Some("line\nbreak é"));
        assert_eq!(fields.number("d"), Some(7));
        assert!(serde_json::from_str::<FieldsBuilder>("null").unwrap().as_bytes().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(texts in proptest::collection::vec(("[a-z]{0,9}", ".{0,50}"), 0..9)) {
            let mut fields = FieldsBuilder::default();
            for (key, value) in &texts {
                fields.push(key, value);
            }
            let read: Vec<_> = pairs(fields.as_bytes()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(read, texts);
        }

        #[test]
        fn whatever_comes_is_read_or_ends(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(pairs(&bytes).count() <= bytes.len());
        }
    }
}
