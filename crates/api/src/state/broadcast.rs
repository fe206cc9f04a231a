//! Broadcast state: maps of which every subtask of an operator has the same copy, changed only by the records of a broadcast stream.

use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use riverrun_base::{Error, Result, nearest};
use riverrun_runtime::FreezeOwn;

use super::{MapStateDescriptor, MapStateKey, codec};
use crate::State;

/// The broadcast state of an operator's subtask: a map for each descriptor that the stream was broadcast with.
pub struct BroadcastStates {
    maps: Vec<Box<dyn BroadcastMap>>,
}

/// Lets a [`BroadcastState`] at its map, to read.
pub trait BroadcastAccess {
    /// The maps.
    fn broadcast_states(&self) -> &BroadcastStates;
}

/// Lets a [`BroadcastState`] at its map, to change: only what sees a broadcast record, as every subtask does, may.
pub trait BroadcastAccessMut: BroadcastAccess {
    /// The maps.
    fn broadcast_states_mut(&mut self) -> &mut BroadcastStates;
}

/// Makes an empty map, for each subtask.
pub(crate) type MakeMap = Arc<dyn Fn() -> Box<dyn BroadcastMap> + Send + Sync>;

/// A map, whatever its entries are.
pub(crate) trait BroadcastMap: Send {
    fn name(&self) -> &str;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// What encodes the map as it is now.
    fn freeze(&self) -> FreezeOwn;
    fn restore(&mut self, bytes: &[u8]) -> Result<()>;
}

struct Entries<K, V> {
    name: Arc<str>,
    /// Shared with snapshots that are being written, and with who holds [`BroadcastState::immutable_entries`].
    map: Arc<HashMap<K, V>>,
}

impl<K: MapStateKey + Sync, V: State + Sync> BroadcastMap for Entries<K, V> {
    fn name(&self) -> &str {
        &self.name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn freeze(&self) -> FreezeOwn {
        let map = Arc::clone(&self.map);
        Box::new(move || {
            let mut bytes = Vec::new();
            codec::encode(&*map, &mut bytes)?;
            Ok(bytes)
        })
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.map = Arc::new(codec::decode(bytes)?);
        Ok(())
    }
}

impl<K: MapStateKey + Sync, V: State + Sync> MapStateDescriptor<K, V> {
    /// What makes the map that this declares.
    pub(crate) fn broadcast_map(&self) -> MakeMap {
        let name: Arc<str> = self.name().into();
        Arc::new(move || Box::new(Entries::<K, V> { name: Arc::clone(&name), map: Arc::default() }))
    }

    pub(crate) fn broadcast_state(&self, states: &BroadcastStates) -> Result<BroadcastState<K, V>> {
        let name = self.name();
        let Some(index) = states.maps.iter().position(|map| map.name() == name) else {
            let error = Error::user(format!("there is no broadcast state '{name}'"));
            return Err(match nearest(name, states.maps.iter().map(|map| map.name())) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error.hint("give its descriptor to broadcast_state()"),
            });
        };
        if !states.maps[index].as_any().is::<Entries<K, V>>() {
            return Err(Error::user(format!("the broadcast state '{name}' has entries of another type"))
                .hint("give the same descriptor to broadcast_state() and to the runtime context"));
        }
        Ok(BroadcastState { index, entry: PhantomData })
    }
}

/// The version of what [`BroadcastStates::freeze`] writes.
const VERSION: u8 = 1;

impl BroadcastStates {
    pub(crate) fn new(maps: &[MakeMap]) -> Self {
        Self { maps: maps.iter().map(|make| make()).collect() }
    }

    /// What encodes all maps as they are now: the version, then of each its name and its entries, behind their lengths.
    pub(crate) fn freeze(&self) -> FreezeOwn {
        let maps: Vec<(String, FreezeOwn)> =
            self.maps.iter().map(|map| (map.name().to_owned(), map.freeze())).collect();
        Box::new(move || {
            let mut bytes = vec![VERSION];
            for (name, freeze) in maps {
                put(&mut bytes, name.as_bytes());
                put(&mut bytes, &freeze()?);
            }
            Ok(bytes)
        })
    }

    /// Takes a copy that a former subtask had: its own if there were as many subtasks, one of the others' if not.
    pub(crate) fn restore(&mut self, copies: &[Vec<u8>], subtask: usize) -> Result<()> {
        if copies.is_empty() {
            return Ok(());
        }
        let copy = &copies[subtask % copies.len()];
        let Some((&VERSION, mut rest)) = copy.split_first() else {
            return Err(damaged().hint("restore it with the version of Riverrun that wrote it"));
        };
        while !rest.is_empty() {
            let name = std::str::from_utf8(get(&mut rest)?).map_err(|error| damaged().caused_by(error))?;
            let bytes = get(&mut rest)?;
            match self.maps.iter_mut().find(|map| map.name() == name) {
                Some(map) => map.restore(bytes).map_err(|error| error.with("state", name.to_owned()))?,
                None => tracing::warn!(
                    state = name,
                    "a checkpoint holds a broadcast state that the stream is not broadcast with; it is left out"
                ),
            }
        }
        Ok(())
    }

    fn map<K: MapStateKey + Sync, V: State + Sync>(&self, index: usize) -> Result<&Arc<HashMap<K, V>>> {
        let entries = self.maps.get(index).and_then(|map| map.as_any().downcast_ref::<Entries<K, V>>());
        entries.map(|entries| &entries.map).ok_or_else(not_declared)
    }

    fn map_mut<K: MapStateKey + Sync, V: State + Sync>(&mut self, index: usize) -> Result<&mut HashMap<K, V>> {
        let entries = self.maps.get_mut(index).and_then(|map| map.as_any_mut().downcast_mut::<Entries<K, V>>());
        // Copied only while somebody holds the entries as they were.
        entries.map(|entries| Arc::make_mut(&mut entries.map)).ok_or_else(not_declared)
    }
}

impl BroadcastAccess for BroadcastStates {
    fn broadcast_states(&self) -> &BroadcastStates {
        self
    }
}

impl BroadcastAccessMut for BroadcastStates {
    fn broadcast_states_mut(&mut self) -> &mut BroadcastStates {
        self
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_le_bytes());
    bytes.extend(part);
}

fn get<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| damaged().caused_by(error))?;
    let (part, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *bytes = rest;
    Ok(part)
}

fn damaged() -> Error {
    Error::data("broadcast state in a checkpoint cannot be read")
}

fn not_declared() -> Error {
    Error::user("a broadcast state is used that was not declared").hint("get it in open(), from the runtime context")
}

/// A map of which every subtask has the same copy. The default is a handle that is not declared yet;
/// [`RuntimeContext::broadcast_state`](crate::functions::RuntimeContext::broadcast_state) gives one that is.
///
/// Who sees a record of the broadcast stream can change it, and must do so alike in every subtask: by the record and the map alone. Who sees a
/// record of the other stream, or a timer, can only read it, which the compiler holds him to.
#[derive(Debug)]
pub struct BroadcastState<K, V> {
    index: usize,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for BroadcastState<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for BroadcastState<K, V> {}

impl<K, V> Default for BroadcastState<K, V> {
    fn default() -> Self {
        Self { index: usize::MAX, entry: PhantomData }
    }
}

impl<K: MapStateKey + Sync, V: State + Sync> BroadcastState<K, V> {
    /// The value of an entry, if there is one.
    ///
    /// # Errors
    /// The state was not declared.
    #[inline]
    pub fn get<'a>(&self, context: &'a impl BroadcastAccess, key: &K) -> Result<Option<&'a V>> {
        Ok(context.broadcast_states().map::<K, V>(self.index)?.get(key))
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn contains(&self, context: &impl BroadcastAccess, key: &K) -> Result<bool> {
        Ok(self.get(context, key)?.is_some())
    }

    /// The entries as they are now, in no order. It is not a copy, and does not borrow the context: keyed state can be changed while it is gone
    /// through.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn immutable_entries(&self, context: &impl BroadcastAccess) -> Result<Arc<HashMap<K, V>>> {
        context.broadcast_states().map(self.index).map(Arc::clone)
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn put(&self, context: &mut impl BroadcastAccessMut, key: K, value: V) -> Result<()> {
        context.broadcast_states_mut().map_mut(self.index)?.insert(key, value);
        Ok(())
    }

    /// Sets entries.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn put_all(
        &self,
        context: &mut impl BroadcastAccessMut,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        context.broadcast_states_mut().map_mut(self.index)?.extend(entries);
        Ok(())
    }

    /// Removes an entry; answers its value, if there was one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn remove(&self, context: &mut impl BroadcastAccessMut, key: &K) -> Result<Option<V>> {
        Ok(context.broadcast_states_mut().map_mut::<K, V>(self.index)?.remove(key))
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl BroadcastAccessMut) -> Result<()> {
        context.broadcast_states_mut().map_mut::<K, V>(self.index)?.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn rules() -> MapStateDescriptor<String, u64> {
        MapStateDescriptor::new("rules")
    }

    #[test]
    fn a_snapshot_holds_the_entries_as_they_were_and_what_is_held_does_not_change() {
        let others = MapStateDescriptor::<u8, Vec<u8>>::new("others");
        let makers = [rules().broadcast_map(), others.broadcast_map()];
        let mut states = BroadcastStates::new(&makers);
        let (rules, others) = (rules().broadcast_state(&states).unwrap(), others.broadcast_state(&states).unwrap());
        rules.put_all(&mut states, [("a".to_owned(), 1), ("b".to_owned(), 2)]).unwrap();
        others.put(&mut states, 7, vec![1, 2]).unwrap();
        let frozen = states.freeze();
        let held = rules.immutable_entries(&states).unwrap();
        rules.remove(&mut states, &"a".to_owned()).unwrap();
        others.clear(&mut states).unwrap();
        assert_eq!(held.len(), 2);
        let copies = [frozen().unwrap()];
        for subtask in [0, 1, 5] {
            let mut restored = BroadcastStates::new(&makers);
            restored.restore(&copies, subtask).unwrap();
            assert_eq!(rules.immutable_entries(&restored).unwrap(), held);
            assert_eq!(others.get(&restored, &7).unwrap(), Some(&vec![1, 2]));
        }
        for end in 1..copies[0].len() {
            let cut = [copies[0][..end].to_vec()];
            let mut restored = BroadcastStates::new(&makers);
            // Cut between two maps, it is what was written with the first alone.
            if restored.restore(&cut, 0).is_ok() {
                assert!(others.immutable_entries(&restored).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn a_state_that_was_not_broadcast_is_refused_with_the_nearest_name() {
        let states = BroadcastStates::new(&[rules().broadcast_map()]);
        let error = MapStateDescriptor::<String, u64>::new("rule").broadcast_state(&states).unwrap_err().to_string();
        assert!(error.contains("did you mean 'rules'"), "{error}");
        let error = MapStateDescriptor::<String, i8>::new("rules").broadcast_state(&states).unwrap_err().to_string();
        assert!(error.contains("another type"), "{error}");
        let error = BroadcastState::<u8, u8>::default().get(&states, &1).unwrap_err().to_string();
        assert!(error.contains("was not declared"), "{error}");
    }
}
