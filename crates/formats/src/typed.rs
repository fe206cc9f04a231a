//! Bytes to values of a type and back, a message at a time: for programs in Rust, whose records are typed.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Any error; `?` makes one of every error type.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Reads values from messages. Each reader owns a clone.
///
/// A closure is one too: `|message: &[u8]| std::str::from_utf8(message)?.parse::<i64>()`, with any error.
pub trait DeserializationSchema<T>: Clone + Send + Sync + 'static {
    /// The value of a message; `None` where it holds none, which is left out.
    ///
    /// # Errors
    /// The message cannot be read; its source says which one it is.
    fn deserialize(&mut self, message: &[u8]) -> Result<Option<T>, BoxError>;
}

impl<T, E, F> DeserializationSchema<T> for F
where
    F: FnMut(&[u8]) -> Result<T, E> + Clone + Send + Sync + 'static,
    E: Into<BoxError>,
{
    #[inline]
    fn deserialize(&mut self, message: &[u8]) -> Result<Option<T>, BoxError> {
        self(message).map(Some).map_err(Into::into)
    }
}

/// Writes values as messages. Each writer owns a clone.
///
/// A closure is one too: `|count: &u64| count.to_string()`, whose result is anything that holds bytes.
pub trait SerializationSchema<T>: Clone + Send + Sync + 'static {
    /// Appends the bytes of a value to a message that is empty before.
    ///
    /// # Errors
    /// The value has no such form.
    fn serialize(&mut self, element: &T, message: &mut Vec<u8>) -> Result<(), BoxError>;
}

impl<T, B, F> SerializationSchema<T> for F
where
    F: FnMut(&T) -> B + Clone + Send + Sync + 'static,
    B: AsRef<[u8]>,
{
    #[inline]
    fn serialize(&mut self, element: &T, message: &mut Vec<u8>) -> Result<(), BoxError> {
        message.extend_from_slice(self(element).as_ref());
        Ok(())
    }
}

/// Text in UTF-8. A message in another encoding is an error; Java's class of this name puts a mark in place of what it cannot read.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimpleStringSchema;

impl DeserializationSchema<String> for SimpleStringSchema {
    #[inline]
    fn deserialize(&mut self, message: &[u8]) -> Result<Option<String>, BoxError> {
        Ok(Some(std::str::from_utf8(message)?.to_owned()))
    }
}

impl<T: AsRef<str>> SerializationSchema<T> for SimpleStringSchema {
    #[inline]
    fn serialize(&mut self, element: &T, message: &mut Vec<u8>) -> Result<(), BoxError> {
        message.extend_from_slice(element.as_ref().as_bytes());
        Ok(())
    }
}

/// JSON of a type that serde reads.
pub struct JsonDeserializationSchema<T>(PhantomData<fn() -> T>);

impl<T: DeserializeOwned + 'static> JsonDeserializationSchema<T> {
    /// For the type that the stream has.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: DeserializeOwned + 'static> Default for JsonDeserializationSchema<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for JsonDeserializationSchema<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for JsonDeserializationSchema<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonDeserializationSchema")
    }
}

impl<T: DeserializeOwned + 'static> DeserializationSchema<T> for JsonDeserializationSchema<T> {
    #[inline]
    fn deserialize(&mut self, message: &[u8]) -> Result<Option<T>, BoxError> {
        Ok(Some(serde_json::from_slice(message)?))
    }
}

/// JSON of any type that serde writes, in one line.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonSerializationSchema;

impl<T: Serialize> SerializationSchema<T> for JsonSerializationSchema {
    #[inline]
    fn serialize(&mut self, element: &T, message: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(serde_json::to_writer(message, element)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Click {
        page: String,
        #[serde(default)]
        count: u64,
    }

    fn read<T, S: DeserializationSchema<T>>(mut schema: S, message: &[u8]) -> Result<Option<T>, String> {
        schema.deserialize(message).map_err(|error| error.to_string())
    }

    fn written<T>(mut schema: impl SerializationSchema<T>, value: &T) -> String {
        let mut message = Vec::new();
        schema.serialize(value, &mut message).unwrap();
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn json_and_text_are_read_as_they_are_written() {
        let click = Click { page: "/a".into(), count: 3 };
        let text = written(JsonSerializationSchema, &click);
        assert_eq!(text, r#"{"page":"/a","count":3}"#);
        assert_eq!(read(JsonDeserializationSchema::new(), text.as_bytes()), Ok(Some(click)));
        assert_eq!(read(SimpleStringSchema, written(SimpleStringSchema, &"ü").as_bytes()), Ok(Some("ü".to_owned())));
        assert!(read(SimpleStringSchema, &[0xff]).unwrap_err().contains("utf-8"));
        let error = read::<Click, _>(JsonDeserializationSchema::new(), b"{\"page\":1}").unwrap_err();
        assert!(error.contains("line 1 column 9"), "{error}");
    }

    #[test]
    fn a_closure_is_a_schema() {
        let number = |message: &[u8]| -> Result<i64, BoxError> { Ok(std::str::from_utf8(message)?.parse()?) };
        assert_eq!(read(number, b"17"), Ok(Some(17)));
        assert!(read(number, b"x").unwrap_err().contains("invalid digit"));
        assert_eq!(written(|number: &i64| number.to_string(), &17), "17");
    }
}
