//! Many rows in few calls: rows are sorted by region and server, sent side by side, and each has an outcome of its own.
//!
//! A round sends what is left. In its answers each row is done, refused, or left for the next round, after its region was looked up again where
//! that is what is wrong.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use riverrun_base::{Error, Result};

use super::{Client, mutation};
use crate::failure::{Failure, Passing, Stale};
use crate::mutation::Change;
use crate::options::Address;
use crate::region::Region;
use crate::rpc::exception;
use crate::rpc::frame::Call;
use crate::rpc::messages::{Action, MultiRequest, MultiResponse, RegionAction, RegionActionResult, RegionSpecifier};
use crate::table::TableName;

/// How much goes into one call; a row that is larger goes alone.
const CALL_ROWS: usize = 1000;
const CALL_BYTES: usize = 2 << 20;

/// Rows of one region, as places in the batch.
struct Part {
    region: Arc<Region>,
    rows: Vec<usize>,
}

/// What became of a row in a round.
type Fate = (usize, Result<(), Failure>);

impl Client {
    pub(super) async fn change_one(&self, table: &TableName, change: Change<'_>, what: &'static str) -> Result<()> {
        let mut outcomes = self.change_all(table, &[change], what).await;
        outcomes.pop().unwrap_or_else(|| Err(Error::internal("a row has no outcome")))
    }

    /// Carries out all changes; the outcome of each is in its place.
    pub(super) async fn change_all(
        &self,
        table: &TableName,
        changes: &[Change<'_>],
        what: &'static str,
    ) -> Vec<Result<()>> {
        let mut tries = self.tries(what);
        let mut outcomes: Vec<Option<Result<()>>> =
            changes.iter().map(|change| change.check().err().map(Err)).collect();
        let mut left: Vec<usize> = (0..changes.len()).filter(|row| outcomes[*row].is_none()).collect();
        while !left.is_empty() {
            // written into as answers come, so that what was acknowledged counts when the time is up
            let fates = Mutex::new(Vec::new());
            let round = async {
                self.round(table, changes, &left, &fates).await;
                Ok(())
            };
            // a round never fails by itself: an error is the end of the time, and counts for those without a fate
            let time_is_up = tries.attempt(round).await.err();
            let mut failure = None;
            for (row, fate) in fates.into_inner().unwrap_or_else(PoisonError::into_inner) {
                match fate {
                    Ok(()) => outcomes[row] = Some(Ok(())),
                    Err(Failure::Refused(refusal)) => outcomes[row] = Some(Err(refusal.error())),
                    Err(Failure::Passing(passing)) => failure = Some(passing),
                }
            }
            left.retain(|row| outcomes[*row].is_none());
            if left.is_empty() {
                break;
            }
            let untold = || Passing { reason: "no answer for a row".to_owned(), stale: Stale::Nothing, is_open: true };
            let ended = match time_is_up {
                Some(error) => Some(error),
                None => tries.pause(failure.unwrap_or_else(untold)).await.err(),
            };
            if let Some(error) = ended {
                fail(&mut outcomes, &left, &error);
                break;
            }
        }
        let missing = || Err(Error::internal("a row has no outcome"));
        let with_table =
            |outcome: Option<Result<()>>| outcome.unwrap_or_else(missing).map_err(|error| error.with("table", table));
        outcomes.into_iter().map(with_table).collect()
    }

    /// Sends these rows once: servers side by side, and to each as many calls as it may have under way.
    async fn round(&self, table: &TableName, changes: &[Change<'_>], rows: &[usize], fates: &Mutex<Vec<Fate>>) {
        let add = |more: Vec<Fate>| fates.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
        let (parts, lost) = self.located(table, changes, rows).await;
        add(lost);
        let mut by_server: HashMap<Address, Vec<Part>> = HashMap::new();
        for part in parts {
            by_server.entry(part.region.server.clone()).or_default().push(part);
        }
        let servers = by_server.into_iter().map(|(server, parts)| async move {
            let send = |parts| self.send(table, changes, &server, parts);
            let calls = stream::iter(cut(parts, changes)).map(send);
            calls.buffer_unordered(self.0.options.calls_in_flight).for_each(async |more| add(more)).await;
        });
        join_all(servers).await;
    }

    /// Rows by their regions; and what became of those whose region could not be found.
    async fn located(&self, table: &TableName, changes: &[Change<'_>], rows: &[usize]) -> (Vec<Part>, Vec<Fate>) {
        let mut sorted = rows.to_vec();
        sorted.sort_by_key(|row| changes[*row].row());
        let mut parts: Vec<Part> = Vec::new();
        let mut fates = Vec::new();
        let mut sorted = sorted.into_iter();
        while let Some(row) = sorted.next() {
            let key = changes[row].row();
            if let Some(part) = parts.last_mut()
                && part.region.holds(key)
            {
                part.rows.push(row);
                continue;
            }
            match self.0.locate(table, key).await {
                Ok(region) => parts.push(Part { region, rows: vec![row] }),
                Err(failure) => {
                    // it would be the same for the others, and each look-up costs time: those behind wait for the next round
                    let is_final = matches!(failure, Failure::Refused(_));
                    fates.push((row, Err(failure.clone())));
                    if is_final {
                        fates.extend(sorted.by_ref().map(|row| (row, Err(failure.clone()))));
                    }
                    break;
                }
            }
        }
        (parts, fates)
    }

    /// One call.
    async fn send(&self, table: &TableName, changes: &[Change<'_>], server: &Address, parts: Vec<Part>) -> Vec<Fate> {
        let mut cells = Vec::new();
        let mut regions = Vec::with_capacity(parts.len());
        for part in &parts {
            let action = |row: &usize| Action {
                index: u32::try_from(*row).ok(),
                mutation: Some(mutation(changes[*row], &mut cells)),
            };
            let action = part.rows.iter().map(action).collect();
            regions.push(RegionAction { region: RegionSpecifier::named(&part.region.name), action });
        }
        let call = Call { cells, ..Call::new("Multi", &MultiRequest { region_action: regions }) };
        let answered = self.0.ask_server::<MultiResponse>(server, call).await;
        let all = |parts: &[Part], failure: &Failure| {
            parts.iter().flat_map(|part| &part.rows).map(|row| (*row, Err(failure.clone()))).collect()
        };
        let answer = match answered {
            Ok((answer, _)) => answer,
            Err(failure) => {
                if matches!(&failure, Failure::Passing(passing) if passing.stale == Stale::Region) {
                    parts.iter().for_each(|part| self.0.forget(table, &part.region));
                }
                return all(&parts, &failure);
            }
        };
        // answers have the order of the regions
        let results = answer.region_action_result;
        if results.len() != parts.len() {
            return all(&parts, &Failure::malformed("the answer to a batch"));
        }
        let mut fates = Vec::new();
        for (part, result) in parts.iter().zip(results) {
            let of_part = fates_of(part, result);
            let is_moved =
                |failure: &Failure| matches!(failure, Failure::Passing(passing) if passing.stale != Stale::Nothing);
            if of_part.iter().any(|(_, fate)| fate.as_ref().is_err_and(is_moved)) {
                self.0.forget(table, &part.region);
            }
            fates.extend(of_part);
        }
        fates
    }
}

/// What became of the rows of a region. A row of which nothing is said has no fate here, and is sent again.
fn fates_of(part: &Part, result: RegionActionResult) -> Vec<Fate> {
    if let Some(exception) = &result.exception {
        let failure = exception::of_row(exception);
        return part.rows.iter().map(|row| (*row, Err(failure.clone()))).collect();
    }
    let asked: BTreeSet<usize> = part.rows.iter().copied().collect();
    let row_of = |index: Option<u32>| usize::try_from(index?).ok().filter(|row| asked.contains(row));
    let fates = result.result_or_exception.into_iter().filter_map(|result| {
        let outcome = result.exception.as_ref().map(exception::of_row);
        Some((row_of(result.index)?, outcome.map_or(Ok(()), Err)))
    });
    fates.collect()
}

/// Cuts the parts of one server into calls.
fn cut(parts: Vec<Part>, changes: &[Change<'_>]) -> Vec<Vec<Part>> {
    let mut calls: Vec<Vec<Part>> = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    for part in parts {
        let mut is_new = true;
        for row in part.rows {
            let more = changes[row].bytes();
            if calls.is_empty() || rows == CALL_ROWS || bytes + more > CALL_BYTES {
                calls.push(Vec::new());
                (rows, bytes, is_new) = (0, 0, true);
            }
            let Some(call) = calls.last_mut() else { continue };
            match call.last_mut() {
                Some(last) if !is_new => last.rows.push(row),
                _ => call.push(Part { region: Arc::clone(&part.region), rows: vec![row] }),
            }
            (rows, bytes, is_new) = (rows + 1, bytes + more, false);
        }
    }
    calls
}

/// The time is up for these rows.
fn fail(outcomes: &mut [Option<Result<()>>], left: &[usize], error: &Error) {
    for row in left {
        let mut copy = Error::new(error.kind(), error.message());
        if let Some(hint) = error.hint_text() {
            copy = copy.hint(hint);
        }
        outcomes[*row] = Some(Err(if error.is_retryable() { copy.retryable() } else { copy }));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::mutation::Put;
    use crate::rpc::messages::{NameBytesPair, ResultOrException};

    fn part(rows: impl IntoIterator<Item = usize>) -> Part {
        let server = Address { host: "h".to_owned(), port: 1 };
        Part { region: Arc::new(Region::meta(server)), rows: rows.into_iter().collect() }
    }

    fn exception(class: &str) -> NameBytesPair {
        NameBytesPair { name: format!("org.apache.hadoop.hbase.{class}"), value: Some(Bytes::from_static(b"why")) }
    }

    #[test]
    fn an_exception_of_one_row_is_that_rows_and_of_a_region_is_all_its_rows() {
        let one = |index, exception| ResultOrException { index: Some(index), exception };
        // in any order, and nothing of row 9
        let results = vec![one(8, Some(exception("DoNotRetryIOException"))), one(7, None), one(1, None)];
        let fates = fates_of(&part([7, 8, 9]), RegionActionResult { result_or_exception: results, exception: None });
        assert!(matches!(&fates[..], [(8, Err(Failure::Refused(_))), (7, Ok(()))]), "{fates:?}");

        let all = RegionActionResult { exception: Some(exception("NotServingRegionException")), ..Default::default() };
        let fates = fates_of(&part([3, 4]), all);
        let moved = |fate: &Fate| matches!(&fate.1, Err(Failure::Passing(passing)) if passing.stale == Stale::Region);
        assert!(fates.len() == 2 && fates.iter().all(moved), "{fates:?}");
    }

    proptest! {
        #[test]
        fn calls_hold_every_row_once_and_are_bounded(
            sizes in proptest::collection::vec(prop_oneof![Just(10usize), 100_000usize..3_000_000], 1..60),
            regions in 1usize..5,
        ) {
            let puts: Vec<Put> = sizes.iter().map(|size| Put::new("r").cell("f", "q", vec![0; *size])).collect();
            let changes: Vec<Change<'_>> = puts.iter().map(Change::Put).collect();
            let parts = (0..regions).map(|n| part((0..puts.len()).filter(|row| row % regions == n))).filter(|part| !part.rows.is_empty());
            let calls = cut(parts.collect(), &changes);
            let mut seen = Vec::new();
            for call in &calls {
                let rows: Vec<usize> = call.iter().flat_map(|part| part.rows.iter().copied()).collect();
                let bytes: usize = rows.iter().map(|row| changes[*row].bytes()).sum();
                prop_assert!(!rows.is_empty() && (bytes <= CALL_BYTES || rows.len() == 1));
                prop_assert!(call.iter().all(|part| !part.rows.is_empty()));
                seen.extend(rows);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..puts.len()).collect::<Vec<_>>());
        }

        #[test]
        fn no_call_has_more_rows_than_allowed(count in 0usize..3500) {
            let puts = vec![Put::new("r").cell("f", "q", "v"); count];
            let changes: Vec<Change<'_>> = puts.iter().map(Change::Put).collect();
            let calls = cut(vec![part(0..count)], &changes);
            prop_assert_eq!(calls.len(), count.div_ceil(CALL_ROWS));
        }
    }
}
