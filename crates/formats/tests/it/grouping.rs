//! How messages are grouped into calls changes nothing.

use arrow::compute::concat_batches;
use proptest::prelude::*;
use riverrun_data::{DataType, LogicalType, RowField, arrow_schema};

use crate::rows::open_format;

fn columns() -> Vec<RowField> {
    let column = |name: &str, data_type| RowField { name: name.into(), data_type };
    let text = DataType::nullable(LogicalType::STRING);
    vec![
        column("a", DataType::not_null(LogicalType::Int)),
        column("b", text.clone()),
        column("c", DataType::nullable(LogicalType::Timestamp(3))),
        column("d", DataType::nullable(LogicalType::Array(Box::new(text)))),
    ]
}

fn csv() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => ("-?[0-9]{1,5}", "[a-zé]{0,5}", 0..9_u8, "[a-z;]{0,5}").prop_map(|(a, b, day, d)| format!("{a},\"{b}\",2024-01-0{day} 00:00:00,{d}").into_bytes()),
        1 => "[a-z,\"\n]{0,9}".prop_map(String::into_bytes),
    ]
}

fn json() -> impl Strategy<Value = Vec<u8>> {
    let object = ("-?[1-9]{1,5}", "[a-zé]{0,5}", 0..9_u8, prop::bool::ANY).prop_map(|(a, b, day, swapped)| {
        let (a, b) = (format!("\"a\":{a}"), format!("\"b\":\"{b}\""));
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        format!("{{{a},\"c\":\"2024-01-0{day} 00:00:00\",\"z\":[],{b},\"d\":[\"x\",null]}}")
    });
    prop_oneof![
        8 => object.clone().prop_map(String::into_bytes),
        1 => prop::collection::vec(object, 0..4).prop_map(|objects| format!("[{}]", objects.join(",")).into_bytes()),
        1 => "[a-z{}\"]{0,9}".prop_map(String::into_bytes),
    ]
}

/// Reads all messages at once, and in groups, and compares rows, origins and errors.
fn check(name: &str, ignore: bool, messages: &[Vec<u8>], sizes: &[usize]) -> Result<(), TestCaseError> {
    let options = [("ignore-parse-errors".to_owned(), ignore.to_string())];
    let format = open_format(name, &options, &columns());
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let whole = format.decoder().unwrap().decode(&messages);
    let mut decoder = format.decoder().unwrap();
    let (mut start, mut rows, mut origins, mut skipped, mut failed) = (0, Vec::new(), Vec::new(), 0, None);
    for size in sizes.iter().cycle() {
        if start >= messages.len() {
            break;
        }
        let end = (start + size).min(messages.len());
        match decoder.decode(&messages[start..end]) {
            Ok(decoded) => {
                let own =
                    decoded.messages.unwrap_or_else(|| (0..u32::try_from(decoded.rows.num_rows()).unwrap()).collect());
                origins.extend(own.into_iter().map(|message| message as usize + start));
                skipped += decoded.skipped;
                rows.push(decoded.rows);
            }
            Err(error) => {
                failed = Some((error.message + start, error.error.to_string()));
                break;
            }
        }
        start = end;
    }
    match whole {
        Err(error) => prop_assert_eq!(failed, Some((error.message, error.error.to_string()))),
        Ok(decoded) => {
            prop_assert_eq!(failed, None);
            let own =
                decoded.messages.unwrap_or_else(|| (0..u32::try_from(decoded.rows.num_rows()).unwrap()).collect());
            prop_assert_eq!(own.into_iter().map(|message| message as usize).collect::<Vec<_>>(), origins);
            prop_assert_eq!(skipped, decoded.skipped);
            prop_assert_eq!(concat_batches(&arrow_schema(&columns()), &rows).unwrap(), decoded.rows);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_messages_may_come_in_any_groups(ignore: bool, messages in prop::collection::vec(csv(), 1..1500), sizes in prop::collection::vec(1_usize..700, 1..4)) {
        check("csv", ignore, &messages, &sizes)?;
    }

    #[test]
    fn json_messages_may_come_in_any_groups(ignore: bool, messages in prop::collection::vec(json(), 1..1500), sizes in prop::collection::vec(1_usize..700, 1..4)) {
        check("json", ignore, &messages, &sizes)?;
    }
}
