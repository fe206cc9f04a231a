//! Types of the program out of rows, by serde.
//!
//! A struct's fields are found among the columns by their names, once for each batch; a tuple's by their places.

use std::cell::OnceCell;
use std::fmt;

use riverrun_base::{Error, Result};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::column::Column;

/// What reads the rows of a batch.
pub(crate) struct Rows<'a> {
    columns: Vec<(&'a str, Column<'a>)>,
    /// For each field of the struct that is read, its column.
    fields: OnceCell<Vec<Option<usize>>>,
    /// Whether a row is its only column, and no struct or tuple of columns.
    is_single: bool,
}

impl<'a> Rows<'a> {
    /// Rows of these columns.
    pub(crate) fn new(columns: Vec<(&'a str, Column<'a>)>, is_single: bool) -> Self {
        Self { columns, fields: OnceCell::new(), is_single }
    }

    /// A row as a type, which must be the same for all rows.
    ///
    /// # Errors
    /// The columns are no `T`, or NULL stands where `T` takes none.
    pub(crate) fn read<T: DeserializeOwned>(&self, row: usize) -> Result<T> {
        T::deserialize(RowDeserializer { rows: self, row }).map_err(|Failure(error)| error)
    }

    fn places(&self, fields: &'static [&'static str]) -> &[Option<usize>] {
        self.fields.get_or_init(|| places(fields, &self.columns))
    }
}

fn places(fields: &[&str], columns: &[(&str, Column<'_>)]) -> Vec<Option<usize>> {
    fields.iter().map(|field| columns.iter().position(|(name, _)| name == field)).collect()
}

/// Why a row could not be read.
pub(super) struct Failure(pub(super) Error);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Error::data(message.to_string()))
    }
}

impl serde::ser::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Error::data(message.to_string()))
    }
}

struct RowDeserializer<'r, 'a> {
    rows: &'r Rows<'a>,
    row: usize,
}

impl<'de> Deserializer<'de> for RowDeserializer<'_, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.rows.columns.as_slice() {
            [(name, column), ..] if self.rows.is_single => {
                Cell { column, row: self.row, name }.deserialize_any(visitor)
            }
            columns => visitor.visit_seq(Fields { columns, places: None, next: 0, row: self.row }),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let places = self.rows.places(fields);
        fields_of(name, fields, places, &self.rows.columns, self.row, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Entries { columns: &self.rows.columns, next: 0, row: self.row })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if name.starts_with("$riverrun::") { self.deserialize_any(visitor) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.rows.columns.as_slice() {
            [(name, column), ..] if self.rows.is_single => {
                Cell { column, row: self.row, name }.deserialize_option(visitor)
            }
            _ => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct enum identifier ignored_any
    }
}

fn fields_of<'de, V: Visitor<'de>>(
    name: &'static str,
    fields: &'static [&'static str],
    places: &[Option<usize>],
    columns: &[(&str, Column<'_>)],
    row: usize,
    visitor: V,
) -> Result<V::Value, Failure> {
    if name.starts_with("$riverrun::") {
        return Err(de::Error::custom("a value of another type"));
    }
    let _ = fields;
    if places.iter().all(Option::is_some) {
        visitor.visit_seq(Fields { columns, places: Some(places), next: 0, row })
    } else {
        // Fields without a column have a default, or serde says that they are missing.
        visitor.visit_map(Entries { columns, next: 0, row })
    }
}

/// The fields of a struct or a tuple.
struct Fields<'r, 'a> {
    columns: &'r [(&'a str, Column<'a>)],
    places: Option<&'r [Option<usize>]>,
    next: usize,
    row: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let place = match self.places {
            None => Some(self.next),
            Some(places) => places.get(self.next).copied().flatten(),
        };
        let Some((name, column)) = place.and_then(|place| self.columns.get(place)) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(Cell { column, row: self.row, name }).map(Some)
    }
}

/// The columns with their names.
struct Entries<'r, 'a> {
    columns: &'r [(&'a str, Column<'a>)],
    next: usize,
    row: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((name, _)) = self.columns.get(self.next) else { return Ok(None) };
        seed.deserialize((*name).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let (name, column) =
            self.columns.get(self.next).ok_or_else(|| de::Error::custom("a value without its name"))?;
        self.next += 1;
        seed.deserialize(Cell { column, row: self.row, name })
    }
}

/// One value.
struct Cell<'r, 'a> {
    column: &'r Column<'a>,
    row: usize,
    /// The column, for errors.
    name: &'r str,
}

impl Cell<'_, '_> {
    fn null(&self) -> Failure {
        Failure(
            Error::data(format!("column '{}' is NULL, and the field that it goes to takes no NULL", self.name))
                .hint("make the field an Option"),
        )
    }
}

impl<'de> Deserializer<'de> for Cell<'_, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Self { column, row, name } = self;
        if column.is_null(row) {
            return Err(self.null());
        }
        match column {
            Column::Null => Err(self.null()),
            Column::Boolean(array) => visitor.visit_bool(array.value(row)),
            Column::TinyInt(array) => visitor.visit_i8(array.value(row)),
            Column::SmallInt(array) => visitor.visit_i16(array.value(row)),
            Column::Int(array) => visitor.visit_i32(array.value(row)),
            Column::BigInt(array) => visitor.visit_i64(array.value(row)),
            Column::Float(array) => visitor.visit_f32(array.value(row)),
            Column::Double(array) => visitor.visit_f64(array.value(row)),
            Column::Decimal(array, scale) => {
                let value = array.value(row);
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the halves of a number of 128 bits"
                )]
                let parts = Parts { high: (value >> 64) as i64, low: value as u64, scale: *scale, next: 0 };
                visitor.visit_newtype_struct(PartsDeserializer(parts))
            }
            Column::Text(array) => visitor.visit_str(array.value(row)),
            Column::Bytes(array) => visitor.visit_bytes(array.value(row)),
            Column::Date(array) => visitor.visit_newtype_struct(array.value(row).into_deserializer()),
            Column::TimeOfDay(array) => {
                let nanos = i64::from(array.value(row)) * 1_000_000;
                visitor.visit_newtype_struct(nanos.into_deserializer())
            }
            Column::Clock(clock) => visitor.visit_newtype_struct(clock.nanos(row).into_deserializer()),
            Column::Months(array) => visitor.visit_i32(array.value(row)),
            Column::Millis(array) => visitor.visit_i64(array.value(row)),
            Column::List(_, element) => {
                let places = column.elements(row);
                visitor.visit_seq(Elements { column: element, places, name })
            }
            Column::Map(_, key, value) => {
                let places = column.elements(row);
                visitor.visit_map(Pairs { key, value, places, at: 0, name })
            }
            Column::Row(_, columns) => visitor.visit_seq(Fields { columns, places: None, next: 0, row }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.column.is_null(self.row) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if name.starts_with("$riverrun::") { self.deserialize_any(visitor) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.column {
            Column::Row(_, columns) if !self.column.is_null(self.row) => {
                fields_of(name, fields, &places(fields, columns), columns, self.row, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.column {
            Column::Text(array) if !self.column.is_null(self.row) => {
                visitor.visit_enum(array.value(self.row).into_deserializer())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// What a [`super::Decimal`] is made of.
struct Parts {
    high: i64,
    low: u64,
    scale: u8,
    next: u8,
}

struct PartsDeserializer(Parts);

impl<'de> Deserializer<'de> for PartsDeserializer {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Parts {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(self.high.into_deserializer()).map(Some),
            2 => seed.deserialize(self.low.into_deserializer()).map(Some),
            3 => seed.deserialize(self.scale.into_deserializer()).map(Some),
            _ => Ok(None),
        }
    }
}

struct Elements<'r, 'a> {
    column: &'r Column<'a>,
    places: std::ops::Range<usize>,
    name: &'r str,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some(row) = self.places.next() else { return Ok(None) };
        seed.deserialize(Cell { column: self.column, row, name: self.name }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.places.len())
    }
}

struct Pairs<'r, 'a> {
    key: &'r Column<'a>,
    value: &'r Column<'a>,
    places: std::ops::Range<usize>,
    at: usize,
    name: &'r str,
}

impl<'de> MapAccess<'de> for Pairs<'_, '_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some(at) = self.places.next() else { return Ok(None) };
        self.at = at;
        seed.deserialize(Cell { column: self.key, row: at, name: self.name }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(Cell { column: self.value, row: self.at, name: self.name })
    }
}
