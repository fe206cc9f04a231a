//! What is written is read back.

use arrow::array::RecordBatch;
use proptest::prelude::*;
use riverrun_data::{Batch, RowField};
use riverrun_formats::{Encoded, Format};

use crate::rows::{Flavor, batch, csv_options, json_options, open_format, table};

fn encode(format: &dyn Format, rows: &RecordBatch) -> Encoded {
    let mut out = Encoded::default();
    format.encoder().unwrap().encode(&Batch::insertions(rows.clone()), &mut out).unwrap();
    out
}

fn comes_back(format: &dyn Format, rows: &RecordBatch) {
    let written = encode(format, rows);
    let messages: Vec<&[u8]> = written.messages().collect();
    assert_eq!(messages.len(), rows.num_rows());
    let read = format.decoder().unwrap().decode(&messages).unwrap();
    assert_eq!((&read.rows, read.messages, read.skipped), (rows, None, 0), "written as {:?}", texts(&messages));
    // A slice of the batch is written as the same messages.
    if rows.num_rows() > 2 {
        let slice = encode(format, &rows.slice(1, rows.num_rows() - 2));
        assert_eq!(slice.messages().collect::<Vec<_>>(), messages[1..messages.len() - 1]);
    }
}

fn texts(messages: &[&[u8]]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
}

/// Whether csv can tell all rows apart from nothing: a table of one column writes an empty text as an empty message.
fn csv(options: &[(String, String)], columns: &[RowField]) -> Box<dyn Format> {
    open_format("csv", options, columns)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_reads_what_it_writes(options in csv_options(), (columns, rows) in table(Flavor::Csv)) {
        comes_back(csv(&options, &columns).as_ref(), &batch(&columns, &rows));
    }

    #[test]
    fn json_reads_what_it_writes(options in json_options(), (columns, rows) in table(Flavor::Json)) {
        comes_back(open_format("json", &options, &columns).as_ref(), &batch(&columns, &rows));
    }

    #[test]
    fn csv_finds_the_rows_of_a_file_it_wrote(options in csv_options(), (columns, rows) in table(Flavor::Csv), line_end in prop::sample::select(vec!["\n", "\r\n"]), pieces in prop::collection::vec(1_usize..50, 1..5)) {
        let format = csv(&options, &columns);
        let rows = batch(&columns, &rows);
        let mut file = Vec::new();
        for message in encode(format.as_ref(), &rows).messages() {
            file.extend_from_slice(message);
            file.extend_from_slice(line_end.as_bytes());
        }
        let mut decoder = format.decoder().unwrap();
        // The file comes in pieces of any size; what is not consumed comes again.
        let (mut start, mut end, mut found) = (0, 0, Vec::new());
        for size in pieces.iter().cycle() {
            end = (end + size).min(file.len());
            let mut ranges = Vec::new();
            let consumed = decoder.split(&file[start..end], end == file.len(), &mut ranges).unwrap();
            found.extend(ranges.into_iter().map(|range| &file[start + range.start..start + range.end]));
            start += consumed;
            if end == file.len() {
                break;
            }
        }
        prop_assert_eq!(start, file.len());
        prop_assert_eq!(&decoder.decode(&found).unwrap().rows, &rows);
    }
}
