//! Regions: which part of a table a server has, and what is remembered of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prost::Message;

use crate::failure::{Failure, Stale};
use crate::options::Address;
use crate::row::Row;
use crate::rpc::messages;
use crate::table::TableName;

/// What is behind every row in the name of a region: the highest number that HBase gives.
const LAST_REGION_ID: &str = "99999999999999";

/// A part of a table, and where it was when it was looked up.
#[derive(Debug, PartialEq)]
pub(crate) struct Region {
    /// The full name, by which servers know it.
    pub(crate) name: Bytes,
    pub(crate) info: messages::RegionInfo,
    pub(crate) server: Address,
}

impl Region {
    /// The one of `hbase:meta`, in which all others are listed.
    pub(crate) fn meta(server: Address) -> Self {
        Self { name: Bytes::from_static(b"hbase:meta,,1"), info: messages::RegionInfo::default(), server }
    }

    /// The first row; empty for the table's first.
    pub(crate) fn start(&self) -> &[u8] {
        self.info.start_key.as_deref().unwrap_or_default()
    }

    /// The row before which it ends; empty for the table's end.
    pub(crate) fn end(&self) -> &[u8] {
        self.info.end_key.as_deref().unwrap_or_default()
    }

    pub(crate) fn holds(&self, row: &[u8]) -> bool {
        self.start() <= row && (self.end().is_empty() || row < self.end())
    }

    fn overlaps(&self, other: &Self) -> bool {
        let is_before = |a: &Self, b: &Self| !a.end().is_empty() && a.end() <= b.start();
        !is_before(self, other) && !is_before(other, self)
    }

    /// Reads the row of `hbase:meta` that should be of the region that holds `row`.
    pub(crate) fn of_meta_row(found: Option<&Row>, table: &TableName, row: &[u8]) -> Result<Self, Failure> {
        let info = found.and_then(|found| found.value("info", "regioninfo"));
        let malformed = || Failure::malformed("a row of hbase:meta");
        let info = match info {
            Some(info) => {
                let message = info.strip_prefix(b"PBUF").ok_or_else(malformed)?;
                Some(messages::RegionInfo::decode(message).map_err(|_| malformed())?)
            }
            None => None,
        };
        let is_of_table = |info: &messages::RegionInfo| {
            info.table_name.namespace == table.namespace() && info.table_name.qualifier == table.qualifier()
        };
        let (Some(found), Some(info)) = (found, info.filter(is_of_table)) else {
            let failure = Failure::refused(riverrun_base::Kind::User, format!("HBase has no table '{table}'"));
            return Err(failure.hint("create it, or check its name and namespace"));
        };
        let is_gone = info.offline == Some(true) || info.split == Some(true);
        let server = found.value("info", "server").and_then(address);
        let region = server.map(|server| Self { name: found.key.clone(), info, server });
        match region {
            Some(region) if !is_gone && region.holds(row) => Ok(region),
            _ => Err(Failure::passing(
                Stale::Nothing,
                format!("a region of the table '{table}' is on no server just now"),
            )),
        }
    }
}

/// Where the search for a row's region begins, going backwards.
pub(crate) fn meta_key(table: &TableName, row: &[u8]) -> Bytes {
    [table.as_str().as_bytes(), b",", row, b",", LAST_REGION_ID.as_bytes()].concat().into()
}

fn address(text: &[u8]) -> Option<Address> {
    let (host, port) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
    Some(Address { host: host.to_owned(), port: port.parse().ok()? })
}

/// The regions that were looked up, and have not proved to be elsewhere since.
#[derive(Debug, Default)]
pub(crate) struct Regions(Mutex<HashMap<TableName, BTreeMap<Bytes, Arc<Region>>>>);

impl Regions {
    fn known(&self) -> MutexGuard<'_, HashMap<TableName, BTreeMap<Bytes, Arc<Region>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The region that holds a row, if it is known.
    pub(crate) fn find(&self, table: &TableName, row: &[u8]) -> Option<Arc<Region>> {
        let known = self.known();
        let upto = (std::ops::Bound::Unbounded, std::ops::Bound::Included(row));
        let (_, region) = known.get(table)?.range::<[u8], _>(upto).next_back()?;
        region.holds(row).then(|| Arc::clone(region))
    }

    /// Remembers a region, and forgets those in whose place it is.
    pub(crate) fn keep(&self, table: &TableName, region: Region) -> Arc<Region> {
        let region = Arc::new(region);
        let mut known = self.known();
        let regions = known.entry(table.clone()).or_default();
        regions.retain(|_, other| !other.overlaps(&region));
        regions.insert(Bytes::copy_from_slice(region.start()), Arc::clone(&region));
        region
    }

    /// Forgets a region, unless it was looked up again meanwhile.
    pub(crate) fn forget(&self, table: &TableName, region: &Arc<Region>) {
        let mut known = self.known();
        let Some(regions) = known.get_mut(table) else { return };
        if regions.get(region.start()).is_some_and(|other| Arc::ptr_eq(other, region)) {
            regions.remove(region.start());
        }
        if regions.is_empty() {
            known.remove(table);
        }
    }

    /// Forgets all regions of a server.
    pub(crate) fn forget_server(&self, server: &Address) {
        self.known().retain(|_, regions| {
            regions.retain(|_, region| region.server != *server);
            !regions.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::Cell;

    fn region(start: &str, end: &str, port: u16) -> Region {
        let info = messages::RegionInfo {
            start_key: Some(start.to_owned().into()),
            end_key: Some(end.to_owned().into()),
            table_name: messages::TableName { namespace: "default".into(), qualifier: "t".into() },
            ..Default::default()
        };
        let name = format!("t,{start},{port}");
        Region { name: name.into(), info, server: Address { host: "h".to_owned(), port } }
    }

    fn table() -> TableName {
        TableName::new("t").unwrap()
    }

    fn names(regions: &Regions, rows: &[&str]) -> Vec<Option<String>> {
        let name = |region: Arc<Region>| String::from_utf8_lossy(&region.name).into_owned();
        rows.iter().map(|row| regions.find(&table(), row.as_bytes()).map(name)).collect()
    }

    fn some(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn a_row_is_in_the_region_that_starts_at_or_before_it_and_ends_behind_it() {
        let regions = Regions::default();
        regions.keep(&table(), region("b", "d", 1));
        regions.keep(&table(), region("m", "", 2));
        let expected = [None, some("t,b,1"), some("t,b,1"), None, some("t,m,2"), some("t,m,2")];
        assert_eq!(names(&regions, &["a", "b", "c\u{7f}", "d", "m", "zzz"]), expected);
    }

    #[test]
    fn a_split_takes_its_parents_place_and_a_merge_its_childrens() {
        let regions = Regions::default();
        regions.keep(&table(), region("", "", 1));
        regions.keep(&table(), region("k", "", 2));
        assert_eq!(names(&regions, &["a", "k"]), [None, some("t,k,2")]);
        regions.keep(&table(), region("", "k", 3));
        assert_eq!(names(&regions, &["a", "k"]), [some("t,,3"), some("t,k,2")]);
        regions.keep(&table(), region("", "", 4));
        assert_eq!(names(&regions, &["a", "k"]), [some("t,,4"), some("t,,4")]);
    }

    #[test]
    fn what_was_looked_up_again_is_not_forgotten_with_the_old() {
        let regions = Regions::default();
        let old = regions.keep(&table(), region("", "k", 1));
        regions.keep(&table(), region("", "k", 2));
        regions.forget(&table(), &old);
        assert_eq!(names(&regions, &["a"]), [some("t,,2")]);
        regions.forget_server(&Address { host: "h".to_owned(), port: 2 });
        assert_eq!(names(&regions, &["a"]), [None]);
    }

    fn meta_row(info: &messages::RegionInfo, server: &str) -> Row {
        let cell = |qualifier: &'static str, value: Vec<u8>| Cell {
            family: "info".into(),
            qualifier: qualifier.into(),
            timestamp_ms: 1,
            value: value.into(),
        };
        let info = [b"PBUF".to_vec(), info.encode_to_vec()].concat();
        Row { key: "t,,1.x.".into(), cells: vec![cell("regioninfo", info), cell("server", server.into())] }
    }

    #[test]
    fn a_row_of_meta_names_region_and_server() {
        let info = region("b", "d", 1).info;
        let found = Region::of_meta_row(Some(&meta_row(&info, "h.example:16020")), &table(), b"c").unwrap();
        assert_eq!(
            (found.server.to_string(), found.start(), found.end()),
            ("h.example:16020".to_owned(), &b"b"[..], &b"d"[..])
        );
    }

    #[test]
    fn a_region_on_its_way_is_waited_for_and_a_table_that_is_not_there_is_not() {
        let stale = |row: &Row| match Region::of_meta_row(Some(row), &table(), b"c").unwrap_err() {
            Failure::Passing(passing) => passing.reason,
            Failure::Refused(refusal) => refusal.message,
        };
        let info = region("b", "d", 1).info;
        assert!(stale(&meta_row(&info, "")).contains("on no server just now"));
        let split = messages::RegionInfo { split: Some(true), offline: Some(true), ..info.clone() };
        assert!(stale(&meta_row(&split, "h:1")).contains("on no server just now"));
        let mut other = info;
        other.table_name.qualifier = "another".into();
        assert_eq!(stale(&meta_row(&other, "h:1")), "HBase has no table 't'");
        assert!(Region::of_meta_row(None, &table(), b"c").is_err());
    }

    proptest! {
        #[test]
        fn regions_that_are_kept_never_overlap(
            bounds in proptest::collection::vec(("[a-d]{0,2}", "[a-d]{0,2}"), 1..12),
            rows in proptest::collection::vec("[a-d]{1,3}", 1..12),
        ) {
            let regions = Regions::default();
            for (start, end) in bounds.iter().filter(|(start, end)| end.is_empty() || start < end) {
                regions.keep(&table(), region(start, end, 1));
            }
            let kept: Vec<Arc<Region>> = regions.known().values().flat_map(BTreeMap::values).cloned().collect();
            for row in rows {
                let holding: Vec<_> = kept.iter().filter(|region| region.holds(row.as_bytes())).collect();
                prop_assert!(holding.len() <= 1);
                let found = regions.find(&table(), row.as_bytes());
                prop_assert_eq!(found.as_ref(), holding.first().copied());
            }
        }
    }
}
