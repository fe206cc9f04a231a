//! Reading: which files, which rows, from where, and what goes wrong.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use riverrun_connect::Boundedness;
use riverrun_data::LogicalType;
use tempfile::tempdir;

use super::{metadata, next, numbers, read, reader, rest, source, splits, table, task, write};

#[test]
fn a_file_a_folder_and_a_pattern_name_files_and_hidden_ones_are_left_out() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, number) in
        [("b.csv", 2), ("a/x.csv", 1), ("a/deep/y.txt", 3), ("_b.csv", 4), (".b.csv", 5), ("a/_d/z.csv", 6)]
    {
        write(&at(name), &format!("{number},x\n"));
    }
    let found = |path: &str, options: &[(&str, &str)]| numbers(&read(&table(&at(path), "csv", options)).unwrap());
    assert_eq!(found("b.csv", &[]), [2]);
    assert_eq!(found("", &[]), [3, 1, 2]);
    assert_eq!(found("a", &[]), [3, 1]);
    assert_eq!(found("*.csv", &[]), [2]);
    assert_eq!(found("**/*.csv", &[]), [1, 2]);
    assert_eq!(found("[ab]*", &[]), [3, 1, 2]);
    assert_eq!(found("_b.csv", &[]), [4], "what is named itself is not hidden");
    let pattern = format!("{}/a/.*[.]csv", folder.path().display());
    assert_eq!(found("", &[("source.path.regex-pattern", &pattern)]), [1]);
    assert_eq!(found("", &[("source.path.regex-pattern", ".*/x[.]cs")]), [0; 0], "the whole path must match");
    let uri = format!("file://{}", at("b.csv").display());
    assert_eq!(numbers(&read(&table(std::path::Path::new(&uri), "csv", &[])).unwrap()), [2]);
}

#[test]
fn an_empty_folder_has_no_rows_and_a_missing_path_is_named() {
    let folder = tempdir().unwrap();
    assert_eq!(read(&table(folder.path(), "csv", &[])).unwrap().num_rows(), 0);
    for (name, message) in [("gone.csv", "the path does not exist"), ("gone*.csv", "no file matches the path")] {
        let path = folder.path().join(name);
        let table = table(&path, "csv", &[]);
        let checked = source(&table).unwrap();
        let error = checked.enumerator(&task()).err().unwrap().to_string();
        assert!(
            error.contains(message) && error.contains(path.to_str().unwrap()) && error.contains("table: t"),
            "{error}"
        );
    }
}

#[test]
fn metadata_columns_tell_about_the_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x y.csv");
    write(&path, "1,a\n2,b\n");
    let mut table = table(&path, "csv", &[]);
    table.metadata = vec![
        metadata("file.size", LogicalType::BigInt),
        metadata("file.name", LogicalType::STRING),
        metadata("file.path", LogicalType::STRING),
        metadata("file.modification-time", LogicalType::TimestampLtz(3)),
    ];
    let rows = read(&table).unwrap();
    assert_eq!(rows.schema().field(3).name(), "m file.name");
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().values().to_vec(), [8, 8]);
    assert_eq!(rows.column(3).as_string::<i32>().value(1), "x y.csv");
    assert_eq!(rows.column(4).as_string::<i32>().value(0), path.to_str().unwrap());
    let modified = fs::metadata(&path).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let modified = i64::try_from(modified.as_millis()).unwrap();
    assert_eq!(rows.column(5).as_primitive::<TimestampMillisecondType>().values().to_vec(), [modified; 2]);
    table.metadata = vec![metadata("file.owner", LogicalType::STRING)];
    assert!(source(&table).err().unwrap().to_string().contains("has no metadata 'file.owner'"));
}

#[test]
fn a_reader_that_is_restored_after_any_batch_reads_the_rest_and_nothing_twice() {
    let folder = tempdir().unwrap();
    for file in 0..3 {
        let lines: String = (0..10_000).map(|n| format!("{},\"x\ny\"\n", file * 10_000 + n)).collect();
        write(&folder.path().join(format!("{file}.csv")), &lines);
    }
    let source = source(&table(folder.path(), "csv", &[])).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Bounded);
    let start = splits(source.as_ref()).unwrap();
    for stop in 0..12 {
        let mut first = reader(source.as_ref(), start.clone());
        let mut seen = Vec::new();
        for _ in 0..stop {
            seen.extend(next(first.as_mut()).unwrap().iter().flat_map(numbers));
        }
        let rest = rest(reader(source.as_ref(), first.splits()).as_mut()).unwrap();
        seen.extend(rest.iter().flat_map(numbers));
        assert_eq!(seen, (0..30_000).collect::<Vec<_>>(), "stopped after {stop} batches");
    }
}

#[test]
fn a_watched_folder_shows_new_files_once() {
    let folder = tempdir().unwrap();
    write(&folder.path().join("a.csv"), "1,x\n");
    let source = source(&table(folder.path(), "csv", &[("source.monitor-interval", "3 s")])).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Unbounded);
    let mut enumerator = source.enumerator(&task()).unwrap();
    let mut discover = || {
        let found = enumerator.discover().unwrap();
        assert_eq!(found.again, Some(Duration::from_secs(3)));
        rest(reader(source.as_ref(), found.splits).as_mut()).unwrap().iter().flat_map(numbers).collect::<Vec<_>>()
    };
    assert_eq!(discover(), [1]);
    write(&folder.path().join("b.csv"), "2,x\n");
    write(&folder.path().join("_c.csv"), "3,x\n");
    assert_eq!(discover(), [2]);
    assert_eq!(discover(), [0; 0]);
    let mut restored = source.enumerator(&task()).unwrap();
    restored.restore(&[folder.path().join("a.csv").to_str().unwrap().into()]);
    assert_eq!(restored.discover().unwrap().splits.len(), 1);
}

#[test]
fn a_bounded_job_that_is_restored_keeps_the_files_it_found() {
    let folder = tempdir().unwrap();
    write(&folder.path().join("a.csv"), "1,x\n");
    let source = source(&table(folder.path(), "csv", &[])).unwrap();
    let known: Vec<_> = splits(source.as_ref()).unwrap().into_iter().map(|split| split.id).collect();
    write(&folder.path().join("b.csv"), "2,x\n");
    let mut restored = source.enumerator(&task()).unwrap();
    restored.restore(&known);
    assert!(restored.discover().unwrap().splits.is_empty());
}

#[test]
fn a_record_that_cannot_be_read_is_placed_or_skipped_and_counted() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let good: String = (0..5000).map(|n| format!("{n},\"x\n\"\n")).collect();
    write(&path, &format!("{good}oops,y,z\n1,x\n"));
    let error = read(&table(&path, "csv", &[])).unwrap_err().to_string();
    assert!(error.contains(&format!("line: 10001, path: {}, table: t", path.display())), "{error}");
    let json = folder.path().join("b.json");
    write(&json, "{\"a\": 1}\n{\"a\": \"x\"}\n");
    let error = read(&table(&json, "json", &[])).unwrap_err().to_string();
    assert!(error.contains("column: a") && error.contains("line: 2"), "{error}");
    let lenient = source(&table(&json, "json", &[("json.ignore-parse-errors", "true")])).unwrap();
    let context = task();
    let mut reader = lenient.reader(&context).unwrap();
    reader.add_splits(splits(lenient.as_ref()).unwrap()).unwrap();
    let rows: usize = rest(reader.as_mut()).unwrap().iter().map(|batch| batch.num_rows()).sum();
    let skipped = context.counters.counter("numRecordsInErrors").get();
    assert_eq!(rows as u64 + skipped, 2);
}

#[test]
fn compressed_files_are_read_from_any_position_or_refused_by_name() {
    let folder = tempdir().unwrap();
    let lines: String = (0..9000).map(|n| format!("{n},x\n")).collect();
    let path = folder.path().join("a.csv.gz");
    let mut gzip = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    gzip.finish().unwrap();
    let mut zlib = ZlibEncoder::new(File::create(folder.path().join("b.deflate")).unwrap(), Compression::fast());
    zlib.write_all(b"9000,x\n").unwrap();
    zlib.finish().unwrap();
    let gz = source(&table(folder.path(), "csv", &[])).unwrap();
    let mut first = reader(gz.as_ref(), splits(gz.as_ref()).unwrap());
    let mut seen = numbers(&next(first.as_mut()).unwrap().unwrap());
    seen.extend(rest(reader(gz.as_ref(), first.splits()).as_mut()).unwrap().iter().flat_map(numbers));
    assert_eq!(seen, (0..=9000).collect::<Vec<_>>());
    write(&folder.path().join("c.csv.bz2"), "");
    let error = read(&table(folder.path(), "csv", &[])).unwrap_err().to_string();
    assert!(error.contains("'.bz2' is not supported yet") && error.contains("c.csv.bz2"), "{error}");
}

#[test]
fn a_file_that_became_shorter_is_not_read_on() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.csv");
    write(&path, &"1,x\n".repeat(9000));
    let source = source(&table(&path, "csv", &[])).unwrap();
    let mut first = reader(source.as_ref(), splits(source.as_ref()).unwrap());
    next(first.as_mut()).unwrap();
    write(&path, "1,x\n");
    let error = next(reader(source.as_ref(), first.splits()).as_mut()).unwrap_err().to_string();
    assert!(error.contains("the file ends before offset 16384"), "{error}");
}

#[test]
fn a_raw_file_has_a_row_for_each_line() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, "one\ntwo\r\nthree");
    let mut table = table(&path, "raw", &[]);
    table.columns.remove(0);
    let rows = read(&table).unwrap();
    assert_eq!(rows.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["one", "two", "three"]);
}

#[test]
fn wrong_options_are_refused_before_anything_is_read() {
    let nowhere = std::path::Path::new("/nowhere");
    let refused =
        |format: &str, options: &[(&str, &str)]| source(&table(nowhere, format, options)).err().unwrap().to_string();
    for (format, options, message) in [
        ("csv", &[("source.monitor-interval", "0 s")][..], "'source.monitor-interval' must be greater than 0"),
        ("csv", &[("source.path.regex-pattern", "(")], "is no regular expression"),
        (
            "csv",
            &[("sink.partition-commit.trigger", "process-time")],
            "'sink.partition-commit.trigger' of connector 'filesystem' is not supported yet",
        ),
        ("csv", &[("partition.default-name", "x")], "is not supported yet"),
        ("csv", &[("auto-compaction", "true")], "is not supported yet"),
        ("csv", &[("source.monitor-intervall", "1 s")], "did you mean 'source.monitor-interval'?"),
        ("csv", &[("csv.field-delimeter", ";")], "did you mean 'csv.field-delimiter'?"),
        ("cvs", &[], "did you mean 'csv'?"),
    ] {
        let error = refused(format, options);
        assert!(error.contains(message), "{error}");
    }
    let mut remote = table(nowhere, "csv", &[]);
    remote.options.insert("path".into(), "s3://bucket/x".into());
    let error = source(&remote).err().unwrap().to_string();
    assert!(error.contains("the file system 's3' is not supported yet") && error.contains("table: t"), "{error}");
    remote.options.remove("path");
    assert!(source(&remote).err().unwrap().to_string().contains("missing required option 'path'"));
}
