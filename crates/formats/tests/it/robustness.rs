//! Any bytes are read, refused or skipped; none makes a decoder panic or a column corrupt.

use proptest::prelude::*;
use riverrun_formats::{DecodeError, Decoded, Format};

use crate::rows::{Flavor, batch, columns, csv_options, json_options, open_format, table};

fn read(format: &dyn Format, messages: &[Vec<u8>]) -> Result<Decoded, DecodeError> {
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let decoded = format.decoder().unwrap().decode(&messages);
    match &decoded {
        Ok(decoded) => {
            for column in decoded.rows.columns() {
                column.to_data().validate_full().unwrap();
            }
            if let Some(origin) = &decoded.messages {
                assert_eq!(origin.len(), decoded.rows.num_rows());
                assert!(origin.is_sorted() && origin.iter().all(|message| (*message as usize) < messages.len()));
            }
        }
        Err(error) => assert!(error.message < messages.len()),
    }
    decoded
}

/// Bytes that are often special to csv or json.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[0-9,;\"'\\\\\n\r\t |#aNUL:{}\\[\\]tfn.eE+-]{0,40}".prop_map(String::into_bytes),
        "(\\{\"c0\":[0-9tfn\"a.e-]{0,8}(,\"c[0-9]\":[0-9\"a\\\\{}\\[\\]]{0,10}){0,3}\\}?)".prop_map(String::into_bytes),
    ]
}

/// Messages of a table with some bytes changed, cut or put in.
fn damage(messages: Vec<Vec<u8>>, wounds: &[(usize, usize, u8, u8)]) -> Vec<Vec<u8>> {
    let mut messages = messages;
    for (n, at, kind, byte) in wounds {
        if messages.is_empty() {
            break;
        }
        let n = n % messages.len();
        let at = at % (messages[n].len() + 1);
        match kind % 3 {
            0 => messages[n].truncate(at),
            1 => messages[n].insert(at, *byte),
            _ if at < messages[n].len() => messages[n][at] = *byte,
            _ => {}
        }
    }
    messages
}

fn wounds() -> impl Strategy<Value = Vec<(usize, usize, u8, u8)>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\",;\\\n{}[]:0-.e".to_vec())];
    prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>(), byte), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_survives_any_bytes(mut options in csv_options(), columns in columns(Flavor::Csv), messages in prop::collection::vec(message(), 0..8), ignore: bool, comments: bool, trim: bool) {
        options.extend([("ignore-parse-errors".into(), ignore.to_string()), ("allow-comments".into(), comments.to_string()), ("trim-spaces".into(), trim.to_string())]);
        let format = open_format("csv", &options, &columns);
        let decoded = read(format.as_ref(), &messages);
        prop_assert!(!ignore || decoded.is_ok());
        let file = messages.join(&b'\n');
        for end in [true, false] {
            let mut ranges = Vec::new();
            let consumed = format.decoder().unwrap().split(&file, end, &mut ranges).unwrap();
            prop_assert!(consumed <= file.len() && (!end || consumed == file.len()));
            prop_assert!(ranges.iter().all(|range| range.start <= range.end && range.end <= consumed));
        }
    }

    #[test]
    fn json_survives_any_bytes(mut options in json_options(), columns in columns(Flavor::Json), messages in prop::collection::vec(message(), 0..8), ignore: bool, strict: bool) {
        options.extend([("ignore-parse-errors".into(), ignore.to_string()), ("fail-on-missing-field".into(), (strict && !ignore).to_string())]);
        let decoded = read(open_format("json", &options, &columns).as_ref(), &messages);
        prop_assert!(!ignore || decoded.is_ok());
    }

    #[test]
    fn csv_survives_damage(options in csv_options(), (columns, rows) in table(Flavor::Csv), wounds in wounds()) {
        survives_damage("csv", options, &columns, &rows, &wounds)?;
    }

    #[test]
    fn json_survives_damage(options in json_options(), (columns, rows) in table(Flavor::Json), wounds in wounds()) {
        survives_damage("json", options, &columns, &rows, &wounds)?;
    }
}

fn survives_damage(
    name: &str,
    mut options: Vec<(String, String)>,
    columns: &[riverrun_data::RowField],
    rows: &[Vec<crate::rows::Value>],
    wounds: &[(usize, usize, u8, u8)],
) -> Result<(), TestCaseError> {
    let strict = open_format(name, &options, columns);
    options.push(("ignore-parse-errors".into(), "true".into()));
    let lenient = open_format(name, &options, columns);
    let mut written = riverrun_formats::Encoded::default();
    let batch = riverrun_data::Batch::insertions(batch(columns, rows));
    strict.encoder().unwrap().encode(&batch, &mut written).unwrap();
    let messages = damage(written.messages().map(<[u8]>::to_vec).collect(), wounds);
    let lenient = read(lenient.as_ref(), &messages);
    let strict = read(strict.as_ref(), &messages);
    prop_assert!(lenient.is_ok());
    if let (Ok(strict), Ok(lenient)) = (strict, lenient) {
        // What can be read strictly is read the same leniently.
        prop_assert_eq!(strict.rows, lenient.rows);
        prop_assert_eq!(lenient.skipped, 0);
    }
    Ok(())
}
