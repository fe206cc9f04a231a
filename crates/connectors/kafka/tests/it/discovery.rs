//! Topics and partitions that appear later.

use std::time::Duration;

use riverrun_testkit::{Record, kafka, unique, wait_until};

use crate::harness::{LIMIT, Reading, people, sorted};

fn line(n: i32, partition: i32) -> Record {
    Record::value(format!("{n},n{n}")).partition(partition)
}

#[test]
fn a_pattern_finds_new_topics_and_partitions_and_reads_them_from_their_beginning() {
    let prefix = unique("pattern");
    let (first, second, other) = (format!("{prefix}-1"), format!("{prefix}-22"), format!("{prefix}-x"));
    kafka().create_topic(&first, 1);
    kafka().create_topic(&other, 1);
    kafka().produce(&first, [line(1, 0)]);
    kafka().produce(&other, [line(100, 0)]);
    let pattern = format!("{prefix}-[0-9]+");
    let options = [("topic", ""), ("topic-pattern", pattern.as_str()), ("scan.startup.mode", "latest-offset")];
    let mut reading = Reading::start(&people(&kafka().bootstrap(), "", &options));
    assert_eq!(reading.positions(), [format!("{first}-0 {{\"offset\":1}}")]);
    assert_eq!(
        reading.enumerator.discover().unwrap().again,
        Some(Duration::from_secs(300)),
        "every five minutes by default"
    );

    kafka().add_partitions(&first, 2);
    kafka().create_topic(&second, 1);
    kafka().produce(&first, [line(2, 1), line(3, 0)]);
    kafka().produce(&second, [line(4, 0)]);
    let mut found = Vec::new();
    wait_until(LIMIT, "the enumerator to find both", || {
        found.extend(reading.discover().unwrap());
        found.len() == 2
    });
    assert_eq!(sorted(found), [format!("{first}-1"), format!("{second}-0")]);
    // The new ones were written to before they were found, and the start mode is latest: it is for what was there at the start.
    assert_eq!(sorted(reading.take_exactly(3)), ["2|n2", "3|n3", "4|n4"]);
}

#[test]
fn what_a_checkpoint_knows_is_not_found_again_and_what_is_new_since_starts_at_the_beginning() {
    let topic = kafka().topic("known", 1);
    kafka().produce(&topic, [line(1, 0), line(2, 0)]);
    let table = people(&kafka().bootstrap(), &topic, &[("scan.startup.mode", "latest-offset")]);
    let first = Reading::start(&table);
    let (known, splits) = (first.known.clone(), first.reader.splits());
    kafka().add_partitions(&topic, 2);
    kafka().produce(&topic, [line(3, 0), line(4, 1)]);
    let mut reading = Reading::restore(&table, known, splits);
    assert_eq!(sorted(reading.take_exactly(2)), ["3|n3", "4|n4"]);
}

#[test]
fn the_interval_is_an_option_and_zero_ends_the_search() {
    let topic = kafka().topic("interval", 1);
    let again = |interval: &str| {
        let table = people(&kafka().bootstrap(), &topic, &[("scan.topic-partition-discovery.interval", interval)]);
        Reading::start(&table).enumerator.discover().unwrap().again
    };
    assert_eq!(again("10 s"), Some(Duration::from_secs(10)));
    assert_eq!(again("0"), None);
}

#[test]
fn a_list_of_topics_is_read_whole() {
    let (one, two) = (kafka().topic("list", 1), kafka().topic("list", 2));
    kafka().produce(&one, [line(1, 0)]);
    kafka().produce(&two, [line(2, 0), line(3, 1)]);
    let mut reading = Reading::start(&people(
        &kafka().bootstrap(),
        &format!("{one};{two}"),
        &[("scan.bounded.mode", "latest-offset")],
    ));
    assert_eq!(sorted(reading.rest()), ["1|n1", "2|n2", "3|n3"]);
}

#[test]
fn a_pattern_that_never_matches_is_an_error_where_nothing_can_appear() {
    let pattern = unique("nothing");
    let options = [("topic", ""), ("topic-pattern", pattern.as_str()), ("scan.bounded.mode", "latest-offset")];
    let error = Reading::try_start(&people(&kafka().bootstrap(), "", &options)).err().unwrap().to_string();
    assert!(error.contains(&format!("no topic matches '{pattern}'")), "{error}");
}
