//! The operator of windows: panes of keys, their triggers, and when they end. Its rules are those of Flink's `WindowOperator` and
//! `MergingWindowSet`.

use std::hint::black_box;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_connect::Counter;
use riverrun_data::Records;
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::pane::{Clocks, Pane, Panes, Time, end_of_pane};
use super::{AssignerContext, Contents, Trigger, TriggerContext, TriggerResult, Window, WindowAssigner, WindowContext};
use crate::functions::{BoxError, Collector, RuntimeContext, at_record, function_failed};
use crate::state::{Backend, Found, ValueState, ValueStateDescriptor};
use crate::stream::{OutputTag, SideOutputs, Sided};
use crate::{Key, Record};

/// How a windowed stream is cut and when its results come.
#[derive(Clone)]
pub(crate) struct Windowing<T, A, Tr> {
    pub(crate) assigner: A,
    pub(crate) trigger: Tr,
    /// In milliseconds.
    pub(crate) allowed_lateness: i64,
    pub(crate) late: Option<OutputTag<T>>,
}

type PaneOf<K, T, A, Tr, C> = Pane<
    <A as WindowAssigner<T>>::Window,
    <C as Contents<K, T, <A as WindowAssigner<T>>::Window>>::Kept,
    <Tr as Trigger<T, <A as WindowAssigner<T>>::Window>>::State,
>;

/// The state of a key: its panes.
type KeyPanes<K, T, A, Tr, C> = Panes<PaneOf<K, T, A, Tr, C>>;

/// So many records' keys are looked up before the first is put into its panes.
const AHEAD: usize = 64;

/// Puts each record into the panes of its windows, and passes on their results.
pub(crate) struct WindowOperator<K, T, S, A, Tr, C>
where
    K: Key,
    T: Record,
    A: WindowAssigner<T>,
    Tr: Trigger<T, A::Window>,
    C: Contents<K, T, A::Window>,
{
    selector: S,
    windowing: Windowing<T, A, Tr>,
    is_event_time: bool,
    contents: C,
    backend: Backend<K>,
    panes: ValueState<KeyPanes<K, T, A, Tr, C>>,
    clocks: Clocks,
    /// The windows of the present record.
    windows: Vec<A::Window>,
    /// The keys of the next records.
    keys: Vec<(K, Found)>,
    subtask: usize,
    seen: u64,
    watermark: i64,
    clock: Clock,
    now: i64,
    sides: SideOutputs,
    dropped: Counter,
}

impl<K, T, S, A, Tr, C> WindowOperator<K, T, S, A, Tr, C>
where
    K: Key,
    T: Record,
    S: Fn(&T) -> K + Send,
    A: WindowAssigner<T>,
    Tr: Trigger<T, A::Window>,
    C: Contents<K, T, A::Window>,
{
    pub(crate) fn open(
        selector: S,
        windowing: Windowing<T, A, Tr>,
        mut contents: C,
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<Self> {
        let mut backend = Backend::new(context);
        let mut runtime = RuntimeContext::new(context, Some(&mut backend.state));
        contents.open(&mut runtime).map_err(function_failed)?;
        let panes = runtime.value_state(ValueStateDescriptor::new("_windows"))?;
        backend.close_declarations();
        Ok(Self {
            selector,
            is_event_time: windowing.assigner.is_event_time(),
            windowing,
            contents,
            backend,
            panes,
            clocks: Clocks::default(),
            windows: Vec::new(),
            keys: Vec::new(),
            subtask: context.subtask,
            seen: 0,
            watermark: NO_WATERMARK,
            now: context.clock.now(),
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
            dropped: context.counters.counter("numLateRecordsDropped"),
        })
    }

    #[inline]
    fn end_of_pane(&self, window: &A::Window) -> i64 {
        end_of_pane(window, self.is_event_time, self.windowing.allowed_lateness)
    }

    #[inline]
    fn is_late(&self, window: &A::Window) -> bool {
        self.is_event_time && self.end_of_pane(window) <= self.watermark
    }

    /// The keys of the next records, and where they are.
    fn look_up(&self, values: &[T], keys: &mut Vec<(K, Found)>) -> Result<()> {
        keys.extend(values.iter().take(AHEAD).map(|value| {
            let key = (self.selector)(value);
            let found = self.backend.find(&key);
            (key, found)
        }));
        let slots = keys.iter().filter_map(|(_, found)| found.slot());
        black_box(self.panes.count_set(&self.backend.state, slots)?);
        Ok(())
    }

    #[inline]
    fn element(
        &mut self,
        key: (K, Found),
        value: T,
        timestamp: Option<i64>,
        out: &mut Collector<'_, C::Out>,
    ) -> Result<()> {
        let mut windows = std::mem::take(&mut self.windows);
        windows.clear();
        self.windowing.assigner.assign_windows(&value, &AssignerContext::new(timestamp, self.now), &mut windows)?;
        let mut value = Some(value);
        let is_taken = if A::MERGES {
            self.add_merging(key, &mut value, timestamp, &mut windows, out)?
        } else {
            windows.retain(|window| !self.is_late(window));
            self.add_all(key, &mut value, timestamp, &windows, out)?;
            !windows.is_empty()
        };
        self.windows = windows;
        if let (false, Some(value)) = (is_taken, value) {
            self.leave_out(value, timestamp);
        }
        Ok(())
    }

    /// A record that is in no window: late, or between windows.
    #[cold]
    fn leave_out(&mut self, value: T, timestamp: Option<i64>) {
        let passed = |timestamp: i64| timestamp.saturating_add(self.windowing.allowed_lateness) <= self.watermark;
        if !self.is_event_time || !timestamp.is_some_and(passed) {
            return;
        }
        match &self.windowing.late {
            Some(tag) => self.sides.push(tag, value, timestamp),
            None => self.dropped.add(1),
        }
    }

    /// Adds a record to windows that are not late and do not merge.
    #[inline]
    fn add_all(
        &mut self,
        (key, found): (K, Found),
        value: &mut Option<T>,
        timestamp: Option<i64>,
        windows: &[A::Window],
        out: &mut Collector<'_, C::Out>,
    ) -> Result<()> {
        let Some(last) = windows.len().checked_sub(1) else { return Ok(()) };
        self.backend.set_found(&key, found)?;
        for (index, window) in windows.iter().enumerate() {
            let pane = |panes: &mut KeyPanes<K, T, A, Tr, C>| match panes.position(|pane| pane.window == *window) {
                Some(place) => (place, false),
                None => (panes.push(Pane::new(window.clone())), true),
            };
            self.add(value, index == last, timestamp, pane, out)?;
        }
        Ok(())
    }

    /// Adds a record to a pane of the present key, of which `pane` says where it is, and whether it is new.
    #[inline]
    fn add(
        &mut self,
        value: &mut Option<T>,
        is_last: bool,
        timestamp: Option<i64>,
        pane: impl FnOnce(&mut KeyPanes<K, T, A, Tr, C>) -> (usize, bool),
        out: &mut Collector<'_, C::Out>,
    ) -> Result<()> {
        let slot = self.backend.slot();
        let panes = self.panes.value_or_insert_with(&mut self.backend.state, Panes::default)?;
        let (place, is_new) = pane(panes);
        let (Some(pane), Some(element)) = (panes.get_mut(place), value.as_ref()) else {
            return Err(Error::internal("a record without a pane"));
        };
        let mut context = TriggerContext {
            watermark: self.watermark,
            now: self.now,
            end: pane.window.max_timestamp(),
            timers: &mut pane.timers,
            clocks: &mut self.clocks,
            slot,
        };
        let trigger = &mut self.windowing.trigger;
        let result = trigger.on_element(element, timestamp, &pane.window, &mut pane.trigger, &mut context);
        self.contents.add(value, is_last, timestamp, &mut pane.contents);
        if is_new {
            let end = end_of_pane(&pane.window, self.is_event_time, self.windowing.allowed_lateness);
            self.clocks.wake_next(pane, self.is_event_time, end, slot);
        }
        if result == TriggerResult::Continue {
            return Ok(());
        }
        let mut panes = self.panes.take(&mut self.backend.state)?.unwrap_or_default();
        if let Some(pane) = panes.get_mut(place) {
            self.obey(result, pane, out)?;
            if self.is_over(pane) {
                panes.swap_remove(place);
            }
        }
        self.put_back(panes)
    }

    /// Adds a record to windows that merge with those that its key has. Answers whether one of them is not late.
    fn add_merging(
        &mut self,
        (key, found): (K, Found),
        value: &mut Option<T>,
        timestamp: Option<i64>,
        windows: &mut Vec<A::Window>,
        out: &mut Collector<'_, C::Out>,
    ) -> Result<bool> {
        self.backend.set_found(&key, found)?;
        let mut is_taken = false;
        let last = windows.len().saturating_sub(1);
        for (index, window) in windows.drain(..).enumerate() {
            let mut panes = self.panes.take(&mut self.backend.state)?.unwrap_or_default();
            let pane = self.merged(window, &mut panes);
            self.put_back(panes)?;
            if let Some(pane) = pane {
                is_taken = true;
                self.add(value, index == last, timestamp, |_| pane, out)?;
            }
        }
        Ok(is_taken)
    }

    /// The place of the pane that a new window becomes part of, and whether it is new; nothing, if the window is late.
    fn merged(&mut self, window: A::Window, panes: &mut KeyPanes<K, T, A, Tr, C>) -> Option<(usize, bool)> {
        let assigner = &self.windowing.assigner;
        let mut result = window;
        let mut parts: Vec<usize> = Vec::new();
        // What has grown may reach others.
        while let Some((place, grown)) = (panes.iter().enumerate())
            .filter(|(place, _)| !parts.contains(place))
            .find_map(|(place, pane)| Some((place, assigner.merge(&result, &pane.window)?)))
        {
            parts.push(place);
            result = grown;
        }
        match parts[..] {
            [] if self.is_late(&result) => return None,
            [] => {
                return Some((panes.push(Pane::new(result)), true));
            }
            [place] if panes.get_mut(place).is_some_and(|pane| pane.window == result) => return Some((place, false)),
            _ => {}
        }
        parts.sort_unstable();
        // From the end, so that what takes the place of one that is taken out is none of them.
        let mut parts: Vec<_> = parts.iter().rev().filter_map(|place| panes.swap_remove(*place)).collect();
        parts.sort_by_key(|pane| pane.window.max_timestamp());
        let mut pane: Option<Pane<_, _, _>> = None;
        for part in parts {
            let Some(into) = &mut pane else {
                pane = Some(part);
                continue;
            };
            into.timers.inherit(&part.timers);
            let first = std::mem::take(&mut into.trigger);
            into.trigger = self.windowing.trigger.merge_states(first, part.trigger);
            into.contents = match (into.contents.take(), part.contents) {
                (Some(first), Some(second)) => Some(self.contents.merge(first, second)),
                (first, second) => first.or(second),
            };
        }
        let mut pane = pane.unwrap_or_else(|| Pane::new(result.clone()));
        pane.window = result;
        pane.timers.forget();
        let mut context = TriggerContext {
            watermark: self.watermark,
            now: self.now,
            end: pane.window.max_timestamp(),
            timers: &mut pane.timers,
            clocks: &mut self.clocks,
            slot: self.backend.slot(),
        };
        self.windowing.trigger.on_merge(&pane.window, &mut pane.trigger, &mut context);
        Some((panes.push(pane), true))
    }

    fn put_back(&mut self, panes: KeyPanes<K, T, A, Tr, C>) -> Result<()> {
        if panes.is_empty() { Ok(()) } else { self.panes.update(&mut self.backend.state, panes) }
    }

    /// Wakes the panes whose time has come, one time after another.
    fn wake_until(&mut self, kind: Time, end: i64, out: &mut Collector<'_, C::Out>) -> Result<()> {
        while let Some((time, slots)) = self.clocks.take_until(kind, end) {
            for slot in slots {
                if !self.backend.enter(slot) {
                    continue;
                }
                let Some(mut panes) = self.panes.take(&mut self.backend.state)? else { continue };
                let mut place = 0;
                while let Some(pane) = panes.get_mut(place) {
                    if self.wake(kind, time, pane, out)? {
                        panes.swap_remove(place);
                    } else {
                        place += 1;
                    }
                }
                self.put_back(panes)?;
            }
        }
        self.backend.release();
        Ok(())
    }

    /// Calls the trigger if it has a timer for this time, or the pane ends. Answers whether the pane is to go.
    fn wake(
        &mut self,
        kind: Time,
        time: i64,
        pane: &mut PaneOf<K, T, A, Tr, C>,
        out: &mut Collector<'_, C::Out>,
    ) -> Result<bool> {
        if !pane.timers.awake(kind, time) {
            return Ok(false);
        }
        let end = pane.window.max_timestamp();
        let is_set = pane.timers.remove(kind, time, end);
        let end_of_pane = self.end_of_pane(&pane.window);
        let has_ended = self.is_event_time == (kind == Time::Event) && end_of_pane == time;
        let slot = self.backend.slot();
        if is_set || has_ended {
            let mut context = TriggerContext {
                watermark: self.watermark,
                now: self.now,
                end,
                timers: &mut pane.timers,
                clocks: &mut self.clocks,
                slot,
            };
            let trigger = &mut self.windowing.trigger;
            let result = match kind {
                Time::Event => trigger.on_event_time(time, &pane.window, &mut pane.trigger, &mut context),
                Time::Processing => trigger.on_processing_time(time, &pane.window, &mut pane.trigger, &mut context),
            };
            self.obey(result, pane, out)?;
        }
        if has_ended {
            self.clear(pane)?;
            return Ok(true);
        }
        self.clocks.wake_next(pane, self.is_event_time, end_of_pane, slot);
        Ok(self.is_over(pane))
    }

    /// Does what the trigger says.
    fn obey(
        &mut self,
        result: TriggerResult,
        pane: &mut PaneOf<K, T, A, Tr, C>,
        out: &mut Collector<'_, C::Out>,
    ) -> Result<()> {
        if let (true, Some(kept)) = (result.is_fire(), &mut pane.contents) {
            let (key, state) = self.backend.current()?;
            let (watermark, now, sides) = (self.watermark, self.now, &mut self.sides);
            let mut context = WindowContext { window: &pane.window, watermark, now, state, sides };
            out.set_timestamp(Some(pane.window.max_timestamp()));
            self.contents
                .fire(key, kept, &mut context, out)
                .map_err(|error| in_window(error, key, &pane.window, self.subtask))?;
        }
        if result.is_purge() {
            pane.contents = None;
        }
        Ok(())
    }

    fn clear(&mut self, pane: &PaneOf<K, T, A, Tr, C>) -> Result<()> {
        let (key, state) = self.backend.current()?;
        let (watermark, now, sides) = (self.watermark, self.now, &mut self.sides);
        let mut context = WindowContext { window: &pane.window, watermark, now, state, sides };
        self.contents.clear(&mut context).map_err(|error| in_window(error, key, &pane.window, self.subtask))
    }

    /// Whether nothing is left of a pane that does not end by itself.
    fn is_over(&self, pane: &PaneOf<K, T, A, Tr, C>) -> bool {
        pane.contents.is_none()
            && pane.timers.is_empty()
            && self.end_of_pane(&pane.window) == i64::MAX
            && pane.trigger == <Tr as Trigger<T, A::Window>>::State::default()
    }
}

impl<K, T, S, A, Tr, C> Operator<Records<T>, Sided<C::Out>> for WindowOperator<K, T, S, A, Tr, C>
where
    K: Key,
    T: Record,
    S: Fn(&T) -> K + Send,
    A: WindowAssigner<T>,
    Tr: Trigger<T, A::Window>,
    C: Contents<K, T, A::Window>,
{
    fn process(&mut self, batch: Records<T>, mut out: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.now = self.clock.now();
        let mut collector = Collector::new(&mut out, 0);
        let (values, timestamps) = batch.into_parts();
        let (mut values, mut timestamps) = (values.into_iter(), timestamps.into_iter());
        let mut keys = std::mem::take(&mut self.keys);
        while !values.as_slice().is_empty() {
            self.look_up(values.as_slice(), &mut keys)?;
            for (key, value) in keys.drain(..).zip(values.by_ref()) {
                self.seen += 1;
                let timestamp = timestamps.next();
                self.element(key, value, timestamp, &mut collector)
                    .map_err(|error| at_record(error.into(), self.subtask, self.seen, timestamp))?;
            }
        }
        self.keys = keys;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn watermark(&mut self, watermark: i64, mut out: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.watermark = watermark;
        self.now = self.clock.now();
        let mut collector = Collector::new(&mut out, 0);
        self.wake_until(Time::Event, watermark, &mut collector)?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn deadline(&self) -> Option<i64> {
        self.clocks.first(Time::Processing)
    }

    fn on_processing_time(&mut self, now: i64, mut out: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.now = now;
        let mut collector = Collector::new(&mut out, 0);
        self.wake_until(Time::Processing, now, &mut collector)?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let mut snapshot = self.backend.snapshot(request);
        snapshot.watermark = Some(self.watermark).filter(|watermark| *watermark != NO_WATERMARK);
        Ok(Some(snapshot))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        self.watermark = restored.watermark.unwrap_or(NO_WATERMARK);
        self.backend.restore(&restored)?;
        for slot in self.backend.used_slots() {
            if !self.backend.enter(slot) || self.panes.value(&self.backend.state)?.is_none() {
                continue;
            }
            for pane in self.panes.value_or_insert_with(&mut self.backend.state, Panes::default)?.iter_mut() {
                let end = end_of_pane(&pane.window, self.is_event_time, self.windowing.allowed_lateness);
                self.clocks.wake_next(pane, self.is_event_time, end, slot);
            }
        }
        self.backend.release();
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.contents.close().map_err(function_failed)
    }
}

fn in_window<K: Key, W: Window>(error: BoxError, key: &K, window: &W, subtask: usize) -> Error {
    function_failed(error)
        .with("subtask", subtask)
        .with("key", format!("{key:?}"))
        .with("window", format!("{window:?}"))
}
