//! Signed requests, encrypted connections, and who may not.

use std::time::Duration;

use riverrun_base::{Error, Kind, Secret};
use riverrun_rocketmq_client::{Client, ClientOptions, Credentials, Message, PullOptions, Queue, Tls};
use riverrun_testkit::{RocketMqOptions, RocketMqServer, rocketmq, unique};

use crate::harness::{client, client_of, eventually, producer, read, visible};

fn client_as(server: &RocketMqServer, credentials: Option<(&str, &str)>) -> Client {
    let mut options = ClientOptions::new(&server.name_server()).unwrap();
    options.credentials = credentials.map(|(user, secret)| Credentials::new(user, Secret::new(secret)));
    Client::new(options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_requests_are_taken_and_others_refused() {
    let server = RocketMqOptions::new().brokers(1).access_control().start();
    let admin = client_as(&server, Some(server.admin()));
    let topic = unique("secured");
    admin.create_topic(&topic, 1).await.unwrap();
    let route = eventually("the topic's route", || async { admin.refresh_route(&topic).await.unwrap() }).await;
    let queue = route.readable()[0].clone();
    let receipt = producer(&admin).send(Message::new(&topic, "m")).await.unwrap();
    assert_eq!(&read(&admin, &receipt.queue, 0, 1).await[0].body()[..], b"m");
    let group = unique("cg");
    admin.commit_offset(&group, &queue, 1).await.unwrap();
    assert_eq!(admin.committed_offset(&group, &queue).await.unwrap(), Some(1));
    let half = producer(&admin).send_half(&queue, Message::new(&topic, "half"), 1, None).await.unwrap();
    assert_eq!(admin.commit_again(&[half]).await.unwrap(), 1);
    assert_eq!(visible(&admin, &queue, 2).await.len(), 2);

    for credentials in [None, Some(("admin", "wrong")), Some(("nobody", "admin-secret"))] {
        let client = client_as(&server, credentials);
        let error = producer(&client).send(Message::new(&topic, "m")).await.unwrap_err();
        assert_refused(&error, credentials);
        let error = client.puller(&queue, PullOptions::new(&group)).pull(0).await.unwrap_err();
        assert_refused(&error, credentials);
    }
    assert_eq!(admin.max_offset(&queue).await.unwrap(), 2);
}

fn assert_refused(error: &Error, credentials: Option<(&str, &str)>) {
    assert_eq!((error.kind(), error.is_retryable()), (Kind::External, false), "{credentials:?}: {error}");
    assert!(error.hint_text().unwrap().contains("check the access key and the secret key"), "{error}");
    assert!(!error.to_string().contains("admin-secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_strangers_found_out() {
    let server = RocketMqOptions::new().brokers(1).tls().start();
    let topic = server.topic("encrypted", 1);
    let with = |tls: Tls| {
        let mut options = ClientOptions::new(&server.name_server()).unwrap();
        options.tls = Some(tls);
        Client::new(options).unwrap()
    };
    let client = with(Tls::unverified());
    let receipt = producer(&client).send(Message::new(&topic, vec![1; 100_000])).await.unwrap();
    assert_eq!(read(&client, &receipt.queue, 0, 1).await[0].body().len(), 100_000);
    // the same server takes plain text too
    assert_eq!(read(&client_of(&server), &receipt.queue, 0, 1).await.len(), 1);

    let error = with(Tls::verified()).route(&topic).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_found_out() {
    let mut options = ClientOptions::new(&rocketmq().name_server()).unwrap();
    options.tls = Some(Tls::unverified());
    options.request_timeout = Duration::from_secs(1);
    let error = Client::new(options).unwrap().route("topic").await.unwrap_err();
    assert!(error.to_string().contains("does the server take TLS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_read_is_named() {
    let mut options = ClientOptions::new("127.0.0.1:1").unwrap();
    options.tls = Some(Tls::verified().authority("/nowhere/ca.pem"));
    let error = Client::new(options).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::User, "cannot read /nowhere/ca.pem as PEM"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_the_users_mistake() {
    let (client, topic) = (client(), unique("missing"));
    let error = client.existing_route(&topic).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::User, format!("there is no topic '{topic}'").as_str()));
    let known = rocketmq().topic("known", 1);
    let broker = client.existing_route(&known).await.unwrap().readable()[0].broker.clone();
    let queue = Queue::new(&topic, &broker, 0);
    let error = client.puller(&queue, PullOptions::new(unique("cg"))).pull(0).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (Kind::User, false), "{error}");
    assert_eq!(error.hint_text(), Some("create the topic, or correct its name"));
    let error =
        client.puller(&Queue::new(&known, &broker, 7), PullOptions::new(unique("cg"))).pull(0).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    let error = client.max_offset(&Queue::new(&known, "broker-x", 0)).await.unwrap_err();
    assert!(error.is_retryable() && error.message() == "broker broker-x is not known to the name server", "{error}");
}
