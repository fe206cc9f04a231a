//! Operator state: lists of a function's subtask that are not of keys.
//!
//! Stored as a version, how many lists there are, and each: its name, how many elements it has, and those, each behind its length; numbers
//! are of four bytes, little endian.

use riverrun_base::{Error, Result};
use riverrun_runtime::{FreezeOwn, OperatorContext, Restored, SnapshotRequest};

use super::delta::{Bytes, damaged, put, put_number};
use super::{ListStateDescriptor, codec};
use crate::State;
use crate::functions::{CheckpointedFunction, function_failed};

const VERSION: u8 = 1;

/// What a [`CheckpointedFunction`] is given when it starts.
pub struct FunctionInitializationContext<'a> {
    /// Of each former subtask that had any.
    stored: Vec<StoredLists<'a>>,
    is_restored: bool,
    subtask: usize,
    parallelism: usize,
}

/// The names of lists, and their elements.
type StoredLists<'a> = Vec<(&'a str, Vec<&'a [u8]>)>;

impl FunctionInitializationContext<'_> {
    /// Whether the function goes on from a checkpoint.
    pub fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// The elements of a list that are this subtask's: those that it wrote, and at another parallelism an even part of all (Flink's
    /// `getListState`). None, if nothing was stored.
    ///
    /// # Errors
    /// They are of another type.
    pub fn list_state<V: State>(&self, descriptor: ListStateDescriptor<V>) -> Result<Vec<V>> {
        let name = descriptor.without_ttl()?;
        if self.stored.len() == self.parallelism {
            let own = self.stored.get(self.subtask).into_iter().flat_map(|lists| elements(lists, name));
            return own.map(|element| decode(name, element)).collect();
        }
        let all = self.stored.iter().flat_map(|lists| elements(lists, name));
        all.skip(self.subtask).step_by(self.parallelism.max(1)).map(|element| decode(name, element)).collect()
    }

    /// The elements of a list that all subtasks wrote, the same for each subtask (Flink's `getUnionListState`).
    ///
    /// # Errors
    /// They are of another type.
    pub fn union_list_state<V: State>(&self, descriptor: ListStateDescriptor<V>) -> Result<Vec<V>> {
        let name = descriptor.without_ttl()?;
        self.stored.iter().flat_map(|lists| elements(lists, name)).map(|element| decode(name, element)).collect()
    }
}

fn elements<'a>(lists: &'a StoredLists<'_>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    lists.iter().filter(move |(other, _)| *other == name).flat_map(|(_, elements)| elements.iter().copied())
}

fn decode<V: State>(name: &str, element: &[u8]) -> Result<V> {
    codec::decode(element).map_err(|error| error.with("state", name))
}

/// What a [`CheckpointedFunction`] writes its state to.
pub struct FunctionSnapshotContext {
    checkpoint: u64,
    lists: Vec<(String, EncodeElements)>,
}

/// Appends how many elements there are, and each behind its length.
type EncodeElements = Box<dyn FnOnce(&mut Vec<u8>) -> Result<()> + Send>;

impl FunctionSnapshotContext {
    /// The number of the checkpoint.
    pub fn checkpoint_id(&self) -> u64 {
        self.checkpoint
    }

    /// Writes a list, in place of what was written under its name before. It is encoded while the function goes on.
    ///
    /// # Errors
    /// The descriptor has a time to live, which is for keyed state.
    pub fn set_list_state<V: State>(
        &mut self,
        descriptor: ListStateDescriptor<V>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<()> {
        let name = descriptor.without_ttl()?.to_owned();
        let values: Vec<V> = values.into_iter().collect();
        let of = name.clone();
        let encode = move |bytes: &mut Vec<u8>| {
            put_number(bytes, values.len())?;
            let mut each = values.iter().map(|value| put(bytes, |bytes| codec::encode(value, bytes)));
            each.try_for_each(|done| done).map_err(|error| error.with("state", of))
        };
        self.lists.retain(|(other, _)| *other != name);
        self.lists.push((name, Box::new(encode)));
        Ok(())
    }
}

/// The first byte of what an operator and its function have written together; what either writes alone begins with another.
const TOGETHER: u8 = 0xff;

/// What an operator stores, with what its function does, if that stores anything.
pub(crate) fn with_lists(operator: FreezeOwn, function: Option<FreezeOwn>) -> FreezeOwn {
    let Some(function) = function else { return operator };
    Box::new(move || {
        let mut bytes = vec![TOGETHER];
        put(&mut bytes, |bytes| {
            bytes.extend(operator()?);
            Ok(())
        })?;
        bytes.extend(function()?);
        Ok(bytes)
    })
}

/// What [`with_lists`] has put together: the operators' state, and in its place in `restored` that of their functions.
pub(crate) fn without_lists(restored: &mut Restored) -> Result<Vec<Vec<u8>>> {
    let mut operators = Vec::new();
    for own in std::mem::take(&mut restored.own) {
        match own.split_first() {
            Some((&TOGETHER, rest)) => {
                let mut bytes = Bytes(rest);
                operators.push(bytes.part()?.to_vec());
                restored.own.push(bytes.0.to_vec());
            }
            _ => operators.push(own),
        }
    }
    Ok(operators)
}

/// The operator state of a function, on the operator's side.
pub(crate) struct OperatorLists {
    /// What was restored, until the function has it.
    restored: Option<Vec<Vec<u8>>>,
    subtask: usize,
    parallelism: usize,
}

impl OperatorLists {
    pub(crate) fn new(context: &OperatorContext) -> Self {
        Self { restored: None, subtask: context.subtask, parallelism: context.parallelism }
    }

    /// Takes on the state of an operator that has no other.
    pub(crate) fn restore_alone(
        &mut self,
        restored: Restored,
        function: Option<&mut dyn CheckpointedFunction>,
    ) -> Result<()> {
        if !restored.chains.is_empty() {
            return Err(Error::user("a checkpoint holds state of keys for a function on a stream without").hint(
                "the program has changed: give its operators the uids they had, or start with '--allow-non-restored-state'",
            ));
        }
        self.restore(restored, function)
    }

    /// Takes on what was restored, for a function that can have it.
    pub(crate) fn restore(
        &mut self,
        restored: Restored,
        function: Option<&mut dyn CheckpointedFunction>,
    ) -> Result<()> {
        if function.is_none() && !restored.own.is_empty() {
            return Err(Error::user("a checkpoint holds state for a function that has none").hint(
                "the program has changed: give its operators the uids they had, or start with '--allow-non-restored-state'",
            ));
        }
        self.restored = Some(restored.own);
        Ok(())
    }

    /// Lets the function take its state on.
    pub(crate) fn begin(&mut self, function: Option<&mut dyn CheckpointedFunction>) -> Result<()> {
        let restored = self.restored.take();
        let Some(function) = function else { return Ok(()) };
        let is_restored = restored.is_some();
        let restored = restored.unwrap_or_default();
        let stored = restored.iter().map(|own| read(own)).collect::<Result<_>>()?;
        let (subtask, parallelism) = (self.subtask, self.parallelism);
        let mut context = FunctionInitializationContext { stored, is_restored, subtask, parallelism };
        function.initialize_state(&mut context).map_err(function_failed)
    }

    /// What the function writes at a checkpoint; nothing for one without operator state.
    pub(crate) fn snapshot(
        request: SnapshotRequest,
        function: Option<&mut dyn CheckpointedFunction>,
    ) -> Result<Option<FreezeOwn>> {
        let Some(function) = function else { return Ok(None) };
        let mut context = FunctionSnapshotContext { checkpoint: request.checkpoint.0, lists: Vec::new() };
        function.snapshot_state(&mut context).map_err(function_failed)?;
        Ok(Some(Box::new(move || {
            let mut bytes = vec![VERSION];
            put_number(&mut bytes, context.lists.len())?;
            for (name, encode) in context.lists {
                put(&mut bytes, |bytes| {
                    bytes.extend(name.as_bytes());
                    Ok(())
                })?;
                encode(&mut bytes)?;
            }
            Ok(bytes)
        })))
    }
}

fn read(own: &[u8]) -> Result<StoredLists<'_>> {
    let mut bytes = match own.split_first() {
        Some((&VERSION, rest)) => Bytes(rest),
        _ => return Err(damaged()),
    };
    let count = bytes.number()?;
    let mut lists = Vec::new();
    for _ in 0..count {
        let name = std::str::from_utf8(bytes.part()?).map_err(|error| damaged().caused_by(error))?;
        let count = bytes.number()?;
        let elements = (0..count).map(|_| bytes.part()).collect::<Result<_>>()?;
        lists.push((name, elements));
    }
    if bytes.0.is_empty() { Ok(lists) } else { Err(damaged()) }
}
