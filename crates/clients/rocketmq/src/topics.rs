//! Topics made, changed and removed: for tools and tests.

use std::sync::Arc;

use riverrun_base::{Error, Result};

use crate::client::Client;
use crate::codes;
use crate::endpoint::{Endpoint, Repeat};
use crate::fields::FieldsBuilder;
use crate::message::check_topic;
use crate::route::{NEW_TOPIC, parse_masters};

/// Readable and writable.
const PERMISSION: i32 = 6;

impl Client {
    /// Makes a topic with this many queues on every broker that is up, or changes its number of queues there. The name server
    /// knows of it soon after.
    ///
    /// # Errors
    /// The name is no topic's, a broker refuses, or not every server answers: then brokers asked before have made it.
    pub async fn create_topic(&self, topic: &str, queues: u32) -> Result<()> {
        check_topic(topic)?;
        let fields = FieldsBuilder::default()
            .text("topic", topic)
            .text("defaultTopic", NEW_TOPIC)
            .number("readQueueNums", queues)
            .number("writeQueueNums", queues)
            .number("perm", PERMISSION)
            .text("topicFilterType", "SINGLE_TAG")
            .number("topicSysFlag", 0)
            .flag("order", false);
        for broker in self.masters().await? {
            self.order(&broker, codes::UPDATE_AND_CREATE_TOPIC, fields.clone(), "make the topic", topic).await?;
        }
        Ok(())
    }

    /// Removes a topic from every broker that is up, then from the name server. Messages in it are gone. It is no error
    /// when there is none.
    ///
    /// # Errors
    /// A server refuses, or not every server answers.
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        check_topic(topic)?;
        let fields = FieldsBuilder::default().text("topic", topic);
        let brokers = self.masters().await?;
        for broker in brokers {
            self.order(&broker, codes::DELETE_TOPIC_IN_BROKER, fields.clone(), "remove the topic", topic).await?;
        }
        for server in &self.inner.name_servers {
            self.order(server, codes::DELETE_TOPIC_IN_NAMESRV, fields.clone(), "forget the topic", topic).await?;
        }
        self.inner.forget_route(topic);
        Ok(())
    }

    async fn masters(&self) -> Result<Vec<Arc<Endpoint>>> {
        self.start();
        let request = (codes::GET_BROKER_CLUSTER_INFO, FieldsBuilder::default());
        let (frame, server) = self.inner.ask_name_servers(request.0, request.1).await?;
        if frame.code != codes::SUCCESS {
            return Err(codes::refusal(frame.code, frame.remark(), "list the brokers", server.address()));
        }
        let masters = parse_masters(&frame.body)?;
        if masters.is_empty() {
            return Err(Error::external("no broker is up").retryable());
        }
        masters.values().map(|address| self.inner.endpoint(address)).collect()
    }

    async fn order(&self, server: &Endpoint, code: i16, fields: FieldsBuilder, what: &str, topic: &str) -> Result<()> {
        let answer = server.call(code, fields, &[], self.deadline(), Repeat::Harmless).await;
        let frame = answer.map_err(|failure| failure.error.with("topic", topic))?;
        match frame.code {
            codes::SUCCESS => Ok(()),
            code => Err(codes::refusal(code, frame.remark(), what, server.address()).with("topic", topic)),
        }
    }
}
