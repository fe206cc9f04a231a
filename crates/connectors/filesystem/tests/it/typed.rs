//! Lines as values of a program.

use std::fs;
use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Flush, Polled, Sink, Source, SourceReader};
use riverrun_data::Records;
use riverrun_filesystem::{DefaultRollingPolicy, FileSink, FileSource, TextLineInputFormat};
use riverrun_formats::{BoxError, JsonSerializationSchema};

use super::{task, write};

fn read<T: 'static>(source: &impl Source<Records<T>>) -> Result<Vec<T>> {
    let mut reader: Box<dyn SourceReader<Records<T>>> = source.reader(&task())?;
    reader.add_splits(source.enumerator(&task())?.discover()?.splits)?;
    let mut values = Vec::new();
    while !reader.splits().is_empty() {
        if let Polled::Rows { batch, .. } = reader.poll(Duration::ZERO)? {
            values.extend(batch.into_parts().0);
        }
    }
    Ok(values)
}

#[test]
fn lines_of_all_files_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.txt"), "to be\r\n\nor not");
    write(&folder.path().join("b/c.txt"), "to be\n");
    write(&folder.path().join(".hidden"), "no\n");
    let path = folder.path().to_str().unwrap();
    let lines = read(&FileSource::for_record_stream_format(TextLineInputFormat, path).build().unwrap()).unwrap();
    assert_eq!(lines, ["to be", "", "or not", "to be"]);
}

#[test]
fn a_line_that_cannot_be_read_is_named_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("numbers");
    write(&file, "1\n2\nx\n4\n");
    let number = |line: &[u8]| -> std::result::Result<i64, BoxError> { Ok(std::str::from_utf8(line)?.parse()?) };
    let source = FileSource::for_record_stream_format(number, file.to_str().unwrap());
    let error = read(&source.clone().build().unwrap()).unwrap_err().to_string();
    for part in ["invalid digit", "line: 3", file.to_str().unwrap()] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(read(&source.set_ignore_parse_errors(true).build().unwrap()).unwrap(), [1, 2, 4]);
}

#[test]
fn values_are_lines_of_parts_that_roll_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let sink = FileSink::for_row_format(path, JsonSerializationSchema);
    let sink = sink.with_rolling_policy(DefaultRollingPolicy::default().with_max_part_size(20)).build().unwrap();
    let mut writer = sink.writer(&task()).unwrap();
    let values: Vec<(String, u64)> = (0..10).map(|n| (format!("w{n}"), n)).collect();
    writer.write(Records::from(values)).unwrap();
    writer.flush(Flush::End).unwrap();
    let mut parts: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    parts.sort();
    let texts: Vec<String> = parts.iter().map(|part| fs::read_to_string(part).unwrap()).collect();
    // A file with more than 20 bytes takes no further line.
    assert_eq!(texts.len(), 4, "{parts:?}");
    assert_eq!(texts[0], "[\"w0\",0]\n[\"w1\",1]\n[\"w2\",2]\n");
    let all = read(&FileSource::for_record_stream_format(TextLineInputFormat, path).build().unwrap()).unwrap();
    assert_eq!(all.len(), 10);
}
