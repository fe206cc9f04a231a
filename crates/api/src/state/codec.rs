//! How values are stored: MessagePack, structs with the names of their fields.

use riverrun_base::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends a value.
pub(super) fn encode<V: Serialize>(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
    rmp_serde::encode::write_named(bytes, value).map_err(|error| {
        Error::user(format!("a value of type {} cannot be stored", std::any::type_name::<V>())).caused_by(error)
    })
}

/// The value that [`encode`] has written.
pub(super) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V> {
    rmp_serde::from_slice(bytes).map_err(|error| {
        let wanted = std::any::type_name::<V>();
        Error::user(format!("what a checkpoint holds cannot be read as {wanted}"))
            .caused_by(error)
            .hint("a field that is new needs #[serde(default)]; for another type, give the state another name")
    })
}
