//! As much of the remoting protocol as it takes to ask a server of a test one question.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const GET_BROKER_CLUSTER_INFO: u16 = 106;
const GET_ROUTE: u16 = 105;
const UPDATE_BROKER_CONFIG: u16 = 25;
const UPDATE_AND_CREATE_TOPIC: u16 = 17;

/// Whether the name server knows the broker of this name.
pub(super) fn is_registered(name_server: u16, broker: &str) -> bool {
    ask(name_server, GET_BROKER_CLUSTER_INFO, &[], "").is_some_and(|answer| answer.contains(&format!("\"{broker}\"")))
}

/// Has the broker register now and not at the end of its period: it does so when its permission is set.
pub(super) fn register(broker: u16) {
    // a broker that is not up yet is asked again
    let _ = ask(broker, UPDATE_BROKER_CONFIG, &[], "brokerPermission=6");
}

/// Makes a topic on one broker.
pub(super) fn create_topic(broker: u16, topic: &str, queues: u32) -> Option<()> {
    let queues = queues.to_string();
    let fields = [
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", &queues),
        ("writeQueueNums", &queues),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
    ];
    ask(broker, UPDATE_AND_CREATE_TOPIC, &fields, "")?.contains("\"code\":0").then_some(())
}

/// Whether the name server's route of the topic has this many queues on each of the brokers.
pub(super) fn has_route(name_server: u16, topic: &str, brokers: &[String], queues: u32) -> bool {
    let fields = [("topic", topic), ("acceptStandardJsonOnly", "true")];
    let Some(answer) = ask(name_server, GET_ROUTE, &fields, "") else { return false };
    brokers.iter().all(|broker| answer.contains(&format!("\"brokerName\":\"{broker}\"")))
        && answer.matches(&format!("\"readQueueNums\":{queues},")).count() >= brokers.len()
}

/// The answer's header and body, as text.
fn ask(port: u16, code: u16, fields: &[(&str, &str)], body: &str) -> Option<String> {
    let mut header = format!("{{\"code\":{code},\"language\":\"OTHER\",\"version\":401,\"opaque\":1,\"flag\":0");
    for (index, (key, value)) in fields.iter().enumerate() {
        let before = if index == 0 { ",\"extFields\":{" } else { "," };
        write!(header, "{before}\"{key}\":\"{value}\"").ok()?;
    }
    header.push_str(if fields.is_empty() { "}" } else { "}}" });
    let length = |bytes: usize| u32::try_from(bytes).map(u32::to_be_bytes).ok();
    let mut frame = Vec::new();
    frame.extend(length(4 + header.len() + body.len())?);
    frame.extend(length(header.len())?);
    frame.extend(header.bytes().chain(body.bytes()));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(&frame).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
    stream.read_exact(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
