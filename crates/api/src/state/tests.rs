//! Keyed state against a model: operations on random keys, snapshots of which any may be full, chains of deltas cut as the backend says, and
//! restores at another parallelism.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use riverrun_connect::{Cancellation, Counters, JobContext};
use riverrun_runtime::{
    CheckpointId, Clock, KeyGroupRange, OperatorContext, Restored, RestoredChain, SnapshotRequest, TaskHandle,
    key_group,
};
use riverrun_state::Rebase;
use serde::{Deserialize, Serialize};

use super::*;
use crate::Key;

/// The number of key groups.
const GROUPS: usize = 16;

fn context(subtask: usize, parallelism: usize, clock: Clock) -> OperatorContext {
    OperatorContext {
        name: "counter".to_owned(),
        subtask,
        parallelism,
        max_parallelism: GROUPS,
        key_groups: KeyGroupRange::of_subtask(subtask, parallelism, GROUPS),
        cancellation: Cancellation::new(),
        counters: Counters::default(),
        job: JobContext::default(),
        clock,
        task: TaskHandle::default(),
    }
}

fn manual() -> (Clock, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_000));
    (Clock::Manual(Arc::clone(&now)), now)
}

fn subtask_of(key: u64, parallelism: usize) -> usize {
    riverrun_runtime::subtask_of_key_group(key_group(hash_key(&key), GROUPS), parallelism, GROUPS)
}

/// A snapshot's delta, and how many of the last deltas suffice.
fn snapshot<K: Key>(backend: &mut Backend<K>, full: bool) -> (Option<Vec<u8>>, Option<usize>) {
    let snapshot = backend.snapshot(SnapshotRequest { checkpoint: CheckpointId(1), full });
    (snapshot.delta.map(|freeze| freeze().unwrap().bytes), snapshot.suffices)
}

/// A backend with the deltas that a restore of it needs.
struct Subtask {
    backend: Backend<u64>,
    handles: Handles,
    range: KeyGroupRange,
    restored: Vec<(KeyGroupRange, Vec<Vec<u8>>)>,
    own: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Handles {
    value: ValueState<i64>,
    list: ListState<u8>,
    map: MapState<u8, String>,
}

impl Subtask {
    fn open(subtask: usize, parallelism: usize, chains: &[(KeyGroupRange, Vec<Vec<u8>>)]) -> Self {
        let mut backend = Backend::new(&context(subtask, parallelism, Clock::System));
        // Small stretches, so that a circle takes several deltas.
        backend.rebase = Rebase::with_least(2);
        let state = &mut backend.state;
        let handles = Handles {
            value: ValueStateDescriptor::new("value").register(state).unwrap(),
            list: ListStateDescriptor::new("list").register(state).unwrap(),
            map: MapStateDescriptor::new("map").register(state).unwrap(),
        };
        backend.close_declarations();
        let range = KeyGroupRange::of_subtask(subtask, parallelism, GROUPS);
        let cut = |(of, deltas): &(KeyGroupRange, Vec<Vec<u8>>)| {
            let common = KeyGroupRange { start: of.start.max(range.start), end: of.end.min(range.end) };
            (common.start <= common.end).then(|| (common, deltas.clone()))
        };
        let restored: Vec<_> = chains.iter().filter_map(cut).collect();
        if !chains.is_empty() {
            let chains = restored.iter().cloned().map(|(key_groups, deltas)| RestoredChain { key_groups, deltas });
            backend.restore(&Restored { chains: chains.collect(), ..Restored::default() }).unwrap();
        }
        Self { backend, handles, range, restored, own: Vec::new() }
    }

    fn snapshot(&mut self, full: bool) {
        let (delta, suffices) = snapshot(&mut self.backend, full);
        self.own.extend(delta);
        if let Some(count) = suffices {
            self.restored.clear();
            assert!(count <= self.own.len(), "{count} of {}", self.own.len());
            self.own.drain(..self.own.len() - count);
        }
    }

    fn chains(&self) -> Vec<(KeyGroupRange, Vec<Vec<u8>>)> {
        let mut chains: Vec<_> =
            self.restored.iter().map(|(range, deltas)| (*range, [deltas.as_slice(), &self.own].concat())).collect();
        for group in self.range.start..=self.range.end {
            if !self.restored.iter().any(|(range, _)| range.contains(group)) {
                chains.push((KeyGroupRange { start: group, end: group }, self.own.clone()));
            }
        }
        chains
    }
}

/// What a key has.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    value: Option<i64>,
    list: Vec<u8>,
    map: BTreeMap<u8, String>,
    event: BTreeSet<i64>,
    processing: BTreeSet<i64>,
}

#[derive(Clone, Debug)]
enum Step {
    Set(u64, i64),
    Take(u64),
    Add(u64, u8),
    Clear(u64),
    Put(u64, u8, String),
    Remove(u64, u8),
    SetTimer(u64, i64, bool),
    DeleteTimer(u64, i64, bool),
    /// Event time, or processing time, goes on.
    Fire(i64, bool),
    Look(u64),
    Snapshot(bool),
    Restore(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..40u64;
    prop_oneof![
        6 => (key.clone(), any::<i64>()).prop_map(|(key, value)| Step::Set(key, value)),
        4 => key.clone().prop_map(Step::Take),
        3 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Add(key, value)),
        2 => key.clone().prop_map(Step::Clear),
        3 => (key.clone(), 0..8u8, "[a-c]{0,3}").prop_map(|(key, entry, value)| Step::Put(key, entry, value)),
        2 => (key.clone(), 0..8u8).prop_map(|(key, entry)| Step::Remove(key, entry)),
        4 => (key.clone(), 0..50i64, any::<bool>()).prop_map(|(key, time, event)| Step::SetTimer(key, time, event)),
        3 => (key.clone(), 0..50i64, any::<bool>()).prop_map(|(key, time, event)| Step::DeleteTimer(key, time, event)),
        1 => (0..50i64, any::<bool>()).prop_map(|(time, event)| Step::Fire(time, event)),
        2 => key.prop_map(Step::Look),
        3 => prop::bool::weighted(0.2).prop_map(Step::Snapshot),
        1 => (1..5usize).prop_map(Step::Restore),
    ]
}

struct Run {
    subtasks: Vec<Subtask>,
    model: HashMap<u64, Model>,
}

impl Run {
    fn at<R>(&mut self, key: u64, act: impl FnOnce(Handles, &mut KeyedState, &mut Model) -> R) -> R {
        let subtask = subtask_of(key, self.subtasks.len());
        let subtask = &mut self.subtasks[subtask];
        subtask.backend.set_key(&key).unwrap();
        let (current, state) = subtask.backend.current().unwrap();
        assert_eq!(*current, key);
        act(subtask.handles, state, self.model.entry(key).or_default())
    }

    fn check(&mut self, key: u64) {
        self.at(key, |handles, state, model| {
            assert_eq!(handles.value.value(state).unwrap().copied(), model.value);
            assert_eq!(handles.list.get(state).unwrap(), model.list);
            let entries: BTreeMap<u8, String> =
                handles.map.entries(state).unwrap().map(|(key, value)| (*key, value.clone())).collect();
            assert_eq!(entries, model.map);
        });
    }

    fn fire(&mut self, until: i64, event: bool) {
        let mut fired = BTreeSet::new();
        for subtask in &mut self.subtasks {
            let mut last = i64::MIN;
            let on_timer = |time: i64, key: &u64, _: &mut KeyedState| {
                assert!(last <= time, "{time} after {last}");
                last = time;
                assert!(fired.insert((time, *key)), "the timer of {key} at {time} fired twice");
                Ok(())
            };
            if event {
                subtask.backend.fire_event_timers(until, on_timer).unwrap();
            } else {
                subtask.backend.fire_processing_timers(until, on_timer).unwrap();
            }
        }
        let mut expected = BTreeSet::new();
        for (key, model) in &mut self.model {
            let times = if event { &mut model.event } else { &mut model.processing };
            let later = times.split_off(&(until + 1));
            expected.extend(std::mem::replace(times, later).into_iter().map(|time| (time, *key)));
        }
        assert_eq!(fired, expected);
    }

    fn restore(&mut self, parallelism: usize) {
        self.subtasks.iter_mut().for_each(|subtask| subtask.snapshot(false));
        let chains: Vec<_> =
            self.subtasks.iter().flat_map(Subtask::chains).filter(|(_, own)| !own.is_empty()).collect();
        self.subtasks = (0..parallelism).map(|subtask| Subtask::open(subtask, parallelism, &chains)).collect();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Set(key, value) => self.at(key, |handles, state, model| {
                handles.value.update(state, value).unwrap();
                model.value = Some(value);
            }),
            Step::Take(key) => self.at(key, |handles, state, model| {
                assert_eq!(handles.value.take(state).unwrap(), model.value.take());
            }),
            Step::Add(key, value) => self.at(key, |handles, state, model| {
                handles.list.add(state, value).unwrap();
                model.list.push(value);
            }),
            Step::Clear(key) => self.at(key, |handles, state, model| {
                handles.list.clear(state).unwrap();
                handles.map.clear(state).unwrap();
                model.list.clear();
                model.map.clear();
            }),
            Step::Put(key, entry, value) => self.at(key, |handles, state, model| {
                handles.map.put(state, entry, value.clone()).unwrap();
                model.map.insert(entry, value);
            }),
            Step::Remove(key, entry) => self.at(key, |handles, state, model| {
                assert_eq!(handles.map.remove(state, &entry).unwrap(), model.map.remove(&entry));
            }),
            Step::SetTimer(key, time, event) => self.at(key, |_, state, model| {
                if event {
                    state.set_event_timer(time).unwrap();
                    model.event.insert(time);
                } else {
                    state.set_processing_timer(time).unwrap();
                    model.processing.insert(time);
                }
            }),
            Step::DeleteTimer(key, time, event) => self.at(key, |_, state, model| {
                if event {
                    state.delete_event_timer(time).unwrap();
                    model.event.remove(&time);
                } else {
                    state.delete_processing_timer(time).unwrap();
                    model.processing.remove(&time);
                }
            }),
            Step::Fire(time, event) => self.fire(time, event),
            Step::Look(key) => self.check(key),
            Step::Snapshot(full) => self.subtasks.iter_mut().for_each(|subtask| subtask.snapshot(full)),
            Step::Restore(parallelism) => self.restore(parallelism),
        }
    }

    fn len(&mut self) -> usize {
        self.subtasks
            .iter_mut()
            .map(|subtask| {
                subtask.backend.release();
                subtask.backend.len()
            })
            .sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn state_is_what_a_model_says_through_snapshots_and_restores_at_any_parallelism(
        parallelism in 1..4usize,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let subtasks = (0..parallelism).map(|subtask| Subtask::open(subtask, parallelism, &[])).collect();
        let mut run = Run { subtasks, model: HashMap::new() };
        steps.into_iter().for_each(|step| run.take(step));
        run.restore(parallelism + 1);
        (0..40).for_each(|key| run.check(key));
        let occupied = run.model.values().filter(|model| **model != Model::default()).count();
        assert_eq!(run.len(), occupied, "a key without state takes no room");
        run.fire(1_000, true);
        run.fire(1_000, false);
    }
}

fn one<K: Key, H>(clock: Clock, declare: impl FnOnce(&mut KeyedState) -> H) -> (Backend<K>, H) {
    let mut backend = Backend::new(&context(0, 1, clock));
    let handle = declare(&mut backend.state);
    backend.close_declarations();
    (backend, handle)
}

fn restored<K: Key, H>(
    deltas: &[Vec<u8>],
    clock: Clock,
    declare: impl FnOnce(&mut KeyedState) -> H,
) -> riverrun_base::Result<(Backend<K>, H)> {
    let (mut backend, handle) = one(clock, declare);
    let chain = RestoredChain { key_groups: KeyGroupRange::of_subtask(0, 1, GROUPS), deltas: deltas.to_vec() };
    backend.restore(&Restored { chains: vec![chain], ..Restored::default() })?;
    Ok((backend, handle))
}

fn values<V: crate::State>(name: &str) -> impl FnOnce(&mut KeyedState) -> ValueState<V> {
    move |state| ValueStateDescriptor::new(name).register(state).unwrap()
}

/// A delta with one value of key 7.
fn delta_of<V: crate::State>(value: V) -> Vec<u8> {
    let (mut backend, handle) = one::<u64, _>(Clock::System, values::<V>("it"));
    backend.set_key(&7).unwrap();
    handle.update(backend.current().unwrap().1, value).unwrap();
    snapshot(&mut backend, false).0.unwrap()
}

#[test]
fn a_struct_with_a_new_field_reads_what_the_old_one_stored() {
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Before {
        count: u64,
        gone: String,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct After {
        #[serde(default = "seven")]
        new: u32,
        count: u64,
    }
    fn seven() -> u32 {
        7
    }

    let delta = delta_of(Before { count: 5, gone: "x".to_owned() });
    let (mut backend, handle) = restored::<u64, _>(&[delta], Clock::System, values::<After>("it")).unwrap();
    backend.set_key(&7).unwrap();
    assert_eq!(handle.value(backend.current().unwrap().1).unwrap(), Some(&After { new: 7, count: 5 }));
}

#[test]
fn another_type_is_an_error_that_names_state_and_remedy() {
    let delta = delta_of("text".to_owned());
    let error = restored::<u64, _>(std::slice::from_ref(&delta), Clock::System, values::<u64>("it")).err().unwrap();
    let error = error.to_string();
    for part in ["state: it", "u64", "#[serde(default)]", "another name"] {
        assert!(error.contains(part), "{error}");
    }
    // A prefix that can be read is not the value.
    let delta = delta_of((1u8, "text".to_owned()));
    assert!(restored::<u64, _>(&[delta], Clock::System, values::<u8>("it")).is_err());
    let error = restored::<String, _>(&[delta_of(1u8)], Clock::System, values::<u8>("it")).err().unwrap();
    assert!(error.to_string().contains("state: the key"), "{error}");
}

#[test]
fn a_delta_that_is_cut_or_altered_is_an_error() {
    let delta = delta_of("text".to_owned());
    for end in 0..delta.len() {
        let cut = delta[..end].to_vec();
        assert!(restored::<u64, _>(&[cut], Clock::System, values::<String>("it")).is_err(), "{end} of {}", delta.len());
    }
    let longer = [delta.as_slice(), &[0]].concat();
    assert!(restored::<u64, _>(&[longer], Clock::System, values::<String>("it")).is_err());
    for place in 0..delta.len() {
        let mut altered = delta.clone();
        altered[place] ^= 0x80;
        // It may be another value, but it never panics.
        drop(restored::<u64, _>(&[altered], Clock::System, values::<String>("it")));
    }
}

#[test]
fn a_state_that_is_declared_no_more_is_gone_with_the_next_snapshot() {
    let delta = delta_of(1u8);
    let (mut backend, _) = restored::<u64, _>(&[delta], Clock::System, values::<u8>("other")).unwrap();
    let (delta, suffices) = snapshot(&mut backend, false);
    assert_eq!(suffices, Some(1));
    let (backend, _) = restored::<u64, _>(&[delta.unwrap()], Clock::System, values::<u8>("it")).unwrap();
    assert_eq!(backend.len(), 0);
}

#[test]
fn changes_that_were_too_many_to_follow_do_not_bring_back_what_was_restored() {
    let delta = delta_of(1u8);
    let (mut backend, handle) =
        restored::<u64, _>(std::slice::from_ref(&delta), Clock::System, values::<u8>("it")).unwrap();
    backend.set_key(&7).unwrap();
    handle.clear(backend.current().unwrap().1).unwrap();
    backend.release();
    backend.forget_changes();
    let (empty, suffices) = snapshot(&mut backend, false);
    assert_eq!(suffices, Some(1), "what was restored is needed no more");
    let (backend, _) = restored::<u64, _>(&[empty.unwrap()], Clock::System, values::<u8>("it")).unwrap();
    assert_eq!(backend.len(), 0);
}

#[test]
fn a_timer_that_is_moved_with_every_record_takes_one_place_in_the_end() {
    let (mut backend, ()) = one::<u64, _>(Clock::System, |_| ());
    for time in 0..100_000i64 {
        backend.set_key(&(time % 3).unsigned_abs()).unwrap();
        let (_, state) = backend.current().unwrap();
        state.delete_processing_timer(1_000_000 + time - 3).unwrap();
        state.set_processing_timer(1_000_000 + time).unwrap();
    }
    let places = backend.state.timers.of(super::timers::TimeDomain::Processing).places();
    assert!(places < 2_000, "{places} places for three timers");
    let mut fired = Vec::new();
    let fire = |time, key: &u64, _: &mut KeyedState| {
        fired.push((time, *key));
        Ok(())
    };
    backend.fire_processing_timers(i64::MAX, fire).unwrap();
    assert_eq!(fired, [(1_099_997, 1), (1_099_998, 2), (1_099_999, 0)]);
    assert_eq!(backend.len(), 0);
}

#[test]
fn a_state_is_declared_once_and_before_records() {
    let (mut backend, _) = one::<u64, _>(Clock::System, values::<u8>("it"));
    let error = ValueStateDescriptor::<u8>::new("late").register(&mut backend.state).unwrap_err();
    assert!(error.to_string().contains("open()"), "{error}");
    let (_, ()) = one::<u64, _>(Clock::System, |state| {
        ListStateDescriptor::<u8>::new("it").register(state).unwrap();
        assert!(ValueStateDescriptor::<u8>::new("it").register(state).is_err());
        let zero = StateTtlConfig::new(Duration::ZERO);
        assert!(ValueStateDescriptor::<u8>::new("ttl").enable_time_to_live(zero).register(state).is_err());
        assert!(ValueStateDescriptor::<u8>::new("_timers").register(state).is_err());
    });
    let mut handle = ValueState::<u8>::default();
    backend.set_key(&1).unwrap();
    assert!(handle.value(backend.current().unwrap().1).is_err());
    handle = ValueState::default();
    assert!(handle.update(backend.current().unwrap().1, 1).is_err());
}

mod time_to_live {
    use super::*;

    const TTL: Duration = Duration::from_millis(100);

    fn ttl() -> StateTtlConfig {
        StateTtlConfig::new(TTL)
    }

    fn value(ttl: StateTtlConfig) -> impl FnOnce(&mut KeyedState) -> ValueState<u8> {
        |state| ValueStateDescriptor::new("it").enable_time_to_live(ttl).register(state).unwrap()
    }

    /// One after another for a key: each acts at its time of day.
    fn at<R>(backend: &mut Backend<u64>, now: &AtomicI64, time: i64, act: impl FnOnce(&mut KeyedState) -> R) -> R {
        now.store(time, Ordering::SeqCst);
        backend.set_key(&7).unwrap();
        act(backend.current().unwrap().1)
    }

    #[test]
    fn a_value_lives_on_when_it_is_written() {
        let (clock, now) = manual();
        let (mut backend, it) = one(clock, value(ttl()));
        let b = &mut backend;
        at(b, &now, 0, |state| it.update(state, 1).unwrap());
        assert_eq!(at(b, &now, 60, |state| it.value(state).unwrap().copied()), Some(1));
        at(b, &now, 60, |state| *it.value_or_insert_with(state, || 9).unwrap() += 1);
        assert_eq!(at(b, &now, 159, |state| it.value(state).unwrap().copied()), Some(2));
        assert_eq!(at(b, &now, 160, |state| it.value(state).unwrap().copied()), None);
        b.release();
        assert_eq!(b.len(), 0, "what was read and has expired is dropped");
        at(b, &now, 200, |state| it.update(state, 3).unwrap());
        assert_eq!(at(b, &now, 300, |state| it.take(state).unwrap()), None);
        at(b, &now, 300, |state| assert_eq!(*it.value_or_insert_with(state, || 9).unwrap(), 9));
    }

    #[test]
    fn a_value_lives_on_when_it_is_read_if_reads_count() {
        let (clock, now) = manual();
        let (mut backend, it) = one(clock.clone(), value(ttl().set_update_type(UpdateType::OnReadAndWrite)));
        at(&mut backend, &now, 0, |state| it.update(state, 1).unwrap());
        let first = snapshot(&mut backend, false).0.unwrap();
        assert_eq!(at(&mut backend, &now, 90, |state| it.value(state).unwrap().copied()), Some(1));
        let second = snapshot(&mut backend, false).0.expect("to read is a change");
        let (mut backend, it) = restored(&[first, second], clock, value(ttl())).unwrap();
        assert_eq!(at(&mut backend, &now, 189, |state| it.value(state).unwrap().copied()), Some(1));
        assert_eq!(at(&mut backend, &now, 190, |state| it.value(state).unwrap().copied()), None);
    }

    #[test]
    fn an_expired_value_is_seen_once_if_it_may_be() {
        let (clock, now) = manual();
        let visible =
            ttl().set_state_visibility(StateVisibility::ReturnExpiredIfNotCleanedUp).disable_cleanup_in_background();
        let (mut backend, it) = one(clock, value(visible));
        at(&mut backend, &now, 0, |state| it.update(state, 1).unwrap());
        assert_eq!(at(&mut backend, &now, 500, |state| it.value(state).unwrap().copied()), Some(1));
        assert_eq!(at(&mut backend, &now, 500, |state| it.value(state).unwrap().copied()), None);
    }

    #[test]
    fn each_element_and_each_entry_expires_on_its_own() {
        let (clock, now) = manual();
        let (mut backend, (list, map)) = one(clock, |state| {
            let list = ListStateDescriptor::new("list").enable_time_to_live(ttl()).register(state).unwrap();
            let map = MapStateDescriptor::new("map").enable_time_to_live(ttl()).register(state).unwrap();
            (list, map)
        });
        let b = &mut backend;
        for time in [0, 50, 120] {
            at(b, &now, time, |state| {
                list.add(state, time).unwrap();
                map.put(state, time, 'x').unwrap();
            });
        }
        assert_eq!(at(b, &now, 120, |state| list.get(state).unwrap().to_vec()), [50, 120]);
        let keys = |state: &mut KeyedState| map.keys(state).unwrap().copied().collect::<BTreeSet<i64>>();
        assert_eq!(at(b, &now, 120, keys), BTreeSet::from([50, 120]));
        assert!(at(b, &now, 155, |state| map.get(state, &50).unwrap().is_none()));
        assert!(at(b, &now, 155, |state| map.contains(state, &120).unwrap()));
        assert_eq!(at(b, &now, 155, |state| map.remove(state, &50).unwrap()), None);
        assert_eq!(at(b, &now, 219, |state| list.take(state).unwrap()), [120]);
        assert!(at(b, &now, 220, |state| map.is_empty(state).unwrap()));
        b.release();
        assert_eq!(b.len(), 0);
    }

    #[test]
    fn reads_keep_elements_alive_that_have_not_expired() {
        let (clock, now) = manual();
        let reads = ttl().set_update_type(UpdateType::OnReadAndWrite);
        let (mut backend, list) = one(clock, |state| {
            ListStateDescriptor::<i64>::new("list").enable_time_to_live(reads).register(state).unwrap()
        });
        let b = &mut backend;
        at(b, &now, 0, |state| list.add(state, 0).unwrap());
        at(b, &now, 50, |state| list.add(state, 50).unwrap());
        assert_eq!(at(b, &now, 110, |state| list.get(state).unwrap().to_vec()), [50]);
        assert_eq!(at(b, &now, 200, |state| list.get(state).unwrap().to_vec()), [50]);
        assert!(at(b, &now, 300, |state| list.get(state).unwrap().is_empty()));
    }

    #[test]
    fn reducing_and_aggregating_state_begin_anew_when_theirs_has_expired() {
        let (clock, now) = manual();
        let (mut backend, sum) = one(clock, |state| {
            let sum = ReducingStateDescriptor::new("sum", |a: u64, b| a + b).enable_time_to_live(ttl());
            sum.register(state).unwrap()
        });
        for (time, expected) in [(0, 1), (99, 2), (198, 3), (298, 1)] {
            at(&mut backend, &now, time, |state| sum.add(state, 1).unwrap());
            assert_eq!(at(&mut backend, &now, time, |state| sum.get(state).unwrap().copied()), Some(expected));
        }
    }

    #[test]
    fn clean_up_drops_what_nobody_reads_and_a_snapshot_tells() {
        for config in [ttl(), ttl().disable_cleanup_in_background().cleanup_incrementally(7, true)] {
            let (clock, now) = manual();
            let (mut backend, it) = one(clock.clone(), value(config));
            for key in 0..1_000 {
                backend.set_key(&key).unwrap();
                it.update(backend.current().unwrap().1, 1).unwrap();
            }
            let first = snapshot(&mut backend, false).0.unwrap();
            now.fetch_add(100, Ordering::SeqCst);
            for round in 0..300 {
                backend.set_key(&(2_000 + round % 2)).unwrap();
                it.update(backend.current().unwrap().1, 1).unwrap();
            }
            assert_eq!(backend.len(), 2);
            let second = snapshot(&mut backend, false).0.unwrap();
            let (backend, _) = restored::<u64, _>(&[first, second], clock, value(ttl())).unwrap();
            assert_eq!(backend.len(), 2);
        }
    }

    #[test]
    fn without_clean_up_expired_state_stays_but_for_full_snapshots() {
        let (clock, now) = manual();
        let config = ttl().disable_cleanup_in_background();
        let (mut backend, it) = one(clock.clone(), value(config.clone().cleanup_full_snapshot()));
        for key in 0..10 {
            backend.set_key(&key).unwrap();
            it.update(backend.current().unwrap().1, 1).unwrap();
        }
        now.fetch_add(50, Ordering::SeqCst);
        backend.set_key(&3).unwrap();
        it.update(backend.current().unwrap().1, 2).unwrap();
        now.fetch_add(50, Ordering::SeqCst);
        backend.release();
        assert_eq!(backend.len(), 10);
        let delta = snapshot(&mut backend, true).0.unwrap();
        assert_eq!(backend.len(), 1);
        let (backend, _) = restored::<u64, _>(&[delta], clock, value(config)).unwrap();
        assert_eq!(backend.len(), 1);
    }

    #[test]
    fn time_to_live_can_be_switched_on_and_off_for_state_that_is_stored() {
        let (clock, now) = manual();
        now.store(5_000, Ordering::SeqCst);
        let plain = delta_of(1u8);
        let (mut backend, it) = restored(&[plain], clock.clone(), value(ttl())).unwrap();
        assert_eq!(at(&mut backend, &now, 5_099, |state| it.value(state).unwrap().copied()), Some(1));
        let timed = snapshot(&mut backend, true).0.unwrap();
        assert_eq!(at(&mut backend, &now, 5_100, |state| it.value(state).unwrap().copied()), None);
        let (mut backend, it) = restored(&[timed], clock, values::<u8>("it")).unwrap();
        assert_eq!(at(&mut backend, &now, 9_000, |state| it.value(state).unwrap().copied()), Some(1));
    }
}

#[test]
fn of_a_large_map_a_checkpoint_holds_only_the_entries_that_changed() {
    let declare = |state: &mut KeyedState| MapStateDescriptor::<u64, String>::new("it").register(state).unwrap();
    let (mut backend, map) = one::<u64, _>(Clock::System, declare);
    backend.set_key(&7).unwrap();
    let state = backend.current().unwrap().1;
    map.put_all(state, (0..20_000).map(|entry| (entry, format!("value {entry}")))).unwrap();
    // What has not changed is stored anew bit by bit, and the large map when its turn comes.
    for key in 100..200 {
        backend.set_key(&key).unwrap();
        map.put(backend.current().unwrap().1, key, String::new()).unwrap();
    }
    let whole = snapshot(&mut backend, true).0.unwrap();
    let mut deltas = vec![whole];
    for round in 0..40u64 {
        backend.set_key(&7).unwrap();
        let state = backend.current().unwrap().1;
        map.put(state, round, "changed".to_owned()).unwrap();
        map.remove(state, &(900 + round)).unwrap();
        deltas.push(snapshot(&mut backend, false).0.unwrap());
    }
    let small = deltas.iter().filter(|delta| delta.len() * 10 < deltas[0].len()).count();
    assert!(small >= 30, "{:?}", deltas.iter().map(Vec::len).collect::<Vec<_>>());
    for ttl in [false, true] {
        let (mut backend, map) = restored::<u64, _>(&deltas, Clock::System, |state| {
            let descriptor = MapStateDescriptor::<u64, String>::new("it");
            let config = StateTtlConfig::new(Duration::from_secs(1_000));
            if ttl { descriptor.enable_time_to_live(config) } else { descriptor }.register(state).unwrap()
        })
        .unwrap();
        backend.set_key(&7).unwrap();
        let state = backend.current().unwrap().1;
        let entries: BTreeMap<u64, String> =
            map.entries(state).unwrap().map(|(entry, value)| (*entry, value.clone())).collect();
        let value = |entry: u64| if entry < 40 { "changed".to_owned() } else { format!("value {entry}") };
        let left = (0..20_000).filter(|entry| !(900..940).contains(entry));
        assert_eq!(entries, left.map(|entry| (entry, value(entry))).collect());
    }
}
