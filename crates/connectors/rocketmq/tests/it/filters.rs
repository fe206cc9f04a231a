//! Filters by tag and by expression.

use riverrun_rocketmq_client::Message;
use riverrun_testkit::rocketmq;

use crate::harness::{Reading, beside, people};

#[test]
fn tags_are_those_that_are_asked_for_and_not_others_of_the_same_hash() {
    // "Aa" and "BB" have the same hash in Java, by which the broker filters
    let (beside, topic) = (beside(), rocketmq().topic("tags", 1));
    let queue = beside.queue(&topic, 0);
    let tags = ["Aa", "BB", "c", "d", "Aa"];
    beside.send(&queue, (0..).zip(tags).map(|(n, tag)| Message::new(&topic, format!("{n},{tag}")).tags(tag)));
    let mut reading = Reading::start(&people(&topic, &[("tag", "Aa || c")]));
    assert_eq!(reading.take_exactly(3), ["0|Aa", "2|c", "4|Aa"]);
}

#[test]
fn positions_move_past_what_is_filtered_out() {
    let (beside, topic) = (beside(), rocketmq().topic("tags_gap", 1));
    let queue = beside.queue(&topic, 0);
    let tag = |n: i32| if n < 5 { "a" } else { "b" };
    beside.send(&queue, (0..200).map(|n| Message::new(&topic, format!("{n},x")).tags(tag(n))));
    let mut reading = Reading::start(&people(&topic, &[("tag", "a")]));
    reading.take_exactly(5);
    riverrun_testkit::wait_until(crate::harness::LIMIT, "the position to be behind the gap", || {
        assert!(matches!(
            reading.reader.poll(std::time::Duration::from_millis(50)).unwrap(),
            riverrun_connect::Polled::Nothing
        ));
        reading.position(&queue) == "{\"offset\":200}"
    });
}

#[test]
fn an_expression_sees_properties_and_tags() {
    let (beside, topic) = (beside(), rocketmq().topic("expression", 1));
    let queue = beside.queue(&topic, 0);
    let message = |n: i32| Message::new(&topic, format!("{n},x")).tags(if n < 4 { "a" } else { "b" });
    beside.send(&queue, (0..8).map(|n| message(n).property("price", n.to_string())));
    let options = [("sql", "(TAGS = 'a' AND price > 2) OR price = 7")];
    assert_eq!(Reading::start(&people(&topic, &options)).take_exactly(2), ["3|x", "7|x"]);
    let error = Reading::start(&people(&topic, &[("sql", "price >")])).error().to_string();
    assert!(error.contains("filter") && error.contains("price >"), "{error}");
}
