//! The client's task: heartbeats, by which brokers know the groups of a client and keep its connections, and routes
//! asked for again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use riverrun_base::Result;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Inner};
use crate::codes;
use crate::endpoint::Repeat;
use crate::fields::FieldsBuilder;
use crate::pull::Filter;

/// The groups in which brokers are told that we are.
#[derive(Default)]
pub(crate) struct Groups {
    producers: BTreeSet<String>,
    /// Subscriptions by topic.
    consumers: BTreeMap<String, BTreeMap<String, Filter>>,
}

impl Client {
    /// Joins a producer group: brokers then ask this client, too, about the transactions of the group.
    ///
    /// Brokers are told with the next heartbeat, which is sent at once.
    pub fn join_producers(&self, group: &str) {
        if self.inner.groups().producers.insert(group.to_owned()) {
            self.inner.wake.notify_one();
        }
    }

    /// Joins a consumer group with a subscription: brokers then show this client among its consumers, and tell of others
    /// that come and go. Pulling does not need it.
    ///
    /// Brokers are told with the next heartbeat, which is sent at once to those there is a connection with.
    pub fn join_consumers(&self, group: &str, topic: &str, filter: Filter) {
        self.inner.groups().consumers.entry(group.to_owned()).or_default().insert(topic.to_owned(), filter);
        self.inner.wake.notify_one();
    }

    /// Sends a heartbeat to every broker of the topic, and so connects with all of them: a client that only waits for
    /// checks of transactions sends nothing else.
    ///
    /// # Errors
    /// A broker of the topic does not answer, or refuses; the others have been told.
    pub async fn greet(&self, topic: &str) -> Result<()> {
        let route = self.existing_route(topic).await?;
        let mut outcome = Ok(());
        for name in route.brokers() {
            let broker = match self.broker(topic, name, crate::client::Access::Read).await {
                Ok(broker) => broker,
                Err(error) => {
                    outcome = Err(error);
                    continue;
                }
            };
            let body = self.inner.heartbeat();
            let fields = FieldsBuilder::default();
            match broker.call(codes::HEART_BEAT, fields, &body, self.deadline(), Repeat::Harmless).await {
                Ok(frame) if frame.code == codes::SUCCESS => {}
                Ok(frame) => {
                    outcome = Err(codes::refusal(frame.code, frame.remark(), "take a heartbeat", broker.address()));
                }
                Err(failure) => outcome = Err(failure.error),
            }
        }
        outcome
    }
}

impl Inner {
    /// `HeartbeatData`, as JSON.
    fn heartbeat(&self) -> Vec<u8> {
        let groups = self.groups();
        let producers: Vec<_> = groups.producers.iter().map(|group| json!({ "groupName": group })).collect();
        let consumers: Vec<_> = groups
            .consumers
            .iter()
            .map(|(group, topics)| {
                let subscriptions: Vec<_> = topics.iter().map(|(topic, filter)| filter.subscription(topic)).collect();
                json!({
                    "groupName": group,
                    "consumeType": "CONSUME_ACTIVELY",
                    "messageModel": "CLUSTERING",
                    "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET",
                    "subscriptionDataSet": subscriptions,
                    "unitMode": false,
                })
            })
            .collect();
        let data = json!({ "clientID": self.id, "producerDataSet": producers, "consumerDataSet": consumers });
        data.to_string().into_bytes()
    }

    /// Tells every broker there is a connection with.
    async fn send_heartbeats(&self) {
        let body = self.heartbeat();
        for broker in self.connected_brokers() {
            let deadline = Instant::now() + self.options.request_timeout;
            let fields = FieldsBuilder::default();
            match broker.call(codes::HEART_BEAT, fields, &body, deadline, Repeat::No).await {
                Ok(frame) if frame.code == codes::SUCCESS => {}
                Ok(frame) => {
                    tracing::warn!(
                        server = broker.address(),
                        code = frame.code,
                        remark = frame.remark(),
                        "heartbeat refused"
                    );
                }
                // requests notice it too, and say so to who made them
                Err(failure) => tracing::debug!(server = broker.address(), error = %failure.error, "no heartbeat"),
            }
        }
    }

    async fn refresh_routes(&self) {
        for topic in self.known_topics() {
            if let Err(error) = self.ask_route(&topic).await {
                tracing::debug!(%topic, %error, "route not refreshed");
            }
        }
        self.forget_former_brokers();
    }
}

/// Runs while the client is there.
pub(crate) async fn run(client: Weak<Inner>, wake: Arc<Notify>) {
    let Some((heartbeat, route)) = client.upgrade().map(|inner| intervals(&inner)) else { return };
    let (mut next_heartbeat, mut next_route) = (Instant::now() + heartbeat, Instant::now() + route);
    loop {
        let woken = timeout_at(next_heartbeat.min(next_route), wake.notified()).await.is_ok();
        let Some(inner) = client.upgrade() else { return };
        if woken || Instant::now() >= next_heartbeat {
            inner.send_heartbeats().await;
            next_heartbeat = Instant::now() + heartbeat;
        }
        if Instant::now() >= next_route {
            inner.refresh_routes().await;
            next_route = Instant::now() + route;
        }
    }
}

fn intervals(inner: &Inner) -> (std::time::Duration, std::time::Duration) {
    (inner.options.heartbeat_interval, inner.options.route_interval)
}
