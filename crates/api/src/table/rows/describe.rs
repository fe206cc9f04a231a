//! Which SQL type a type of the program is: found by having serde read it once from nothing.

use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType, RowField};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::read::Failure;
use super::values::{DATE, DECIMAL, TIME, TIMESTAMP, TIMESTAMP_LTZ};

/// How deep types may be nested; one that holds itself has no end.
const MAX_DEPTH: usize = 32;

/// The SQL type of a type of the program. A number without sign is the next larger SQL type; u64 is BIGINT.
///
/// # Errors
/// SQL has no such type: an enum with values, a flattened struct, a type that holds itself.
pub(crate) fn data_type_of<T: DeserializeOwned>() -> Result<DataType> {
    let mut found = None;
    let read = T::deserialize(Describer { found: &mut found, depth: 0, newtype: None });
    let error = match (found, read) {
        (Some(data_type), Ok(_)) => return Ok(data_type),
        (Some(data_type), Err(_)) if is_complete(&data_type) => return Ok(data_type),
        (_, Err(Failure(error))) => error,
        (None, Ok(_)) => Error::user("it has no values"),
    };
    Err(Error::user(format!("{} is no type of a row: {}", short::<T>(), error.message()))
        .hint("rows are structs or tuples of numbers, text, bool, Decimal, Timestamp, Option, Vec, maps and structs"))
}

/// The columns that rows of a type have: the fields of a struct, `f0`, `f1` of a tuple, `f0` of anything else.
///
/// # Errors
/// As [`data_type_of`].
pub(crate) fn columns_of<T: DeserializeOwned>() -> Result<Vec<RowField>> {
    let data_type = data_type_of::<T>()?;
    Ok(match data_type {
        DataType { logical: LogicalType::Row(fields), nullable: false } => fields,
        other => vec![RowField { name: "f0".to_owned(), data_type: other }],
    })
}

/// A type's name without its path.
fn short<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(name)
}

fn is_complete(data_type: &DataType) -> bool {
    !matches!(data_type.logical, LogicalType::Null)
}

struct Describer<'d> {
    found: &'d mut Option<DataType>,
    depth: usize,
    /// The name of the type that this is the inside of, where that is one of ours.
    newtype: Option<&'static str>,
}

impl Describer<'_> {
    fn is(self, logical: LogicalType) {
        *self.found = Some(DataType::not_null(logical));
    }
}

fn refused(what: &str) -> Failure {
    de::Error::custom(what)
}

macro_rules! plain {
    ($($method:ident $visit:ident $value:expr, $logical:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.is($logical);
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Describer<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(refused("its type is known only from its values"))
    }

    plain! {
        deserialize_bool visit_bool false, LogicalType::Boolean;
        deserialize_i8 visit_i8 0, LogicalType::TinyInt;
        deserialize_i16 visit_i16 0, LogicalType::SmallInt;
        deserialize_i32 visit_i32 0, LogicalType::Int;
        deserialize_i64 visit_i64 0, LogicalType::BigInt;
        deserialize_u8 visit_u8 0, LogicalType::SmallInt;
        deserialize_u16 visit_u16 0, LogicalType::Int;
        deserialize_u32 visit_u32 0, LogicalType::BigInt;
        deserialize_u64 visit_u64 0, LogicalType::BigInt;
        deserialize_f32 visit_f32 0.0, LogicalType::Float;
        deserialize_f64 visit_f64 0.0, LogicalType::Double;
        deserialize_char visit_char ' ', LogicalType::STRING;
        deserialize_str visit_str "", LogicalType::STRING;
        deserialize_string visit_str "", LogicalType::STRING;
        deserialize_bytes visit_bytes &[], LogicalType::BYTES;
        deserialize_byte_buf visit_bytes &[], LogicalType::BYTES;
    }

    fn deserialize_i128<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(refused("i128 has no SQL type; Decimal has"))
    }

    fn deserialize_u128<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(refused("u128 has no SQL type; Decimal has"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.depth >= MAX_DEPTH {
            return Err(refused("it holds itself"));
        }
        let value = visitor.visit_some(Describer { found: &mut *self.found, depth: self.depth + 1, newtype: None });
        if let Some(data_type) = self.found {
            data_type.nullable = true;
        }
        value
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(refused("() has no SQL type"))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Failure> {
        Err(refused("a struct without fields has no SQL type"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        let logical = match name {
            DECIMAL => LogicalType::Decimal(38, 18),
            DATE => LogicalType::Date,
            TIME => LogicalType::Time(9),
            TIMESTAMP => LogicalType::Timestamp(9),
            TIMESTAMP_LTZ => LogicalType::TimestampLtz(9),
            _ => return visitor.visit_newtype_struct(self),
        };
        let mut inside = None;
        let value =
            visitor.visit_newtype_struct(Describer { found: &mut inside, depth: self.depth, newtype: Some(name) });
        self.is(logical);
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.depth >= MAX_DEPTH {
            return Err(refused("it holds itself"));
        }
        let mut element = None;
        let value = visitor.visit_seq(One { found: &mut element, depth: self.depth + 1, done: false });
        if let Some(element) = element {
            self.is(LogicalType::Array(Box::new(element)));
        }
        value
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.fields((0..length).map(|n| format!("f{n}")).collect(), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.depth >= MAX_DEPTH {
            return Err(refused("it holds itself"));
        }
        let (mut key, mut value) = (None, None);
        let map = visitor.visit_map(OnePair { key: &mut key, value: &mut value, depth: self.depth + 1, done: false });
        if let (Some(key), Some(value)) = (key, value) {
            self.is(LogicalType::Map(Box::new(key), Box::new(value)));
        }
        map
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.fields(fields.iter().map(|&field| field.to_owned()).collect(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let first = variants.first().copied().ok_or_else(|| refused("an enum without variants has no SQL type"))?;
        self.is(LogicalType::STRING);
        visitor.visit_enum(Variant(first))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(refused("a flattened or tagged type has no columns of its own"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }
}

impl Describer<'_> {
    fn fields<'de, V: Visitor<'de>>(self, names: Vec<String>, visitor: V) -> Result<V::Value, Failure> {
        if self.depth >= MAX_DEPTH {
            return Err(refused("it holds itself"));
        }
        if self.newtype.is_some() {
            return visitor.visit_seq(Halves(0));
        }
        let mut types = Vec::with_capacity(names.len());
        let value = visitor.visit_seq(Each { types: &mut types, left: names.len(), depth: self.depth + 1 });
        if types.len() == names.len() {
            let fields = names.into_iter().zip(types).map(|(name, data_type)| RowField { name, data_type });
            self.is(LogicalType::Row(fields.collect()));
        }
        value
    }
}

/// The parts of a decimal 0.
struct Halves(u8);

impl<'de> SeqAccess<'de> for Halves {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        use serde::de::IntoDeserializer;
        self.0 += 1;
        if self.0 > 3 { Ok(None) } else { seed.deserialize(0u8.into_deserializer()).map(Some) }
    }
}

struct One<'d> {
    found: &'d mut Option<DataType>,
    depth: usize,
    done: bool,
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        seed.deserialize(Describer { found: self.found, depth: self.depth, newtype: None }).map(Some)
    }
}

struct OnePair<'d> {
    key: &'d mut Option<DataType>,
    value: &'d mut Option<DataType>,
    depth: usize,
    done: bool,
}

impl<'de> MapAccess<'de> for OnePair<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        seed.deserialize(Describer { found: self.key, depth: self.depth, newtype: None }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(Describer { found: self.value, depth: self.depth, newtype: None })
    }
}

struct Each<'d> {
    types: &'d mut Vec<DataType>,
    left: usize,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Each<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut found = None;
        let value = seed.deserialize(Describer { found: &mut found, depth: self.depth, newtype: None });
        self.types.extend(found);
        value.map(Some)
    }
}

struct Variant(&'static str);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Failure;
    type Variant = Unit;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Unit), Failure> {
        Ok((seed.deserialize(StrDeserializer::<Failure>::new(self.0))?, Unit))
    }
}

struct Unit;

impl<'de> VariantAccess<'de> for Unit {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Failure> {
        Err(refused("an enum whose variants hold values has no SQL type"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Failure> {
        Err(refused("an enum whose variants hold values has no SQL type"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Failure> {
        Err(refused("an enum whose variants hold values has no SQL type"))
    }
}
