//! Where a topic's queues are, as a name server knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use serde::Deserialize;

const READABLE: i32 = 4;
const WRITABLE: i32 = 2;

/// The broker among those of one name that takes messages; the others are its copies.
const MASTER: u64 = 0;

/// A queue of a topic: one of those that a broker has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue {
    /// The topic.
    pub topic: Arc<str>,
    /// The name of the broker, which stands for a master and its copies.
    pub broker: Arc<str>,
    /// The queue's number on that broker, from 0.
    pub id: i32,
}

impl Queue {
    /// A queue by its three names.
    #[must_use]
    pub fn new(topic: &str, broker: &str, id: i32) -> Self {
        Self { topic: topic.into(), broker: broker.into(), id }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.broker, self.id)
    }
}

/// A topic's queues, and their brokers' addresses, at one moment. A broker that is down has left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    groups: Vec<QueueGroup>,
    brokers: BTreeMap<Arc<str>, Addresses>,
    readable: Vec<Queue>,
    writable: Vec<Queue>,
}

/// The addresses of a broker's master (0) and its copies.
pub(crate) type Addresses = BTreeMap<u64, String>;

/// The queues of a topic on one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
struct QueueGroup {
    broker: Arc<str>,
    readable: i32,
    writable: i32,
}

impl Route {
    fn new(topic: &str, groups: Vec<QueueGroup>, brokers: BTreeMap<Arc<str>, Addresses>) -> Self {
        let topic: Arc<str> = topic.into();
        let is_up = |broker: &Arc<str>| brokers.get(broker).is_some_and(|addresses| addresses.contains_key(&MASTER));
        let queues = |count: &dyn Fn(&QueueGroup) -> i32| {
            let of_group = |group: &QueueGroup| {
                let (topic, broker) = (Arc::clone(&topic), Arc::clone(&group.broker));
                (0..count(group)).map(move |id| Queue { topic: Arc::clone(&topic), broker: Arc::clone(&broker), id })
            };
            groups.iter().flat_map(of_group).collect()
        };
        let readable = queues(&|group| group.readable);
        let writable = queues(&|group| if is_up(&group.broker) { group.writable } else { 0 });
        Self { groups, brokers, readable, writable }
    }

    /// Queues to read from, in a fixed order: by broker, then number.
    #[must_use]
    pub fn readable(&self) -> &[Queue] {
        &self.readable
    }

    /// Queues to write to, in a fixed order: those of brokers whose master is up.
    #[must_use]
    pub fn writable(&self) -> &[Queue] {
        &self.writable
    }

    /// Names of the brokers that have queues of the topic.
    pub fn brokers(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| &*group.broker)
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&Arc<str>, &Addresses)> {
        self.brokers.iter()
    }

    /// The route of `topic` that a producer assumes for a topic nobody has made yet, from that of the topic by which
    /// brokers that make topics on first use are known.
    pub(crate) fn for_new_topic(&self, topic: &str) -> Self {
        let group = |group: &QueueGroup| QueueGroup {
            broker: Arc::clone(&group.broker),
            readable: group.readable.min(NEW_TOPIC_QUEUES),
            writable: group.writable.min(NEW_TOPIC_QUEUES),
        };
        Self::new(topic, self.groups.iter().map(group).collect(), self.brokers.clone())
    }

    /// Reads a name server's answer.
    ///
    /// # Errors
    /// It is no route.
    pub(crate) fn parse(topic: &str, json: &[u8]) -> Result<Self> {
        let data: RouteData = serde_json::from_slice(json).map_err(|error| {
            Error::external("the name server's answer is no route").with("topic", topic).caused_by(error)
        })?;
        let allowed = |perm: i32, bit: i32, queues: i32| if perm & bit != 0 { queues.clamp(0, QUEUES_MAX) } else { 0 };
        let mut groups: Vec<QueueGroup> = data
            .queue_datas
            .unwrap_or_default()
            .into_iter()
            .map(|queues| QueueGroup {
                broker: queues.broker_name.into(),
                readable: allowed(queues.perm, READABLE, queues.read_queue_nums),
                writable: allowed(queues.perm, WRITABLE, queues.write_queue_nums),
            })
            .collect();
        groups.sort_by(|a, b| a.broker.cmp(&b.broker));
        groups.dedup_by(|a, b| a.broker == b.broker);
        let brokers = data.broker_datas.unwrap_or_default();
        let brokers = brokers.into_iter().map(|broker| (broker.broker_name.into(), broker.broker_addrs));
        Ok(Self::new(topic, groups, brokers.collect()))
    }
}

/// Java's `defaultTopicQueueNums`.
pub(crate) const NEW_TOPIC_QUEUES: i32 = 4;

/// What no topic has: bounds what a wrong answer makes us do.
const QUEUES_MAX: i32 = 1 << 16;

/// The topic of brokers that make topics on first use.
pub(crate) const NEW_TOPIC: &str = "TBW102";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RouteData {
    queue_datas: Option<Vec<QueueData>>,
    broker_datas: Option<Vec<BrokerData>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueueData {
    broker_name: String,
    read_queue_nums: i32,
    write_queue_nums: i32,
    perm: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BrokerData {
    broker_name: String,
    broker_addrs: Addresses,
}

/// A cluster's masters, by broker name, from a name server's answer.
///
/// # Errors
/// It is no list of brokers.
pub(crate) fn parse_masters(json: &[u8]) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cluster {
        broker_addr_table: BTreeMap<String, BrokerData>,
    }
    let cluster: Cluster = serde_json::from_slice(&with_quoted_keys(json))
        .map_err(|error| Error::external("the name server's answer is no list of brokers").caused_by(error))?;
    let masters = cluster.broker_addr_table.into_iter();
    Ok(masters.filter_map(|(name, mut broker)| Some((name, broker.broker_addrs.remove(&MASTER)?))).collect())
}

/// Puts quotes around numbers that stand as keys: Java's writer leaves them out, against JSON.
fn with_quoted_keys(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + 16);
    let (mut in_text, mut escaped, mut in_key) = (false, false, false);
    let mut before = 0;
    for &byte in json {
        if in_key && !byte.is_ascii_digit() {
            out.push(b'"');
            in_key = false;
        }
        if !in_text && !in_key && byte.is_ascii_digit() && before == b'{' {
            out.push(b'"');
            in_key = true;
        }
        if in_text {
            in_text = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
        } else if byte == b'"' {
            in_text = true;
        }
        // behind a comma in an object stands a key; in these answers arrays hold no numbers
        before = if in_text || byte.is_ascii_whitespace() {
            before
        } else if byte == b',' {
            b'{'
        } else {
            byte
        };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = r#"{"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.1:10911","1":"10.0.0.2:10911"},"brokerName":"broker-b","cluster":"c","enableActingMaster":false},
        {"brokerAddrs":{"1":"10.0.0.3:10911"},"brokerName":"broker-a","cluster":"c"}],"filterServerTable":{},
        "queueDatas":[{"brokerName":"broker-b","perm":6,"readQueueNums":2,"topicSysFlag":0,"writeQueueNums":1},
        {"brokerName":"broker-a","perm":6,"readQueueNums":1,"topicSysFlag":0,"writeQueueNums":1},
        {"brokerName":"broker-c","perm":2,"readQueueNums":9,"topicSysFlag":0,"writeQueueNums":9}]}"#;

    fn names(queues: &[Queue]) -> Vec<String> {
        queues.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn queues_are_read_where_allowed_and_written_where_a_master_is() {
        let route = Route::parse("t", ROUTE.as_bytes()).unwrap();
        assert_eq!(names(route.readable()), ["t/broker-a/0", "t/broker-b/0", "t/broker-b/1"]);
        assert_eq!(names(route.writable()), ["t/broker-b/0"]);
        assert_eq!(route.brokers().collect::<Vec<_>>(), ["broker-a", "broker-b", "broker-c"]);
    }

    #[test]
    fn a_route_without_anything_has_no_queues() {
        let route = Route::parse("t", b"{}").unwrap();
        assert!(route.readable().is_empty() && route.writable().is_empty());
        assert!(Route::parse("t", b"[]").unwrap_err().to_string().contains("no route"));
    }

    #[test]
    fn a_new_topic_has_four_queues_at_most() {
        let route =
            Route::parse("TBW102", ROUTE.replace("\"writeQueueNums\":1", "\"writeQueueNums\":8").as_bytes()).unwrap();
        let queues = names(route.for_new_topic("new").writable());
        assert_eq!(queues, ["new/broker-b/0", "new/broker-b/1", "new/broker-b/2", "new/broker-b/3"]);
    }

    #[test]
    fn masters_are_found_though_their_numbers_have_no_quotes() {
        let json = br#"{"brokerAddrTable":{"b\"{0:":{"brokerAddrs":{0:"h:1",1:"h:2"},"brokerName":"b","cluster":"c"},
            "a":{"brokerAddrs":{"1":"h:3"},"brokerName":"a","cluster":"c"}},"clusterAddrTable":{"c":["a","b"]}}"#;
        assert_eq!(parse_masters(json).unwrap(), BTreeMap::from([("b\"{0:".to_owned(), "h:1".to_owned())]));
    }
}
