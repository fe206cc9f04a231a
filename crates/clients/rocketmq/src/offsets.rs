//! Offsets of queues and of consumer groups. A group's offset is the next to read, as is every offset here.

use std::time::Duration;

use riverrun_base::{Error, Result};

use crate::client::{Access, Client};
use crate::codes;
use crate::fields::FieldsBuilder;
use crate::frame::Frame;
use crate::pull::PullOptions;
use crate::route::Queue;

impl Client {
    /// Where the group goes on in the queue, as it was last stored on the broker; none where it never was.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn committed_offset(&self, group: &str, queue: &Queue) -> Result<Option<i64>> {
        self.committed_offset_at(group, queue, Access::Read).await
    }

    /// As [`committed_offset`](Self::committed_offset), but never from a copy of the broker, which may lag.
    ///
    /// # Errors
    /// As [`committed_offset`](Self::committed_offset), also where only a copy can be reached.
    pub async fn committed_offset_of_master(&self, group: &str, queue: &Queue) -> Result<Option<i64>> {
        self.committed_offset_at(group, queue, Access::Write).await
    }

    async fn committed_offset_at(&self, group: &str, queue: &Queue, access: Access) -> Result<Option<i64>> {
        // a broker that may set zero answers 0 for a new group on a young queue
        let fields = of(queue).text("consumerGroup", group).flag("setZeroIfNotFound", false);
        let request = (codes::QUERY_CONSUMER_OFFSET, fields);
        let (frame, broker) = self.ask(queue, access, request, self.deadline()).await?;
        match frame.code {
            codes::SUCCESS => offset(&frame, queue).map(Some),
            codes::QUERY_NOT_FOUND => Ok(None),
            code => Err(codes::refusal(code, frame.remark(), "tell a group's offset", broker.address())
                .with("group", group)
                .with("queue", queue)),
        }
    }

    /// Stores where the group goes on in the queue. The broker writes it to disk every few seconds: one that is killed
    /// may come back with an older one.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn commit_offset(&self, group: &str, queue: &Queue, offset: i64) -> Result<()> {
        let request =
            || (codes::UPDATE_CONSUMER_OFFSET, of(queue).text("consumerGroup", group).number("commitOffset", offset));
        let (mut frame, mut broker) = self.ask(queue, Access::Write, request(), self.deadline()).await?;
        if frame.code == codes::SUBSCRIPTION_GROUP_NOT_EXIST {
            // a broker that makes groups does so for who reads, and not for who only stores
            let options = PullOptions { batch: 1, suspend: Duration::ZERO, ..PullOptions::new(group) };
            self.puller(queue, options).pull(offset).await?;
            (frame, broker) = self.ask(queue, Access::Write, request(), self.deadline()).await?;
        }
        match frame.code {
            codes::SUCCESS => Ok(()),
            code => Err(codes::refusal(code, frame.remark(), "store a group's offset", broker.address())
                .with("group", group)
                .with("queue", queue)),
        }
    }

    /// The offset of the first message that is still there.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn min_offset(&self, queue: &Queue) -> Result<i64> {
        let request = (codes::GET_MIN_OFFSET, of(queue));
        offset(&self.ask_for(queue, Access::Read, request, "tell a queue's first offset").await?, queue)
    }

    /// The offset that the next message will get. A message just stored counts a moment later.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn max_offset(&self, queue: &Queue) -> Result<i64> {
        self.max_offset_at(queue, Access::Read).await
    }

    pub(crate) async fn max_offset_at(&self, queue: &Queue, access: Access) -> Result<i64> {
        let request = (codes::GET_MAX_OFFSET, of(queue));
        offset(&self.ask_for(queue, access, request, "tell a queue's last offset").await?, queue)
    }

    /// The offset of the first message that was stored at this time or later, in milliseconds since 1970; where there is none,
    /// the offset that the next message will get.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn offset_at(&self, queue: &Queue, timestamp: i64) -> Result<i64> {
        let request = (codes::SEARCH_OFFSET_BY_TIMESTAMP, of(queue).number("timestamp", timestamp));
        offset(&self.ask_for(queue, Access::Read, request, "tell the offset of a time").await?, queue)
    }
}

fn of(queue: &Queue) -> FieldsBuilder {
    FieldsBuilder::with_capacity(128).text("topic", &queue.topic).number("queueId", queue.id)
}

fn offset(frame: &Frame, queue: &Queue) -> Result<i64> {
    frame
        .fields
        .number("offset")
        .ok_or_else(|| Error::external("the broker's answer holds no offset").with("queue", queue))
}
