//! A batch of typed values, for programs in Rust.

/// What stands for the event time of a value that has none, among others that have one: the earliest time there is, as in Flink.
pub const NO_TIMESTAMP: i64 = i64::MIN;

/// Values of one type that travel together, each with its event time or without.
///
/// ```
/// use riverrun_data::Records;
///
/// let mut records = Records::from(vec!["a", "b"]);
/// assert_eq!((records.len(), records.timestamp(0)), (2, None));
/// records.set_timestamps(vec![1_000, 2_000]);
/// assert_eq!(records.timestamp(1), Some(2_000));
/// ```
#[derive(Clone, Debug)]
pub struct Records<T> {
    values: Vec<T>,
    /// Epoch milliseconds, [`NO_TIMESTAMP`] for a value that has none; as many as values, or empty if no value has one.
    timestamps: Vec<i64>,
}

/// Batches are equal if their values are, and the event time of each.
impl<T: PartialEq> PartialEq for Records<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values && (0..self.len()).all(|index| self.timestamp(index) == other.timestamp(index))
    }
}

impl<T: Eq> Eq for Records<T> {}

impl<T> Default for Records<T> {
    fn default() -> Self {
        Self { values: Vec::new(), timestamps: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Records<T> {
    /// Values without event time.
    fn from(values: Vec<T>) -> Self {
        Self { values, timestamps: Vec::new() }
    }
}

impl<T> Records<T> {
    /// An empty batch with room for so many values.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), timestamps: Vec::new() }
    }

    /// Values with the event time of each, as [`Self::set_timestamps`] gives them.
    pub fn with_timestamps(values: Vec<T>, timestamps: Vec<i64>) -> Self {
        let mut records = Self::from(values);
        records.set_timestamps(timestamps);
        records
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether values may have event time.
    pub fn has_timestamps(&self) -> bool {
        !self.timestamps.is_empty()
    }

    /// The values.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The event times in epoch milliseconds, [`NO_TIMESTAMP`] for a value that has none; empty if no value has one.
    pub fn timestamps(&self) -> &[i64] {
        &self.timestamps
    }

    /// The event time of the value at an index, in epoch milliseconds.
    #[inline]
    pub fn timestamp(&self, index: usize) -> Option<i64> {
        self.timestamps.get(index).copied().filter(|timestamp| *timestamp != NO_TIMESTAMP)
    }

    /// Gives the values event times in epoch milliseconds, in place of those they had; [`NO_TIMESTAMP`] for one that has none. What is missing at
    /// the end repeats the last; what is too much is left out.
    pub fn set_timestamps(&mut self, mut timestamps: Vec<i64>) {
        if let Some(last) = timestamps.last().copied() {
            timestamps.resize(self.values.len(), last);
        }
        self.timestamps = timestamps;
    }

    /// Adds a value, with its event time in epoch milliseconds if it has one.
    #[inline]
    pub fn push(&mut self, value: T, timestamp: Option<i64>) {
        match timestamp {
            Some(timestamp) if self.timestamps.len() == self.values.len() => self.timestamps.push(timestamp),
            None if self.timestamps.is_empty() => {}
            _ => self.push_mixed(timestamp),
        }
        self.values.push(value);
    }

    /// Adds the event time of a value that has one where those before have none, or none where others have one.
    #[cold]
    fn push_mixed(&mut self, timestamp: Option<i64>) {
        self.timestamps.resize(self.values.len(), NO_TIMESTAMP);
        self.timestamps.push(timestamp.unwrap_or(NO_TIMESTAMP));
    }

    /// Its values and their event times, as [`Self::timestamps`] tells them.
    pub fn into_parts(self) -> (Vec<T>, Vec<i64>) {
        (self.values, self.timestamps)
    }

    /// Other values in place of these, one for each, with the same event times.
    pub fn replace<O>(self, values: impl FnOnce(Vec<T>) -> Vec<O>) -> Records<O> {
        let Self { values: old, timestamps } = self;
        let mut records = Records::from(values(old));
        records.set_timestamps(timestamps);
        records
    }

    /// Leaves out the values for which `keep` says no; the rest stay in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        if self.timestamps.is_empty() {
            self.values.retain(keep);
            return;
        }
        let kept: Vec<bool> = self.values.iter().map(&mut keep).collect();
        if kept.iter().all(|kept| *kept) {
            return;
        }
        let mut mask = kept.iter();
        self.values.retain(|_| mask.next().copied().unwrap_or(true));
        let mut mask = kept.iter();
        self.timestamps.retain(|_| mask.next().copied().unwrap_or(true));
    }

    /// Leaves out all values behind the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.timestamps.truncate(len);
    }

    /// Takes all values out, which leaves the room they took.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl<T> IntoIterator for Records<T> {
    type Item = (T, Option<i64>);
    type IntoIter = IntoIter<T>;

    /// The values in order, each with its event time.
    fn into_iter(self) -> IntoIter<T> {
        IntoIter { values: self.values.into_iter(), timestamps: self.timestamps.into_iter() }
    }
}

/// The values of [`Records`], each with its event time.
#[derive(Debug)]
pub struct IntoIter<T> {
    values: std::vec::IntoIter<T>,
    timestamps: std::vec::IntoIter<i64>,
}

impl<T> IntoIter<T> {
    /// The values that are still to come.
    pub fn values(&self) -> &[T] {
        self.values.as_slice()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = (T, Option<i64>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let value = self.values.next()?;
        Some((value, self.timestamps.next().filter(|timestamp| *timestamp != NO_TIMESTAMP)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.values.size_hint()
    }
}

impl<T> ExactSizeIterator for IntoIter<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_keeps_its_event_time() {
        let mut records = Records::with_timestamps(vec![1, 2, 3, 4], vec![10, 20, 30, 40]);
        records.retain(|value| value % 2 == 0);
        assert_eq!(records.into_iter().collect::<Vec<_>>(), [(2, Some(20)), (4, Some(40))]);
    }

    #[test]
    fn a_value_without_event_time_takes_it_from_no_other() {
        for times in [[Some(1), None, Some(3)], [None, Some(2), None], [None, None, Some(3)], [Some(1), Some(2), None]]
        {
            let mut records = Records::default();
            times.into_iter().enumerate().for_each(|(value, time)| records.push(value, time));
            assert!(records.has_timestamps());
            assert_eq!((0..3).map(|index| records.timestamp(index)).collect::<Vec<_>>(), times);
            assert_eq!(records.clone().into_iter().map(|(_, time)| time).collect::<Vec<_>>(), times);
            let mut kept = records.clone();
            kept.retain(|value| *value != 1);
            assert_eq!(kept.into_iter().collect::<Vec<_>>(), [(0, times[0]), (2, times[2])]);
            let (values, timestamps) = records.clone().into_parts();
            assert_eq!(Records::with_timestamps(values, timestamps), records);
            records.truncate(1);
            assert_eq!(records.timestamp(0), times[0]);
        }
        let mut without = Records::default();
        without.push('a', None);
        assert!(!without.has_timestamps());
    }

    #[test]
    fn what_is_missing_of_event_times_repeats_the_last() {
        let padded = Records::with_timestamps(vec![1, 2, 3], vec![7]);
        assert_eq!(padded.timestamps(), [7, 7, 7]);
        assert_eq!(Records::with_timestamps(vec![1], vec![NO_TIMESTAMP]), Records::from(vec![1]));
    }
}
