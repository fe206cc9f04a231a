//! What brokers tell of the groups a client is in.

use std::time::Duration;

use riverrun_rocketmq_client::{BrokerEvent, Filter};
use riverrun_testkit::{rocketmq, unique};
use tokio::time::timeout;

use crate::harness::{LIMIT, client};

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_told_when_another_joins_and_leaves() {
    let (topic, group) = (rocketmq().topic("members", 1), unique("cg"));
    let first = client();
    let mut events = first.events(100);
    first.join_consumers(&group, &topic, Filter::tags("a || b"));
    first.greet(&topic).await.unwrap();
    let second = client();
    second.join_consumers(&group, &topic, Filter::tags("a || b"));
    second.greet(&topic).await.unwrap();
    let mut changed = async |why: &str| {
        let event = timeout(LIMIT, events.recv()).await.unwrap_or_else(|_| panic!("no event when {why}")).unwrap();
        assert!(matches!(&event, BrokerEvent::ConsumersChanged { group: of } if *of == group), "{event:?}");
    };
    changed("the other joined").await;
    // each broker tells of the first and of the second
    while timeout(Duration::from_millis(500), changed("more are told")).await.is_ok() {}
    drop(second);
    changed("the other left").await;
}
