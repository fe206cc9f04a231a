//! Which rows are read, and in which portions.

/// How many rows a batch has at most, unless said otherwise.
const BATCH_ROWS: usize = 1000;

/// Rows in the order of their keys (as unsigned bytes), from a first one to before a last one. Each method narrows what is read.
///
/// ```
/// use riverrun_hbase_client::Scan;
///
/// let after_a_crash = Scan::prefix("2026-11-").start_after("2026-11-21 17:04").limit(50_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    pub(crate) start: Vec<u8>,
    /// Empty for the table's end.
    pub(crate) stop: Vec<u8>,
    pub(crate) limit: u64,
    pub(crate) batch_rows: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self::all()
    }
}

impl Scan {
    /// All rows.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Vec::new(), stop: Vec::new(), limit: u64::MAX, batch_rows: BATCH_ROWS }
    }

    /// The rows whose keys begin with these bytes.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut stop = start.clone();
        // the next key that does not begin so; none after a row of 0xff
        while stop.pop_if(|last| *last == u8::MAX).is_some() {}
        if let Some(last) = stop.last_mut() {
            *last += 1;
        }
        Self { start, stop, ..Self::all() }
    }

    /// Not before this row.
    #[must_use]
    pub fn start_at(mut self, row: impl Into<Vec<u8>>) -> Self {
        self.start = self.start.max(row.into());
        self
    }

    /// Only behind this row.
    #[must_use]
    pub fn start_after(self, row: impl Into<Vec<u8>>) -> Self {
        let mut next = row.into();
        next.push(0);
        self.start_at(next)
    }

    /// Only before this row. None for an empty key: nothing is before that.
    #[must_use]
    pub fn stop_before(mut self, row: impl Into<Vec<u8>>) -> Self {
        let row = row.into();
        if row.is_empty() {
            self.limit = 0;
        } else if self.stop.is_empty() || row < self.stop {
            self.stop = row;
        }
        self
    }

    /// At most so many rows in all.
    #[must_use]
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = self.limit.min(rows);
        self
    }

    /// At most so many rows in a batch; fewer where they are large. Default 1000.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows.max(1);
        self
    }

    /// Whether no row is left between the bounds.
    pub(crate) fn is_over(&self) -> bool {
        self.limit == 0 || (!self.stop.is_empty() && self.start >= self.stop)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(scan: &Scan, key: &[u8]) -> bool {
        key >= &scan.start[..] && (scan.stop.is_empty() || key < &scan.stop[..])
    }

    #[test]
    fn a_prefix_of_highest_bytes_reaches_to_the_end() {
        assert_eq!(Scan::prefix([0xff, 0xff]).stop, b"");
        assert_eq!(Scan::prefix([1, 0xff]).stop, [2]);
        assert_eq!(Scan::prefix("").stop, b"");
    }

    #[test]
    fn bounds_narrow_and_never_widen() {
        let scan = Scan::prefix("b").start_at("a").stop_before("z").limit(5).limit(9);
        assert_eq!((&scan.start[..], &scan.stop[..], scan.limit), (&b"b"[..], &b"c"[..], 5));
        assert!(Scan::prefix("b").start_after("c").is_over());
        assert!(Scan::all().stop_before("").is_over());
        assert!(!Scan::all().is_over());
    }

    proptest! {
        #[test]
        fn a_prefix_holds_just_what_begins_with_it(
            prefix in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..4),
            key in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 1..6),
        ) {
            prop_assert_eq!(holds(&Scan::prefix(prefix.clone()), &key), key.starts_with(&prefix));
        }

        #[test]
        fn after_a_key_is_everything_higher(a in proptest::collection::vec(any::<u8>(), 0..4), b in proptest::collection::vec(any::<u8>(), 0..4)) {
            prop_assert_eq!(holds(&Scan::all().start_after(a.clone()), &b), b > a);
        }
    }
}
