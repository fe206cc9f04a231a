//! What is left out of a window before its function sees it, or after.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Window;

/// A record in a window that has an evictor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimestampedValue<T> {
    /// The record.
    pub value: T,
    /// Its event time, in epoch milliseconds, if it has one.
    pub timestamp: Option<i64>,
}

/// Takes records out of a window when it fires: before its function sees them, or after. What is taken out is gone for later firings too.
///
/// All records of such a window are kept, whatever its function is.
pub trait Evictor<T, W: Window>: Clone + Send + Sync + 'static {
    /// Takes records out that the function is not to see. They are in the order in which they came.
    fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<T>>, window: &W) {
        let (_, _) = (elements, window);
    }

    /// Takes records out that the function has seen.
    fn evict_after(&mut self, elements: &mut Vec<TimestampedValue<T>>, window: &W) {
        let (_, _) = (elements, window);
    }
}

/// Keeps the last records, so many.
#[derive(Clone, Copy, Debug)]
pub struct CountEvictor {
    most: usize,
    after: bool,
}

impl CountEvictor {
    /// Keeps the last `count`.
    pub fn of(count: usize) -> Self {
        Self { most: count, after: false }
    }

    /// The function sees the others once: they are taken out after it, not before.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    fn evict<T>(self, elements: &mut Vec<TimestampedValue<T>>) {
        elements.drain(..elements.len().saturating_sub(self.most));
    }
}

impl<T, W: Window> Evictor<T, W> for CountEvictor {
    fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<T>>, _: &W) {
        if !self.after {
            self.evict(elements);
        }
    }

    fn evict_after(&mut self, elements: &mut Vec<TimestampedValue<T>>, _: &W) {
        if self.after {
            self.evict(elements);
        }
    }
}

/// Keeps the records of the last time, up to the latest event time in the window. Records without event time are all kept.
#[derive(Clone, Copy, Debug)]
pub struct TimeEvictor {
    size: i64,
    after: bool,
}

impl TimeEvictor {
    /// Keeps those later than the latest less this time, in whole milliseconds.
    pub fn of(size: Duration) -> Self {
        Self { size: i64::try_from(size.as_millis()).unwrap_or(i64::MAX), after: false }
    }

    /// The function sees the others once: they are taken out after it, not before.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    fn evict<T>(self, elements: &mut Vec<TimestampedValue<T>>) {
        let latest = elements.iter().filter_map(|element| element.timestamp).max();
        let Some(cut) = latest.map(|latest| latest.saturating_sub(self.size)) else { return };
        if elements.first().is_some_and(|first| first.timestamp.is_some()) {
            elements.retain(|element| element.timestamp.is_some_and(|timestamp| timestamp > cut));
        }
    }
}

impl<T, W: Window> Evictor<T, W> for TimeEvictor {
    fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<T>>, _: &W) {
        if !self.after {
            self.evict(elements);
        }
    }

    fn evict_after(&mut self, elements: &mut Vec<TimestampedValue<T>>, _: &W) {
        if self.after {
            self.evict(elements);
        }
    }
}

/// Keeps the records that are near the last one, as a function measures.
#[derive(Clone, Copy, Debug)]
pub struct DeltaEvictor<F> {
    threshold: f64,
    delta: F,
    after: bool,
}

impl<F> DeltaEvictor<F> {
    /// Takes those out whose `delta` to the last is the threshold or more.
    pub fn of<T>(threshold: f64, delta: F) -> Self
    where
        F: Fn(&T, &T) -> f64 + Clone + Send + Sync + 'static,
    {
        Self { threshold, delta, after: false }
    }

    /// The function sees the others once: they are taken out after it, not before.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }

    fn evict<T>(&self, elements: &mut Vec<TimestampedValue<T>>)
    where
        F: Fn(&T, &T) -> f64,
    {
        let Some(last) = elements.pop() else { return };
        elements.retain(|element| (self.delta)(&element.value, &last.value) < self.threshold);
        if (self.delta)(&last.value, &last.value) < self.threshold {
            elements.push(last);
        }
    }
}

impl<T, W: Window, F: Fn(&T, &T) -> f64 + Clone + Send + Sync + 'static> Evictor<T, W> for DeltaEvictor<F> {
    fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<T>>, _: &W) {
        if !self.after {
            self.evict(elements);
        }
    }

    fn evict_after(&mut self, elements: &mut Vec<TimestampedValue<T>>, _: &W) {
        if self.after {
            self.evict(elements);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::GlobalWindow;

    fn elements(of: &[(i64, Option<i64>)]) -> Vec<TimestampedValue<i64>> {
        of.iter().map(|(value, timestamp)| TimestampedValue { value: *value, timestamp: *timestamp }).collect()
    }

    fn left(evictor: impl Evictor<i64, GlobalWindow>, of: &[(i64, Option<i64>)]) -> [Vec<i64>; 2] {
        let mut evictor = evictor;
        let values = |elements: &[TimestampedValue<i64>]| elements.iter().map(|element| element.value).collect();
        let mut kept = elements(of);
        evictor.evict_before(&mut kept, &GlobalWindow);
        let before = values(&kept);
        evictor.evict_after(&mut kept, &GlobalWindow);
        [before, values(&kept)]
    }

    #[test]
    fn the_last_records_stay() {
        let four = [1, 2, 3, 4].map(|n| (n, None));
        assert_eq!(left(CountEvictor::of(3), &four), [vec![2, 3, 4], vec![2, 3, 4]]);
        assert_eq!(left(CountEvictor::of(3).after(), &four), [vec![1, 2, 3, 4], vec![2, 3, 4]]);
        assert_eq!(left(CountEvictor::of(9), &four)[1].len(), 4);
    }

    #[test]
    fn records_of_the_last_time_stay_and_the_oldest_of_it_does_not() {
        let timed = [(1, Some(0)), (2, Some(6)), (3, Some(10)), (4, Some(5))];
        assert_eq!(left(TimeEvictor::of(Duration::from_millis(5)), &timed)[0], [2, 3]);
        assert_eq!(left(TimeEvictor::of(Duration::from_millis(6)), &timed)[0], [2, 3, 4]);
        let untimed = [(1, None), (2, None)];
        assert_eq!(left(TimeEvictor::of(Duration::from_millis(5)), &untimed)[1], [1, 2]);
    }

    #[test]
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn records_near_the_last_stay() {
        let delta = |a: &i64, b: &i64| (a - b).abs() as f64;
        let four = [(1, None), (9, None), (8, None), (10, None)];
        assert_eq!(left(DeltaEvictor::of(2.0, delta), &four)[0], [9, 10]);
        assert_eq!(left(DeltaEvictor::of(2.5, delta).after(), &four), [vec![1, 9, 8, 10], vec![9, 8, 10]]);
    }
}
