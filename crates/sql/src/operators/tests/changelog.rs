//! Changelogs: made at random, and turned back into the rows that are there.

use std::collections::BTreeMap;

use proptest::prelude::*;

/// What a random source does next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Insert(String),
    /// The place of the row (round the end), and what becomes of it.
    Update(usize, String),
    Delete(usize),
}

/// Random steps over random rows; with few kinds of rows, so that they meet.
pub(super) fn steps(row: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => row.clone().prop_map(Step::Insert),
        2 => (any::<usize>(), row).prop_map(|(place, row)| Step::Update(place, row)),
        2 => any::<usize>().prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 1..60)
}

/// The changelog of a source that does these steps, and the rows it has in the end.
pub(super) fn played(steps: &[Step]) -> (Vec<String>, Vec<String>) {
    let (mut changes, mut rows): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Insert(row) => {
                changes.push(format!("+I {row}"));
                rows.push(row.clone());
            }
            Step::Update(place, row) if !rows.is_empty() => {
                let place = place % rows.len();
                changes.push(format!("-U {}", rows[place]));
                changes.push(format!("+U {row}"));
                rows[place].clone_from(row);
            }
            Step::Delete(place) if !rows.is_empty() => {
                let row = rows.swap_remove(place % rows.len());
                changes.push(format!("-D {row}"));
            }
            Step::Update(..) | Step::Delete(_) => {}
        }
    }
    (changes, rows)
}

/// Random changes by key: rows that come, and deletions of which only some are of rows that are there.
pub(super) fn upserts(row: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = Vec<String>> {
    let kind = |comes| if comes { "+U" } else { "-D" };
    let change = (prop::bool::weighted(0.7), row).prop_map(move |(comes, row)| format!("{} {row}", kind(comes)));
    prop::collection::vec(change, 1..80)
}

/// Cuts lines into batches; `cuts` are reduced to places between the lines.
pub(super) fn batches(lines: &[String], cuts: &[usize]) -> Vec<Vec<String>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (lines.len() + 1)).chain([0, lines.len()]).collect();
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|part| lines[part[0]..part[1]].to_vec()).collect()
}

/// The rows that are there after changes of rows with a key of so many cells, and that each change is possible where it stands: `+I` of a key
/// that is not there, `-U` and `-D` of the row that is there, `+U` after its `-U`.
pub(super) struct Table {
    keys: usize,
    update_before: bool,
    rows: BTreeMap<String, String>,
    /// The key whose `-U` came last.
    updating: Option<String>,
}

impl Table {
    pub(super) fn new(keys: usize, update_before: bool) -> Self {
        Self { keys, update_before, rows: BTreeMap::new(), updating: None }
    }

    pub(super) fn apply(&mut self, line: &str) {
        let (kind, row) = line.split_once(' ').unwrap();
        let key = row.split(' ').take(self.keys).collect::<Vec<_>>().join(" ");
        match kind {
            "+I" => assert_eq!(self.rows.insert(key, row.to_owned()), None, "{line}"),
            "-D" => assert_eq!(self.rows.remove(&key).as_deref(), Some(row), "{line}"),
            "-U" => {
                assert!(self.update_before, "{line} was not asked for");
                assert_eq!(self.rows.get(&key).map(String::as_str), Some(row), "{line}");
                self.updating = Some(key);
            }
            "+U" => {
                assert!(!self.update_before || self.updating.take().as_ref() == Some(&key), "{line} without -U");
                let former = self.rows.insert(key, row.to_owned());
                assert!(former.is_some_and(|former| former != row), "{line} changes nothing");
            }
            _ => panic!("{line}"),
        }
    }

    pub(super) fn rows(&self) -> Vec<String> {
        self.rows.values().cloned().collect()
    }
}
