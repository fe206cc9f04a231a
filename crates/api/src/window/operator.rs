//! The operator of windows: panes of keys, their triggers, and when they end. Its rules are those of Flink's `WindowOperator` and
//! `MergingWindowSet`.

use std::hint::black_box;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_connect::Counter;
use riverrun_data::{Records, RecordsIntoIter};
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::pane::{Clocks, Pane, PaneTimers, Panes, Time, end_of_pane};
use super::{AssignerContext, Contents, Trigger, TriggerContext, TriggerResult, Window, WindowAssigner, WindowContext};
use crate::functions::{BoxError, Collector, KeySelector, RuntimeContext, at_record, function_failed};
use crate::state::{Backend, Found, OperatorLists, ValueState, ValueStateDescriptor};
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
    assigner: A,
    is_event_time: bool,
    allowed_lateness: i64,
    late: Option<OutputTag<T>>,
    rules: Rules<Tr, C>,
    backend: Backend<K>,
    lists: OperatorLists,
    panes: ValueState<KeyPanes<K, T, A, Tr, C>>,
    /// The windows of the present record.
    windows: Vec<A::Window>,
    /// Where the keys of the next records are.
    found: Vec<Found>,
    subtask: usize,
    seen: u64,
    clock: Clock,
    sides: SideOutputs,
    dropped: Counter,
}

/// What becomes of a pane.
struct Rules<Tr, C> {
    trigger: Tr,
    contents: C,
    clocks: Clocks,
    watermark: i64,
    now: i64,
}

impl<Tr, C> Rules<Tr, C> {
    /// What the trigger is told of a pane, with the trigger.
    #[inline]
    fn trigger<'a>(&'a mut self, end: i64, timers: &'a mut PaneTimers, slot: u32) -> (&'a mut Tr, TriggerContext<'a>) {
        let Self { trigger, clocks, watermark, now, .. } = self;
        (trigger, TriggerContext { watermark: *watermark, now: *now, end, timers, clocks, slot })
    }

    /// Puts a record into a pane of the slot's key, and asks the trigger.
    #[inline]
    fn add<K, T, W: Window>(
        &mut self,
        pane: &mut Pane<W, C::Kept, Tr::State>,
        slot: u32,
        value: &mut Option<T>,
        is_last: bool,
        timestamp: Option<i64>,
    ) -> TriggerResult
    where
        Tr: Trigger<T, W>,
        C: Contents<K, T, W>,
    {
        let (trigger, mut context) = self.trigger(pane.window.max_timestamp(), &mut pane.timers, slot);
        let result = value
            .as_ref()
            .map(|value| trigger.on_element(value, timestamp, &pane.window, &mut pane.trigger, &mut context));
        self.contents.add(value, is_last, timestamp, &mut pane.contents);
        result.unwrap_or(TriggerResult::Continue)
    }
}

/// What is to be done for a record that was not just put into a pane.
enum Next<T> {
    /// Nothing: no record is left of those that were looked up.
    Nothing,
    /// The record's windows are known, and it is in none of their panes.
    Element(Found, T, Option<i64>),
    /// The record is in a pane of the slot's key, for which the trigger says something.
    Said(u32, usize, TriggerResult, Option<i64>),
}

impl<K, T, S, A, Tr, C> WindowOperator<K, T, S, A, Tr, C>
where
    K: Key,
    T: Record,
    S: KeySelector<T, K>,
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
        let Windowing { assigner, trigger, allowed_lateness, late } = windowing;
        Ok(Self {
            selector,
            is_event_time: assigner.is_event_time(),
            assigner,
            allowed_lateness,
            late,
            rules: Rules {
                trigger,
                contents,
                clocks: Clocks::default(),
                watermark: NO_WATERMARK,
                now: context.clock.now(),
            },
            backend,
            lists: OperatorLists::new(context),
            panes,
            windows: Vec::new(),
            found: Vec::new(),
            subtask: context.subtask,
            seen: 0,
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
            dropped: context.counters.counter("numLateRecordsDropped"),
        })
    }

    #[inline]
    fn end_of_pane(&self, window: &A::Window) -> i64 {
        end_of_pane(window, self.is_event_time, self.allowed_lateness)
    }

    #[inline]
    fn is_late(&self, window: &A::Window) -> bool {
        self.is_event_time && self.end_of_pane(window) <= self.rules.watermark
    }

    /// Where the keys of the next records are.
    fn look_up(&self, values: &[T], found: &mut Vec<Found>) -> Result<()> {
        found.extend(values.iter().take(AHEAD).map(|value| self.backend.find(&self.selector.select(value))));
        let forgotten = self.backend.forgotten();
        let slots = found.iter().filter_map(|found| found.slot(forgotten));
        black_box(self.panes.count_set(&self.backend.state, slots)?);
        Ok(())
    }

    /// Puts records into the panes of their windows, as long as each has one window whose pane is there, which is what most have.
    fn add_known(
        &mut self,
        found: &mut impl Iterator<Item = Found>,
        records: &mut RecordsIntoIter<T>,
    ) -> Result<Next<T>> {
        let forgotten = self.backend.forgotten();
        let mut panes = if A::MERGES { None } else { self.panes.values(&mut self.backend.state)? };
        let windows = &mut self.windows;
        for (found, (value, timestamp)) in found.zip(records) {
            self.seen += 1;
            windows.clear();
            (self.assigner.assign_windows(&value, &AssignerContext::new(timestamp, self.rules.now), windows))
                .map_err(|error| at_record(error.into(), self.subtask, self.seen, timestamp))?;
            let ([window], Some(slot), Some(panes)) = (&windows[..], found.slot(forgotten), &mut panes) else {
                return Ok(Next::Element(found, value, timestamp));
            };
            let is_late = self.is_event_time
                && end_of_pane(window, self.is_event_time, self.allowed_lateness) <= self.rules.watermark;
            let pane = panes.get_mut(slot).filter(|_| !is_late);
            let Some((place, pane)) = pane.and_then(|panes| panes.find(|pane| pane.window == *window)) else {
                return Ok(Next::Element(found, value, timestamp));
            };
            let result = self.rules.add(pane, slot, &mut Some(value), true, timestamp);
            if result != TriggerResult::Continue {
                return Ok(Next::Said(slot, place, result, timestamp));
            }
        }
        Ok(Next::Nothing)
    }

    /// Puts a record whose windows are known into their panes.
    fn element(
        &mut self,
        found: Found,
        value: T,
        timestamp: Option<i64>,
        out: &mut Collector<'_, C::Out>,
    ) -> Result<()> {
        let mut windows = std::mem::take(&mut self.windows);
        let mut value = Some(value);
        let is_taken = if A::MERGES {
            self.add_merging(found, &mut value, timestamp, &mut windows, out)?
        } else {
            windows.retain(|window| !self.is_late(window));
            self.add_all(found, &mut value, timestamp, &windows, out)?;
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
        let passed = |timestamp: i64| timestamp.saturating_add(self.allowed_lateness) <= self.rules.watermark;
        if !self.is_event_time || !timestamp.is_some_and(passed) {
            return;
        }
        match &self.late {
            Some(tag) => self.sides.push(tag, value, timestamp),
            None => self.dropped.add(1),
        }
    }

    /// Adds a record to windows that are not late and do not merge.
    fn add_all(
        &mut self,
        found: Found,
        value: &mut Option<T>,
        timestamp: Option<i64>,
        windows: &[A::Window],
        out: &mut Collector<'_, C::Out>,
    ) -> Result<()> {
        let Some(last) = windows.len().checked_sub(1) else { return Ok(()) };
        self.select(found, value)?;
        for (index, window) in windows.iter().enumerate() {
            let pane = |panes: &mut KeyPanes<K, T, A, Tr, C>| match panes.find(|pane| pane.window == *window) {
                Some((place, _)) => (place, false),
                None => (panes.push(Pane::new(window.clone())), true),
            };
            self.add(value, index == last, timestamp, pane, out)?;
        }
        Ok(())
    }

    /// Makes the key of a record the present one.
    fn select(&mut self, found: Found, value: &Option<T>) -> Result<()> {
        let value = value.as_ref().ok_or_else(|| Error::internal("a record that is gone"))?;
        self.backend.select_found(found, || self.selector.select(value))
    }

    /// Adds a record to a pane of the present key, of which `pane` says where it is, and whether it is new.
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
        let pane = panes.get_mut(place).ok_or_else(|| Error::internal("a record without a pane"))?;
        let result = self.rules.add(pane, slot, value, is_last, timestamp);
        if is_new {
            let end = end_of_pane(&pane.window, self.is_event_time, self.allowed_lateness);
            self.rules.clocks.wake_next(pane, self.is_event_time, end, slot);
        }
        if result == TriggerResult::Continue { Ok(()) } else { self.said(place, result, out) }
    }

    /// Does what the trigger says about a pane of the present key.
    fn said(&mut self, place: usize, result: TriggerResult, out: &mut Collector<'_, C::Out>) -> Result<()> {
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
        found: Found,
        value: &mut Option<T>,
        timestamp: Option<i64>,
        windows: &mut Vec<A::Window>,
        out: &mut Collector<'_, C::Out>,
    ) -> Result<bool> {
        self.select(found, value)?;
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
        let assigner = &self.assigner;
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
            into.trigger = self.rules.trigger.merge_states(first, part.trigger);
            into.contents = match (into.contents.take(), part.contents) {
                (Some(first), Some(second)) => Some(self.rules.contents.merge(first, second)),
                (first, second) => first.or(second),
            };
        }
        let mut pane = pane.unwrap_or_else(|| Pane::new(result.clone()));
        pane.window = result;
        pane.timers.forget();
        let end = pane.window.max_timestamp();
        let (trigger, mut context) = self.rules.trigger(end, &mut pane.timers, self.backend.slot());
        trigger.on_merge(&pane.window, &mut pane.trigger, &mut context);
        Some((panes.push(pane), true))
    }

    fn put_back(&mut self, panes: KeyPanes<K, T, A, Tr, C>) -> Result<()> {
        if panes.is_empty() { Ok(()) } else { self.panes.update(&mut self.backend.state, panes) }
    }

    /// Wakes the panes whose time has come, one time after another.
    fn wake_until(&mut self, kind: Time, end: i64, out: &mut Collector<'_, C::Out>) -> Result<()> {
        while let Some((time, slots)) = self.rules.clocks.take_until(kind, end) {
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
            let (trigger, mut context) = self.rules.trigger(end, &mut pane.timers, slot);
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
        self.rules.clocks.wake_next(pane, self.is_event_time, end_of_pane, slot);
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
            let (watermark, now, sides) = (self.rules.watermark, self.rules.now, &mut self.sides);
            let mut context = WindowContext { window: &pane.window, watermark, now, state, sides };
            out.set_timestamp(Some(pane.window.max_timestamp()));
            (self.rules.contents)
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
        let (watermark, now, sides) = (self.rules.watermark, self.rules.now, &mut self.sides);
        let mut context = WindowContext { window: &pane.window, watermark, now, state, sides };
        self.rules.contents.clear(&mut context).map_err(|error| in_window(error, key, &pane.window, self.subtask))
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
    S: KeySelector<T, K>,
    A: WindowAssigner<T>,
    Tr: Trigger<T, A::Window>,
    C: Contents<K, T, A::Window>,
{
    fn process(&mut self, batch: Records<T>, mut out: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.rules.now = self.clock.now();
        let mut collector = Collector::new(&mut out, 0);
        let mut records = batch.into_iter();
        let mut found = std::mem::take(&mut self.found);
        while !records.values().is_empty() {
            self.look_up(records.values(), &mut found)?;
            let mut looked_up = found.drain(..);
            loop {
                let (done, timestamp) = match self.add_known(&mut looked_up, &mut records)? {
                    Next::Nothing => break,
                    Next::Element(found, value, timestamp) => {
                        (self.element(found, value, timestamp, &mut collector), timestamp)
                    }
                    Next::Said(slot, place, result, timestamp) => {
                        self.backend.enter(slot);
                        (self.said(place, result, &mut collector), timestamp)
                    }
                };
                done.map_err(|error| at_record(error.into(), self.subtask, self.seen, timestamp))?;
            }
        }
        self.found = found;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn watermark(&mut self, watermark: i64, mut out: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.rules.watermark = watermark;
        self.rules.now = self.clock.now();
        let mut collector = Collector::new(&mut out, 0);
        self.wake_until(Time::Event, watermark, &mut collector)?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn deadline(&self) -> Option<i64> {
        self.rules.clocks.first(Time::Processing)
    }

    fn on_processing_time(&mut self, now: i64, mut out: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.rules.now = now;
        let mut collector = Collector::new(&mut out, 0);
        self.wake_until(Time::Processing, now, &mut collector)?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let mut snapshot = self.backend.snapshot(request);
        snapshot.watermark = Some(self.rules.watermark).filter(|watermark| *watermark != NO_WATERMARK);
        snapshot.own = OperatorLists::snapshot(request, self.rules.contents.checkpointed())?;
        Ok(Some(snapshot))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        self.rules.watermark = restored.watermark.unwrap_or(NO_WATERMARK);
        self.backend.restore(&restored)?;
        for slot in self.backend.used_slots() {
            if !self.backend.enter(slot) || self.panes.value(&self.backend.state)?.is_none() {
                continue;
            }
            for pane in self.panes.value_or_insert_with(&mut self.backend.state, Panes::default)?.iter_mut() {
                let end = end_of_pane(&pane.window, self.is_event_time, self.allowed_lateness);
                self.rules.clocks.wake_next(pane, self.is_event_time, end, slot);
            }
        }
        self.backend.release();
        self.lists.restore(restored, self.rules.contents.checkpointed())
    }

    fn begin(&mut self) -> Result<()> {
        self.lists.begin(self.rules.contents.checkpointed())
    }

    fn finish(&mut self, _: &mut dyn Output<Sided<C::Out>>) -> Result<()> {
        self.rules.contents.close().map_err(function_failed)
    }
}

fn in_window<K: Key, W: Window>(error: BoxError, key: &K, window: &W, subtask: usize) -> Error {
    function_failed(error)
        .with("subtask", subtask)
        .with("key", format!("{key:?}"))
        .with("window", format!("{window:?}"))
}
