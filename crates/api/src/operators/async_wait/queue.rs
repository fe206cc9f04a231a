//! What waits for its results: records on their way, and between them what is said about event time.

use std::collections::VecDeque;

use riverrun_data::Records;
use riverrun_runtime::EventTime;

/// Records in the order in which they came, until their results go on: in that order, or as they come, though no result changes places with
/// what was said about event time.
pub(super) struct ResultQueue<T, O> {
    is_ordered: bool,
    slots: VecDeque<Slot<T, O>>,
    /// The number of the first slot; each that is added has the next.
    first: u64,
    /// The numbers of the slots that say something about event time.
    said: VecDeque<u64>,
    /// How many records there are.
    records: usize,
}

enum Slot<T, O> {
    /// A record, and its results once they are there.
    Record {
        value: T,
        timestamp: Option<i64>,
        results: Option<Vec<O>>,
    },
    Said(EventTime),
    /// A record whose results have gone on.
    Gone,
}

/// What goes on.
pub(super) struct Ready<O> {
    pub(super) results: Records<O>,
    /// What may be said about event time behind the results.
    pub(super) said: VecDeque<EventTime>,
}

impl<O> Default for Ready<O> {
    fn default() -> Self {
        Self { results: Records::default(), said: VecDeque::new() }
    }
}

impl<T: Clone, O> ResultQueue<T, O> {
    pub(super) fn new(is_ordered: bool) -> Self {
        Self { is_ordered, slots: VecDeque::new(), first: 0, said: VecDeque::new(), records: 0 }
    }

    /// How many records have not gone on.
    pub(super) fn len(&self) -> usize {
        self.records
    }

    /// Adds a record; answers its number.
    pub(super) fn push(&mut self, value: T, timestamp: Option<i64>) -> u64 {
        self.records += 1;
        self.add(Slot::Record { value, timestamp, results: None })
    }

    /// Adds what is said about event time. Of watermarks with nothing between them only the last stays.
    pub(super) fn say(&mut self, event_time: EventTime) {
        if let (EventTime::Watermark(_), Some(Slot::Said(last @ EventTime::Watermark(_)))) =
            (event_time, self.slots.back_mut())
        {
            *last = event_time;
            return;
        }
        let number = self.add(Slot::Said(event_time));
        self.said.push_back(number);
    }

    fn add(&mut self, slot: Slot<T, O>) -> u64 {
        self.slots.push_back(slot);
        self.first + self.slots.len() as u64 - 1
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot<T, O>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    /// The record of a number that has no results yet, and its event time.
    pub(super) fn record(&mut self, number: u64) -> Option<(&T, Option<i64>)> {
        match self.slot(number) {
            Some(Slot::Record { value, timestamp, results: None }) => Some((value, *timestamp)),
            _ => None,
        }
    }

    /// Gives a record its results. In no order they go on at once, if nothing is to be said before.
    pub(super) fn complete(&mut self, number: u64, with: Vec<O>, ready: &mut Ready<O>) {
        let at_once = !self.is_ordered && self.said.front().is_none_or(|said| number < *said);
        let Some(slot) = self.slot(number) else { return };
        if let Slot::Record { results, .. } = slot {
            *results = Some(with);
            if at_once && slot.pass_on(ready) {
                self.records -= 1;
            }
        }
    }

    /// Passes on what can go on from the front.
    pub(super) fn drain(&mut self, ready: &mut Ready<O>) {
        while let Some(slot) = self.slots.front_mut() {
            match slot {
                Slot::Gone => {}
                Slot::Record { .. } => {
                    if !slot.pass_on(ready) {
                        return;
                    }
                    self.records -= 1;
                }
                Slot::Said(event_time) => {
                    ready.said.push_back(*event_time);
                    self.said.pop_front();
                    self.slots.pop_front();
                    self.first += 1;
                    self.pass_on_segment(ready);
                    continue;
                }
            }
            self.slots.pop_front();
            self.first += 1;
        }
    }

    /// In no order: passes on the results that are there before what is said next.
    fn pass_on_segment(&mut self, ready: &mut Ready<O>) {
        if self.is_ordered {
            return;
        }
        let end = self.said.front().map_or(self.slots.len() as u64, |said| said - self.first);
        for slot in self.slots.iter_mut().take(usize::try_from(end).unwrap_or(usize::MAX)) {
            if slot.pass_on(ready) {
                self.records -= 1;
            }
        }
    }

    /// The records that have not gone on, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = (T, Option<i64>)> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Record { value, timestamp, .. } => Some((value.clone(), *timestamp)),
            Slot::Said(_) | Slot::Gone => None,
        })
    }
}

impl<T, O> Slot<T, O> {
    /// Passes on a record's results, if they are there.
    fn pass_on(&mut self, ready: &mut Ready<O>) -> bool {
        let Self::Record { timestamp, results, .. } = self else { return false };
        let Some(results) = results.take() else { return false };
        results.into_iter().for_each(|result| ready.results.push(result, *timestamp));
        *self = Self::Gone;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// Numbers and watermarks as they are put in, and the order in which the numbers are completed.
    fn script() -> impl Strategy<Value = (Vec<Option<u32>>, Vec<usize>)> {
        let input = prop::collection::vec(prop::option::weighted(0.8, 0u32..1000), 0..60);
        input.prop_flat_map(|input| {
            let records: Vec<usize> =
                input.iter().enumerate().filter(|(_, n)| n.is_some()).map(|(index, _)| index).collect();
            (Just(input), Just(records).prop_shuffle())
        })
    }

    /// Everything that goes on, in its order: results as numbers, watermarks as nothing but their places.
    fn run(is_ordered: bool, input: &[Option<u32>], order: &[usize], steps: usize) -> Vec<(usize, bool)> {
        let mut queue = ResultQueue::new(is_ordered);
        let mut numbers = vec![0; input.len()];
        let mut out = Vec::new();
        let pass_on = |ready: Ready<usize>, out: &mut Vec<(usize, bool)>| {
            out.extend(ready.results.into_iter().map(|(index, _)| (index, true)));
            out.extend(ready.said.into_iter().map(|said| match said {
                EventTime::Watermark(index) => (usize::try_from(index).unwrap(), false),
                EventTime::Idle | EventTime::Active => unreachable!(),
            }));
        };
        let mut waiting = order.iter().copied().collect::<VecDeque<_>>();
        let mut completed = vec![false; input.len()];
        for (index, record) in input.iter().enumerate() {
            match record {
                Some(_) => numbers[index] = queue.push(index, None),
                None => queue.say(EventTime::Watermark(index as i64)),
            }
            // Between the records, some of those before are completed.
            for _ in 0..steps {
                if waiting.front().is_some_and(|next| *next <= index) {
                    let next = waiting.pop_front().unwrap();
                    let mut ready = Ready::default();
                    assert!(queue.record(numbers[next]).is_some());
                    queue.complete(numbers[next], vec![next], &mut ready);
                    completed[next] = true;
                    queue.drain(&mut ready);
                    pass_on(ready, &mut out);
                }
            }
            let gone = out.iter().filter(|(_, is_record)| *is_record).count();
            let records = input[..=index].iter().filter(|record| record.is_some()).count();
            assert_eq!(queue.len(), records - gone);
            assert_eq!(queue.records().count(), queue.len());
        }
        for next in waiting {
            let mut ready = Ready::default();
            queue.complete(numbers[next], vec![next], &mut ready);
            queue.drain(&mut ready);
            pass_on(ready, &mut out);
        }
        let mut ready = Ready::default();
        queue.drain(&mut ready);
        pass_on(ready, &mut out);
        assert_eq!(queue.len(), 0);
        assert!(queue.slots.is_empty() && queue.said.is_empty());
        out
    }

    proptest! {
        #[test]
        fn ordered_results_come_in_the_order_of_their_records((input, order) in script(), steps in 0usize..4) {
            let out = run(true, &input, &order, steps);
            let results: Vec<usize> = out.iter().filter(|(_, is_record)| *is_record).map(|(index, _)| *index).collect();
            let expected: Vec<usize> = (0..input.len()).filter(|index| input[*index].is_some()).collect();
            prop_assert_eq!(results, expected);
            check_watermarks(&input, &out)?;
        }

        #[test]
        fn unordered_results_come_once_each_and_never_behind_a_watermark_they_were_before(
            (input, order) in script(), steps in 0usize..4,
        ) {
            let out = run(false, &input, &order, steps);
            let mut results: Vec<usize> =
                out.iter().filter(|(_, is_record)| *is_record).map(|(index, _)| *index).collect();
            results.sort_unstable();
            let expected: Vec<usize> = (0..input.len()).filter(|index| input[*index].is_some()).collect();
            prop_assert_eq!(results, expected);
            check_watermarks(&input, &out)?;
        }
    }

    /// Every record that came before a watermark goes on before it, and the last watermark that has none between goes on.
    fn check_watermarks(input: &[Option<u32>], out: &[(usize, bool)]) -> Result<(), TestCaseError> {
        for (place, (watermark, _)) in out.iter().enumerate().filter(|(_, (_, is_record))| !is_record) {
            for (later, _) in out[place..].iter().filter(|(_, is_record)| *is_record) {
                prop_assert!(later > watermark, "{later} comes behind the watermark {watermark}: {out:?}");
            }
        }
        let last = (0..input.len()).rev().find(|index| input[*index].is_none());
        let said = out.iter().rev().find(|(_, is_record)| !is_record).map(|(index, _)| *index);
        prop_assert_eq!(said, last);
        Ok(())
    }

    #[test]
    fn results_in_no_order_go_on_at_once_but_not_past_a_watermark() {
        let mut queue = ResultQueue::new(false);
        let [a, b] = ["a", "b"].map(|value| queue.push(value, Some(1)));
        queue.say(EventTime::Watermark(10));
        let c = queue.push("c", Some(11));
        let mut ready = Ready::default();
        queue.complete(c, vec!["C"], &mut ready);
        queue.complete(b, vec!["B", "B"], &mut ready);
        queue.drain(&mut ready);
        assert_eq!(std::mem::take(&mut ready.results), Records::with_timestamps(vec!["B", "B"], vec![1, 1]));
        assert!(ready.said.is_empty());
        assert_eq!(queue.records().map(|(value, _)| value).collect::<Vec<_>>(), ["a", "c"]);
        queue.complete(a, vec![], &mut ready);
        queue.drain(&mut ready);
        assert_eq!(ready.results, Records::with_timestamps(vec!["C"], vec![11]));
        assert_eq!(ready.said, [EventTime::Watermark(10)]);
        assert_eq!(queue.len(), 0);
    }
}
