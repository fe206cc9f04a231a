//! Parameters of a statement, for many rows.

use riverrun_base::{Error, Result};

use super::Scalar;

/// A value of a parameter. Whatever can become one is set as it is: numbers, text, bytes, and options of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JdbcValue<'a> {
    /// NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Int(i64),
    /// A whole number without sign.
    Unsigned(u64),
    /// A number of 32 bits.
    Float(f32),
    /// A number of 64 bits.
    Double(f64),
    /// A decimal number: its digits without the point, and how many of them stand behind the point.
    Decimal(i128, u8),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Days from 1970-01-01.
    Date(i32),
    /// Nanoseconds of the day.
    Time(i64),
    /// Milliseconds from 1970-01-01 00:00:00: an instant in a column that holds instants, as the sessions' zone is UTC; in another, the wall clock
    /// of UTC.
    TimestampMillis(i64),
    /// Seconds and nanoseconds, as [`Self::TimestampMillis`].
    Timestamp(i64, u32),
}

macro_rules! from {
    ($($variant:ident: $($type:ty)*;)*) => {
        $($(impl From<$type> for JdbcValue<'_> {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*)*
    };
}

from! {
    Boolean: bool;
    Int: i8 i16 i32 i64 u8 u16 u32;
    Unsigned: u64;
    Float: f32;
    Double: f64;
}

impl<'a> From<&'a str> for JdbcValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for JdbcValue<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for JdbcValue<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Vec<u8>> for JdbcValue<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<JdbcValue<'a>>> From<Option<T>> for JdbcValue<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> From<&'a Option<String>> for JdbcValue<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().into()
    }
}

/// The parameters of many rows, one row after the other, in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    width: usize,
    values: Vec<Option<Stored>>,
    /// The bytes of texts.
    bytes: Vec<u8>,
    rows: usize,
}

/// A value without a reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stored {
    Null,
    Boolean(bool),
    Int(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    Decimal(i128, u8),
    /// From where, and how many bytes.
    Text(usize, usize),
    Bytes(usize, usize),
    Date(i32),
    Time(i64),
    Timestamp(i64, u32),
}

impl Parameters {
    /// For a statement of so many parameters.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// About how many bytes of memory they take.
    pub(crate) fn size(&self) -> usize {
        self.values.len() * size_of::<Option<Stored>>() + self.bytes.len()
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.bytes.clear();
        self.rows = 0;
    }

    /// Begins a row, none of whose parameters is set.
    pub(crate) fn begin(&mut self) {
        self.rows += 1;
        self.values.resize(self.rows * self.width, None);
    }

    /// Sets a parameter of the last row, counted from 1.
    pub(crate) fn set(&mut self, index: usize, value: JdbcValue<'_>) -> Result<()> {
        let stored = match value {
            JdbcValue::Null => Stored::Null,
            JdbcValue::Boolean(value) => Stored::Boolean(value),
            JdbcValue::Int(value) => Stored::Int(value),
            JdbcValue::Unsigned(value) => Stored::Unsigned(value),
            JdbcValue::Float(value) => Stored::Float(value),
            JdbcValue::Double(value) => Stored::Double(value),
            JdbcValue::Decimal(value, scale) => Stored::Decimal(value, scale),
            JdbcValue::Text(text) => Stored::Text(self.keep(text.as_bytes()), text.len()),
            JdbcValue::Bytes(bytes) => Stored::Bytes(self.keep(bytes), bytes.len()),
            JdbcValue::Date(days) => Stored::Date(days),
            JdbcValue::Time(nanos) => Stored::Time(nanos),
            JdbcValue::Timestamp(seconds, nanos) => Stored::Timestamp(seconds, nanos),
            JdbcValue::TimestampMillis(millis) => {
                let nanos = u32::try_from(millis.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
                Stored::Timestamp(millis.div_euclid(1_000), nanos)
            }
        };
        let place = index.checked_sub(1).filter(|place| *place < self.width);
        let slot = place.and_then(|place| self.values.get_mut((self.rows.max(1) - 1) * self.width + place));
        match slot {
            Some(slot) => {
                *slot = Some(stored);
                Ok(())
            }
            None => Err(Error::user(format!(
                "parameter {index} is set of a statement that has {}; they are counted from 1",
                self.width
            ))),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> usize {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() - bytes.len()
    }

    /// Sees that every parameter of the last row is set.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn end(&self) -> Result<()> {
        let begin = (self.rows.max(1) - 1) * self.width;
        match self.values.iter().skip(begin).position(Option::is_none) {
            Some(place) => Err(Error::user(format!("parameter {} of the statement is not set", place + 1))
                .hint("set each for every record; a missing value is JdbcValue::Null")),
            None => Ok(()),
        }
    }

    /// A parameter of a row; both are counted from 0.
    pub(crate) fn scalar(&self, row: usize, index: usize) -> Scalar<'_> {
        let bytes = |from: usize, length: usize| self.bytes.get(from..from + length).unwrap_or_default();
        match self.values.get(row * self.width + index).copied().flatten().unwrap_or(Stored::Null) {
            Stored::Null => Scalar::Null,
            Stored::Boolean(value) => Scalar::Boolean(value),
            Stored::Int(value) => Scalar::Int(value),
            Stored::Unsigned(value) => Scalar::Unsigned(value),
            Stored::Float(value) => Scalar::Float(value),
            Stored::Double(value) => Scalar::Double(value),
            Stored::Decimal(value, scale) => Scalar::Decimal(value, scale),
            // Only whole texts are kept.
            Stored::Text(from, length) => Scalar::Text(std::str::from_utf8(bytes(from, length)).unwrap_or_default()),
            Stored::Bytes(from, length) => Scalar::Bytes(bytes(from, length)),
            Stored::Date(days) => Scalar::Date(i64::from(days)),
            Stored::Time(nanos) => Scalar::Time(nanos),
            Stored::Timestamp(seconds, nanos) => Scalar::Timestamp(seconds, nanos),
        }
    }

    /// As a checkpoint holds them: the width and the number of rows, then for each value a letter and its content.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let number = |out: &mut Vec<u8>, number: usize| out.extend_from_slice(&(number as u64).to_le_bytes());
        number(out, self.width);
        number(out, self.rows);
        for row in 0..self.rows {
            for index in 0..self.width {
                let (letter, content): (u8, &[u8]) = match self.scalar(row, index) {
                    Scalar::Null | Scalar::List(..) => (b'0', &[]),
                    Scalar::Boolean(value) => (b'b', &[u8::from(value)]),
                    Scalar::Int(value) => (b'i', &value.to_le_bytes()),
                    Scalar::Unsigned(value) => (b'u', &value.to_le_bytes()),
                    Scalar::Float(value) => (b'f', &value.to_le_bytes()),
                    Scalar::Double(value) => (b'd', &value.to_le_bytes()),
                    Scalar::Decimal(value, scale) => (b'n', &[&value.to_le_bytes()[..], &[scale]].concat()),
                    Scalar::Text(text) => (b't', text.as_bytes()),
                    Scalar::Bytes(bytes) => (b'x', bytes),
                    Scalar::Date(days) => (b'D', &days.to_le_bytes()),
                    Scalar::Time(nanos) => (b'T', &nanos.to_le_bytes()),
                    Scalar::Timestamp(seconds, nanos) => {
                        (b'S', &[&seconds.to_le_bytes()[..], &nanos.to_le_bytes()].concat())
                    }
                };
                out.push(letter);
                number(out, content.len());
                out.extend_from_slice(content);
            }
        }
    }

    /// What [`Self::encode`] has written; `None` where it is damaged.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
            let (front, rest) = bytes.split_at_checked(count)?;
            *bytes = rest;
            Some(front)
        }
        fn number(bytes: &mut &[u8]) -> Option<usize> {
            usize::try_from(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)).ok()
        }
        let (width, rows) = (number(&mut bytes)?, number(&mut bytes)?);
        let mut parameters = Self::new(width);
        for _ in 0..rows {
            parameters.begin();
            for index in 1..=width {
                let letter = *take(&mut bytes, 1)?.first()?;
                let length = number(&mut bytes)?;
                let content = take(&mut bytes, length)?;
                let value = match letter {
                    b'0' => JdbcValue::Null,
                    b'b' => JdbcValue::Boolean(content == [1]),
                    b'i' => JdbcValue::Int(i64::from_le_bytes(content.try_into().ok()?)),
                    b'u' => JdbcValue::Unsigned(u64::from_le_bytes(content.try_into().ok()?)),
                    b'f' => JdbcValue::Float(f32::from_le_bytes(content.try_into().ok()?)),
                    b'd' => JdbcValue::Double(f64::from_le_bytes(content.try_into().ok()?)),
                    b'n' => {
                        let (value, scale) = content.split_first_chunk()?;
                        JdbcValue::Decimal(i128::from_le_bytes(*value), *scale.first()?)
                    }
                    b't' => JdbcValue::Text(std::str::from_utf8(content).ok()?),
                    b'x' => JdbcValue::Bytes(content),
                    b'D' => JdbcValue::Date(i32::try_from(i64::from_le_bytes(content.try_into().ok()?)).ok()?),
                    b'T' => JdbcValue::Time(i64::from_le_bytes(content.try_into().ok()?)),
                    b'S' => {
                        let (seconds, nanos) = content.split_first_chunk()?;
                        JdbcValue::Timestamp(i64::from_le_bytes(*seconds), u32::from_le_bytes(nanos.try_into().ok()?))
                    }
                    _ => return None,
                };
                parameters.set(index, value).ok()?;
            }
        }
        bytes.is_empty().then_some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        let mut parameters = Parameters::new(2);
        let values = [
            JdbcValue::from(1i32),
            JdbcValue::from("text"),
            JdbcValue::from(None::<i64>),
            JdbcValue::from(true),
            JdbcValue::Decimal(-12_345, 2),
            JdbcValue::TimestampMillis(-1),
            JdbcValue::from(&b"bytes"[..]),
            JdbcValue::from(1.5f64),
            JdbcValue::Date(-3),
            JdbcValue::from(u64::MAX),
            JdbcValue::Time(5),
            JdbcValue::from(0.5f32),
        ];
        for row in values.chunks(2) {
            parameters.begin();
            parameters.set(1, row[0]).unwrap();
            parameters.set(2, row[1]).unwrap();
            parameters.end().unwrap();
        }
        parameters
    }

    fn texts(parameters: &Parameters) -> Vec<String> {
        let rows = 0..parameters.rows();
        rows.flat_map(|row| (0..2).map(move |index| format!("{:?}", parameters.scalar(row, index)))).collect()
    }

    #[test]
    fn what_a_checkpoint_holds_is_read_back() {
        let parameters = parameters();
        let mut bytes = Vec::new();
        parameters.encode(&mut bytes);
        assert_eq!(texts(&Parameters::decode(&bytes).unwrap()), texts(&parameters));
        assert!(texts(&parameters).contains(&"Timestamp(-1, 999000000)".to_owned()));
        for cut in 0..bytes.len() {
            assert!(Parameters::decode(&bytes[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_there_or_not_set_is_refused() {
        let mut parameters = Parameters::new(2);
        parameters.begin();
        for wrong in [0, 3] {
            let error = parameters.set(wrong, JdbcValue::Null).unwrap_err().to_string();
            assert!(error.contains("counted from 1"), "{error}");
        }
        parameters.set(2, JdbcValue::Null).unwrap();
        assert!(parameters.end().unwrap_err().to_string().contains("parameter 1 of the statement is not set"));
    }
}
