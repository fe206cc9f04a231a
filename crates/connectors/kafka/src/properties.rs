//! `properties.*` as librdkafka takes it.
//!
//! Scripts name the properties of Kafka's Java client. Most names are librdkafka's too; this module translates those that are not, passes over
//! those that mean nothing outside Java with a warning, and refuses those whose effect would be missed. What remains is checked by librdkafka
//! itself, without a connection. Kafka's documentation of the names: <https://kafka.apache.org/documentation/#configuration>.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use riverrun_base::{Error, Result, Secret, nearest};

use crate::jaas;

/// Which client the properties are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It reads.
    Consumer,
    /// It writes.
    Producer,
}

/// What to do with a property that librdkafka does not know by this name.
enum Rule {
    /// The same thing has another name.
    Rename(&'static str),
    /// The same thing has another name and another unit.
    Convert(&'static str, fn(i64) -> i64),
    /// It has no meaning here; the text says why.
    Ignore(&'static str),
    /// Ignoring it would change what the user asked for; the text says what to do instead.
    Refuse(&'static str),
    /// It is read together with others, elsewhere.
    Elsewhere,
}

fn rule(role: Role, key: &str) -> Option<Rule> {
    Some(match key {
        "fetch.max.wait.ms" => Rule::Rename("fetch.wait.max.ms"),
        "fetch.message.max.bytes" => Rule::Rename("max.partition.fetch.bytes"),
        "max.request.size" => Rule::Rename("message.max.bytes"),
        "message.timeout.ms" => Rule::Rename("delivery.timeout.ms"),
        "request.required.acks" => Rule::Rename("acks"),
        "queue.buffering.max.ms" => Rule::Rename("linger.ms"),
        "sasl.mechanisms" => Rule::Rename("sasl.mechanism"),
        "compression.gzip.level" | "compression.lz4.level" | "compression.zstd.level" => {
            Rule::Rename("compression.level")
        }
        "ssl.truststore.certificates" => Rule::Rename("ssl.ca.pem"),
        "ssl.keystore.certificate.chain" => Rule::Rename("ssl.certificate.pem"),
        "ssl.keystore.key" => Rule::Rename("ssl.key.pem"),
        "request.timeout.ms" if role == Role::Consumer => Rule::Rename("socket.timeout.ms"),
        // -1 leaves the size to the operating system, which is 0 in librdkafka.
        "receive.buffer.bytes" => Rule::Convert("socket.receive.buffer.bytes", |bytes| bytes.max(0)),
        "send.buffer.bytes" => Rule::Convert("socket.send.buffer.bytes", |bytes| bytes.max(0)),
        "buffer.memory" => Rule::Convert("queue.buffering.max.kbytes", |bytes| (bytes / 1024).max(1)),
        "key.deserializer" | "value.deserializer" | "key.serializer" | "value.serializer" => {
            Rule::Ignore("the table's formats read and write records")
        }
        "enable.auto.commit" | "auto.commit.interval.ms" | "enable.auto.offset.store" | "auto.commit.enable" => {
            Rule::Ignore("offsets are committed with checkpoints")
        }
        "partition.assignment.strategy" | "group.protocol" | "group.remote.assignor" | "group.instance.id" => {
            Rule::Ignore("the job assigns partitions itself")
        }
        "max.poll.records" => Rule::Ignore("the size of batches is chosen by the engine"),
        "partition.discovery.interval.ms" | "flink.partition-discovery.interval-millis" => {
            Rule::Ignore("the table's option is 'scan.topic-partition-discovery.interval'")
        }
        "enable.partition.eof" => Rule::Ignore("it is set as the table's bounded mode needs it"),
        "default.api.timeout.ms"
        | "socket.connection.setup.timeout.max.ms"
        | "max.block.ms"
        | "metadata.max.idle.ms"
        | "exclude.internal.topics"
        | "metric.reporters"
        | "metrics.num.samples"
        | "metrics.recording.level"
        | "metrics.sample.window.ms"
        | "auto.include.jmx.reporter"
        | "register.consumer.metrics"
        | "partitioner.ignore.keys"
        | "partitioner.adaptive.partitioning.enable"
        | "partitioner.availability.timeout.ms"
        | "poll.timeout.ms"
        | "ssl.protocol"
        | "ssl.enabled.protocols"
        | "ssl.provider"
        | "ssl.keymanager.algorithm"
        | "ssl.trustmanager.algorithm"
        | "ssl.secure.random.implementation"
        | "sasl.kerberos.ticket.renew.jitter"
        | "sasl.kerberos.ticket.renew.window.factor" => Rule::Ignore("only the Java client has it"),
        "interceptor.classes"
        | "security.providers"
        | "config.providers"
        | "sasl.client.callback.handler.class"
        | "sasl.login.callback.handler.class"
        | "sasl.login.class"
        | "ssl.engine.factory.class" => Rule::Refuse("it names Java classes, which cannot run here; remove it"),
        "partitioner.class" | "partitioner" => Rule::Refuse("use the option 'sink.partitioner'"),
        "transactional.id" => Rule::Refuse("use the option 'sink.transactional-id-prefix'"),
        "metadata.broker.list" => Rule::Refuse("use 'properties.bootstrap.servers'"),
        "auto.offset.reset" | "commit.offsets.on.checkpoint" | "client.id.prefix" | "sasl.jaas.config" => {
            Rule::Elsewhere
        }
        "ssl.truststore.location" | "ssl.truststore.type" | "ssl.truststore.password" | "ssl.keystore.type" => {
            Rule::Elsewhere
        }
        "ssl.keystore.location" => Rule::Elsewhere,
        _ => return None,
    })
}

/// Names for the hint of an error; what is valid is librdkafka's to say.
const NAMES: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "buffer.memory",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.id.prefix",
    "client.rack",
    "commit.offsets.on.checkpoint",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "delivery.timeout.ms",
    "enable.idempotence",
    "enable.metrics.push",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.buffer.bytes",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.jaas.config",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "send.buffer.bytes",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.metadata.refresh.interval.ms",
    "transaction.timeout.ms",
];

/// The user's properties under librdkafka's names; what is read elsewhere is left out.
///
/// # Errors
/// A property that Riverrun cannot honour, or a value of the wrong form.
pub(crate) fn translate(role: Role, properties: &BTreeMap<String, Secret>) -> Result<BTreeMap<String, String>> {
    let mut translated = BTreeMap::new();
    for (key, value) in properties {
        let value = value.expose().trim();
        match rule(role, key) {
            None => drop(translated.insert(key.clone(), value.to_owned())),
            Some(Rule::Rename(name)) => drop(translated.insert(name.to_owned(), value.to_owned())),
            Some(Rule::Convert(name, convert)) => {
                let number: i64 = value.parse().map_err(|_| wrong(key, "its value is not a whole number"))?;
                translated.insert(name.to_owned(), convert(number).to_string());
            }
            Some(Rule::Ignore(why)) => tracing::warn!("the property '{key}' is ignored: {why}"),
            Some(Rule::Refuse(remedy)) => return Err(wrong(key, "it is not supported").hint(remedy)),
            Some(Rule::Elsewhere) => {}
        }
    }
    if let Some(jaas) = properties.get("sasl.jaas.config") {
        let login = jaas::parse(jaas.expose())?;
        translated.insert("sasl.username".to_owned(), login.username);
        translated.insert("sasl.password".to_owned(), login.password.expose().to_owned());
    }
    translate_stores(properties, &mut translated)?;
    if translated.get("ssl.endpoint.identification.algorithm").is_some_and(String::is_empty) {
        translated.insert("ssl.endpoint.identification.algorithm".to_owned(), "none".to_owned());
    }
    Ok(translated)
}

/// Java's trust store and key store: files of certificates in PEM go on as they are, a key store may also be PKCS12.
fn translate_stores(properties: &BTreeMap<String, Secret>, translated: &mut BTreeMap<String, String>) -> Result<()> {
    let text = |key: &str| properties.get(key).map(|value| value.expose().trim());
    let kind = |key: &str| text(key).unwrap_or("JKS").to_uppercase();
    let mut set = |name: &str, value: &str| drop(translated.insert(name.to_owned(), value.to_owned()));
    if let Some(file) = text("ssl.truststore.location") {
        if kind("ssl.truststore.type") != "PEM" {
            return Err(wrong("ssl.truststore.location", "only trust stores of type PEM can be read")
                .hint("export the certificates as PEM and give the file as 'properties.ssl.ca.location'"));
        }
        set("ssl.ca.location", file);
    }
    if let Some(file) = text("ssl.keystore.location") {
        match kind("ssl.keystore.type").as_str() {
            "PEM" => {
                set("ssl.certificate.location", file);
                set("ssl.key.location", file);
            }
            "PKCS12" => set("ssl.keystore.location", file),
            _ => {
                return Err(wrong("ssl.keystore.location", "only key stores of type PEM and PKCS12 can be read")
                    .hint("convert it, and give its type as 'properties.ssl.keystore.type'"));
            }
        }
    }
    Ok(())
}

/// A librdkafka configuration: `defaults`, over them the user's properties, over them `forced`.
///
/// # Errors
/// librdkafka does not know a property or refuses a value; the error names it and the nearest known one.
pub(crate) fn client_config(
    bootstrap: &str,
    defaults: &[(&str, String)],
    user: &BTreeMap<String, String>,
    forced: &[(&str, String)],
) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    for (key, value) in defaults {
        config.set(*key, value);
    }
    for (key, value) in user {
        config.set(key, value);
    }
    for (key, value) in forced {
        config.set(*key, value);
    }
    config.set("bootstrap.servers", bootstrap).set_log_level(RDKafkaLogLevel::Info);
    let native = config.create_native_config().map_err(refused)?;
    // What this build of librdkafka was made with; it is known without a connection.
    check_login(user, &native.get("builtin.features").map_err(refused)?)?;
    Ok(config)
}

/// Refuses a login that this build cannot do, before anything runs.
fn check_login(user: &BTreeMap<String, String>, features: &str) -> Result<()> {
    if !user.get("security.protocol").is_some_and(|protocol| protocol.to_lowercase().starts_with("sasl_")) {
        return Ok(());
    }
    // Kerberos is the default, here as in Java.
    let mechanism = user.get("sasl.mechanism").map_or("GSSAPI", String::as_str).to_uppercase();
    let feature = match mechanism.as_str() {
        "PLAIN" => "sasl_plain",
        "GSSAPI" => "sasl_gssapi",
        "OAUTHBEARER" => "sasl_oauthbearer",
        scram if scram.starts_with("SCRAM-SHA-") => "sasl_scram",
        other => {
            return Err(wrong(
                "sasl.mechanism",
                &format!("'{other}' is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI, OAUTHBEARER"),
            ));
        }
    };
    if features.split(',').any(|known| known.trim() == feature) {
        return Ok(());
    }
    Err(Error::not_supported(format!("the login '{mechanism}'"))
        .with("option", "properties.sasl.mechanism")
        .hint("this build can log in with PLAIN"))
}

fn refused(error: KafkaError) -> Error {
    let KafkaError::ClientConfig(result, text, key, _) = error else {
        return Error::internal(format!("cannot configure the Kafka client: {error}"));
    };
    match result {
        RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => {
            let guess = nearest(&key, NAMES.iter().copied())
                .map(|near| format!("did you mean 'properties.{near}'? "))
                .unwrap_or_default();
            wrong(&key, "the Kafka client has no such property")
                .hint(format!("{guess}the names are those of Kafka's clients"))
        }
        _ if text.contains("not available at build time") => {
            let what = if text.contains("OpenSSL") { "TLS" } else { "what it asks for" };
            Error::not_supported(format!("the property '{key}'"))
                .with("option", format!("properties.{key}"))
                .hint(format!("this build was made without {what}"))
        }
        // The text of librdkafka names the property, and the value only where it is one of a list or a number.
        _ => wrong(&key, &text),
    }
}

fn wrong(key: &str, why: &str) -> Error {
    Error::user(format!("wrong property '{key}': {why}")).with("option", format!("properties.{key}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect()
    }

    fn consumer(pairs: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
        translate(Role::Consumer, &properties(pairs))
    }

    #[test]
    fn names_of_the_java_client_become_librdkafkas() {
        let translated = consumer(&[
            ("fetch.max.wait.ms", "100"),
            ("receive.buffer.bytes", "-1"),
            ("request.timeout.ms", "3000"),
            ("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer"),
            ("max.poll.records", "500"),
            ("isolation.level", "read_committed"),
        ])
        .unwrap();
        let expected = [
            ("fetch.wait.max.ms", "100"),
            ("isolation.level", "read_committed"),
            ("socket.receive.buffer.bytes", "0"),
            ("socket.timeout.ms", "3000"),
        ];
        assert_eq!(translated, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        client_config("localhost:1", &[], &translated, &[]).unwrap();
        let translated =
            translate(Role::Producer, &properties(&[("buffer.memory", "33554432"), ("request.timeout.ms", "5000")]))
                .unwrap();
        assert_eq!(translated["queue.buffering.max.kbytes"], "32768");
        assert_eq!(translated["request.timeout.ms"], "5000");
    }

    #[test]
    fn a_login_in_javas_form_becomes_name_and_password() {
        let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"s3;\\\"cret\";";
        let translated = consumer(&[("sasl.jaas.config", jaas), ("sasl.mechanism", "PLAIN")]).unwrap();
        assert_eq!(translated["sasl.username"], "alice");
        assert_eq!(translated["sasl.password"], "s3;\"cret");
        assert!(!translated.contains_key("sasl.jaas.config"));
    }

    #[test]
    fn stores_in_pem_are_taken_and_java_key_stores_refused() {
        let translated = consumer(&[("ssl.truststore.location", "/ca.pem"), ("ssl.truststore.type", "PEM")]).unwrap();
        assert_eq!(translated["ssl.ca.location"], "/ca.pem");
        let error = consumer(&[("ssl.truststore.location", "/trust.jks")]).unwrap_err().to_string();
        assert!(error.contains("properties.ssl.ca.location"), "{error}");
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_a_remedy() {
        let error = consumer(&[("interceptor.classes", "com.acme.X")]).unwrap_err().to_string();
        assert!(error.contains("'interceptor.classes'") && error.contains("Java"), "{error}");
        let error =
            translate(Role::Producer, &properties(&[("partitioner.class", "com.acme.P")])).unwrap_err().to_string();
        assert!(error.contains("sink.partitioner"), "{error}");
    }

    #[test]
    fn an_unknown_property_names_the_nearest() {
        let user = consumer(&[("isolation.levle", "read_committed")]).unwrap();
        let error = client_config("localhost:1", &[], &user, &[]).unwrap_err();
        assert_eq!(error.kind(), riverrun_base::Kind::User);
        assert!(error.to_string().contains("did you mean 'properties.isolation.level'?"), "{error}");
    }

    #[test]
    fn a_wrong_value_names_the_property() {
        let user = consumer(&[("isolation.level", "read_twice")]).unwrap();
        let error = client_config("localhost:1", &[], &user, &[]).unwrap_err().to_string();
        assert!(error.contains("isolation.level"), "{error}");
    }

    #[test]
    fn logins_that_this_build_cannot_do_are_refused_before_anything_runs() {
        let user = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let login = |mechanism: &str| user(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", mechanism)]);
        let features = "gzip,snappy,sasl,lz4,sasl_plain";
        assert!(check_login(&login("PLAIN"), features).is_ok());
        assert!(
            check_login(&user(&[("sasl.mechanism", "SCRAM-SHA-256")]), features).is_ok(),
            "without a protocol nobody logs in"
        );
        assert!(check_login(&login("SCRAM-SHA-256"), &format!("{features},sasl_scram")).is_ok());
        let error = check_login(&login("SCRAM-SHA-512"), features).unwrap_err().to_string();
        assert!(error.contains("'SCRAM-SHA-512' is not supported yet"), "{error}");
        assert!(
            check_login(&user(&[("security.protocol", "sasl_ssl")]), features)
                .unwrap_err()
                .to_string()
                .contains("GSSAPI")
        );
        assert!(check_login(&login("MAGIC"), features).unwrap_err().to_string().contains("not one of"));
    }
}
