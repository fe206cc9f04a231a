//! Texts cut into pieces: `SPLIT`, `SPLIT_INDEX`, `STR_TO_MAP`, and `ELT`, which chooses one of several.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, ListArray, MapArray, StringArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute;
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::as_size;
use crate::eval::{Rows, Text, Value, arrow_error};
use crate::functions::signature::{Choice, Refusal, any_nullable, arrow, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::common_type;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["SPLIT_INDEX"],
        usage: "SPLIT_INDEX(string, separator, index)",
        description: "The piece of a text at an index, counted from 0; NULL where there is none. A separator may be a character's code.",
        choose: split_index,
    },
    ScalarFunction {
        names: &["SPLIT"],
        usage: "SPLIT(string, separator)",
        description: "The pieces of a text as an array; its characters where the separator is empty.",
        choose: split,
    },
    ScalarFunction {
        names: &["STR_TO_MAP"],
        usage: "STR_TO_MAP(string [, separator, key_separator])",
        description: "A map of texts from 'key=value,key=value'.",
        choose: str_to_map,
    },
    ScalarFunction {
        names: &["ELT"],
        usage: "ELT(index, value, ...)",
        description: "The value at an index, counted from 1; NULL where there is none.",
        choose: elt,
    },
];

fn split_index(args: &[Argument]) -> Choice {
    let [text, separator, index] = exactly(args)?;
    let by_code = separator.data_type.logical.is_integer();
    let arguments =
        vec![text.text()?, if by_code { separator.integer()? } else { separator.text()? }, index.integer()?];
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), move |args, context| {
        let [text, separator, index] = args else { return Err(Error::internal("SPLIT_INDEX without its arguments")) };
        let (text, index) = (text.cells::<StringArray>()?, index.cells::<Int64Array>()?);
        let rows = Rows::strict(args, context);
        let piece = |text: &str, separator: &str, index: i64, out: &mut StringBuilder| {
            let found = if index < 0 || text.is_empty() {
                None
            } else if separator.is_empty() {
                // Flink then splits at white space.
                text.split_whitespace().nth(as_size(index))
            } else {
                text.split(separator).nth(as_size(index))
            };
            found.inspect(|piece| out.push(piece)).is_some()
        };
        if by_code {
            let code = separator.cells::<Int64Array>()?;
            rows.texts(|row, out| match u8::try_from(code.at(row)) {
                Ok(code) => Ok(piece(text.at(row), char::from(code).encode_utf8(&mut [0; 4]), index.at(row), out)),
                Err(_) => Ok(false),
            })
        } else {
            let separator = separator.cells::<StringArray>()?;
            rows.texts(|row, out| Ok(piece(text.at(row), separator.at(row), index.at(row), out)))
        }
    }))
}

fn split(args: &[Argument]) -> Choice {
    let [text, separator] = exactly(args)?;
    let arguments = vec![text.text()?, separator.text()?];
    let returns = DataType { logical: L::Array(Box::new(DataType::nullable(L::STRING))), nullable: any_nullable(args) };
    let ArrowType::List(element) = arrow(&returns) else { return Err(Refusal::Types) };
    Ok(Bound::new(arguments, returns, move |args, context| {
        let [text, separator] = args else { return Err(Error::internal("SPLIT without its arguments")) };
        let (texts, separators) = (text.cells::<StringArray>()?, separator.cells::<StringArray>()?);
        let rows = Rows::all(args, context);
        let mut pieces = StringBuilder::new();
        let mut lengths = Vec::with_capacity(rows.count());
        let mut valid = Vec::with_capacity(rows.count());
        for row in 0..rows.count() {
            let before = arrow::array::ArrayBuilder::len(&pieces);
            valid.push(match (texts.get(row), separators.get(row)) {
                (Some(""), Some(_)) => true,
                (Some(text), Some("")) => {
                    text.char_indices()
                        .for_each(|(at, character)| pieces.append_value(&text[at..at + character.len_utf8()]));
                    true
                }
                (Some(text), Some(separator)) => {
                    text.split(separator).for_each(|piece| pieces.append_value(piece));
                    true
                }
                _ => false,
            });
            lengths.push(arrow::array::ArrayBuilder::len(&pieces) - before);
        }
        let list = ListArray::try_new(
            element.clone(),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(pieces.finish()),
            Some(NullBuffer::from(valid)),
        );
        Ok(rows.value(list.map_err(arrow_error)?))
    }))
}

fn str_to_map(args: &[Argument]) -> Choice {
    if args.len() != 1 {
        count(args, 3..=3)?;
    }
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    let text = || Box::new(DataType::nullable(L::STRING));
    let returns = DataType::nullable(L::Map(text(), text()));
    let ArrowType::Map(entries, _) = arrow(&returns) else { return Err(Refusal::Types) };
    Ok(Bound::new(arguments, returns, move |args, context| {
        let cells = args.iter().map(|arg| arg.cells::<StringArray>()).collect::<Result<Vec<_>>>()?;
        let rows = Rows::all(args, context);
        let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
        let mut lengths = Vec::with_capacity(rows.count());
        let mut valid = Vec::with_capacity(rows.count());
        for row in 0..rows.count() {
            let given: Option<Vec<&str>> = cells.iter().map(|cells| cells.get(row)).collect();
            let (text, separator, key_separator) = match given.as_deref() {
                Some([text]) => (*text, ",", "="),
                Some([text, separator, key_separator]) => (*text, *separator, *key_separator),
                _ => {
                    valid.push(false);
                    lengths.push(0);
                    continue;
                }
            };
            valid.push(true);
            lengths.push(write_entries(text, separator, key_separator, &mut keys, &mut values));
        }
        let ArrowType::Struct(fields) = entries.data_type() else {
            return Err(Error::internal("a map without entries"));
        };
        let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
        let structs = StructArray::try_new(fields.clone(), columns, None).map_err(arrow_error)?;
        let map = MapArray::try_new(
            entries.clone(),
            OffsetBuffer::from_lengths(lengths),
            structs,
            Some(NullBuffer::from(valid)),
            false,
        );
        Ok(rows.value(map.map_err(arrow_error)?))
    }))
}

/// Appends the entries of one map; of a key that comes twice the last value counts. How many there are.
fn write_entries(
    text: &str,
    separator: &str,
    key_separator: &str,
    keys: &mut StringBuilder,
    values: &mut StringBuilder,
) -> usize {
    let mut entries: Vec<(&str, Option<&str>)> = Vec::new();
    let pieces: Box<dyn Iterator<Item = &str>> = match (text, separator) {
        ("", _) => Box::new(std::iter::empty()),
        (text, "") => Box::new(std::iter::once(text)),
        (text, separator) => Box::new(text.split(separator)),
    };
    for piece in pieces {
        let (key, value) = match piece.split_once(key_separator) {
            Some((key, value)) if !key_separator.is_empty() => (key, Some(value)),
            _ => (piece, None),
        };
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
    for (key, value) in &entries {
        keys.append_value(key);
        values.append_option(*value);
    }
    entries.len()
}

fn elt(args: &[Argument]) -> Choice {
    count(args, 2..=usize::MAX)?;
    let types: Vec<DataType> = args[1..].iter().map(|arg| arg.data_type.clone()).collect();
    let common = common_type(&types)
        .filter(|common| common.logical.is_character() || common.logical.is_binary() || common.logical == L::Null)
        .ok_or(Refusal::Types)?;
    let logical = if common.logical == L::Null { L::STRING } else { common.logical };
    let mut arguments = vec![args[0].integer()?];
    arguments.extend(args[1..].iter().map(|arg| arg.as_type(logical.clone())));
    Ok(Bound::new(arguments, DataType::nullable(logical), |args, context| {
        let [index, values @ ..] = args else { return Err(Error::internal("ELT without an index")) };
        let index = index.cells::<Int64Array>()?;
        let rows = Rows::all(args, context);
        let arrays: Vec<&dyn Array> = values.iter().map(Value::array).collect();
        let missing = arrow::array::new_null_array(arrays[0].data_type(), 1);
        let places: Vec<(usize, usize)> = (0..rows.count())
            .map(|row| match index.get(row).map(|index| index.saturating_sub(1)) {
                Some(n @ 0..) if as_size(n) < values.len() => {
                    (as_size(n), if values[as_size(n)].is_scalar() { 0 } else { row })
                }
                _ => (values.len(), 0),
            })
            .collect();
        let all: Vec<&dyn Array> = arrays.iter().copied().chain([missing.as_ref()]).collect();
        let chosen = compute::interleave(&all, &places).map_err(arrow_error)?;
        Ok(if args.iter().all(Value::is_scalar) { Value::scalar(chosen) } else { Value::Array(chosen) })
    }))
}
