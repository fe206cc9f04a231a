//! A snapshot of keyed state as bytes: what has changed, by key.
//!
//! Version, the hash's [`probe`], the columns (name, and their form), how many rows there are, and the
//! rows: a key, how many cells follow, and each with its column. Keys that are gone have no cells, and come first. Lengths and numbers are
//! of four bytes, little endian; keys and values are encoded by [`codec`]. A row takes the place of what was there of its key, but for
//! cells of which it holds only what has changed in them: their columns stand in the list once more, in that form, which version 1 had not.

use riverrun_base::{Error, Result};
use riverrun_runtime::Delta;

use super::codec;
use super::column::FrozenColumn;
use super::key_hash::probe;
use super::keyed::TIMERS_NAME;
use super::timers::{KeyTimers, TimeDomain};
use crate::Key;

/// Keys and their cells, as they were at a barrier.
pub(super) struct FrozenKeys<K> {
    pub(super) columns: Vec<(StoredColumn, Box<dyn FrozenColumn>)>,
    pub(super) keys: Vec<K>,
    /// Keys that are gone.
    pub(super) deleted: Vec<K>,
}

/// What a delta says about a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredColumn {
    pub(crate) name: String,
    pub(crate) form: Form,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Values.
    Plain,
    /// Values that know when they were used.
    Timed,
    /// What has changed in values.
    Changes,
}

/// The first byte of a delta.
const VERSION: u8 = 2;
/// The same, of one in which no column holds changes: those that were written before there were any.
const WITHOUT_CHANGES: u8 = 1;

impl<K: Key> FrozenKeys<K> {
    pub(super) fn encode(&self) -> Result<Delta> {
        let rows = 0..self.keys.len();
        let changing: Vec<usize> = (self.columns.iter().enumerate())
            .filter(|(_, (_, frozen))| rows.clone().any(|row| frozen.is_changes(row)))
            .map(|(index, _)| index)
            .collect();
        let mut bytes = vec![if changing.is_empty() { WITHOUT_CHANGES } else { VERSION }];
        bytes.extend(probe().to_le_bytes());
        put_number(&mut bytes, self.columns.len() + changing.len())?;
        let columns = self.columns.iter().map(|(column, _)| (&column.name, column.form));
        for (name, form) in columns.chain(changing.iter().map(|index| (&self.columns[*index].0.name, Form::Changes))) {
            put(&mut bytes, |bytes| {
                bytes.extend(name.as_bytes());
                Ok(())
            })?;
            bytes.push(form as u8);
        }
        put_number(&mut bytes, self.deleted.len() + self.keys.len())?;
        for key in &self.deleted {
            put_key(&mut bytes, key)?;
            put_number(&mut bytes, 0)?;
        }
        for (row, key) in self.keys.iter().enumerate() {
            put_key(&mut bytes, key)?;
            let place = bytes.len();
            put_number(&mut bytes, 0)?;
            let mut cells = 0u32;
            for (index, (column, frozen)) in self.columns.iter().enumerate().filter(|(_, (_, frozen))| frozen.has(row))
            {
                let changing = changing.iter().position(|changing| *changing == index);
                let changing = changing.filter(|_| frozen.is_changes(row));
                put_number(&mut bytes, changing.map_or(index, |place| self.columns.len() + place))?;
                let put = put(&mut bytes, |bytes| frozen.encode(row, bytes));
                put.map_err(|error| error.with("state", &column.name))?;
                cells += 1;
            }
            bytes[place..place + 4].copy_from_slice(&cells.to_le_bytes());
        }
        Ok(Delta { bytes, rows: (self.keys.len() + self.deleted.len()) as u64 })
    }
}

fn put_key<K: Key>(bytes: &mut Vec<u8>, key: &K) -> Result<()> {
    put(bytes, |bytes| codec::encode(key, bytes))
}

pub(super) fn put_number(bytes: &mut Vec<u8>, number: usize) -> Result<()> {
    bytes.extend(four_bytes(number)?);
    Ok(())
}

fn four_bytes(number: usize) -> Result<[u8; 4]> {
    let number = u32::try_from(number);
    let number = number.map_err(|error| Error::user("a value in the state is over 4 GiB").caused_by(error))?;
    Ok(number.to_le_bytes())
}

/// Appends what `write` appends, behind its length.
pub(super) fn put(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let place = bytes.len();
    bytes.extend([0; 4]);
    write(bytes)?;
    let length = four_bytes(bytes.len() - place - 4)?;
    bytes[place..place + 4].copy_from_slice(&length);
    Ok(())
}

/// Reads what [`FrozenKeys::encode`] has written.
pub(crate) struct DeltaReader<'a> {
    pub(crate) columns: Vec<StoredColumn>,
    rows: usize,
    rest: Bytes<'a>,
}

/// What is still to be read.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

/// A key and its cells.
pub(crate) struct Row<'a> {
    pub(crate) key: &'a [u8],
    /// How many cells are still to be read.
    cells: usize,
}

impl<'a> DeltaReader<'a> {
    pub(crate) fn new(delta: &'a [u8]) -> Result<Self> {
        let (version, rest) = delta.split_first().ok_or_else(damaged)?;
        if *version != VERSION && *version != WITHOUT_CHANGES {
            return Err(Error::data(format!("keyed state in a checkpoint has the unknown version {version}"))
                .hint("restore it with the version of Riverrun that wrote it"));
        }
        let (stored, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        if u64::from_le_bytes(*stored) != probe() {
            return Err(Error::data("keyed state was stored by a program whose keys have other hashes")
                .hint("build the program with the compiler that it was built with then"));
        }
        let mut reader = Self { columns: Vec::new(), rows: 0, rest: Bytes(rest) };
        for _ in 0..reader.rest.number()? {
            let name = std::str::from_utf8(reader.rest.part()?).map_err(|error| damaged().caused_by(error))?.to_owned();
            let (form, rest) = reader.rest.0.split_first().ok_or_else(damaged)?;
            let form = [Form::Plain, Form::Timed, Form::Changes].get(usize::from(*form)).ok_or_else(damaged)?;
            reader.rest.0 = rest;
            reader.columns.push(StoredColumn { name, form: *form });
        }
        reader.rows = reader.rest.number()?;
        Ok(reader)
    }

    /// The next row, whose cells are to be read before the next but one.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'a>>> {
        if self.rows == 0 {
            return if self.rest.0.is_empty() { Ok(None) } else { Err(damaged()) };
        }
        self.rows -= 1;
        let key = self.rest.part()?;
        let cells = self.rest.number()?;
        if cells > self.columns.len() {
            return Err(damaged());
        }
        Ok(Some(Row { key, cells }))
    }

    /// The next cell of a row: its column's place among those of the delta, and its value.
    pub(crate) fn cell(&mut self, row: &mut Row<'a>) -> Result<Option<(usize, &'a [u8])>> {
        let Some(left) = row.cells.checked_sub(1) else { return Ok(None) };
        row.cells = left;
        let column = self.rest.number()?;
        if column >= self.columns.len() {
            return Err(damaged());
        }
        Ok(Some((column, self.rest.part()?)))
    }
}

impl<'a> Bytes<'a> {
    pub(super) fn number(&mut self) -> Result<usize> {
        let (number, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number) as usize)
    }

    /// What lies behind its length.
    pub(super) fn part(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        let (part, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(part)
    }
}

/// How many values, timers of event time, and timers of processing time a delta holds; `None` for one that is not of keyed state.
pub(crate) fn count_keyed_state(delta: &[u8]) -> Result<Option<(usize, usize, usize)>> {
    let is_one = [Some(&VERSION), Some(&WITHOUT_CHANGES)].contains(&delta.first())
        && delta[1..].starts_with(&probe().to_le_bytes());
    if !is_one {
        return Ok(None);
    }
    let (mut values, mut event, mut processing) = (0, 0, 0);
    let mut reader = DeltaReader::new(delta)?;
    let timers = reader.columns.iter().position(|column| column.name == TIMERS_NAME);
    while let Some(mut row) = reader.next()? {
        while let Some((column, bytes)) = reader.cell(&mut row)? {
            if Some(column) == timers {
                let timers: KeyTimers = codec::decode(bytes)?;
                event += timers.times(TimeDomain::Event).len();
                processing += timers.times(TimeDomain::Processing).len();
            } else {
                values += 1;
            }
        }
    }
    Ok(Some((values, event, processing)))
}

pub(super) fn damaged() -> Error {
    Error::data("keyed state in a checkpoint cannot be read: it is damaged")
}
