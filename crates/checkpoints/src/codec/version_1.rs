//! The first version of a body.

use riverrun_protocol::CheckpointId;

use super::bytes::{Decoder, Encoder};
use super::{Damage, Metadata};
use crate::{Checkpoint, OperatorState, Slot, StateChain, StateData, StateFile, SubtaskState};

const COMPLETED: u8 = 0;
const TAKEOVER: u8 = 1;
const SKIPPED: u8 = 2;
const SAVEPOINT: u8 = 3;

const INLINE: u8 = 0;
const STORED: u8 = 1;

pub(super) fn encode(metadata: &Metadata) -> Vec<u8> {
    let mut to = Encoder::default();
    match metadata {
        Metadata::Slot(Slot::Completed(checkpoint)) => {
            to.byte(COMPLETED);
            encode_checkpoint(&mut to, checkpoint);
        }
        Metadata::Slot(Slot::Takeover { attempt, restores, at_ms }) => {
            to.byte(TAKEOVER);
            to.unsigned(*attempt);
            to.option(*restores, |to, id| to.unsigned(id.0));
            to.signed(*at_ms);
        }
        Metadata::Slot(Slot::Skipped { attempt }) => {
            to.byte(SKIPPED);
            to.unsigned(*attempt);
        }
        Metadata::Savepoint(checkpoint) => {
            to.byte(SAVEPOINT);
            encode_checkpoint(&mut to, checkpoint);
        }
    }
    to.0
}

pub(super) fn decode(body: &[u8]) -> Result<Metadata, Damage> {
    let mut from = Decoder(body);
    let metadata = match from.byte()? {
        COMPLETED => Metadata::Slot(Slot::Completed(decode_checkpoint(&mut from)?)),
        TAKEOVER => Metadata::Slot(Slot::Takeover {
            attempt: from.unsigned()?,
            restores: from.option(Decoder::unsigned)?.map(CheckpointId),
            at_ms: from.signed()?,
        }),
        SKIPPED => Metadata::Slot(Slot::Skipped { attempt: from.unsigned()? }),
        SAVEPOINT => Metadata::Savepoint(decode_checkpoint(&mut from)?),
        _ => return Err(Damage::Invalid("neither a checkpoint nor a takeover")),
    };
    if from.0.is_empty() { Ok(metadata) } else { Err(Damage::Invalid("it goes on behind its end")) }
}

fn encode_checkpoint(to: &mut Encoder, checkpoint: &Checkpoint) {
    to.unsigned(checkpoint.id.0);
    to.string(&checkpoint.job_id);
    to.string(&checkpoint.job_name);
    to.unsigned(checkpoint.attempt);
    to.signed(checkpoint.triggered_ms);
    to.signed(checkpoint.completed_ms);
    to.byte(u8::from(checkpoint.is_savepoint));
    to.list(&checkpoint.operators, encode_operator);
}

fn decode_checkpoint(from: &mut Decoder<'_>) -> Result<Checkpoint, Damage> {
    Ok(Checkpoint {
        id: CheckpointId(from.unsigned()?),
        job_id: from.string()?,
        job_name: from.string()?,
        attempt: from.unsigned()?,
        triggered_ms: from.signed()?,
        completed_ms: from.signed()?,
        is_savepoint: from.byte()? == 1,
        operators: from.list(decode_operator)?,
    })
}

fn encode_operator(to: &mut Encoder, operator: &OperatorState) {
    to.string(&operator.uid);
    to.string(&operator.name);
    to.string(&operator.kind);
    to.unsigned(operator.parallelism.into());
    to.unsigned(operator.max_parallelism.into());
    to.list(&operator.subtasks, encode_subtask);
    to.option(operator.coordinator.as_deref(), Encoder::bytes);
    to.list(&operator.committables, |to, committable| to.bytes(committable));
}

fn decode_operator(from: &mut Decoder<'_>) -> Result<OperatorState, Damage> {
    Ok(OperatorState {
        uid: from.string()?,
        name: from.string()?,
        kind: from.string()?,
        parallelism: from.unsigned_32()?,
        max_parallelism: from.unsigned_32()?,
        subtasks: from.list(decode_subtask)?,
        coordinator: from.option(owned_bytes)?,
        committables: from.list(owned_bytes)?,
    })
}

fn encode_subtask(to: &mut Encoder, subtask: &SubtaskState) {
    to.unsigned(subtask.subtask.into());
    to.list(&subtask.keyed, |to, chain| {
        to.unsigned(chain.key_groups.start.into());
        to.unsigned(chain.key_groups.end.into());
        to.list(&chain.files, encode_file);
    });
    to.option(subtask.own.as_deref(), Encoder::bytes);
    to.option(subtask.watermark, Encoder::signed);
}

fn decode_subtask(from: &mut Decoder<'_>) -> Result<SubtaskState, Damage> {
    Ok(SubtaskState {
        subtask: from.unsigned_32()?,
        keyed: from.list(|from| {
            Ok(StateChain { key_groups: from.unsigned_32()?..from.unsigned_32()?, files: from.list(decode_file)? })
        })?,
        own: from.option(owned_bytes)?,
        watermark: from.option(Decoder::signed)?,
    })
}

fn encode_file(to: &mut Encoder, file: &StateFile) {
    match &file.data {
        StateData::Inline(bytes) => {
            to.byte(INLINE);
            to.bytes(bytes);
        }
        StateData::Stored { path, bytes, checksum } => {
            to.byte(STORED);
            to.string(path);
            to.unsigned(*bytes);
            to.fixed(*checksum);
        }
    }
    to.unsigned(file.rows);
}

fn decode_file(from: &mut Decoder<'_>) -> Result<StateFile, Damage> {
    let data = match from.byte()? {
        INLINE => StateData::Inline(owned_bytes(from)?),
        STORED => StateData::Stored { path: from.string()?, bytes: from.unsigned()?, checksum: from.fixed()? },
        _ => return Err(Damage::Invalid("state that is neither inline nor in a file")),
    };
    Ok(StateFile { data, rows: from.unsigned()? })
}

fn owned_bytes(from: &mut Decoder<'_>) -> Result<Vec<u8>, Damage> {
    Ok(from.bytes()?.to_vec())
}
