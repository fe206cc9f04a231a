//! Types of option values and how each is read.

use std::time::Duration;

use crate::{Error, MemorySize, Result, Secret, parse_duration};

/// A type that an option's text can be read as.
pub trait OptionValue: Sized {
    /// Its name in the reference page, as Flink calls it.
    const TYPE: &'static str;
    /// The values of an enumeration; empty otherwise.
    const VALUES: &'static [&'static str] = &[];
    /// Whether the value must never print.
    const SECRET: bool = false;

    /// Reads the text.
    ///
    /// # Errors
    /// The text is no value of this type; the error says what is expected, the caller adds the key.
    fn parse(text: &str) -> Result<Self>;
}

macro_rules! whole_numbers {
    ($($type:ty => $name:literal),*) => {$(
        impl OptionValue for $type {
            const TYPE: &'static str = $name;

            fn parse(text: &str) -> Result<Self> {
                text.trim().parse().map_err(|_| {
                    Error::user(format!("'{text}' is not a whole number")).hint(format!("it takes {} to {}", <$type>::MIN, <$type>::MAX))
                })
            }
        }
    )*};
}

whole_numbers!(u16 => "Integer", u32 => "Integer", i32 => "Integer", u64 => "Long", i64 => "Long", usize => "Integer");

impl OptionValue for f64 {
    const TYPE: &'static str = "Double";

    fn parse(text: &str) -> Result<Self> {
        text.trim().parse().map_err(|_| Error::user(format!("'{text}' is not a number")))
    }
}

impl OptionValue for bool {
    const TYPE: &'static str = "Boolean";

    fn parse(text: &str) -> Result<Self> {
        match text.trim().to_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Error::user(format!("'{text}' is not a boolean")).hint("it takes 'true' or 'false'")),
        }
    }
}

impl OptionValue for String {
    const TYPE: &'static str = "String";

    fn parse(text: &str) -> Result<Self> {
        Ok(text.to_owned())
    }
}

impl OptionValue for Secret {
    const TYPE: &'static str = "String";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self> {
        Ok(Secret::new(text))
    }
}

impl OptionValue for Duration {
    const TYPE: &'static str = "Duration";

    fn parse(text: &str) -> Result<Self> {
        parse_duration(text)
    }
}

impl OptionValue for MemorySize {
    const TYPE: &'static str = "MemorySize";

    fn parse(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl<T: OptionValue> OptionValue for Vec<T> {
    const TYPE: &'static str = "List<String>";

    /// Items stand between semicolons, as in Flink.
    fn parse(text: &str) -> Result<Self> {
        text.split(';').map(str::trim).filter(|item| !item.is_empty()).map(T::parse).collect()
    }
}
