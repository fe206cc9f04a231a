//! The sink of a program.

use std::marker::PhantomData;

use riverrun_base::{Error, Result};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};

use super::serialize::Serializer;
use super::{Client, KafkaRecordSerializer};
use crate::options::Guarantee;
use crate::scan::Topics;
use crate::sink::{Producers, Promise};

/// How sure a sink delivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// Records may be lost when the job fails: checkpoints do not wait for them.
    None,
    /// No record is lost; after a failure records may be repeated.
    #[default]
    AtLeastOnce,
    /// Each record once, in transactions that are committed when their checkpoint is complete: readers with `isolation.level` =
    /// `read_committed` see each once. The job must take checkpoints.
    ExactlyOnce,
}

/// Writes values as records of Kafka. A record has the event time of its value.
///
/// ```
/// use riverrun_formats::SimpleStringSchema;
/// use riverrun_kafka::{DeliveryGuarantee, KafkaRecordSerializationSchema, KafkaSink};
///
/// let sink = KafkaSink::builder()
///     .set_bootstrap_servers("localhost:9092")
///     .set_record_serializer(
///         KafkaRecordSerializationSchema::<String, _, _>::builder()
///             .set_topic("words")
///             .set_value_serialization_schema(SimpleStringSchema)
///             .build()?,
///     )
///     .set_delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
///     .set_transactional_id_prefix("words-of-this-job")
///     .build()?;
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone)]
pub struct KafkaSink<T, S> {
    producers: Producers,
    serializer: S,
    values: PhantomData<fn(T)>,
}

impl KafkaSink<(), ()> {
    /// What it needs: brokers and a record serializer.
    pub fn builder() -> KafkaSinkBuilder<(), ()> {
        KafkaSinkBuilder {
            client: Client::default(),
            guarantee: DeliveryGuarantee::default(),
            prefix: None,
            serializer: (),
            values: PhantomData,
        }
    }
}

impl<T, S> Sink<Records<T>> for KafkaSink<T, S>
where
    T: Send + 'static,
    S: KafkaRecordSerializer<T>,
{
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        self.producers.writer(Serializer::new(self.serializer.clone()), context)
    }

    fn commits(&self) -> Commits {
        self.producers.commits()
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        self.producers.committer(context)
    }
}

/// Makes a [`KafkaSink`].
#[derive(Clone)]
#[must_use = "a builder makes nothing before build()"]
pub struct KafkaSinkBuilder<T, S> {
    client: Client,
    guarantee: DeliveryGuarantee,
    prefix: Option<String>,
    serializer: S,
    values: PhantomData<fn(T)>,
}

impl<T, S> KafkaSinkBuilder<T, S> {
    /// The brokers to ask first, `host:port`, separated by commas.
    pub fn set_bootstrap_servers(self, servers: impl Into<String>) -> Self {
        self.set_property("bootstrap.servers", servers)
    }

    /// How sure delivery is; at least once unless this says otherwise.
    pub fn set_delivery_guarantee(mut self, guarantee: DeliveryGuarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// What the ids of transactions start with; required by [`DeliveryGuarantee::ExactlyOnce`]. No other job of the cluster may have the same:
    /// what is open under it is aborted when the job starts.
    pub fn set_transactional_id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Passes a property to the Kafka client; names of the Java client are translated.
    pub fn set_property(mut self, key: &str, value: impl Into<String>) -> Self {
        self.client.set(key, value);
        self
    }

    /// What values become.
    pub fn set_record_serializer<U, R: KafkaRecordSerializer<U>>(self, serializer: R) -> KafkaSinkBuilder<U, R> {
        let Self { client, guarantee, prefix, .. } = self;
        KafkaSinkBuilder { client, guarantee, prefix, serializer, values: PhantomData }
    }
}

impl<T: Send + 'static, S: KafkaRecordSerializer<T>> KafkaSinkBuilder<T, S> {
    /// The sink; nothing is connected yet.
    ///
    /// # Errors
    /// Brokers or the prefix are missing, or a property is wrong or does not go with the guarantee.
    pub fn build(self) -> Result<KafkaSink<T, S>> {
        let Self { client, guarantee, prefix, serializer, .. } = self;
        let bootstrap = client.bootstrap("KafkaSink")?;
        let guarantee = match guarantee {
            DeliveryGuarantee::None => Guarantee::None,
            DeliveryGuarantee::AtLeastOnce => Guarantee::AtLeastOnce,
            DeliveryGuarantee::ExactlyOnce => Guarantee::ExactlyOnce,
        };
        if guarantee == Guarantee::ExactlyOnce && prefix.as_ref().is_none_or(String::is_empty) {
            return Err(Error::user("DeliveryGuarantee::ExactlyOnce needs a prefix of its own for transactional ids")
                .hint("call set_transactional_id_prefix(\"...\") with a name that no other job of the cluster has"));
        }
        let promise = Promise { guarantee, prefix, properties: &client.properties };
        // The serializer names the topics, which are looked for when a record first goes there.
        let producers = Producers::new("program", bootstrap, Topics::any(), promise)?;
        Ok(KafkaSink { producers, serializer, values: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use riverrun_formats::SimpleStringSchema;

    use super::super::KafkaRecordSerializationSchema;
    use super::*;

    #[test]
    fn what_is_missing_is_refused_with_the_call_that_helps() {
        let no_topic = KafkaRecordSerializationSchema::<String, _, _>::builder()
            .set_value_serialization_schema(SimpleStringSchema)
            .build();
        assert!(no_topic.is_err_and(|error| error.to_string().contains("set_topic")));
        let serializer = KafkaRecordSerializationSchema::<String, _, _>::builder()
            .set_topic("t")
            .set_value_serialization_schema(SimpleStringSchema)
            .build();
        assert!(serializer.is_ok_and(|serializer| {
            let sink = KafkaSink::builder().set_record_serializer(serializer);
            let brokers = sink.clone().build().err().map(|error| error.to_string()).unwrap_or_default();
            let exactly =
                sink.set_bootstrap_servers("localhost:1").set_delivery_guarantee(DeliveryGuarantee::ExactlyOnce);
            let prefix = exactly.clone().build().err().map(|error| error.to_string()).unwrap_or_default();
            let acks = exactly.set_transactional_id_prefix("p").set_property("acks", "1").build();
            let acks = acks.err().map(|error| error.to_string()).unwrap_or_default();
            brokers.contains("set_bootstrap_servers")
                && prefix.contains("set_transactional_id_prefix")
                && acks.contains("acks")
        }));
    }
}
