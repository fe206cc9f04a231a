//! Types of the program into columns, by serde.

use std::fmt::Display;

use arrow::array::PrimitiveBuilder;
use arrow::datatypes::Decimal128Type;
use riverrun_base::{Error, Result};
use serde::Serialize;
use serde::ser::{
    Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct, Serializer,
};

use super::Decimal;
use super::builder::{Builder, fitting};
use super::read::Failure;
use super::values::DECIMAL;

impl Builder {
    /// Adds a value of the program.
    ///
    /// # Errors
    /// It does not fit the column's type.
    pub(crate) fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(Cell(self)).map_err(|Failure(error)| error)
    }
}

/// Adds a record to the columns that [`columns_of`](super::columns_of) its type are.
///
/// # Errors
/// A value does not fit its column.
pub(crate) fn push_record<T: Serialize>(columns: &mut [(String, Builder)], single: bool, record: &T) -> Result<()> {
    match columns {
        [(_, only)] if single => only.push(record),
        columns => record.serialize(Record(columns)).map_err(|Failure(error)| error),
    }
}

/// Where a value goes.
struct Cell<'b>(&'b mut Builder);

fn misfit(what: impl Display, builder: &Builder) -> Failure {
    Failure(Error::data(format!("{what} does not fit its column, which is {}", builder.name())))
}

macro_rules! numbers {
    ($($method:ident $rust:ty),*) => {$(
        fn $method(self, value: $rust) -> Result<(), Failure> {
            let wrong = || Failure(Error::data(format!("{value} is out of the range of its column")));
            match self.0 {
                Builder::TinyInt(builder) => builder.append_value(i8::try_from(value).ok().ok_or_else(wrong)?),
                Builder::SmallInt(builder) => builder.append_value(i16::try_from(value).ok().ok_or_else(wrong)?),
                Builder::Int(builder) => builder.append_value(i32::try_from(value).ok().ok_or_else(wrong)?),
                Builder::BigInt(builder) => builder.append_value(i64::try_from(value).ok().ok_or_else(wrong)?),
                Builder::Date(builder) => builder.append_value(i32::try_from(value).ok().ok_or_else(wrong)?),
                Builder::Nanos(builder, _) => builder.append_value(i64::try_from(value).ok().ok_or_else(wrong)?),
                other => return Err(misfit(value, other)),
            }
            Ok(())
        }
    )*};
}

impl<'b> Serializer for Cell<'b> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Elements<'b>;
    type SerializeTuple = Parts<'b>;
    type SerializeTupleStruct = Parts<'b>;
    type SerializeTupleVariant = Impossible<(), Failure>;
    type SerializeMap = Pairs<'b>;
    type SerializeStruct = Fields<'b>;
    type SerializeStructVariant = Impossible<(), Failure>;

    numbers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_u8 u8, serialize_u16 u16,
        serialize_u32 u32, serialize_u64 u64
    }

    fn serialize_bool(self, value: bool) -> Result<(), Failure> {
        match self.0 {
            Builder::Boolean(builder) => builder.append_value(value),
            other => return Err(misfit(value, other)),
        }
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Failure> {
        match self.0 {
            Builder::Float(builder) => builder.append_value(value),
            other => return Err(misfit(value, other)),
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Failure> {
        match self.0 {
            Builder::Double(builder) => builder.append_value(value),
            other => return Err(misfit(value, other)),
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Failure> {
        match self.0 {
            Builder::Text(builder) => builder.append_value(value),
            other => return Err(misfit(format_args!("the text '{value}'"), other)),
        }
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Failure> {
        match self.0 {
            Builder::Bytes(builder) => builder.append_value(value),
            other => return Err(misfit("a value of bytes", other)),
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Failure> {
        self.0.null();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failure> {
        Err(misfit("()", self.0))
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Failure> {
        Err(misfit(name, self.0))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Failure> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Failure> {
        let is_decimal = matches!(self.0, Builder::Decimal(..));
        if is_decimal != (name == DECIMAL) && name.starts_with("$riverrun::") {
            return Err(misfit(name.trim_start_matches("$riverrun::"), self.0));
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Failure> {
        Err(misfit(variant, self.0))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'b>, Failure> {
        match self.0 {
            Builder::List { element, lengths, nulls, .. } => {
                nulls.append_non_null();
                Ok(Elements { element, lengths, length: 0 })
            }
            other => Err(misfit("a sequence", other)),
        }
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'b>, Failure> {
        match self.0 {
            Builder::Decimal(builder, precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                Ok(Parts::Decimal { builder, precision, scale, parts: [0; 3], next: 0 })
            }
            Builder::Row { fields, nulls, .. } => {
                nulls.append_non_null();
                Ok(Parts::Fields(Fields { fields, next: 0 }))
            }
            // Serde writes an array of fixed length as a tuple, which has been described as a row.
            other => Err(misfit("a tuple", other)),
        }
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Parts<'b>, Failure> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Failure>, Failure> {
        Err(misfit(variant, self.0))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Pairs<'b>, Failure> {
        match self.0 {
            Builder::Map { key, value, lengths, nulls, .. } => {
                nulls.append_non_null();
                Ok(Pairs { key, value, lengths, length: 0 })
            }
            other => Err(misfit("a map", other)),
        }
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'b>, Failure> {
        match self.0 {
            Builder::Row { fields, nulls, .. } => {
                nulls.append_non_null();
                Ok(Fields { fields, next: 0 })
            }
            other => Err(misfit(name, other)),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Failure>, Failure> {
        Err(misfit(variant, self.0))
    }
}

struct Elements<'b> {
    element: &'b mut Builder,
    lengths: &'b mut Vec<usize>,
    length: usize,
}

impl SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.length += 1;
        value.serialize(Cell(self.element))
    }

    fn end(self) -> Result<(), Failure> {
        self.lengths.push(self.length);
        Ok(())
    }
}

struct Pairs<'b> {
    key: &'b mut Builder,
    value: &'b mut Builder,
    lengths: &'b mut Vec<usize>,
    length: usize,
}

impl SerializeMap for Pairs<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.length += 1;
        key.serialize(Cell(self.key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        value.serialize(Cell(self.value))
    }

    fn end(self) -> Result<(), Failure> {
        self.lengths.push(self.length);
        Ok(())
    }
}

/// The fields of a struct or a tuple, in the order of the columns; a field that serde leaves out is NULL.
struct Fields<'b> {
    fields: &'b mut [(String, Builder)],
    next: usize,
}

impl Fields<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let (name, field) = self
            .fields
            .get_mut(self.next)
            .ok_or_else(|| Failure(Error::data("a record has more fields than there are columns")))?;
        self.next += 1;
        value.serialize(Cell(field)).map_err(|Failure(error)| Failure(error.with("column", name)))
    }

    fn rest(&mut self) {
        self.fields.iter_mut().skip(self.next).for_each(|(_, field)| field.null());
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Failure> {
        while self.fields.get(self.next).is_some_and(|(name, _)| name != key) {
            self.fields[self.next].1.null();
            self.next += 1;
        }
        self.push(value)
    }

    fn end(mut self) -> Result<(), Failure> {
        self.rest();
        Ok(())
    }
}

enum Parts<'b> {
    Fields(Fields<'b>),
    Decimal {
        builder: &'b mut PrimitiveBuilder<Decimal128Type>,
        precision: u8,
        scale: u8,
        parts: [i128; 3],
        next: usize,
    },
}

impl Parts<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        match self {
            Self::Fields(fields) => fields.push(value),
            Self::Decimal { parts, next, .. } => {
                let part = value.serialize(Number)?;
                if let Some(place) = parts.get_mut(*next) {
                    *place = part;
                }
                *next += 1;
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Fields(mut fields) => fields.rest(),
            Self::Decimal { builder, precision, scale, parts: [high, low, own], .. } => {
                let value = Decimal::new((high << 64) | low, u8::try_from(own).unwrap_or(0));
                builder.append_value(fitting(value, precision, scale).map_err(Failure)?);
            }
        }
        Ok(())
    }
}

impl SerializeTuple for Parts<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.push(value)
    }

    fn end(self) -> Result<(), Failure> {
        self.finish()
    }
}

impl SerializeTupleStruct for Parts<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.push(value)
    }

    fn end(self) -> Result<(), Failure> {
        self.finish()
    }
}

/// A part of a decimal.
struct Number;

macro_rules! refused {
    ($error:expr; $($method:ident($($argument:ty),*) -> $answer:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$answer, Failure> {
            Err(Failure($error))
        }
    )*};
}

impl Serializer for Number {
    type Ok = i128;
    type Error = Failure;
    type SerializeSeq = Impossible<i128, Failure>;
    type SerializeTuple = Impossible<i128, Failure>;
    type SerializeTupleStruct = Impossible<i128, Failure>;
    type SerializeTupleVariant = Impossible<i128, Failure>;
    type SerializeMap = Impossible<i128, Failure>;
    type SerializeStruct = Impossible<i128, Failure>;
    type SerializeStructVariant = Impossible<i128, Failure>;

    fn serialize_i64(self, value: i64) -> Result<i128, Failure> {
        Ok(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<i128, Failure> {
        Ok(value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<i128, Failure> {
        Ok(value.into())
    }

    refused! {
        Error::internal("a part of a decimal is no number");
        serialize_bool(bool) -> i128;
        serialize_i8(i8) -> i128;
        serialize_i16(i16) -> i128;
        serialize_i32(i32) -> i128;
        serialize_u16(u16) -> i128;
        serialize_u32(u32) -> i128;
        serialize_f32(f32) -> i128;
        serialize_f64(f64) -> i128;
        serialize_char(char) -> i128;
        serialize_str(&str) -> i128;
        serialize_bytes(&[u8]) -> i128;
        serialize_none() -> i128;
        serialize_unit() -> i128;
        serialize_unit_struct(&'static str) -> i128;
        serialize_unit_variant(&'static str, u32, &'static str) -> i128;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<i128, Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<i128, Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<i128, Failure> {
        value.serialize(self)
    }
}

/// A record as columns.
struct Record<'b>(&'b mut [(String, Builder)]);

impl<'b> Record<'b> {
    fn fields(self) -> Fields<'b> {
        Fields { fields: self.0, next: 0 }
    }
}

impl<'b> Serializer for Record<'b> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Impossible<(), Failure>;
    type SerializeTuple = Parts<'b>;
    type SerializeTupleStruct = Parts<'b>;
    type SerializeTupleVariant = Impossible<(), Failure>;
    type SerializeMap = Impossible<(), Failure>;
    type SerializeStruct = Fields<'b>;
    type SerializeStructVariant = Impossible<(), Failure>;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'b>, Failure> {
        Ok(self.fields())
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'b>, Failure> {
        Ok(Parts::Fields(self.fields()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'b>, Failure> {
        Ok(Parts::Fields(self.fields()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        value.serialize(self)
    }

    refused! {
        Error::data("a record is no struct and no tuple");
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_bool(bool) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
