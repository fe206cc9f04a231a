//! Which sessions there are, without what is in them.
//!
//! A row opens a session of its own, from its time until the gap after it; sessions of a key that overlap or touch become one
//! (Akidau et al., The Dataflow Model, 2015). A session's state has a slot; of sessions that become one, one slot stays.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use riverrun_base::Result;
use riverrun_runtime::Timestamp;
use riverrun_state::Slots;

/// The open sessions of all keys; a key is a small number. All times are in milliseconds.
pub(super) struct Sessions {
    gap: i64,
    /// For each key its sessions, which do not touch, by time.
    by_key: Vec<Vec<Session>>,
    /// For each session its end (or an earlier time, while it has grown since), key and start. There may be others, which mean nothing.
    ends: BTreeSet<(i64, u32, i64)>,
    /// Slots of sessions.
    slots: Slots,
    /// The slots that were moved into others, in the order in which that happened.
    moves: Vec<(u32, u32)>,
}

/// A session, from its first row until the gap after its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) start: i64,
    /// Exclusive.
    pub(super) end: i64,
    /// Where its state is.
    pub(super) slot: u32,
}

impl Session {
    /// The last moment that belongs to it.
    fn last_moment(&self) -> Timestamp {
        self.end - 1
    }
}

impl Sessions {
    /// No sessions; rows up to `gap` apart share one.
    pub(super) fn new(gap: i64) -> Self {
        Self { gap, by_key: Vec::new(), ends: BTreeSet::new(), slots: Slots::default(), moves: Vec::new() }
    }

    /// Makes room for keys below `keys`.
    pub(super) fn resize(&mut self, keys: usize) {
        self.by_key.resize_with(keys.max(self.by_key.len()), Vec::new);
    }

    /// Whether a key has no session.
    pub(super) fn has_none(&self, key: u32) -> bool {
        self.by_key[key as usize].is_empty()
    }

    /// The length of the columns behind the slots.
    pub(super) fn slots(&self) -> usize {
        self.slots.end()
    }

    /// The slot of the session that a row belongs to, which is opened or grows, and may join others; `None`, and no change, where all of it is
    /// in the past: not after `closed`.
    ///
    /// # Errors
    /// There are too many sessions.
    pub(super) fn add(&mut self, key: u32, time: i64, closed: Timestamp) -> Result<Option<u32>> {
        let sessions = &mut self.by_key[key as usize];
        let mut grown = Session { start: time, end: time + self.gap, slot: 0 };
        // Rows mostly come in order, so the sessions they touch are the last ones.
        let after = sessions.iter().rposition(|session| session.start <= grown.end).map_or(0, |last| last + 1);
        let first =
            sessions[..after].iter().rposition(|session| session.end < grown.start).map_or(0, |before| before + 1);
        if let [touched, ..] = &sessions[first..after] {
            grown.start = grown.start.min(touched.start);
            grown.slot = touched.slot;
        }
        if let [.., touched] = &sessions[first..after] {
            grown.end = grown.end.max(touched.end);
        }
        if grown.last_moment() <= closed {
            return Ok(None);
        }
        match &sessions[first..after] {
            [] => {
                grown.slot = self.slots.take()?;
                self.ends.insert((grown.end, key, grown.start));
                sessions.insert(first, grown);
            }
            [touched, joined @ ..] => {
                if touched.start != grown.start {
                    self.ends.insert((grown.end, key, grown.start));
                }
                self.moves.extend(joined.iter().map(|session| (session.slot, grown.slot)));
                sessions.splice(first..after, [grown]);
            }
        }
        Ok(Some(grown.slot))
    }

    /// Where the state of sessions has to be moved since the last call, from slot to slot. The caller moves it, then gives the former slots
    /// [back](Self::give_back). Slots that [`Self::add`] returned meanwhile may be among them.
    pub(super) fn take_moves(&mut self) -> HashMap<u32, u32> {
        let mut moves = HashMap::new();
        // What a slot was moved into may have been moved itself later.
        for (from, into) in self.moves.drain(..).rev() {
            let last = moves.get(&into).copied().unwrap_or(into);
            moves.insert(from, last);
        }
        moves
    }

    /// Closes the session that ends first, if no moment of it is after `time`; with its key.
    pub(super) fn close(&mut self, time: Timestamp) -> Option<(u32, Session)> {
        while let Some((end, key, start)) = self.ends.first().copied().filter(|(end, ..)| end - 1 <= time) {
            self.ends.pop_first();
            let sessions = &mut self.by_key[key as usize];
            let Ok(place) = sessions.binary_search_by_key(&start, |session| session.start) else { continue };
            let session = sessions[place];
            if session.end > end {
                self.ends.insert((session.end, key, start));
                continue;
            }
            sessions.remove(place);
            return Some((key, session));
        }
        None
    }

    /// Takes back the slot of a session that was closed or moved, emptied by the caller.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.slots.give_back(slot);
    }

    /// The sessions of a key, by time.
    pub(super) fn of(&self, key: u32) -> &[Session] {
        self.by_key.get(key as usize).map_or(&[], Vec::as_slice)
    }

    /// Opens a session that touches no other of its key.
    ///
    /// # Errors
    /// There are too many sessions.
    pub(super) fn open(&mut self, key: u32, start: i64, end: i64) -> Result<u32> {
        let slot = self.slots.take()?;
        let sessions = &mut self.by_key[key as usize];
        let place = sessions.partition_point(|session| session.start < start);
        sessions.insert(place, Session { start, end, slot });
        self.ends.insert((end, key, start));
        Ok(slot)
    }

    /// Forgets the sessions of a key, whose slots the caller empties and gives [back](Self::give_back).
    pub(super) fn remove_all(&mut self, key: u32) -> Vec<Session> {
        std::mem::take(&mut self.by_key[key as usize])
    }

    /// A time before which no session ends; `None` without sessions.
    pub(super) fn next_end(&self) -> Option<i64> {
        self.ends.first().map(|(end, ..)| *end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const OPEN: Timestamp = Timestamp::MIN;

    fn sessions() -> Sessions {
        let mut sessions = Sessions::new(10);
        sessions.resize(2);
        sessions
    }

    fn close_all(sessions: &mut Sessions, time: Timestamp) -> Vec<(u32, i64, i64)> {
        std::iter::from_fn(|| sessions.close(time)).map(|(key, session)| (key, session.start, session.end)).collect()
    }

    #[test]
    fn rows_up_to_the_gap_apart_share_a_session() {
        let mut sessions = sessions();
        assert_eq!(sessions.add(0, 0, OPEN).unwrap(), Some(0));
        assert_eq!(sessions.add(0, 10, OPEN).unwrap(), Some(0));
        assert_eq!(sessions.add(0, 21, OPEN).unwrap(), Some(1));
        assert_eq!(sessions.add(1, 21, OPEN).unwrap(), Some(2));
        assert_eq!(close_all(&mut sessions, 30), [(0, 0, 20), (0, 21, 31), (1, 21, 31)]);
        assert!(sessions.has_none(0) && sessions.next_end().is_none());
    }

    #[test]
    fn a_session_that_was_joined_and_is_joined_again_moves_all_the_way() {
        let mut sessions = sessions();
        for (time, slot) in [(40, 0), (20, 1), (0, 2)] {
            assert_eq!(sessions.add(0, time, OPEN).unwrap(), Some(slot));
        }
        assert_eq!(sessions.add(0, 30, OPEN).unwrap(), Some(1));
        assert_eq!(sessions.add(0, 10, OPEN).unwrap(), Some(2));
        assert_eq!(sessions.take_moves(), HashMap::from([(0, 2), (1, 2)]));
        assert_eq!(close_all(&mut sessions, 100), [(0, 0, 50)]);
    }

    #[test]
    fn a_row_whose_session_is_in_the_past_is_late_unless_an_open_one_takes_it_in() {
        let mut sessions = sessions();
        assert_eq!(sessions.add(0, 0, 9).unwrap(), None);
        assert_eq!(sessions.add(0, 1, 9).unwrap(), Some(0));
        assert_eq!(sessions.add(0, -9, 9).unwrap(), Some(0));
        assert_eq!(sessions.add(0, -20, 9).unwrap(), None);
        assert_eq!(close_all(&mut sessions, 9), []);
        assert_eq!(close_all(&mut sessions, 10), [(0, -9, 11)]);
    }

    proptest! {
        /// Sessions are the runs of a key's times whose neighbours are up to the gap apart, in whatever order the times come; all rows of a
        /// session end up in its slot.
        #[test]
        fn sessions_are_runs_of_times_in_any_order(rows in prop::collection::vec((0u32..2, 0i64..300), 1..60)) {
            let mut sessions = sessions();
            let mut slots: Vec<u32> = rows.iter().map(|(key, time)| sessions.add(*key, *time, OPEN).unwrap().unwrap()).collect();
            let moves = sessions.take_moves();
            slots.iter_mut().for_each(|slot| *slot = moves.get(slot).copied().unwrap_or(*slot));

            let mut expected: Vec<(i64, u32, i64)> = Vec::new();
            let mut times: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
            rows.iter().for_each(|(key, time)| times.entry(*key).or_default().push(*time));
            for (key, mut times) in times {
                times.sort_unstable();
                for run in times.chunk_by(|a, b| b - a <= 10) {
                    expected.push((run[run.len() - 1] + 10, key, run[0]));
                }
            }
            expected.sort_unstable();
            let closed: Vec<(u32, Session)> = std::iter::from_fn(|| sessions.close(1_000)).collect();
            let found: Vec<_> = closed.iter().map(|(key, session)| (session.end, *key, session.start)).collect();
            prop_assert_eq!(found, expected);
            for ((key, time), slot) in rows.iter().zip(&slots) {
                let home = closed.iter().find(|(of, session)| of == key && (session.start..session.end).contains(time)).unwrap();
                prop_assert_eq!(home.1.slot, *slot);
            }
        }
    }
}
