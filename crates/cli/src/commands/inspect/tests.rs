#![allow(clippy::unwrap_used, reason = "tests")]
use riverrun_checkpoints::SubtaskState;
use riverrun_runtime::CheckpointId;

use super::*;

#[test]
fn positions_are_shown_as_they_can_be_read() {
    assert_eq!(position(br#"{"offset":42,"stop":100}"#), "offset 42, stop 100");
    assert_eq!(position(b"{}"), "at its beginning");
    assert_eq!(position(b""), "at its beginning");
    assert_eq!(position(b"GTID:5"), "GTID:5");
    assert_eq!(position(&[1, 255]), "x'01ff'");
    assert_eq!(position(&[0; 50]).len(), 2 + 2 * SHOWN_BYTES + 4);
}

/// A split as the runtime stores it.
fn split(id: &str, position: &[u8], watermark: Option<i64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [id.as_bytes(), position] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    bytes.push(u8::from(watermark.is_some()));
    bytes.extend(watermark.unwrap_or_default().to_le_bytes());
    bytes
}

#[test]
fn everything_in_a_savepoint_is_shown() {
    let source = OperatorState {
        uid: "source-t".into(),
        name: "Source: t".into(),
        kind: "source".into(),
        parallelism: 2,
        max_parallelism: 128,
        subtasks: vec![
            SubtaskState { own: Some(split("t-1", br#"{"offset":7}"#, None)), ..SubtaskState::default() },
            SubtaskState { subtask: 1, own: Some(split("t-0", b"{}", Some(0))), ..SubtaskState::default() },
        ],
        coordinator: Some([[3_u8, 0, 0, 0, 0, 0, 0, 0].as_slice(), b"t-2"].concat()),
        committables: Vec::new(),
    };
    let chain = |key_groups, rows| StateChain {
        key_groups,
        files: vec![
            StateFile { data: StateData::Inline(vec![0; 10]), rows },
            StateFile { data: StateData::Stored { path: "f".into(), bytes: 1990, checksum: 1 }, rows: 1 },
        ],
    };
    let aggregate = OperatorState {
        uid: "agg".into(),
        name: "GroupAggregate".into(),
        kind: "operator".into(),
        parallelism: 1,
        max_parallelism: 128,
        subtasks: vec![SubtaskState {
            keyed: vec![chain(0..64, 5), chain(64..128, 0)],
            watermark: Some(1_000),
            ..SubtaskState::default()
        }],
        ..OperatorState::default()
    };
    let sink = OperatorState {
        uid: "sink-s".into(),
        name: "Sink: s".into(),
        kind: "sink".into(),
        parallelism: 1,
        max_parallelism: 128,
        committables: vec![vec![1, 2], vec![3]],
        ..OperatorState::default()
    };
    let checkpoint = Checkpoint {
        id: CheckpointId(7),
        job_id: "0".repeat(32),
        job_name: "j".into(),
        attempt: 2,
        triggered_ms: 1_005,
        completed_ms: 1_255,
        is_savepoint: true,
        operators: vec![source, aggregate, sink],
    };
    let shown = shown(&Snapshot { checkpoint, url: "file:///s".into(), job_folder: None }).unwrap();
    let expected = "\
savepoint 7 of job j (00000000000000000000000000000000)
  in file:///s
  taken 1970-01-01 00:00:01.005 UTC in 0.25 s, by attempt 2
  4,070 bytes of state in 3 operators, 1 file beside the metadata

Source: t
  source, uid 'source-t', parallelism 2
  3 splits, 1 of them read to the end
    t-0: at its beginning, watermark 1970-01-01 00:00:00
    t-1: offset 7

GroupAggregate
  operator, uid 'agg', parallelism 1 of 128, watermark 1970-01-01 00:00:01
  by key: 7 rows, 4,000 bytes in 4 snapshots
    key groups 0 to 63: 6 rows, 2,000 bytes in 2 snapshots
    key groups 64 to 127: 1 row, 2,000 bytes in 2 snapshots

Sink: s
  sink, uid 'sink-s', parallelism 1
  2 transactions to commit, 3 bytes
";
    assert_eq!(shown, expected);
}
