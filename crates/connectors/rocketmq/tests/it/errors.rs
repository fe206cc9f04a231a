//! What goes wrong, and what is said about it.

use riverrun_base::Kind;
use riverrun_data::{ChangelogMode, RowKind};
use riverrun_rocketmq::ROCKETMQ;
use riverrun_rocketmq_client::Message;
use riverrun_testkit::{RocketMqOptions, rocketmq, unique};

use crate::harness::{Reading, batch, beside, people, people_of, try_writer};

#[test]
fn a_missing_topic_is_the_users_mistake_within_seconds() {
    let topic = unique("no_such_topic");
    let begin = std::time::Instant::now();
    let error = Reading::try_start(&people(&topic, &[])).err().unwrap();
    assert_eq!(error.kind(), Kind::User);
    assert!(error.to_string().contains(&format!("has no topic '{topic}'")), "{error}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_missing_topic_to_write_is_an_error_where_brokers_make_none() {
    let server = RocketMqOptions::new().brokers(1).setting("autoCreateTopicEnable", "false").start();
    let topic = unique("no_such_topic");
    let error = try_writer(&people_of(&server, &topic, &[])).err().unwrap();
    assert_eq!(error.kind(), Kind::User);
    assert!(error.to_string().contains(&topic), "{error}");
}

#[test]
fn wrong_credentials_are_told_and_right_ones_work() {
    let server = RocketMqOptions::new().brokers(1).access_control().start();
    let (user, secret) = server.admin();
    let topic = "TopicOfAdmin";
    let with = |key: &str, secret: &str| people_of(&server, topic, &[("accessKey", key), ("secretKey", secret)]);
    let right = with(user, secret);
    let mut writer = try_writer(&right).unwrap();
    writer.write(batch(&right, &["1|n1"])).unwrap();
    writer.flush(riverrun_connect::Flush::End).unwrap();
    assert_eq!(Reading::start(&right).take(1), ["1|n1"]);

    let wrong = with(user, "wrong");
    let read = match Reading::try_start(&wrong) {
        Err(error) => error,
        Ok(mut reading) => reading.error(),
    };
    let written = match try_writer(&wrong) {
        Err(error) => error,
        Ok(mut writer) => {
            let outcome = writer.write(batch(&wrong, &["1|n1"]));
            outcome.and_then(|()| writer.flush(riverrun_connect::Flush::End)).unwrap_err()
        }
    };
    for error in [read, written] {
        let text = error.to_string();
        assert!(text.contains("access key") && !text.contains("wrong"), "{text}");
    }
    let half = people_of(&server, topic, &[("accessKey", user)]);
    assert!(Reading::try_start(&half).err().unwrap().to_string().contains("go together"));
}

#[test]
fn a_body_that_cannot_be_read_is_told_with_its_place() {
    let (beside, topic) = (beside(), rocketmq().topic("malformed", 1));
    let queue = beside.queue(&topic, 0);
    beside.send(&queue, ["1,n1", "two,n2"].map(|body| Message::new(&topic, body)));
    let error = Reading::start(&people(&topic, &[])).error();
    let text = error.to_string();
    assert_eq!(error.kind(), Kind::Data);
    for part in ["offset: 1", &format!("queue: {queue}"), "id"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn name_servers_that_are_not_there_are_told_within_seconds() {
    let topic = unique("away");
    let table = people(&topic, &[("nameServerAddress", "127.0.0.1:1")]);
    let begin = std::time::Instant::now();
    let error = Reading::try_start(&table).err().unwrap().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn updates_and_deletions_are_refused_and_never_dropped() {
    let sink = ROCKETMQ.sink.unwrap()(&people("t", &[])).unwrap();
    let taken = sink.changelog_mode(ChangelogMode::ALL);
    assert!(
        taken.contains(RowKind::Insert) && !taken.contains(RowKind::Delete) && !taken.contains(RowKind::UpdateBefore)
    );
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_runs() {
    let sink = |options: &[(&str, &str)]| match ROCKETMQ.sink.unwrap()(&people("t", options)) {
        Ok(_) => panic!("{options:?} is taken"),
        Err(error) => error.to_string(),
    };
    let exactly = ("sink.delivery-guarantee", "exactly-once");
    assert!(sink(&[exactly]).contains("producerGroup"));
    assert!(sink(&[exactly, ("producerGroup", "g"), ("delayLevel", "3")]).contains("delayed"));
    assert!(sink(&[("delayLevel", "19")]).contains("0 to 18"));
    assert!(sink(&[("keyColumns", "idd")]).contains("did you mean 'id'?"));
    assert!(sink(&[("isDynamicTag", "true")]).contains("dynamicTagColumn"));
    assert!(sink(&[("keyColumns", "id,name")]).contains("no column is left"));
    assert!(sink(&[("sink.parallelism", "0")]).contains("parallelism"));
}
