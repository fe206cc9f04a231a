//! How values are stored: MessagePack, structs with the names of their fields.

use riverrun_base::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends a value.
pub(crate) fn encode<V: Serialize>(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
    rmp_serde::encode::write_named(bytes, value).map_err(|error| {
        Error::user(format!("a value of type {} cannot be stored", std::any::type_name::<V>())).caused_by(error)
    })
}

/// The value that [`encode`] has written.
pub(crate) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V> {
    let mut rest = bytes;
    let value = rmp_serde::from_read::<_, V>(&mut rest).map_err(|error| other_type::<V>().caused_by(error))?;
    if rest.is_empty() { Ok(value) } else { Err(other_type::<V>()) }
}

/// What was stored as a value of another type.
pub(super) fn other_type<V>() -> Error {
    Error::user(format!("what a checkpoint holds cannot be read as {}", std::any::type_name::<V>())).hint(
        "a field that is new needs #[serde(default)]; to begin anew with another type, give the state another name",
    )
}
