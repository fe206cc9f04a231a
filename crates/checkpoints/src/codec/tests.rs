#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use riverrun_protocol::CheckpointId;

use super::*;
use crate::{OperatorState, StateChain, StateData, StateFile, SubtaskState};

const WRITER: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

/// A checkpoint with every kind of state.
fn sample() -> Checkpoint {
    let stored =
        StateData::Stored { path: "shared/3-count-ff".to_owned(), bytes: 70_000, checksum: 0xfeed_beef_dead_f00d };
    let files =
        vec![StateFile { data: stored, rows: 1000 }, StateFile { data: StateData::Inline(vec![1, 2, 3]), rows: 2 }];
    let subtasks = vec![
        SubtaskState {
            subtask: 0,
            keyed: vec![StateChain { key_groups: 0..64, files }],
            own: None,
            watermark: Some(-5),
        },
        SubtaskState { subtask: 1, keyed: Vec::new(), own: Some(b"offsets".to_vec()), watermark: None },
    ];
    let operator = OperatorState {
        uid: "group-1".to_owned(),
        name: "GroupAggregate(größe)".to_owned(),
        kind: "group-aggregate/1".to_owned(),
        parallelism: 2,
        max_parallelism: 128,
        subtasks,
        coordinator: Some(b"splits".to_vec()),
        committables: vec![b"transaction".to_vec(), Vec::new()],
    };
    Checkpoint {
        id: CheckpointId(7),
        job_id: "0123456789abcdef0123456789abcdef".to_owned(),
        job_name: "insert-into_orders".to_owned(),
        attempt: 3,
        triggered_ms: 1_780_000_000_000,
        completed_ms: 1_780_000_000_250,
        is_savepoint: false,
        operators: vec![operator, OperatorState::default()],
    }
}

/// The metadata whose bytes `golden/version-1` holds, one after another, each behind its length in four bytes.
fn golden_1() -> [Metadata; 4] {
    [
        Metadata::Slot(Slot::Completed(sample())),
        Metadata::Slot(Slot::Takeover { attempt: 4, restores: Some(CheckpointId(7)), at_ms: 1_780_000_001_000 }),
        Metadata::Slot(Slot::Skipped { attempt: 4 }),
        Metadata::Savepoint(Checkpoint { is_savepoint: true, ..sample() }),
    ]
}

#[test]
fn version_1_stays_readable() {
    let mut golden: &[u8] = include_bytes!("golden/version-1");
    for expected in golden_1() {
        let (length, rest) = golden.split_first_chunk().unwrap();
        let (file, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        assert_eq!(decode(file), Ok(expected.clone()));
        assert_eq!(encode(&expected, WRITER), file, "what is written is what version 1 was");
        golden = rest;
    }
    assert!(golden.is_empty());
}

#[test]
fn a_file_that_ends_early_is_found_at_every_length() {
    let file = encode(&Metadata::Slot(Slot::Completed(sample())), WRITER);
    for length in 0..file.len() {
        let damage = decode(&file[..length]).unwrap_err();
        assert!(damage.to_string().contains("truncated"), "{length}: {damage}");
    }
    assert_eq!(decode(&[&file[..], &[0]].concat()).unwrap_err().to_string().split(':').next(), Some("it is altered"));
}

#[test]
fn a_file_is_found_altered_at_every_byte_and_bit() {
    let mut file = encode(&Metadata::Slot(Slot::Completed(sample())), WRITER);
    for at in 0..file.len() {
        for bit in 0..8 {
            file[at] ^= 1 << bit;
            let damage = decode(&file).unwrap_err();
            let text = damage.to_string();
            assert!(text.contains("altered") || text.contains("truncated"), "{at}: {text}");
            file[at] ^= 1 << bit;
        }
    }
    assert!(decode(&file).is_ok());
}

#[test]
fn what_is_not_ours_is_told_from_damage() {
    let mut flink = vec![0x49, 0x60, 0x67, 0x2d];
    flink.extend([0; 100]);
    assert_eq!(decode(&flink), Err(Damage::Flink));

    let mut newer = encode(&Metadata::Slot(Slot::Skipped { attempt: 1 }), WRITER);
    newer[8] = 9;
    let end = newer.len() - CHECKSUM;
    let checksum = xxh3_64(&newer[..end]).to_le_bytes();
    newer[end..].copy_from_slice(&checksum);
    assert_eq!(decode(&newer), Err(Damage::Version(9)));
    assert!(Damage::Version(9).to_string().contains("a newer Riverrun wrote it"));
}

#[test]
fn two_writers_of_the_same_write_different_bytes() {
    let takeover = Metadata::Slot(Slot::Takeover { attempt: 2, restores: None, at_ms: 0 });
    assert_ne!(encode(&takeover, 1), encode(&takeover, 2));
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn state_file() -> impl Strategy<Value = StateFile> {
    let stored = ("\\PC{0,20}", any::<u64>(), any::<u64>()).prop_map(|(path, bytes, checksum)| StateData::Stored {
        path,
        bytes,
        checksum,
    });
    let data = prop_oneof![bytes().prop_map(StateData::Inline), stored];
    (data, any::<u64>()).prop_map(|(data, rows)| StateFile { data, rows })
}

fn subtask() -> impl Strategy<Value = SubtaskState> {
    let chain = (any::<u32>(), any::<u32>(), vec(state_file(), 0..3))
        .prop_map(|(start, end, files)| StateChain { key_groups: start..end, files });
    (any::<u32>(), vec(chain, 0..3), option::of(bytes()), option::of(any::<i64>()))
        .prop_map(|(subtask, keyed, own, watermark)| SubtaskState { subtask, keyed, own, watermark })
}

fn operator() -> impl Strategy<Value = OperatorState> {
    let names = ("\\PC{0,20}", "\\PC{0,20}", "\\PC{0,20}");
    let rest = (any::<u32>(), any::<u32>(), vec(subtask(), 0..3), option::of(bytes()), vec(bytes(), 0..3));
    (names, rest).prop_map(
        |((uid, name, kind), (parallelism, max_parallelism, subtasks, coordinator, committables))| OperatorState {
            uid,
            name,
            kind,
            parallelism,
            max_parallelism,
            subtasks,
            coordinator,
            committables,
        },
    )
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let numbers = (any::<u64>(), any::<u64>(), any::<i64>(), any::<i64>(), any::<bool>());
    ("[0-9a-f]{32}", "\\PC{0,20}", numbers, vec(operator(), 0..3)).prop_map(
        |(job_id, job_name, (id, attempt, triggered_ms, completed_ms, is_savepoint), operators)| Checkpoint {
            id: CheckpointId(id),
            job_id,
            job_name,
            attempt,
            triggered_ms,
            completed_ms,
            is_savepoint,
            operators,
        },
    )
}

fn metadata() -> impl Strategy<Value = Metadata> {
    prop_oneof![
        checkpoint().prop_map(|checkpoint| Metadata::Slot(Slot::Completed(checkpoint))),
        checkpoint().prop_map(Metadata::Savepoint),
        (any::<u64>(), option::of(any::<u64>()), any::<i64>()).prop_map(|(attempt, restores, at_ms)| {
            Metadata::Slot(Slot::Takeover { attempt, restores: restores.map(CheckpointId), at_ms })
        }),
        any::<u64>().prop_map(|attempt| Metadata::Slot(Slot::Skipped { attempt })),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(metadata in metadata(), writer in any::<u128>()) {
        prop_assert_eq!(decode(&encode(&metadata, writer)), Ok(metadata));
    }

    /// A body whose checksum is right and whose bytes are not ours must be an error, not a panic or all of the memory.
    #[test]
    fn any_body_is_read_or_refused(body in vec(any::<u8>(), 0..200)) {
        let _ = version_1::decode(&body);
    }
}
